"""The kernel wakes for echo replies that bear a mark, once per arming, and for nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mcnet.model.ownership import MARK_DSCP
from mcnet.probe.mark_watch import MarkWatch
from tests.netns.namespaces import Namespace, connect, eventually, shell

NEAR, FAR = {4: "192.0.2.1", 6: "fd6d::1"}, {4: "192.0.2.2", 6: "fd6d::2"}
DEVICE = "wan0"


@pytest.fixture
def pair(namespace: Namespace, peer: Namespace) -> tuple[Namespace, Namespace]:
    connect(namespace, peer, name=DEVICE, addresses=("192.0.2.1/24", "192.0.2.2/24"))
    for one, addresses in ((namespace, NEAR), (peer, FAR)):
        one.run(shell(f"ip address add {addresses[6]}/64 dev {DEVICE} nodad"))
    return namespace, peer


class Woken:
    """How often the watch woke."""

    times = 0

    def __call__(self) -> None:
        self.times += 1


@asynccontextmanager
async def watched(*versions: int) -> AsyncIterator[tuple[MarkWatch, Woken]]:
    woken = Woken()
    watch = MarkWatch(woken)
    watch.arm({(version, DEVICE) for version in versions})
    try:
        yield watch, woken
    finally:
        watch.close()


async def echo(version: int, dscp: int, count: int = 1) -> None:
    """Ping the other side, which answers with the DSCP of the request (RFC 1122, 3.2.2.6)."""
    ping = [
        "ping",
        "-q",
        f"-{version}",
        "-Q",
        str(dscp << 2),
        "-c",
        str(count),
        "-i",
        "0.01",
        "-W",
        "2",
        FAR[version],
    ]
    done = await asyncio.create_subprocess_exec(*ping, stdout=asyncio.subprocess.DEVNULL)
    assert await done.wait() == 0


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("dscp", sorted(MARK_DSCP.values()))
def test_a_mark_wakes_once_until_it_is_armed_anew(pair: tuple[Namespace, Namespace], version: int, dscp: int) -> None:
    async def body() -> None:
        async with watched(4, 6) as (watch, woken):
            await echo(version, dscp, 5)
            await eventually(lambda: woken.times == 1)
            await echo(version, dscp, 5)
            assert woken.times == 1
            watch.arm({(version, DEVICE)})
            watch.arm({(version, DEVICE)})
            await echo(version, dscp)
            await eventually(lambda: woken.times == 2)

    pair[0].run(body())


@pytest.mark.parametrize("version", [4, 6])
def test_nothing_else_wakes(pair: tuple[Namespace, Namespace], version: int) -> None:
    """Of all sixty-two other code points. What comes after them is a mark, so they have been looked at."""

    async def body() -> None:
        async with watched(version) as (_, woken):
            for dscp in sorted(set(range(64)) - set(MARK_DSCP.values())):
                await echo(version, dscp)
            await echo(version, 0, 5)
            assert woken.times == 0
            await echo(version, min(MARK_DSCP.values()))
            await eventually(lambda: woken.times == 1)

    pair[0].run(body())


def test_a_device_made_anew_is_watched_when_the_one_before_is_forgotten(pair: tuple[Namespace, Namespace]) -> None:
    async def body() -> None:
        async with watched(4) as (watch, woken):
            await shell(f"ip link set {DEVICE} down; ip link set {DEVICE} name gone; ip address flush dev gone")
            await shell("ip link add bridge0 type bridge; ip link set gone master bridge0; ip link set gone up")
            await shell(f"ip link set bridge0 name {DEVICE}; ip link set {DEVICE} up")
            await shell(f"ip address add {NEAR[4]}/24 dev {DEVICE}")
            watch.forget((6, DEVICE))
            watch.forget((4, DEVICE))
            watch.arm({(4, DEVICE)})
            await echo(4, min(MARK_DSCP.values()))
            await eventually(lambda: woken.times == 1)

    pair[0].run(body())


def test_a_closed_watch_and_one_of_another_device_do_not_wake(pair: tuple[Namespace, Namespace]) -> None:
    async def body() -> None:
        async with watched(4) as (_, control), watched(4) as (closed, first), watched() as (other, second):
            other.arm({(4, "lo"), (4, "nowhere"), (6, DEVICE)})
            closed.arm({(4, DEVICE)})
            closed.close()
            await echo(4, min(MARK_DSCP.values()))
            await eventually(lambda: control.times == 1)
            assert (first.times, second.times) == (0, 0)
            other.arm({(4, DEVICE)})
            await echo(4, min(MARK_DSCP.values()))
            await eventually(lambda: second.times == 1)

    pair[0].run(body())

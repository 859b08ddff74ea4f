"""WireGuard in userspace between two namespaces: real processes, real packets."""

import asyncio
import hashlib
import os
import signal
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from mcnet.codec.cable_keys import clamped, preshared_key, public_key
from mcnet.kernel import observe
from mcnet.kernel.wireguard_userspace import configure, hold, read
from mcnet.model.errors import KernelError
from mcnet.model.ownership import GATEWAY, WIREGUARD_SOCKETS, wireguard_device
from mcnet.model.wireguard import WireguardDevice, WireguardPeer
from tests.fakes.identities import identity_of
from tests.netns.namespaces import Namespace, connect, shell

EAST, WEST = identity_of("east"), identity_of("west")
ENDS = (("east.n1", 0), ("west.n1", 0))
PSK = preshared_key(EAST, WEST.public, own_end=ENDS[0], other_end=ENDS[1])
PRIVATE = {side: clamped(bytes([side]) * 32) for side in (1, 2)}
PUBLIC = {side: public_key(key) for side, key in PRIVATE.items()}
PORT = 4500
NAME = wireguard_device(0, 0)


def wanted(side: int, psk: bytes = PSK) -> WireguardDevice:
    other = 3 - side
    peer = WireguardPeer(
        PUBLIC[other], psk, (ip_address(f"192.0.2.{other}"), PORT), 0,
        frozenset({ip_network(f"10.{other}.0.0/16"), ip_network(f"fd00:{other}::/48")}),
    )  # fmt: skip
    return WireguardDevice(NAME, PRIVATE[side], PORT, frozenset({peer}))


@pytest.fixture
def pair(namespace: Namespace, peer: Namespace, cables: None) -> tuple[Namespace, Namespace]:
    """Two namespaces with a device each, up and with addresses, not configured yet."""
    connect(namespace, peer, name="wan0", addresses=("192.0.2.1/24", "192.0.2.2/24"))
    for side, place in ((1, namespace), (2, peer)):
        place.run(hold(NAME))
        place.run(shell(
            f"ip link set {NAME} mtu 1420 up;"
            f"ip addr add 10.{side}.0.1/32 dev {NAME};"
            f"ip addr add fd00:{side}::1/128 dev {NAME} nodad;"
            f"ip route add 10.{3 - side}.0.0/16 dev {NAME};"
            f"ip route add fd00:{3 - side}::/48 dev {NAME}"
        ))  # fmt: skip
    return namespace, peer


async def pings(target: str, count: int = 1) -> bool:
    process = await asyncio.create_subprocess_exec(
        "ping", "-n", "-c", str(count), "-i", "0.05", "-W", "2", target, stdout=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


async def pings_at_last(target: str) -> bool:
    """A handshake that failed is tried again after five seconds (REKEY_TIMEOUT)."""
    async with asyncio.timeout(20):
        while not await pings(target):
            pass
    return True


def join(pair: tuple[Namespace, Namespace], psk: bytes = PSK) -> None:
    for side, place in enumerate(pair, 1):
        place.run(configure(None, wanted(side, psk if side == 2 else PSK)))


def test_both_families_pass_once_both_sides_agree(pair: tuple[Namespace, Namespace]) -> None:
    join(pair)
    assert pair[0].run(pings("10.2.0.1", 3))
    assert pair[1].run(pings("fd00:1::1", 3))
    for side, place in enumerate(pair, 1):
        answer = place.run(read(NAME))
        assert answer is not None
        assert answer.device == wanted(side)
        (status,) = answer.status.values()
        assert status.handshake > 0
        assert min(status.received, status.sent) > 6 * 84


def test_another_preshared_key_lets_nothing_pass(pair: tuple[Namespace, Namespace]) -> None:
    wrong = preshared_key(EAST, WEST.public, own_end=("east.n1", 1), other_end=ENDS[1])
    join(pair, wrong)
    assert not pair[0].run(pings("10.2.0.1"))
    answer = pair[0].run(read(NAME))
    assert answer is not None
    assert [status.handshake for status in answer.status.values()] == [0]
    pair[1].run(configure(wanted(2, wrong), wanted(2)))
    assert pair[0].run(pings_at_last("10.2.0.1"))


def test_a_prefix_that_is_not_the_peers_is_neither_sent_nor_taken(pair: tuple[Namespace, Namespace]) -> None:
    join(pair)
    assert pair[0].run(pings("10.2.0.1"))
    (peer,) = wanted(1).peers
    less = replace(wanted(1), peers=frozenset({replace(peer, allowed=frozenset({ip_network("10.2.1.0/24")}))}))
    pair[0].run(configure(wanted(1), less))
    assert not pair[1].run(pings("10.1.0.1"))
    pair[0].run(configure(less, wanted(1)))
    assert pair[1].run(pings("10.1.0.1"))


def test_changes_that_do_not_concern_a_peer_leave_its_session(pair: tuple[Namespace, Namespace]) -> None:
    join(pair)
    assert pair[0].run(pings("10.2.0.1"))
    before = pair[0].run(read(NAME))
    assert before is not None
    other = WireguardPeer(
        bytes([7]) * 32, PSK, (ip_address("192.0.2.77"), PORT), 0, frozenset({ip_network("10.9.0.0/16")})
    )
    more = replace(wanted(1), peers=wanted(1).peers | {other})
    pair[0].run(configure(wanted(1), more))
    assert pair[0].run(pings("10.2.0.1", 5))
    after = pair[0].run(read(NAME))
    assert after is not None
    assert after.device == more
    assert after.status[PUBLIC[2]].handshake == before.status[PUBLIC[2]].handshake, "no new handshake was needed"
    pair[0].run(configure(more, wanted(1)))
    found = pair[0].run(read(NAME))
    assert found is not None
    assert found.device == wanted(1)


def test_a_device_with_a_thousand_peers(pair: tuple[Namespace, Namespace]) -> None:
    many = frozenset(
        WireguardPeer(
            public_key(clamped(hashlib.sha256(b"%d" % number).digest())), PSK, (ip_address("192.0.2.77"), PORT), 0,
            frozenset({ip_network(f"10.{number >> 8}.{number & 255}.0/24"), ip_network(f"fd01:{number:x}::/48")}),
        )
        for number in range(1000, 2000)
    )  # fmt: skip
    whole = replace(wanted(1), peers=many)

    async def told_and_read() -> None:
        await configure(None, whole)
        answer = await read(NAME)
        assert answer is not None
        assert answer.device == whole

    pair[0].run(told_and_read())


def test_a_device_that_nobody_holds(namespace: Namespace) -> None:
    other = replace(wanted(1), name=wireguard_device(1, 0))
    assert namespace.run(read(other.name)) is None
    with pytest.raises(KernelError, match="configure WireGuard device mcnet-cw1a: no process holds it"):
        namespace.run(configure(None, other))


def test_without_a_process_that_makes_devices_it_says_so(namespace: Namespace) -> None:
    with pytest.raises(
        KernelError, match="the kernel has no WireGuard, and no mcnet-cable pod of this node makes one"
    ):
        namespace.run(hold(NAME))


@pytest.mark.usefixtures("cables")
def test_only_devices_of_ours_are_made(namespace: Namespace) -> None:
    for name in ("eth0", "mcnet-cw8a", "mcnet-cw0c", "mcnet-cw0a x", "../x"):
        with pytest.raises(KernelError, match="is not understood"):
            namespace.run(hold(name))


def test_a_socket_that_is_left_behind_is_no_device(namespace: Namespace) -> None:
    """As after a kill -9 of the process."""

    async def leave_one() -> None:
        server = await asyncio.start_unix_server(lambda reader, writer: None, WIREGUARD_SOCKETS / f"{NAME}.sock")
        server.close()
        await server.wait_closed()
        assert (WIREGUARD_SOCKETS / f"{NAME}.sock").exists()
        assert await read(NAME) is None

    namespace.run(leave_one())


@pytest.mark.parametrize("said", [b"", b"private_key="])
def test_a_process_that_ends_while_it_is_asked_holds_no_device(namespace: Namespace, said: bytes) -> None:
    async def ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    async def ask() -> None:
        async with await asyncio.start_unix_server(ends, WIREGUARD_SOCKETS / f"{NAME}.sock"):
            assert await read(NAME) is None

    namespace.run(ask())


async def devices() -> set[str]:
    return {
        link.name for link in (await observe.read(GATEWAY, sysctls=())).links if link.wireguard and link.userspace
    }


async def process_of(name: str) -> int:
    """The one of this namespace: both have a device of the name."""
    own = Path("/proc/thread-self/ns/net").readlink()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "ns/net").readlink() == own and name in (entry / "cmdline").read_text().split("\0"):
                return int(entry.name)
    raise AssertionError(f"no process holds {name}")


async def gone(name: str) -> None:
    async with asyncio.timeout(10):
        # There is no event to wait for.
        while name in await devices() or (WIREGUARD_SOCKETS / f"{name}.sock").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def test_a_process_that_is_killed_takes_its_device_along_and_is_made_again(pair: tuple[Namespace, Namespace]) -> None:
    async def kill_and_hold() -> None:
        assert await devices() == {NAME}
        os.kill(await process_of(NAME), signal.SIGKILL)
        await gone(NAME)
        await hold(NAME)
        assert await devices() == {NAME}

    pair[0].run(kill_and_hold())
    assert pair[1].run(devices()) == {NAME}, "the other node's is another process"


def test_deleting_the_device_ends_its_process(pair: tuple[Namespace, Namespace]) -> None:
    async def delete_and_hold() -> None:
        await shell(f"ip link delete {NAME}")
        await gone(NAME)
        with pytest.raises(AssertionError, match="no process holds"):
            await process_of(NAME)
        await hold(NAME)
        await hold(NAME)
        assert await devices() == {NAME}

    pair[0].run(delete_and_hold())

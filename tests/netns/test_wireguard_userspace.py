"""WireGuard devices that a process holds: how they come, go and are made again."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from mcnet.codec.cable_keys import clamped
from mcnet.kernel import observe
from mcnet.kernel.wireguard_userspace import configure, hold, read
from mcnet.model.errors import KernelError
from mcnet.model.ownership import GATEWAY, WIREGUARD_SOCKETS, wireguard_device
from mcnet.model.wireguard import WireguardDevice
from tests.netns.namespaces import Namespace, shell

NAME = wireguard_device(0, 0)


@pytest.fixture
def pair(namespace: Namespace, peer: Namespace, held_cables: None) -> tuple[Namespace, Namespace]:
    """Two namespaces with a device each."""
    for place in (namespace, peer):
        place.run(hold(NAME))
    return namespace, peer


def test_a_device_that_nobody_holds(namespace: Namespace) -> None:
    other = WireguardDevice(wireguard_device(1, 0), clamped(bytes(32)), 4500)
    assert namespace.run(read(other.name)) is None
    with pytest.raises(KernelError, match="configure WireGuard device mcnet-cw1a: no process holds it"):
        namespace.run(configure(None, other))


def test_without_a_process_that_makes_devices_it_says_so(namespace: Namespace) -> None:
    with pytest.raises(
        KernelError, match="the kernel has no WireGuard, and no mcnet-cable pod of this node makes one"
    ):
        namespace.run(hold(NAME))


@pytest.mark.usefixtures("held_cables")
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

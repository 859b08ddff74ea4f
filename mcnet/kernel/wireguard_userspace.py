"""WireGuard devices that a process holds (wireguard-go), told and asked by its socket. Nothing is decided here.

The process makes the device and takes it along when it ends; when the device is deleted, it ends. Starting it is
mcnet_cable's, which is asked here. What is said by the socket of a device is mcnet.codec.wireguard's.
"""

import asyncio
from pathlib import Path
from typing import Final

from mcnet.codec import wireguard
from mcnet.codec.errors import DecodeError
from mcnet.codec.wireguard import Answer
from mcnet.model.errors import KernelError
from mcnet.model.ownership import CABLE_SOCKET, WIREGUARD_SOCKETS
from mcnet.model.wireguard import WireguardDevice

HOLD_PATIENCE: Final = 10.0
"""Seconds for a process to be started."""
PATIENCE: Final = 5.0
"""Seconds for one question and its answer."""
LONGEST_ANSWER: Final = 64 << 20
"""Bytes: a peer with its prefixes takes some hundred to some thousand, and there may be thousands of peers."""


async def read(name: str, sockets: Path = WIREGUARD_SOCKETS) -> Answer | None:
    """What the device says of itself; None if no process holds it. Raises KernelError."""
    text = await _ask(name, wireguard.GET, sockets)
    if text is None:
        return None
    try:
        return wireguard.parse(name, text)
    except DecodeError as error:
        raise KernelError(f"read WireGuard device {name}: {error}") from error


def is_held(name: str, sockets: Path = WIREGUARD_SOCKETS) -> bool:
    """Whether a process has made, or had made, the device."""
    return (sockets / f"{name}.sock").exists()


async def hold(name: str, sockets: Path = WIREGUARD_SOCKETS) -> None:
    """Have a process make the device. Raises KernelError."""
    try:
        async with asyncio.timeout(HOLD_PATIENCE):
            reader, writer = await asyncio.open_unix_connection(sockets / CABLE_SOCKET)
            try:
                writer.write(f"hold {name}\n".encode())
                await writer.drain()
                answer = (await reader.readline()).decode(errors="replace").strip()
            finally:
                writer.close()
    except OSError as error:
        raise KernelError(
            f"create device {name}: the kernel has no WireGuard, and no mcnet-cable pod of this node makes one "
            f"without it ({error.strerror or type(error).__name__})"
        ) from error
    if answer != "ok":
        raise KernelError(f"create device {name}: {answer or 'the mcnet-cable pod ended'}")


async def configure(old: WireguardDevice | None, new: WireguardDevice, sockets: Path = WIREGUARD_SOCKETS) -> None:
    """Bring the device from `old` to `new`; peers that stay keep their sessions.

    Raises KernelError, also if no process holds the device.
    """
    name = new.name
    request = wireguard.change(old, new)
    if not request:
        return
    text = await _ask(name, request, sockets)
    if text is None:
        raise KernelError(f"configure WireGuard device {name}: no process holds it")
    if not wireguard.succeeded(text):
        raise KernelError(f"configure WireGuard device {name}: {text.strip() or 'no answer'}")


async def _ask(name: str, request: str, sockets: Path) -> str | None:
    """The whole answer; None where the socket is not there, nobody listens, or the process ends just then."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(sockets / f"{name}.sock", limit=LONGEST_ANSWER)
            try:
                writer.write(request.encode())
                await writer.drain()
                return (await reader.readuntil(b"\n\n")).decode(errors="replace")
            finally:
                writer.close()
    except (FileNotFoundError, ConnectionError, asyncio.IncompleteReadError):
        return None
    except (OSError, asyncio.LimitOverrunError) as error:
        raise KernelError(f"ask WireGuard device {name}: {error or type(error).__name__}") from error

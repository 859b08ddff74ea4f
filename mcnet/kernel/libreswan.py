"""pluto's files, and pluto itself, which a process holds: told and asked through it. Nothing is decided here.

Starting pluto, and speaking to it, is mcnet_cable's. Its files hold secrets: they are written into memory only.
"""

import asyncio
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from mcnet.codec import libreswan
from mcnet.codec.errors import DecodeError
from mcnet.model.errors import KernelError
from mcnet.model.libreswan import IkeConnection, PlutoRequest, PlutoStatus, PlutoVerb
from mcnet.model.ownership import CABLE_SOCKET, LIBRESWAN_FILES, WIREGUARD_SOCKETS

PATIENCE: Final = 30.0
"""Seconds for one request and its answer; the first one starts pluto."""
_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_MOUNTS: Final = Path("/proc/self/mountinfo")


def write(connections: Collection[IkeConnection], files: Path = LIBRESWAN_FILES) -> None:
    """Write pluto's configuration and secrets, where they differ. Raises KernelError, also if `files` is not in
    memory."""
    try:
        if not _in_memory(files.resolve(strict=True)):
            raise KernelError(f"write secrets for pluto: {files} is not in memory (tmpfs)")
        _replace(files / libreswan.CONFIG, libreswan.config(connections))
        _replace(files / libreswan.SECRETS, libreswan.secrets(connections))
    except OSError as error:
        raise KernelError(f"write files for pluto: {error.strerror or type(error).__name__}") from error


def _replace(path: Path, text: str) -> None:
    """Whole or not at all, for nobody else to read. Raises OSError."""
    if path.exists() and path.read_text() == text:
        return
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    fresh.replace(path)


def _in_memory(path: Path) -> bool:
    """Whether the file system of `path` is one; of mounts over each other the last one counts (proc(5))."""
    best, kind = 0, ""
    for line in _MOUNTS.read_text().splitlines():
        before, _, after = line.partition(" - ")
        place = Path(before.split()[4])
        if path.is_relative_to(place) and len(place.parts) >= best:
            best, kind = len(place.parts), after.split()[0]
    return kind in _MEMORY


def runs(files: Path = LIBRESWAN_FILES) -> bool:
    """Whether a pluto of ours runs, or has until it was killed: it may have something to be ended."""
    return (files / libreswan.CONTROL).exists()


async def status(sockets: Path = WIREGUARD_SOCKETS) -> PlutoStatus:
    """What pluto says of itself; it is started if it does not run. Raises KernelError."""
    try:
        return libreswan.parse_status(await ask(PlutoRequest(PlutoVerb.STATUS), sockets))
    except DecodeError as error:
        raise KernelError(f"ask pluto: {error}") from error


async def perform(requests: Iterable[PlutoRequest], sockets: Path = WIREGUARD_SOCKETS) -> tuple[KernelError, ...]:
    """Make the requests in order; one that fails does not stop the others."""
    failures = []
    for request in requests:
        try:
            await ask(request, sockets)
        except KernelError as error:
            failures.append(error)
    return tuple(failures)


async def ask(request: PlutoRequest, sockets: Path = WIREGUARD_SOCKETS) -> str:
    """One request; what pluto says. Raises KernelError."""
    doing = f"ask pluto for {' '.join((request.verb.value, request.name)).strip()}"
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(sockets / CABLE_SOCKET)
            try:
                writer.write(f"pluto {request.verb.value} {request.name}".strip().encode() + b"\n")
                await writer.drain()
                answer = (await reader.read()).decode(errors="replace")
            finally:
                writer.close()
    except OSError as error:
        raise KernelError(
            f"{doing}: no mcnet-cable pod of this node answers ({error.strerror or type(error).__name__})"
        ) from error
    first, _, rest = answer.partition("\n")
    if first != "ok":
        raise KernelError(f"{doing}: {first or 'the mcnet-cable pod ended'}")
    return rest

"""Whether the ports that mcnet needs on a node are held by another program. Binds nothing, ends nothing.

UDP: a kernel's tunnel stands in /proc/net/udp like any program's socket, so only ports are asked for that no device
of ours holds. TCP: our daemons answer /healthz in their own words, or nobody listens.
"""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from mcnet.model.ownership import SERVER_NAME

_LISTEN: Final = "0A"
"""TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h)."""
ANSWER_TIMEOUT: Final = 2.0


async def taken(
    udp: Iterable[int], tcp: Iterable[int], proc: Path = Path("/proc/thread-self/net")
) -> tuple[str, ...]:
    """Those of the ports that another program holds: "UDP 4800". `udp` are those that no device of ours holds."""
    held = {_port(fields) for fields in _rows(proc, "udp")}
    listening = set(_listening(proc))
    found = [f"UDP {port}" for port in udp if port in held]
    for port in tcp:
        if port in listening and not await is_ours(port):
            found.append(f"TCP {port}")
    return tuple(found)


def _listening(proc: Path) -> Iterator[int]:
    for fields in _rows(proc, "tcp"):
        if fields[3] == _LISTEN:
            yield _port(fields)


def _rows(proc: Path, protocol: str) -> Iterator[list[str]]:
    for name in (protocol, f"{protocol}6"):
        file = proc / name
        if file.exists():
            yield from (line.split() for line in file.read_text().splitlines()[1:])


def _port(fields: list[str]) -> int:
    return int(fields[1].rpartition(":")[2], 16)


async def is_ours(port: int) -> bool:
    """Whether what listens there serves health as our daemons do."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await writer.drain()
                head = await reader.readuntil(b"\r\n\r\n")
            finally:
                writer.close()
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return False
    return f"Server: {SERVER_NAME}\r\n".encode() in head

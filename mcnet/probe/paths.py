"""Tries tunnel paths: do echoes come back, and how large may a packet be. Answered by the other end's kernel.

Unlike the prober (mcnet.probe.ping), which goes on for ever, this asks until it is answered, or gives up.
"""

import asyncio
import fcntl
import secrets
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mcnet.codec.icmp import TOKEN_BYTES, Echo, decode_reply, encode_request
from mcnet.model.look import Path, Tried
from mcnet.plan.largest import Search
from mcnet.probe.sockets import open_socket, receive, send

ENOUGH: Final = 3
"""Answers after which a path counts as tried."""
INTERVAL: Final = 0.25
"""Seconds between two echoes, and how long one of a certain size is waited for."""
SIZE_TRIES: Final = 3
"""Echoes of one size that must be lost before it counts as too large."""
LAST_TRIES: Final = 4
"""Echoes of the whole size after a smaller one was found, patiently: a busy node may have lost three in a row."""
AT_ONCE: Final = 60
"""Paths at a time: every raw socket gets a copy of every answer."""

_SIOCGIFMTU: Final = 0x8921
_MTU_DISCOVER: Final = {4: (socket.IPPROTO_IP, 10), 6: (socket.IPPROTO_IPV6, 23)}
_PROBE: Final = 3
"""IP_PMTUDISC_PROBE, ip(7): don't fragment, and don't believe what was learnt of the path before."""


async def try_paths(paths: Iterable[Path], *, patience: float) -> tuple[Tried, ...]:
    """The paths beside each other; one that is not answered is tried for `patience` seconds."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(path: Path) -> Tried:
        async with limit:
            return await _Trial(path).run(patience)

    return tuple(await asyncio.gather(*(one(path) for path in paths)))


@dataclass(slots=True)
class _Count:
    sent: int = 0
    answered: int = 0
    refused: str = ""


class _Trial:
    """One path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = path.target.version
        self._token = secrets.token_bytes(TOKEN_BYTES)
        self._identifier = secrets.randbelow(1 << 16)
        self._number = 0
        self._count = _Count()

    async def run(self, patience: float) -> Tried:
        path, mtu = self._path, _device_mtu(self._path.device)
        largest: int | None = None
        try:
            with open_socket(self._version, path.device, path.source) as opened:
                opened.setsockopt(*_MTU_DISCOVER[self._version], _PROBE)
                await self._until_enough(opened, patience)
                if self._count.answered:
                    largest = await self._largest(opened, mtu)
        except OSError as error:
            self._count.refused = error.strerror or str(error)
        return Tried(
            tunnel=path.tunnel,
            peer=path.peer,
            sent=self._count.sent,
            answered=self._count.answered,
            device_mtu=mtu,
            largest=largest,
            refused="" if self._count.answered else self._count.refused,
        )

    async def _until_enough(self, opened: socket.socket, patience: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        while self._count.answered < ENOUGH and loop.time() < end:
            self._count.answered += await self._echo(opened, 0)
            self._count.sent += 1

    async def _largest(self, opened: socket.socket, mtu: int) -> int | None:
        search = Search.below(mtu)
        while search.ask is not None:
            passed = False
            for _ in range(SIZE_TRIES):
                passed = passed or await self._echo(opened, search.ask)
            search = search.passed() if passed else search.lost()
        if search.found != mtu:
            for _ in range(LAST_TRIES):
                if await self._echo(opened, mtu, wait=4 * INTERVAL):
                    return mtu
        return search.found

    async def _echo(self, opened: socket.socket, size: int, *, wait: float = INTERVAL) -> bool:
        """Send one and wait for its answer."""
        self._number += 1
        request = encode_request(self._version, Echo(self._token, self._identifier, self._number), size=size)
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        try:
            send(opened, request, self._path.target, self._path.device)
        except OSError as error:
            # A firewall's verdict on output (EPERM), no route, no device: the kernel's own words are the finding.
            self._count.refused = error.strerror or str(error)
            await asyncio.sleep(INTERVAL)
            return False
        answered = False
        while not answered and await _readable(opened, end - loop.time()):
            answered = self._is_answer(opened)
        if answered and not size:
            await asyncio.sleep(max(0.0, end - loop.time()) / 2)
        return answered

    def _is_answer(self, opened: socket.socket) -> bool:
        try:
            received = receive(opened)
        except OSError as error:
            self._count.refused = error.strerror or str(error)
            return False
        echo = decode_reply(self._version, received.data) if received else None
        return echo == Echo(self._token, self._identifier, self._number)


async def _readable(opened: socket.socket, seconds: float) -> bool:
    """Whether something is to be read within `seconds`."""
    if seconds <= 0:
        return False
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(opened, ready.set)
    try:
        async with asyncio.timeout(seconds):
            await ready.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(opened)
    return True


def _device_mtu(name: str) -> int:
    """MTU in bytes of a device; 0 if it is not there. By netdevice(7): /sys may show another namespace."""
    request = struct.pack("16si12x", name.encode(), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        try:
            answer = fcntl.ioctl(opened, _SIOCGIFMTU, request)
        except OSError:
            return 0
    (_, mtu) = struct.unpack("16si12x", answer)
    return int(mtu)

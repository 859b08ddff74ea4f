"""UDP flows between pods that nodes themselves bear: an echo server, and clients that count their answers.

Sockets are not connected: packets of a connected one carry its hash with them, and where all nodes are one kernel's
namespaces, node and gateway would choose by the same number.
"""

import asyncio
import socket
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import cast

from tests.netns.clusters import Place

PORT = 7
PATIENCE = 5.0
"""Seconds until a packet without an answer is lost."""
AT_ONCE = 60
"""Packets on the way: more than a few hundred and the echo's socket itself would lose some."""


class _Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


@contextmanager
def answering(place: Place) -> Iterator[None]:
    """The place's pod sends back what comes to PORT, by UDP and TCP, in both families."""
    addresses = [place.pod(family) for family in (4, 6)]

    async def begin() -> tuple[list[asyncio.BaseTransport], asyncio.Server]:
        loop = asyncio.get_running_loop()
        made = [await loop.create_datagram_endpoint(_Echo, local_addr=(one, PORT)) for one in addresses]
        return [transport for transport, _ in made], await asyncio.start_server(_send_back, addresses, PORT)

    async def end() -> None:
        for transport in transports:
            transport.close()
        server.close()
        await server.wait_closed()

    transports, server = place.namespace.run(begin())
    try:
        yield
    finally:
        place.namespace.run(end())


async def _send_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    writer.close()
    await writer.wait_closed()


def connect_and_ask(place: Place, target: Place, count: int, *, family: int) -> list[bytes]:
    """What so many TCP connections at once answer to a line."""

    async def one(number: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(
                target.pod(family), PORT, local_addr=(place.pod(family), 0)
            )
            writer.write(b"%d\n" % number)
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

    async def all_of_them() -> list[bytes]:
        return await asyncio.gather(*map(one, range(count)))

    return place.namespace.run(all_of_them())


class Flows:
    """Flows from a pod to the echo of another, one for each source port."""

    def __init__(self, place: Place, target: Place, ports: Collection[int], *, family: int = 4) -> None:
        self.sent = self.answered = 0
        self._place = place
        self._family = {4: socket.AF_INET, 6: socket.AF_INET6}[family]
        self._source = place.pod(family)
        self._target = (target.pod(family), PORT)
        self._ports = ports
        self._going_on = False

    def once(self) -> None:
        """One packet of each flow, and its answer."""
        self._place.namespace.run(self._all(once=True))

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Each flow sends up to fifty times a second meanwhile, and waits for the answer."""
        self._going_on = True
        done = self._place.namespace.start(self._all(once=False))
        try:
            yield
        finally:
            self._going_on = False
            done.result(60)

    async def _all(self, *, once: bool) -> None:
        with ExitStack() as stack:
            sockets = []
            for port in self._ports:
                made = stack.enter_context(socket.socket(self._family, socket.SOCK_DGRAM))
                made.setblocking(False)
                made.bind((self._source, port))
                sockets.append(made)
            turns = asyncio.Semaphore(AT_ONCE)
            async with asyncio.TaskGroup() as tasks:
                for made in sockets:
                    tasks.create_task(self._flow(made, turns, once=once))

    async def _flow(self, made: socket.socket, turns: asyncio.Semaphore, *, once: bool) -> None:
        while True:
            async with turns:
                made.sendto(b"x", self._target)
                self.sent += 1
                with suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        await asyncio.get_running_loop().sock_recv(made, 16)
                        self.answered += 1
            if once or not self._going_on:
                return
            await asyncio.sleep(0.02)

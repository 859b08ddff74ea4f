"""Both ends of many flows, as programs of their own: `serve ADDRESS PORT`, and `send ADDRESS PORT FLOWS STREAMS
INTERVAL [SERVER QUERY ADDRESS]`, which also asks a DNS server a question (hexadecimal) as often, to which one IPv4
address is the right answer. Standard library only: they run inside of a pod's network, by `python3 -c`.

The sender sends a number by each of FLOWS UDP sockets and STREAMS TCP connections every INTERVAL seconds, until its
standard input ends; then it prints what became of them as JSON. How long a flow was interrupted follows from when
the packets that nobody answered were *sent*, so a busy machine, which answers late, interrupts nothing.
"""

import asyncio
import json
import socket
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

NUMBER = struct.Struct("!Q")
SO_RCVBUFFORCE = 33
"""socket(7): beyond what net.core.rmem_max allows; Python has no name for it."""
BUFFER = 1 << 23
"""Bytes."""
LAST = 1.0
"""Seconds that the last packets may take."""
SLOW = 1.0
"""Seconds after which an answer is a slow one."""


def udp(address: str, port: int) -> socket.socket:
    """A socket that loses nothing while its process waits for a processor."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    sock.bind((address, port))
    sock.setblocking(False)
    return sock


class Echo(asyncio.DatagramProtocol):
    """Sends back what comes."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self.transport.sendto(data, addr)


async def serve(address: str, port: int) -> None:
    """Echo by UDP and TCP until standard input ends."""
    await asyncio.get_running_loop().create_datagram_endpoint(Echo, sock=udp(address, port))

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(data)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    await asyncio.start_server(echo, address, port)
    print("serving", flush=True)
    await ended()


async def ended() -> None:
    """Returns when standard input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


class Flow:
    """One flow: when each number was sent, and which ones were answered and when."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent: list[float] = []
        self.answered: dict[int, float] = {}
        self.wrong: list[tuple[float, str]] = []
        """Answers that were not as they should be: when they came, and what was said."""

    def next(self) -> bytes:
        self.sent.append(time.time())
        return NUMBER.pack(len(self.sent) - 1)

    def took(self, number: int) -> None:
        self.answered.setdefault(number, time.time())

    def report(self, until: float) -> dict[str, Any]:
        """Interruptions are runs of numbers that nobody answered: (seconds since the epoch, seconds)."""
        runs: list[tuple[float, float]] = []
        first: float | None = None
        for number, moment in enumerate(self.sent):
            if moment > until:
                break
            if number in self.answered:
                if first is not None:
                    runs.append((first, moment - first))
                first = None
            elif first is None:
                first = moment
        if first is not None:
            runs.append((first, until - first))
        sent = sum(moment <= until for moment in self.sent)
        lost = sum(number not in self.answered for number in range(sent))
        waits = [self.answered[number] - self.sent[number] for number in self.answered]
        slowest = max(waits, default=0.0)
        slow = [(self.sent[one], when - self.sent[one]) for one, when in self.answered.items()]
        return {
            "name": self.name, "sent": sent, "lost": lost, "runs": runs, "slowest": slowest, "wrong": self.wrong,
            "slow": [(sent, wait) for sent, wait in slow if wait > SLOW],
        }  # fmt: skip


class Lookups(asyncio.DatagramProtocol):
    """Takes the answers of a DNS server. Right is NOERROR with one record, the end of the message (RFC 1035, 4.1)."""

    def __init__(self, flow: Flow, address: str) -> None:
        self.flow = flow
        self.data = socket.inet_aton(address)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        low, flags, _, records = struct.unpack("!4H", data[:8])
        newest = len(self.flow.sent) - 1
        self.flow.took(newest - ((newest - low) & 0xFFFF))
        if (flags & 0xF, records) != (0, 1) or not data.endswith(self.data):
            self.flow.wrong.append((time.time(), data.hex()))

    def error_received(self, exc: Exception) -> None:
        pass


class Answers(asyncio.DatagramProtocol):
    """Takes the answers of one UDP flow."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self.flow.took(NUMBER.unpack(data)[0])

    def error_received(self, exc: Exception) -> None:
        pass


Sender: TypeAlias = tuple[Flow, Callable[[bytes], Any]]


async def by_udp(address: str, port: int) -> Sender:
    """A flow that is not connected: a socket that is keeps the hash of its first route."""
    sock = udp("::" if ":" in address else "0.0.0.0", 0)
    flow = Flow(f"udp {sock.getsockname()[1]}")
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(partial(Answers, flow), sock=sock)
    return flow, lambda data: transport.sendto(data, (address, port))


async def by_name(server: str, query: bytes, address: str) -> Sender:
    """Questions to a DNS server, by the low 16 bits of their number; `address` is the right answer."""
    flow = Flow("dns")
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(partial(Lookups, flow, address), remote_addr=(server, 53))
    return flow, lambda data: transport.sendto(data[-2:] + query[2:])


async def send(address: str, port: int, flows: int, streams: int, interval: float, *names: str) -> None:
    """Send by all flows until standard input ends, then print what became of it."""
    loop = asyncio.get_running_loop()
    senders = [await by_udp(address, port) for _ in range(flows)]
    if names:
        senders.append(await by_name(names[0], bytes.fromhex(names[1]), names[2]))
    takers = []
    for _ in range(streams):
        reader, writer = await asyncio.open_connection(address, port)
        flow = Flow(f"tcp {writer.get_extra_info('sockname')[1]}")
        senders.append((flow, writer.write))
        takers.append(asyncio.create_task(take(flow, reader)))
    print("sending", flush=True)
    end = asyncio.ensure_future(ended())
    due = loop.time()
    while not end.done():
        for flow, out in senders:
            out(flow.next())
        due = max(due + interval, loop.time())
        await asyncio.wait({end}, timeout=due - loop.time())
    until = time.time()
    await asyncio.sleep(LAST)
    print(json.dumps([flow.report(until) for flow, _ in senders]), flush=True)


async def take(flow: Flow, reader: asyncio.StreamReader) -> None:
    try:
        while data := await reader.readexactly(NUMBER.size):
            flow.took(NUMBER.unpack(data)[0])
    except (OSError, asyncio.IncompleteReadError):
        pass


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(sys.argv[2], int(sys.argv[3])))
    else:
        asyncio.run(
            send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]), *sys.argv[7:])
        )

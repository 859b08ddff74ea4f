"""DNS by TCP (RFC 7766): pipelined, in order, and nobody can hold it up."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import dns.message
import pytest

from mcnet.dns import sockets, tcp
from mcnet.dns.answers import Answers
from mcnet.dns.counts import Counts
from mcnet.dns.sockets import LOOPBACK
from mcnet.dns.tcp import TcpServer
from tests.fakes.dns_zones import zone_of
from tests.fakes.eventually import eventually
from tests.fakes.imports import endpoint, headless_object, slice_object

ENDPOINTS = [endpoint(f"10.9.0.{number}") for number in range(1, 101)]
Open = Callable[[], Any]


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[tuple[TcpServer, Open]]:
    """The server, and what opens a connection to it."""
    counts = Counts()
    answers = Answers(counts)
    zone = zone_of(headless_object("db", "shop"), slice_object("x", "shop", "db", "west", ENDPOINTS))
    answers.change(dict(zone.services), ["shop"])
    shared = TcpServer(answers, counts, **options)
    listening = sockets.tcp(0, LOOPBACK)
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(shared.connection, sock=one) for one in listening]
    writers: list[asyncio.StreamWriter] = []

    async def opened() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", listening[0].getsockname()[1])
        writers.append(writer)
        return reader, writer

    try:
        yield shared, opened
    finally:
        for writer in writers:
            writer.transport.abort()
        shared.close()
        for server in servers:
            server.close()


def message(number: int, name: str = "db.shop.svc") -> bytes:
    query = dns.message.make_query(f"{name}.clusterset.local", "A", id=number).to_wire()
    return len(query).to_bytes(2) + query


async def received(reader: asyncio.StreamReader) -> dns.message.Message:
    async with asyncio.timeout(5):
        length = int.from_bytes(await reader.readexactly(2))
        return dns.message.from_wire(await reader.readexactly(length))


async def ended(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(5):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


async def test_queries_that_follow_each_other_are_answered_in_order() -> None:
    async with serving() as (_, opened):
        reader, writer = await opened()
        writer.write(b"".join(message(number) for number in range(20)))
        for number in range(20):
            found = await received(reader)
            assert (found.id, len(found.answer[0])) == (number, 100)


async def test_a_query_may_come_byte_by_byte() -> None:
    async with serving() as (_, opened):
        reader, writer = await opened()
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in message(1) + message(2):
            writer.write(bytes([byte]))
            await writer.drain()
        assert [(await received(reader)).id for _ in range(2)] == [1, 2]


async def test_who_says_nothing_is_let_go() -> None:
    async with serving(idle=0.05) as (server, opened):
        reader, _ = await opened()
        assert await ended(reader)
        assert server.connections == 0


async def test_who_never_ends_a_query_is_let_go_however_much_he_says() -> None:
    async with serving(idle=0.2) as (_, opened):
        reader, writer = await opened()
        writer.write(b"\xff\xff")

        async def on() -> None:
            while True:
                writer.write(b"\0")
                await asyncio.sleep(0.01)

        talking = asyncio.create_task(on())
        assert await ended(reader)
        talking.cancel()


async def test_what_is_no_query_ends_the_connection() -> None:
    async with serving() as (_, opened):
        reader, writer = await opened()
        writer.write(b"\0\x03GET" + message(1))
        assert await ended(reader)


async def test_the_one_that_is_idle_for_longest_makes_room() -> None:
    async with serving(most=2) as (server, opened):
        first, second = await opened(), await opened()
        for reader, writer in (second, first):
            writer.write(message(1))
            await received(reader)
        third = await opened()
        assert await ended(second[0])
        for reader, writer in (first, third):
            writer.write(message(2))
            assert (await received(reader)).id == 2
        assert server.connections == 2


async def test_who_does_not_read_is_not_answered_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a client stays small; when it reads, all its answers come."""
    monkeypatch.setattr(tcp, "UNSENT", 10_000)
    count = 3000
    async with serving() as (server, opened):
        reader, writer = await opened()
        reader._transport.pause_reading()
        writer.write(b"".join(message(number % 65536) for number in range(count)))
        answered = -1
        while answered != server.counts.queries.get(("A", "NOERROR"), 0):
            answered = server.counts.queries.get(("A", "NOERROR"), 0)
            await asyncio.sleep(0.2)
        assert 0 < answered < count
        reader._transport.resume_reading()
        async with asyncio.timeout(20):
            for number in range(count):
                length = int.from_bytes(await reader.readexactly(2))
                assert (await reader.readexactly(length))[:2] == number.to_bytes(2)


class Slow(asyncio.Transport):
    """A client that takes one answer and then no more; `protocol` hears of it as from a real transport."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: tcp.Connection | None = None
        self.answers = 0

    def write(self, data: object) -> None:
        assert self.protocol
        self.answers += 1
        self.protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def abort(self) -> None:
        pass


async def test_of_what_was_read_already_no_more_is_answered_than_the_client_takes() -> None:
    async with serving() as (server, _):
        transport = Slow()
        transport.protocol = server.connection()
        transport.protocol.connection_made(transport)
        transport.protocol.data_received(b"".join(message(number) for number in range(5)))
        assert transport.answers == 1
        for taken in range(2, 6):
            transport.protocol.resume_writing()
            assert transport.answers == taken
        transport.protocol.resume_writing()
        assert transport.answers == 5
        transport.protocol.connection_lost(None)


async def test_a_client_that_goes_is_forgotten() -> None:
    async with serving() as (server, opened):
        reader, writer = await opened()
        writer.write(message(1))
        await received(reader)
        assert server.connections == 1
        writer.close()
        await eventually(lambda: server.connections == 0)

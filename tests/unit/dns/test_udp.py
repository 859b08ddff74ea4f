"""DNS by UDP over real sockets: all that come are answered, each client by its own answer."""

import asyncio
import ctypes
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import dns.message
import dns.rcode
import pytest

from mcnet.dns import batches, sockets
from mcnet.dns.answers import Answers
from mcnet.dns.batches import MOST, PLACE, Batch
from mcnet.dns.counts import Counts
from mcnet.dns.sockets import LOOPBACK
from mcnet.dns.udp import UdpServer
from tests.fakes.dns_zones import zone_of
from tests.fakes.eventually import eventually
from tests.fakes.imports import import_object

COUNT = 300


def address(number: int) -> str:
    return f"10.1.{number // 250}.{number % 250}"


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[int, Counts]]:
    counts = Counts()
    answers = Answers(counts)
    objects = [
        import_object(f"n{number}", "shop", ips=[f"10.1.{number // 250}.{number % 250}"]) for number in range(COUNT)
    ]
    answers.change(dict(zone_of(*objects).services), ["shop"])
    opened = sockets.udp(0, LOOPBACK)
    server = UdpServer(opened, answers, counts)
    try:
        yield opened[0].getsockname()[1], counts
    finally:
        server.close()


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    """Some of each family."""
    made = [socket.socket(family, socket.SOCK_DGRAM) for family in (*[socket.AF_INET] * 3, *[socket.AF_INET6] * 2)]
    yield made
    for one in made:
        one.close()


def connect(clients: list[socket.socket], port: int) -> None:
    for one in clients:
        one.connect((LOOPBACK[socket.AddressFamily(one.family)], port))
        one.setblocking(False)


def question(number: int) -> bytes:
    return dns.message.make_query(f"n{number}.shop.svc.clusterset.local", "A", id=number).to_wire()


async def received(client: socket.socket) -> dns.message.Message:
    async with asyncio.timeout(5):
        return dns.message.from_wire(await asyncio.get_running_loop().sock_recv(client, 4096))


async def test_many_at_once_get_each_its_own(clients: list[socket.socket]) -> None:
    """More than one batch, from several clients; junk that gets nothing is among it."""
    async with serving() as (port, counts):
        connect(clients, port)
        for _ in range(2):
            for number in range(COUNT):
                client = clients[number % len(clients)]
                client.send(question(number))
                if number % 7 == 0:
                    client.send(b"junk")
            for number in range(COUNT):
                found = await received(clients[number % len(clients)])
                assert found.id == number
                assert str(found.answer[0][0]) == address(number)
        assert counts.queries == {("A", "NOERROR"): 2 * COUNT}
        assert (sum(counts.seconds) >= 2 * COUNT, counts.unsent) == (True, 0)


async def test_what_is_malformed_or_too_long_harms_nobody(clients: list[socket.socket]) -> None:
    async with serving() as (port, _):
        connect(clients, port)
        client = clients[0]
        client.send(b"\0\1" + bytes(10))
        assert (await received(client)).rcode() == dns.rcode.FORMERR
        client.send(question(1) + bytes(PLACE))
        assert (await received(client)).rcode() == dns.rcode.FORMERR
        client.send(b"")
        client.send(question(1))
        assert (await received(client)).rcode() == dns.rcode.NOERROR


async def test_a_client_that_is_gone_is_nobodys_trouble(clients: list[socket.socket]) -> None:
    async with serving() as (port, counts):
        connect(clients, port)
        gone = clients.pop()
        gone.send(question(1))
        gone.close()
        await eventually(lambda: counts.queries == {("A", "NOERROR"): 1})
        for client in clients:
            client.send(question(2))
            assert (await received(client)).id == 2


def test_a_batch_is_no_longer_than_it_may_be(clients: list[socket.socket]) -> None:
    server = sockets.udp(0, LOOPBACK)
    try:
        connect(clients, server[0].getsockname()[1])
        batch = Batch(server[0])
        assert batch.receive() == 0
        for number in range(MOST + 5):
            clients[0].send(bytes([number]))
        assert batch.receive() == MOST
        assert [batch.data[index * PLACE] for index in range(MOST)] == list(range(MOST))
        assert set(batch.lengths[:MOST]) == {1}
        assert batch.receive() == 5
    finally:
        for one in server:
            one.close()


def test_where_there_is_no_room_the_rest_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Kernel:
        """Takes two datagrams, then none."""

        taken = 0

        def sendmmsg(self, *_: object) -> int:
            self.taken += 1
            ctypes.set_errno(errno.EAGAIN)
            return 1 if self.taken <= 2 else -1

    (bound, other) = sockets.udp(0, LOOPBACK)
    kernel = Kernel()
    monkeypatch.setattr(batches, "_C", kernel)
    try:
        assert Batch(bound).send(0, 10) == 8
        assert kernel.taken == 3
    finally:
        bound.close()
        other.close()


def test_what_the_kernel_refuses_is_counted_and_passed_over(clients: list[socket.socket]) -> None:
    """An answer of a length that no datagram has; those around it are sent."""
    server = sockets.udp(0, LOOPBACK)
    try:
        connect(clients, server[0].getsockname()[1])
        batch = Batch(server[0])
        for number in range(3):
            clients[0].send(bytes([number]))
        assert batch.receive() == 3
        for index, length in enumerate((1, 100_000, 1)):
            batch.answers[index] = length
        assert batch.send(0, 3) == 1
        clients[0].setblocking(True)
        assert [clients[0].recv(10) for _ in range(2)] == [b"\0", b"\2"]
    finally:
        for one in server:
            one.close()

"""Samplers and servers over loopback, by TCP; ICMP and both networks are in tests/netns/test_latency.py."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import ip_address

import pytest
import pytest_asyncio

from mcnet.codec.latency_samples import Order, Start, Target, encode_order, encode_start
from mcnet.model.latency import Way
from mcnet.probe import latency
from mcnet.probe.latency import TcpSampler, answering, measure
from mcnet.probe.ping_pong import PingPong, listen
from tests.fakes.eventually import eventually

LOOPBACK = ip_address("127.0.0.1")
ORDER = Order(way=Way.PODS, duration=0.2, interval=0.01)


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    """Of a ping-pong server."""
    listener = listen()
    server = await asyncio.get_running_loop().create_server(PingPong, sock=listener)
    yield listener.getsockname()[1]
    server.close()


@pytest.fixture(autouse=True)
def _tcp_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw sockets take a capability; here the ICMP sampler never gets an answer."""

    class Silent:
        def __init__(self, address: object) -> None:
            self.trips: dict[int, float] = {}

        def send(self, number: int) -> None: ...

        def close(self) -> None: ...

    monkeypatch.setattr(latency, "IcmpSampler", Silent)
    monkeypatch.setattr(latency, "PATIENCE", 0.3)
    monkeypatch.setattr(latency, "TRY_TIMEOUT", 0.3)


async def test_samples_are_taken_at_fixed_times_and_answered(port: int) -> None:
    icmp, tcp = await measure(ORDER, [Target(4, (LOOPBACK,), port)], time.monotonic() + 0.3)
    assert (icmp.protocol, tcp.protocol, tcp.way) == ("icmp", "tcp", Way.PODS)
    assert len(tcp.at) == len(tcp.trips) == 20
    assert icmp.trips == (None,) * 20
    assert all(trip is not None and trip > 0 for trip in tcp.trips)
    assert all(at >= number * ORDER.interval for number, at in enumerate(tcp.at))


async def test_a_server_that_is_not_there_loses_every_sample() -> None:
    _, tcp = await measure(ORDER, [Target(4, (LOOPBACK,), 1)], time.monotonic() + 0.3)
    assert tcp.trips == (None,) * 20


async def test_a_server_that_goes_away_loses_the_rest() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(latency.WARM_UP + 10):
            writer.write(await reader.readexactly(latency.MESSAGE))
        writer.close()

    server = await asyncio.start_server(half, "127.0.0.1", 0)
    target = Target(4, (LOOPBACK,), server.sockets[0].getsockname()[1])
    _, tcp = await measure(ORDER, [target], time.monotonic() + 0.3)
    server.close()
    assert [trip is None for trip in tcp.trips] == [False] * 10 + [True] * 10


def test_answers_in_pieces_and_out_of_turn() -> None:
    sampler = TcpSampler()
    now = time.monotonic()
    sampler._sent = {1: now, 2: now}
    messages = b"".join(number.to_bytes(8, "big").ljust(latency.MESSAGE, b"m") for number in (2, 1, 7))
    sampler.data_received(messages[:100])
    assert set(sampler.trips) == {2}
    sampler.data_received(messages[100:])
    assert set(sampler.trips) == {1, 2}


async def test_the_address_that_answers_is_taken(port: int) -> None:
    dead, alive = ip_address("127.0.0.2"), LOOPBACK
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    only = server.sockets[0].getsockname()[1]
    assert await answering(Target(4, (dead, alive), only)) == Target(4, (alive,), only)
    assert await answering(Target(4, (dead, alive), 1)) == Target(4, (dead,), 1)
    server.close()


async def test_the_leader_tells_the_follower(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    following = asyncio.create_task(latency.follow(ORDER))
    said: list[str] = []
    await eventually(lambda: bool(said.append(capsys.readouterr().out) or said[-1]))
    where = int(said[-1].split('"port": ')[1].split(",")[0])
    _, stranger = await asyncio.open_connection("127.0.0.1", where)
    stranger.write(b"GET / HTTP/1.0\r\n")
    stranger.close()
    target = Target(4, (LOOPBACK,), port)
    leading = Order(
        way=Way.NODES, duration=0.2, interval=0.01, targets=(target,), follower=Target(4, (LOOPBACK,), where),
        follower_targets=(target,),
    )  # fmt: skip
    series = [*await latency.lead(leading), *await following]
    assert [(one.way, one.protocol) for one in series] == [
        (Way.NODES, "icmp"), (Way.NODES, "tcp"), (Way.PODS, "icmp"), (Way.PODS, "tcp"),
    ]  # fmt: skip
    assert all(None not in one.trips for one in series if one.protocol == "tcp")


@pytest.mark.parametrize(
    "word", [b"\xff\n", b"[" * 5000 + b"\n", b"x" * 100_000, b'{"at": NaN, "targets": []}\n', b""]
)
async def test_strangers_do_not_disturb_the_follower(word: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    following = asyncio.create_task(latency.follow(ORDER))
    said: list[str] = []
    await eventually(lambda: bool(said.append(capsys.readouterr().out) or said[-1]))
    where = int(said[-1].split('"port": ')[1].split(",")[0])
    reader, stranger = await asyncio.open_connection("127.0.0.1", where)
    stranger.write(word)
    stranger.write_eof()
    with suppress(ConnectionError):
        await reader.read()
    stranger.close()
    assert not following.done()
    _, leader = await asyncio.open_connection("127.0.0.1", where)
    leader.write((encode_start(Start(time.monotonic(), ())) + "\n").encode())
    assert await following == ()
    leader.close()
    assert faults == []


def test_without_a_follower_the_leader_ends_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    order = Order(way=Way.NODES, duration=1, interval=0.01, follower=Target(4, (LOOPBACK,), 1))
    assert latency.main([encode_order(order)]) == 1
    assert "the pod beside (127.0.0.1) or a raw socket can't be used: Connect" in capsys.readouterr().out

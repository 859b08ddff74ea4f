"""The prober without a network: every probe fails to leave. Real packets are in tests/netns/test_ping.py."""

import asyncio
import errno
import socket
import time
from contextlib import suppress
from ipaddress import IPv4Address

import pytest

from mcnet.codec.icmp import decode_reply
from mcnet.model.probe import Target
from mcnet.probe import ping
from mcnet.probe.ping import Prober
from mcnet.probe.sockets import Received
from tests.fakes.mutations import damaged

TARGET = Target("a", IPv4Address("192.0.2.1"), "nowhere")


@pytest.fixture(autouse=True)
def _no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENODEV, "no such device")

    monkeypatch.setattr(ping, "open_socket", refuse)


async def until(prober: Prober, key: str, state: str) -> None:
    while prober.snapshot()[key].state != state:
        prober.changed.clear()
        await asyncio.wait_for(prober.changed.wait(), 8)


async def test_a_missing_device_is_a_path_that_is_down() -> None:
    calls: list[str] = []
    prober = Prober(interval=0.05, multiplier=2, on_change=lambda: calls.append("changed"))
    prober.set_targets(frozenset({TARGET}))
    assert prober.snapshot()["a"].state == "unknown"
    began = time.time()
    running = asyncio.create_task(prober.run())
    await until(prober, "a", "down")
    running.cancel()
    health = prober.snapshot()["a"]
    assert health.lost == health.sent >= 2
    assert health.since >= began
    assert calls == ["changed"]


async def test_rounds_that_were_late_themselves_judge_nothing() -> None:
    prober = Prober(interval=0.2, multiplier=1)
    prober.set_targets(frozenset({TARGET}))
    running = asyncio.create_task(prober.run())
    stop = time.monotonic() + 2
    while time.monotonic() < stop:
        # What is tested is a loop that is kept busy, so it is kept busy.
        time.sleep(0.13)  # noqa: ASYNC251
        await asyncio.sleep(0)
    assert prober.snapshot()["a"].state == "unknown"
    assert prober.snapshot()["a"].sent == 0
    await until(prober, "a", "down")
    running.cancel()


async def test_a_new_pace_holds_from_the_next_round_on() -> None:
    prober = Prober(interval=30.0, multiplier=100)
    prober.set_pace(interval=0.1, multiplier=2)
    prober.set_targets(frozenset({TARGET}))
    running = asyncio.create_task(prober.run())
    await until(prober, "a", "down")
    running.cancel()


async def test_replies_of_others_and_damaged_ones_count_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come to every raw socket; only the prober's own token, identifier, number and the right sender count."""
    waiting: list[Received] = []
    taken: list[Received] = []
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def sent(_: object, request: bytes, address: IPv4Address, __: str) -> None:
        reply = bytes([0x45]) + bytes(19) + bytes([0]) + request[1:]
        own = decode_reply(4, reply)
        assert own is not None
        waiting.extend(Received(address, data, 0.0) for data in damaged(reply) if decode_reply(4, data) != own)
        waiting.append(Received(IPv4Address("192.0.2.99"), reply, 0.0))
        there.send(b"x")

    def received(opened: socket.socket) -> Received | None:
        with suppress(BlockingIOError):
            opened.recv(1)
        if not waiting:
            return None
        taken.append(waiting.pop())
        return taken[-1]

    here.setblocking(False)
    monkeypatch.setattr(ping, "open_socket", lambda *_: here)
    monkeypatch.setattr(ping, "send", sent)
    monkeypatch.setattr(ping, "receive", received)
    prober = Prober(interval=0.05, multiplier=3)
    prober.set_targets(frozenset({TARGET}))
    running = asyncio.create_task(prober.run())
    await until(prober, "a", "down")
    running.cancel()
    health = prober.snapshot()["a"]
    assert health.lost == health.sent >= 3
    assert len(taken) > 3 * len(waiting), "only those of the last round are still to be read"
    there.close()


async def test_targets_come_and_go_and_keep_their_history() -> None:
    other = Target("b", IPv4Address("192.0.2.2"), "nowhere")
    prober = Prober(interval=0.05, multiplier=2)
    prober.set_targets(frozenset({TARGET}))
    running = asyncio.create_task(prober.run())
    await until(prober, "a", "down")
    prober.set_targets(frozenset({TARGET, other}))
    assert [prober.snapshot()[key].state for key in ("a", "b")] == ["down", "unknown"]
    await until(prober, "b", "down")
    prober.set_targets(frozenset({other}))
    assert set(prober.snapshot()) == {"b"}
    prober.set_targets(frozenset({Target("b", IPv4Address("192.0.2.3"), "nowhere")}))
    assert prober.snapshot()["b"].state == "unknown"
    prober.set_targets(frozenset())
    assert prober.snapshot() == {}
    running.cancel()

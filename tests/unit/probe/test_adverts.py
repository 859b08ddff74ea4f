"""When adverts are sent. (Over real sockets: tests/netns.)"""

import asyncio
from ipaddress import ip_address
from typing import Self

import pytest

from mcnet.probe import adverts
from mcnet.probe.adverts import AdvertSender
from tests.fakes.eventually import eventually

NODES = (ip_address("192.0.2.1"), ip_address("2001:db8::1"))


class Sockets:
    """Both sockets of a sender: what they sent where; the next `refuse` times they do not."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, str]] = []
        self.refuse = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """As a socket's."""

    def sendto(self, datagram: bytes, address: tuple[str, int]) -> None:
        if self.refuse:
            self.refuse -= 1
            raise OSError("no route yet")
        self.sent.append((datagram, address[0]))

    def count(self, datagram: bytes) -> int:
        return sum(one == datagram for one, _ in self.sent)


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Sockets:
    made = Sockets()
    monkeypatch.setattr(adverts, "_socket", lambda _: made)
    monkeypatch.setattr(adverts, "REFRESH", 3600.0)
    return made


async def test_a_change_is_sent_three_times_at_once(sockets: Sockets) -> None:
    sender = AdvertSender()
    running = asyncio.create_task(sender.run())
    sender.set(b"first", NODES)
    await eventually(lambda: sockets.count(b"first") == 3 * len(NODES))
    sender.say(b"second")
    await eventually(lambda: sockets.count(b"second") == 3 * len(NODES))
    sender.say(b"second")
    await asyncio.sleep(2 * sum(adverts.AGAIN))
    assert sockets.sent == [(said, str(node)) for said in (b"first", b"second") for _ in range(3) for node in NODES]
    running.cancel()


async def test_what_can_not_be_sent_at_first_is_sent_soon(sockets: Sockets) -> None:
    sender = AdvertSender()
    sockets.refuse = len(NODES)
    running = asyncio.create_task(sender.run())
    sender.set(b"first", NODES)
    await eventually(lambda: sockets.count(b"first") == 2 * len(NODES))
    running.cancel()


async def test_it_is_said_again_and_again(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adverts, "REFRESH", 0.01)
    sender = AdvertSender()
    running = asyncio.create_task(sender.run())
    sender.set(b"first", NODES)
    await eventually(lambda: sockets.count(b"first") > 10 * len(NODES))
    running.cancel()

"""New keys for gateways whose cable is the kernel's WireGuard, under a ping every 10 ms from pod to pod."""

import asyncio
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from mcnet.plan.transition import GRACE
from tests.netns.namespaces import shell
from tests.vm.gateways import POD, Gateway, beside, introduce

FIRST, SECOND = "mcnet-cw0a", "mcnet-cw0b"
ENOUGH = 100
"""Pings that are answered in each state in between: a second or more."""


class Ping:
    """One every 10 ms, and which of them were answered."""

    def __init__(self) -> None:
        self.answered: set[int] = set()

    async def run(self, source: str, target: str) -> None:
        """Until cancelled."""
        process = await asyncio.create_subprocess_exec(
            "ping", "-n", "-i", "0.01", "-I", source, target, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                if found := re.search(rb"icmp_seq=(\d+) ttl=", line):
                    self.answered.add(int(found[1]))
        finally:
            process.send_signal(signal.SIGINT)
            await process.wait()

    def lost(self) -> set[int]:
        """Those before the last one that was answered: what comes after it is still on its way."""
        return set(range(1, max(self.answered) + 1)) - self.answered


@contextmanager
def pinging(one: Gateway, other: Gateway) -> Iterator[Ping]:
    ping = Ping()
    with beside(one.namespace, ping.run(POD[one.cluster], POD[other.cluster])):
        yield ping


def some_more(ping: Ping, one: Gateway) -> None:
    wanted = len(ping.answered) + ENOUGH
    one.wait_for(lambda: len(ping.answered) >= wanted)


def rotate(one: Gateway, other: Gateway, ping: Ping) -> None:
    """`one` gets a new key, `other` hears of it later; the old cable goes when its time is over."""
    both = (one, other)
    before = {side.cluster: {*side.devices()} for side in both}
    one.new_key()
    introduce(one, to=one)
    one.wait_for(lambda: len(one.devices()) == 2)
    some_more(ping, one)
    introduce(one, to=other)
    for side in both:
        side.wait_for(side.is_settled)
        assert side.devices().keys() == {FIRST, SECOND}, "the old cable takes in what still comes by it"
    some_more(ping, one)
    for side in both:
        side.ahead += GRACE + 1
        side.wait_for(lambda side=side: {*side.devices()} == {FIRST, SECOND} - before[side.cluster])
    some_more(ping, one)


async def delay(queue: str, command: str = "change") -> None:
    """Of what leaves by the underlay, as netem takes it."""
    await shell(f"tc qdisc {command} dev wan0 root netem delay {queue}")


def test_keys_of_both_sides_change_without_a_lost_packet(gateways: tuple[Gateway, Gateway]) -> None:
    """At first by a fast path, then by a slow one on which packets overtake each other."""
    east, west = gateways
    for one in gateways:
        one.namespace.run(delay("0ms", "add"))
    keys = []
    with pinging(east, west) as ping:
        some_more(ping, east)
        for one, other, path in ((east, west, "0ms"), (west, east, "20ms 5ms")):
            for side in gateways:
                side.namespace.run(delay(path))
            keys.append({device.private_key for device in one.state.wireguard})
            rotate(one, other, ping)
            keys.append({device.private_key for device in one.state.wireguard})
    assert ping.lost() == set()
    assert len(set().union(*keys)) == len(keys) == 4
    assert east.devices() == west.devices() == {FIRST: False}, "the kernel's own"

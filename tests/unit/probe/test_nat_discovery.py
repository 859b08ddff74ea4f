"""NAT discovery over real sockets on loopback addresses: who asks, who answers, what stays."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address

import pytest

from mcnet.codec import nat_discovery as codec
from mcnet.codec.nat_discovery import Party, Place, Request
from mcnet.plan.nat_discovery import GIVE_UP, Own, Path, Peer, Way
from mcnet.probe import nat_discovery
from mcnet.probe.nat_discovery import REFRESH, NatDiscovery
from tests.fakes.eventually import eventually

EAST, WEST = Party("east", "east.n1"), Party("west", "west.n1")
HERE = ip_address("127.0.0.1")
NOWHERE = ip_address("127.0.0.9")


NOBODY = {"north.n9": Peer(Party("north", "north.n9"), NOWHERE, None, 9)}
"""A peer that keeps a gateway listening."""


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(nat_discovery, "TICK", 0.01)
    return Clock()


@asynccontextmanager
async def running(clock: Clock) -> AsyncIterator[tuple[NatDiscovery, NatDiscovery]]:
    """East and west, each on a port of its own, not yet told of each other; nobody asks their other peer."""
    both = NatDiscovery(port=0, clock=clock), NatDiscovery(port=0, clock=clock)
    for one in both:
        one.set({}, NOBODY)
    tasks = [asyncio.create_task(one.run()) for one in both]
    try:
        await eventually(lambda: all(4 in one._transports for one in both))
        yield both
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def port_of(one: NatDiscovery) -> int:
    return int(one._transports[4].get_extra_info("sockname")[1])


def own(party: Party, one: NatDiscovery, first: int = 7) -> dict[int, Own]:
    return {4: Own(party, Place(HERE, port_of(one)), first)}


def peer(party: Party, one: NatDiscovery) -> Peer:
    return Peer(party, HERE, None, port_of(one))


def introduce(east: NatDiscovery, west: NatDiscovery) -> None:
    east.set(own(EAST, east), {"west.n1": peer(WEST, west)})
    west.set(own(WEST, west, 90), {"east.n1": peer(EAST, east)})


async def test_two_find_each_other(clock: Clock) -> None:
    async with running(clock) as (east, west):
        told: list[str] = []
        east.on_change = lambda: told.append("east")
        introduce(east, west)
        await eventually(lambda: bool(east.paths and west.paths))
        assert east.paths == {"west.n1": Path(Way.PRIVATE, False, seen=Place(HERE, port_of(east)))}
        assert told == ["east"]


async def test_the_public_address_where_only_that_answers(clock: Clock) -> None:
    async with running(clock) as (east, west):
        behind = replace(peer(WEST, west), private=NOWHERE, public=HERE)
        west.set(own(WEST, west), {"east.n1": peer(EAST, east)})
        east.set(own(EAST, east), {"west.n1": behind})
        await eventually(lambda: "west.n1" in east.paths)
        assert east.paths["west.n1"].way is Way.PUBLIC


async def test_a_stranger_gets_no_answer_and_nobody_is_disturbed(clock: Clock) -> None:
    async with running(clock) as (east, west):
        east.set(own(EAST, east), NOBODY)
        west.set(own(WEST, west), {"east.n1": peer(EAST, east)})
        await eventually(lambda: east.refused > 0)
        assert west.paths == {}
        for datagram in (
            b"\x00",
            b"\xff" * 40,
            b"x" * 2000,
            codec.encode(Request(1, Party("north", "north.n1"), EAST)),
        ):
            before = east.refused
            west._send(datagram, HERE, port_of(east))
            await eventually(lambda before=before: east.refused > before)
        assert east.paths == {}


async def test_a_path_stays_while_it_is_looked_for_again(clock: Clock) -> None:
    async with running(clock) as (east, west):
        introduce(east, west)
        await eventually(lambda: bool(east.paths))
        west.set({}, {})  # it answers nobody any more
        before = dict(east._searches["west.n1"].numbers)
        clock.now += REFRESH
        await eventually(lambda: east._searches["west.n1"].numbers != before)
        clock.now += GIVE_UP
        await eventually(lambda: east._searches["west.n1"].path is not None)
        assert east.paths["west.n1"].answered, "that nobody answers is no news about a path that works"


async def test_a_path_that_died_gives_way_to_what_is_published(clock: Clock) -> None:
    async with running(clock) as (east, west):
        introduce(east, west)
        await eventually(lambda: bool(east.paths))
        public = replace(peer(WEST, west), public=NOWHERE)
        west.set({}, {})
        east.set(own(EAST, east), {"west.n1": public})
        await eventually(lambda: east._searches["west.n1"].sent is not None)
        clock.now += GIVE_UP
        await eventually(lambda: east._searches["west.n1"].path is not None)
        east.lost("west.n1")
        clock.now += GIVE_UP
        await eventually(lambda: not east.paths["west.n1"].answered)
        assert east.paths["west.n1"].way is Way.PUBLIC


async def test_how_it_is_seen_is_told_anew(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(clock) as (east, west):
        introduce(east, west)
        await eventually(lambda: bool(east.paths))
        moved = Place(ip_address("198.51.100.7"), 1024)
        real = nat_discovery.answer
        monkeypatch.setattr(nat_discovery, "answer", lambda request, own, _: real(request, own, moved))
        clock.now += REFRESH
        await eventually(lambda: east.paths["west.n1"].seen == moved)
        assert east.paths["west.n1"].translated


async def test_who_is_no_peer_any_more_is_forgotten(clock: Clock) -> None:
    async with running(clock) as (east, west):
        introduce(east, west)
        await eventually(lambda: bool(east.paths))
        east.set(own(EAST, east), {})
        assert east.paths == {}


async def test_a_port_that_is_taken_is_a_problem_and_no_error(clock: Clock) -> None:
    async with running(clock) as (east, _):
        second = NatDiscovery(port=port_of(east), clock=clock)
        second.set({}, NOBODY)
        task = asyncio.create_task(second.run())
        try:
            await eventually(lambda: bool(second.problem))
            assert second.problem == f"NAT discovery can't listen on UDP {port_of(east)}: Address already in use"
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_without_peers_nothing_is_listened_on(clock: Clock) -> None:
    async with running(clock) as (east, west):
        introduce(east, west)
        await eventually(lambda: bool(east.paths))
        east.set(own(EAST, east), {})
        await eventually(lambda: not east._transports)
        east.set({}, NOBODY)
        await eventually(lambda: 4 in east._transports)

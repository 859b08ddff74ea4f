"""Repairs are counted and told, but a fight makes neither an event storm nor a busy loop."""

from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from prometheus_client import CollectorRegistry, Counter

from mcnet.loop import repairs as module
from mcnet.loop.repairs import Repairs
from mcnet.model.kernel import Add, Change, KernelState, NextHop, Remove, Route, RouteType


def route(number: int) -> Route:
    return Route(7, ip_network(f"10.{number}.0.0/16"), RouteType.UNREACHABLE)


class Bench:
    def __init__(self) -> None:
        self.now = 1000.0
        self.registry = CollectorRegistry()
        self.repairs = Repairs(Counter("repairs", "x", registry=self.registry), lambda: self.now)
        self.events: list[str] = []
        self.reachable = True

    @property
    def count(self) -> float | None:
        return self.registry.get_sample_value("repairs_total")

    def round(self, wanted: KernelState, changes: Sequence[Change], *, refused: Sequence[Change]) -> None:
        self.repairs.reading()
        self.repairs.round(wanted, changes, refused)

    async def write(self, note: str) -> bool:
        if self.reachable:
            self.events.append(note)
        return self.reachable


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_one_event_says_what_was_repaired(bench: Bench) -> None:
    await bench.repairs.tell(bench.write)
    bench.repairs.add([Add(route(1)), Remove(route(2))])
    await bench.repairs.tell(bench.write)
    await bench.repairs.tell(bench.write)
    assert bench.events == [
        "route 10.1.0.0/16 in table 7 unreachable was missing; route 10.2.0.0/16 in table 7 unreachable was added"
    ]
    assert bench.count == 2


async def test_many_repairs_make_one_short_note(bench: Bench) -> None:
    for _ in range(3):
        bench.repairs.add([Add(route(number)) for number in range(200)])
    await bench.repairs.tell(bench.write)
    (note,) = bench.events
    assert note.endswith("; and 585 more")
    assert note.count("(3 times)") == module.LISTED
    assert len(note) < 1000


async def test_what_could_not_be_written_is_told_later(bench: Bench) -> None:
    bench.reachable = False
    bench.repairs.add([Add(route(1))])
    await bench.repairs.tell(bench.write)
    bench.reachable = True
    bench.repairs.add([Add(route(1))])
    await bench.repairs.tell(bench.write)
    assert bench.events == ["route 10.1.0.0/16 in table 7 unreachable was missing (2 times)"]


async def test_what_was_repaired_by_a_gateway_that_is_none_any_more_is_not_told(bench: Bench) -> None:
    bench.repairs.add([Add(route(1))])
    bench.repairs.forget()
    await bench.repairs.tell(bench.write)
    assert bench.events == []


async def test_what_another_one_took_away_is_repaired(bench: Bench) -> None:
    wanted = KernelState(routes=frozenset({route(1), route(2)}))
    changes = [Add(route(1)), Add(route(2))]
    bench.round(wanted, changes, refused=[changes[1]])
    assert bench.count == 0, "the first round of a process may find anything"
    bench.round(wanted, [changes[1]], refused=[])
    assert bench.count == 0, "it was refused before"
    bench.round(wanted, changes, refused=[changes[1]])
    assert bench.count == 1, "one of them is still missing"
    bench.repairs.lose_track()
    bench.round(wanted, changes, refused=[])
    assert bench.count == 1, "as the first round"


async def test_what_the_daemon_did_beside_its_rounds_is_no_repair(bench: Bench) -> None:
    hops = [NextHop(number, "wan0", None, 4) for number in (1, 2)]
    before, after = KernelState(nexthops=frozenset(hops)), KernelState(nexthops=frozenset(hops[:1]))
    bench.round(before, [], refused=[])
    bench.repairs.beside(before, after)
    bench.round(before, [Add(hops[1])], refused=[])
    assert bench.count == 0
    bench.round(before, [Add(hops[1])], refused=[])
    assert bench.count == 1


async def test_what_the_daemon_did_beside_a_round_that_had_read_already_is_no_repair(bench: Bench) -> None:
    hops = [NextHop(number, "wan0", None, 4) for number in (1, 2)]
    before, after = KernelState(nexthops=frozenset(hops)), KernelState(nexthops=frozenset(hops[:1]))
    bench.round(before, [], refused=[])
    bench.repairs.reading()
    bench.repairs.beside(before, after)
    bench.repairs.round(after, [Remove(hops[1])], [])
    assert bench.count == 0
    bench.round(after, [Remove(hops[1])], refused=[])
    assert bench.count == 1, "now somebody else has added it"
    bench.round(before, [Add(hops[1])], refused=[])
    bench.repairs.reading()
    bench.repairs.beside(before, after)
    bench.repairs.round(before, [Add(hops[1])], [])
    assert bench.count == 1, "a new plan"


async def test_a_fight_gets_rarer_events_and_slower_rounds_and_is_forgiven(bench: Bench) -> None:
    pauses = []
    for _ in range(600):
        bench.repairs.add([Add(route(1))])
        await bench.repairs.tell(bench.write)
        pauses.append(bench.repairs.pause)
        bench.now += 0.5
    assert len(bench.events) <= module.BURST + 300 / module.REFILL + 1
    assert pauses[: module.FREE] == [0.0] * module.FREE
    assert pauses == sorted(pauses)
    assert pauses[-1] == module.LONGEST_PAUSE < 5
    bench.now += module.WINDOW + 1
    assert bench.repairs.pause == 0

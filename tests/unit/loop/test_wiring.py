"""What a node daemon is ready for, and that each problem is said once."""

import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from ipaddress import ip_network

import pytest
from prometheus_client import CollectorRegistry, Counter

from mcnet.loop.log import Log
from mcnet.loop.reconcile import Reconciler
from mcnet.loop.wiring import LOGGED, Journal, unready
from mcnet.model.kernel import Add, Remove, Route, RouteType


@dataclass
class Kind:
    plural: str


@dataclass
class FakeStore:
    kind: Kind
    synced: bool

    def run(self) -> Coroutine[None, None, None]:
        raise AssertionError("not run here")


async def nothing(_: str) -> bool:
    return False


def test_ready_when_all_is_listed_and_every_loop_has_had_a_round() -> None:
    loop = Reconciler(nothing)
    nodes, clusters = FakeStore(Kind("nodes"), True), FakeStore(Kind("clusters"), False)
    assert unready([nodes, clusters], [loop]) == "not listed yet: clusters"
    clusters.synced = True
    assert unready([nodes, clusters], [loop]) == "no round has succeeded yet"
    loop.rounds = 1
    assert unready([nodes, clusters], [loop]) == ""


def test_changes_and_refusals_are_said_and_counted_problems_once(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    counters = [Counter(name, name, registry=registry) for name in ("changes", "failures")]
    journal = Journal(Log("test"), changes=counters[0], failures=counters[1])
    route = Route(7, ip_network("10.0.0.0/8"), RouteType.UNREACHABLE)
    with caplog.at_level(logging.INFO):
        journal.kernel([Add(route), Remove(route, "not wanted")], ["refused"], "nodes changed")
        journal.problems(("one", "two"))
        journal.problems(("two", "three"))
    assert caplog.messages == [
        "add route 10.0.0.0/8 in table 7 unreachable",
        "remove route 10.0.0.0/8 in table 7 unreachable",
        "refused",
        "one",
        "two",
        "three",
    ]
    assert registry.get_sample_value("changes_total") == 2
    assert registry.get_sample_value("failures_total") == 1


def test_of_thousands_of_changes_only_some_are_said(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    counters = [Counter(name, name, registry=registry) for name in ("changes", "failures")]
    journal = Journal(Log("test"), changes=counters[0], failures=counters[1])
    route = Route(7, ip_network("10.0.0.0/8"), RouteType.UNREACHABLE)
    with caplog.at_level(logging.INFO):
        journal.kernel([Add(route)] * 5000, [], "nodes changed")
    assert len(caplog.messages) == LOGGED + 1
    assert caplog.messages[-1] == "and 4900 changes more"
    assert registry.get_sample_value("changes_total") == 5000

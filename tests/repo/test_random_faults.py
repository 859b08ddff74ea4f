"""The lists of random faults that seeds give. (What they do to real clusters is tests/e2e's.)"""

import pytest

from mcnet.lab.impair import LinkName
from tests.e2e.clusterset import CLUSTERS
from tests.e2e.gateway_faults import Fault, cut, gone, stopped
from tests.e2e.random_faults import AGAIN, GATEWAYS, Told, acts

SECONDS = 120.0


def test_one_seed_gives_one_list() -> None:
    assert list(map(str, acts(7, SECONDS))) == list(map(str, acts(7, SECONDS)))
    assert list(map(str, acts(7, SECONDS))) != list(map(str, acts(8, SECONDS)))


@pytest.mark.parametrize("seed", range(1, 41))
def test_there_is_always_a_way(seed: int) -> None:
    """A gateway on each side that is there, and has been for long enough."""
    there: dict[str, str] = {}
    back: dict[str, float] = {}
    links = 0
    for act in acts(seed, SECONDS):
        fault = act.fault
        assert act.begins == (fault.name not in there)
        if act.begins:
            there[fault.name] = fault.node
            links += bool(fault.bound)
        else:
            del there[fault.name]
            back[fault.node] = act.moment if fault.bound else -AGAIN
        out = set(there.values()) | {node for node, since in back.items() if act.moment < since + AGAIN}
        for cluster in CLUSTERS:
            assert [node for node in GATEWAYS if node.startswith(cluster) and node not in out], (seed, act)
    assert there == {}, "all is over"
    assert links > 2


@pytest.mark.parametrize("seed", range(1, 41))
def test_a_daemon_that_was_killed_can_come_back(seed: int) -> None:
    """Its node reaches its API server, which is there."""
    there: set[Fault] = set()
    for act in acts(seed, SECONDS):
        there = there | {act.fault} if act.begins else there - {act.fault}
        names = {fault.name for fault in there}
        for node in {fault.daemon for fault in there} - {""}:
            lost = {stopped(node.partition("-")[0]), cut(node, LinkName.CLUSTER), gone(node)}
            assert names.isdisjoint(fault.name for fault in lost), (seed, act)


def test_links_go_while_a_daemon_is_away() -> None:
    found = 0
    for seed in range(1, 41):
        away = 0
        for act in acts(seed, SECONDS):
            if act.fault.daemon:
                away += 1 if act.begins else -1
            found += bool(away and act.begins and act.fault.bound)
    assert found > 20


def test_what_a_daemon_that_is_away_excuses() -> None:
    told = Told(away=[(100.0, 104.0)])
    assert told.excused(101.0, 4.9, bound=2.0)
    assert told.excused(99.0, 6.9, bound=2.0), "it had not noticed yet"
    assert not told.excused(101.0, 5.1, bound=2.0)
    assert told.excused(101.0, 9.9, bound=2.0, slower=2.0)
    assert not told.excused(104.1, 2.1, bound=2.0), "it was back"
    assert not told.excused(90.0, 9.9, bound=20.0), "it was still there"
    assert not Told().excused(1.0, 1.0, bound=2.0)

"""The lists of random faults that seeds give. (What they do to real clusters is tests/e2e's.)"""

import pytest

from tests.e2e.clusterset import CLUSTERS
from tests.e2e.random_faults import AGAIN, GATEWAYS, acts

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

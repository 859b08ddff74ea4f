"""Whose endpoints are withdrawn, and when they come back."""

import pytest

from mcnet.model.cluster import ClusterId
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.plan.service_health import LOST_AFTER, cut_off, lost, next_look, remember

EAST, NORTH = ClusterId("east"), ClusterId("north")
UP, NEW, DOWN = CableState.CONNECTED, CableState.CONNECTING, CableState.ERROR


def gateway(node: str, **cables: CableState) -> Gateway:
    made = tuple(Cable(ClusterId(cluster), "n", 0, state, "vxlan") for cluster, state in cables.items())
    return Gateway(node, ClusterId("west"), 0, made)


CASES = [
    ([], set()),
    ([Gateway("a", ClusterId(""), None)], set()),
    ([gateway("a", east=UP, north=UP)], set()),
    ([gateway("a", east=NEW, north=UP)], set()),
    ([gateway("a", east=DOWN, north=UP)], {"east"}),
    ([gateway("a", north=UP)], {"east"}),
    ([gateway("a")], {"east", "north"}),
    ([gateway("a", east=DOWN, north=UP), gateway("b", east=UP)], set()),
    ([gateway("a", east=DOWN, north=UP), gateway("b", east=NEW)], set()),
    ([gateway("a", east=DOWN, north=UP), gateway("b")], {"east"}),
]


@pytest.mark.parametrize(("gateways", "clusters"), CASES)
def test_who_is_cut_off(gateways: list[Gateway], clusters: set[str]) -> None:
    assert cut_off(gateways, {EAST, NORTH, ClusterId("west")}) == clusters


def test_only_loss_without_a_break_counts() -> None:
    memory = remember({}, {EAST}, 10.0)
    assert lost(memory, 10.0 + LOST_AFTER - 0.1) == frozenset()
    memory = remember(memory, {EAST, NORTH}, 11.0)
    assert lost(memory, 10.0 + LOST_AFTER) == {EAST}
    memory = remember(memory, {NORTH}, 12.5)
    memory = remember(memory, {EAST, NORTH}, 12.6)
    assert lost(memory, 13.5) == {NORTH}


def test_when_to_look_again() -> None:
    assert next_look({}, 5.0) is None
    assert next_look({EAST: 5.0, NORTH: 4.0}, 5.0) == pytest.approx(LOST_AFTER - 1)
    assert next_look({EAST: 5.0}, 5.0 + LOST_AFTER) is None

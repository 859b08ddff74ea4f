"""The layout of any graph: nothing overlaps, all is on the page."""

from itertools import combinations

import pytest
from hypothesis import given

from mcnet.plan.topology.graph import Graph
from mcnet.plan.topology.layout import layout
from tests.fakes.graphs import ANY, MESHES, graphs


def check(graph: Graph) -> None:
    placed = layout(graph)
    solid = [group.box for group in placed.groups] + [cell.box for cell in placed.cells] + [placed.legend]
    labels = [wire.label for wire in placed.wires if wire.label]
    for one, other in combinations(solid + labels, 2):
        assert not one.overlaps(other)
    for box in solid + labels:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= placed.width
        assert box.y + box.height <= placed.height
    for group in placed.groups:
        for pill in group.pills:
            assert group.box.holds(pill.box)
        for one, other in combinations([pill.box for pill in group.pills], 2):
            assert not one.overlaps(other)


@ANY
@given(graphs())
def test_nothing_overlaps_and_all_is_on_the_page(graph: Graph) -> None:
    check(graph)


@pytest.mark.parametrize("size", MESHES)
def test_full_meshes(size: int) -> None:
    check(MESHES[size])


@pytest.mark.parametrize("size", [2, 3, 5, 8])
def test_every_link_that_carries_traffic_has_its_round_trip_beside_it(size: int) -> None:
    wires = [wire for wire in layout(MESHES[size]).wires if wire.link.active]
    labelled = sum(wire.label is not None for wire in wires)
    assert labelled == len(wires) if size <= 3 else labelled >= 0.6 * len(wires)


def test_many_clusters_have_one_link_for_each_pair_and_a_table() -> None:
    placed = layout(MESHES[20])
    assert len(placed.wires) == 20 * 19 // 2
    assert len([cell for cell in placed.cells if cell.link]) == 20 * 19
    assert not layout(MESHES[8]).cells


def test_links_of_one_gateway_end_in_different_places() -> None:
    ends = [point for wire in layout(MESHES[5]).wires for point in (wire.start, wire.end)]
    assert len(set(ends)) == len(ends)

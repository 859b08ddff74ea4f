"""Which paths are chosen: all that are healthy, by weight; unknown paths stay as they are in the kernel."""

from math import gcd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import ClusterId
from mcnet.model.probe import Mark
from mcnet.plan.choice import GatewayView, Health, Rail, choose_cables, choose_gateways

WEST = ClusterId("west")
UP, DOWN, UNKNOWN = Health.UP, Health.DOWN, Health.UNKNOWN
Chosen = list[tuple[int, int]]


@pytest.mark.parametrize(
    ("cables", "in_use", "chosen"),
    [
        pytest.param([], set(), [], id="none"),
        pytest.param([Rail(1, UP), Rail(0, UP)], set(), [(0, 1), (1, 1)], id="all"),
        pytest.param([Rail(0, DOWN), Rail(1, UP), Rail(2, UP)], {0, 1, 2}, [(1, 1), (2, 1)], id="one is lost"),
        pytest.param([Rail(0, DOWN), Rail(1, DOWN)], {0}, [], id="all lost"),
        pytest.param([Rail(0, UNKNOWN), Rail(1, UNKNOWN), Rail(2, UNKNOWN)], {1, 2}, [(1, 1), (2, 1)], id="restart"),
        pytest.param([Rail(0, UNKNOWN)], set(), [], id="never answered"),
        pytest.param([Rail(0, UNKNOWN), Rail(1, UP)], {1}, [(1, 1)], id="a new one has to answer first"),
        pytest.param([Rail(0, UP, 100), Rail(1, UP, 50), Rail(2, UP, 25)], {0}, [(0, 4), (1, 2), (2, 1)], id="w"),
        pytest.param([Rail(0, UP, 0), Rail(1, UP, 50)], {0, 1}, [(1, 1)], id="one drains"),
        pytest.param([Rail(0, UP, 0), Rail(1, DOWN, 50)], {1}, [(0, 1)], id="the last one carries though it drains"),
        pytest.param([Rail(0, UP, 0), Rail(1, UP, 0)], {1}, [(0, 1), (1, 1)], id="all drain"),
        pytest.param([Rail(0, UNKNOWN, 0), Rail(1, UNKNOWN, 0)], {1}, [(1, 1)], id="all drain, restart"),
        pytest.param([Rail(0, UP, 100, True), Rail(1, UP)], {0, 1}, [(1, 1)], id="one is marked"),
        pytest.param([Rail(0, UP, 100, True), Rail(1, UP, 50, True)], {0}, [(0, 2), (1, 1)], id="all are marked"),
        pytest.param([Rail(0, UP, 100, True), Rail(1, DOWN)], {1}, [(0, 1)], id="marked is better than none"),
        pytest.param([Rail(0, UP, 100, True), Rail(1, UP, 0)], {0}, [(1, 1)], id="one that drains delivers"),
        pytest.param([Rail(0, UP, 100, True), Rail(1, UNKNOWN)], {1}, [(1, 1)], id="marked, restart"),
    ],
)  # fmt: skip
def test_cables(cables: list[Rail], in_use: set[int], chosen: Chosen) -> None:
    assert list(choose_cables(cables, in_use)) == chosen


def gateway(rail: int, health: Health, reach: list[ClusterId] | None, weight: int = 100) -> GatewayView:
    return GatewayView(f"n{rail}", rail, health, None if reach is None else frozenset(reach), weight=weight)


@pytest.mark.parametrize(
    ("views", "in_use", "chosen"),
    [
        pytest.param([], set(), [], id="none"),
        pytest.param([gateway(1, UP, [WEST]), gateway(0, UP, [WEST])], set(), [(0, 1), (1, 1)], id="all"),
        pytest.param([gateway(0, UP, []), gateway(1, UP, [WEST])], {0}, [(1, 1)], id="only one reaches it"),
        pytest.param([gateway(0, UP, []), gateway(1, UP, [])], {0}, [], id="nobody reaches it"),
        pytest.param([gateway(0, DOWN, [WEST]), gateway(1, UP, [WEST])], {0, 1}, [(1, 1)], id="one is lost"),
        pytest.param([gateway(0, DOWN, [WEST]), gateway(1, DOWN, [WEST])], {1}, [(1, 1)], id="all lost: one stays"),
        pytest.param([gateway(0, DOWN, None), gateway(1, DOWN, None)], set(), [(0, 1), (1, 1)], id="all lost, idle"),
        pytest.param([gateway(0, DOWN, []), gateway(1, DOWN, [WEST])], {0}, [(1, 1)], id="all lost, one reaches it"),
        pytest.param(
            [gateway(0, UNKNOWN, None), gateway(1, UNKNOWN, None), gateway(2, UNKNOWN, None)], {1, 2},
            [(1, 1), (2, 1)], id="restart moves nothing",
        ),
        pytest.param(
            [gateway(0, UNKNOWN, [WEST]), gateway(1, UP, [WEST])], {1}, [(1, 1)], id="a new one has to answer first"
        ),
        pytest.param([gateway(0, UP, None), gateway(1, UP, None)], {1}, [(1, 1)], id="no advert for long: it stays"),
        pytest.param([gateway(0, UNKNOWN, None), gateway(1, DOWN, None)], set(), [(0, 1)], id="a fresh node tries"),
        pytest.param([gateway(0, UP, None), gateway(1, UP, [WEST])], set(), [(1, 1)], id="only one has said so"),
        pytest.param([gateway(0, UNKNOWN, [WEST]), gateway(1, UP, None)], set(), [(0, 1)], id="said before up"),
        pytest.param(
            [gateway(0, UP, [WEST], 20), gateway(1, UP, [WEST], 60)], set(), [(0, 1), (1, 3)], id="weights"
        ),
        pytest.param([gateway(0, UP, [WEST], 0), gateway(1, UP, [WEST])], {0, 1}, [(1, 1)], id="one drains"),
        pytest.param([gateway(0, UP, [WEST], 0), gateway(1, UP, [])], {0}, [(0, 1)], id="the last that reaches it"),
        pytest.param([gateway(0, UP, [WEST], 0), gateway(1, DOWN, [WEST])], {1}, [(0, 1)], id="the last one alive"),
    ],
)  # fmt: skip
def test_gateways(views: list[GatewayView], in_use: set[int], chosen: Chosen) -> None:
    assert [(view.rail, weight) for view, weight in choose_gateways(views, WEST, in_use)] == chosen


def test_of_two_gateways_with_one_rail_one_is_used() -> None:
    views = [gateway(0, UP, [WEST]), GatewayView("heir", 0, UP, frozenset({WEST}))]
    assert len(choose_gateways(views, WEST, {0})) == 1


healths = st.sampled_from(Health)
weights = st.sampled_from([0, 1, 50, 99, 100])
rails = st.integers(0, 7)
cables = st.lists(
    st.builds(Rail, rails, healths, weights, st.sampled_from(Mark)), max_size=8, unique_by=lambda one: one.rail
)
gateways = st.lists(
    st.builds(gateway, rails, healths, st.sampled_from([None, [], [WEST]]), weights),
    max_size=8, unique_by=lambda one: one.rail,
)  # fmt: skip


@given(cables, st.sets(rails))
def test_cables_in_any_situation(given_cables: list[Rail], in_use: set[int]) -> None:
    chosen = dict(choose_cables(given_cables, in_use))
    by_rail = {one.rail: one for one in given_cables}
    assert all(by_rail[rail].health is not DOWN for rail in chosen)
    marks = {by_rail[rail].mark for rail in chosen}
    assert len(marks) <= 1, "none that is marked beside one that is less so"
    healthy = [one for one in given_cables if one.health is UP and one.weight]
    assert not healthy or chosen
    loaded = [one.rail for one in healthy if one.mark in marks]
    assert not any(one.health is UP and one.mark < mark for one in given_cables for mark in marks)
    assert set(loaded) <= set(chosen), "every healthy cable carries"
    assert not loaded or all(by_rail[rail].weight for rail in chosen), "none that drains beside it"
    assert not chosen or gcd(*chosen.values()) == 1
    for one, share in chosen.items():
        for other, others in chosen.items():
            assert share * by_rail[other].weight == others * by_rail[one].weight
    unknown = [Rail(one.rail, UNKNOWN, one.weight, one.mark) for one in given_cables]
    assert dict(choose_cables(unknown, chosen)) == chosen, "a restart moves nothing"


@given(gateways, st.sets(rails))
def test_gateways_in_any_situation(views: list[GatewayView], in_use: set[int]) -> None:
    chosen = {view.rail: weight for view, weight in choose_gateways(views, WEST, in_use)}
    by_rail = {view.rail: view for view in views}
    able = [view for view in views if view.reach is None or WEST in view.reach]
    assert bool(chosen) == bool(able), "never the last path, and none to where nobody leads"
    assert all(by_rail[rail] in able for rail in chosen)
    proven = [view for view in able if view.health is UP and view.reach is not None]
    assert {view.rail for view in proven if view.weight} <= set(chosen)
    assert not proven or all(by_rail[rail].health is not DOWN for rail in chosen)
    silent = [gateway(view.rail, UNKNOWN, None, view.weight) for view in views]
    assert {view.rail: weight for view, weight in choose_gateways(silent, WEST, chosen)} == (
        chosen if chosen else dict(_all(silent))
    ), "a restart moves nothing"


def _all(views: list[GatewayView]) -> Chosen:
    return [(view.rail, weight) for view, weight in choose_gateways(views, WEST, ())]

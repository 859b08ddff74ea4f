"""What samples come to: summaries, stretches of time, ratios, histograms."""

import random
from math import isinf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.latency import Series, Summary, Way
from mcnet.plan.latency import BLOCKS, COLUMNS, histogram, measure, measures, summary

TRIPS = st.lists(st.one_of(st.none(), st.floats(0.1, 1e7)), max_size=300)


def series(way: Way, trips: list[float | None], *, family: int = 4, protocol: str = "icmp") -> Series:
    return Series(protocol, family, way, tuple(number / 100 for number in range(len(trips))), tuple(trips))


def noisy(center: float, count: int = 1000, seed: int = 1) -> list[float | None]:
    luck = random.Random(seed)
    return [center * luck.lognormvariate(0, 0.2) for _ in range(count)]


@pytest.mark.parametrize(
    ("trips", "expected"),
    [
        pytest.param([], Summary(0, 0), id="nothing-sent"),
        pytest.param([None, None], Summary(2, 2), id="nothing-answered"),
        pytest.param([5.0], Summary(1, 0, 5.0, 5.0, 5.0, 5.0, 5.0, None), id="one"),
        pytest.param([1.0, None, 3.0, 2.0], Summary(4, 1, 2.0, 3.0, 3.0, 3.0, 3.0, 1.0), id="jitter-not-over-a-gap"),
    ],
)
def test_summary(trips: list[float | None], expected: Summary) -> None:
    assert summary(trips) == expected


def test_quantiles_of_a_thousand() -> None:
    found = summary([float(number) for number in range(1, 1001)])
    assert (found.p50, found.p90, found.p99, found.p999, found.maximum) == (500, 900, 990, 999, 1000)
    assert found.jitter == 1


@given(TRIPS)
def test_quantiles_are_ordered_and_measured(trips: list[float | None]) -> None:
    found = summary(trips)
    assert found.lost == trips.count(None)
    assert 0 <= found.loss <= 1
    if found.lost < found.sent:
        times = [found.p50, found.p90, found.p99, found.p999, found.maximum]
        assert times == sorted(time for time in times if time is not None)
        assert set(times) <= set(trips)


def test_the_ratio_is_found_and_its_interval_holds_it() -> None:
    found = measure(series(Way.PODS, noisy(150)), series(Way.NODES, noisy(100, seed=2)))
    assert len(found.blocks) == BLOCKS
    assert set(found.ratios) == {"p50", "p90", "p99"}
    ratio = found.ratios["p50"]
    assert ratio.low < 1.5 < ratio.high
    assert ratio.high - ratio.low < 0.2


def test_what_falls_on_both_ways_cancels() -> None:
    # Half of the run the machine is three times as slow: the times double, the ratio stays.
    slow = [3.0 if number >= 500 else 1.0 for number in range(1000)]
    pods = [(time or 0) * factor for time, factor in zip(noisy(150), slow, strict=True)]
    nodes = [(time or 0) * factor for time, factor in zip(noisy(100, seed=2), slow, strict=True)]
    ratio = measure(series(Way.PODS, list(pods)), series(Way.NODES, list(nodes))).ratios["p50"]
    assert ratio.low < 1.5 < ratio.high
    assert ratio.high - ratio.low < 0.2


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param(None, id="no-series"),
        pytest.param([None] * 1000, id="no-answers"),
    ],
)
def test_without_a_baseline_there_is_no_ratio_but_there_are_stretches(nodes: list[float | None] | None) -> None:
    found = measure(series(Way.PODS, noisy(150)), None if nodes is None else series(Way.NODES, nodes))
    assert found.ratios == {}
    assert len(found.blocks) == BLOCKS
    assert all(block.pods and not block.nodes for block in found.blocks)


def test_pods_that_never_answer() -> None:
    found = measure(series(Way.PODS, [None] * 100), series(Way.NODES, noisy(100, 100)))
    assert (found.pods.loss, found.ratios, found.blocks) == (1, {}, ())
    assert found.histogram is not None
    assert sum(found.histogram.nodes) == 100


def test_few_samples_give_a_ratio_without_certainty() -> None:
    found = measure(series(Way.PODS, noisy(150, 60)), series(Way.NODES, noisy(100, 60)))
    assert len(found.blocks) == 3
    assert set(found.ratios) == {"p50", "p90"}
    assert isinf(found.ratios["p50"].high)


def test_pods_stand_beside_nodes_of_their_family_else_beside_what_there_is() -> None:
    both = [
        series(Way.PODS, noisy(1), family=6),
        series(Way.NODES, noisy(1), family=4),
        series(Way.NODES, noisy(1), family=6),
        series(Way.NODES, noisy(1), family=6, protocol="tcp"),
    ]
    assert [(one.family, one.nodes_family) for one in measures(both)] == [(6, 6)]
    assert [(one.family, one.nodes_family) for one in measures(both[:2])] == [(6, 4)]
    (alone,) = measures(both[:1])
    assert alone.nodes == Summary(0, 0)


@given(TRIPS, TRIPS)
def test_anything_can_be_measured(pods: list[float | None], nodes: list[float | None]) -> None:
    found = measure(series(Way.PODS, pods), series(Way.NODES, nodes))
    for block in found.blocks:
        assert block.pods
    for ratio in found.ratios.values():
        assert 0 <= ratio.low <= ratio.value <= ratio.high
    if found.histogram is not None:
        assert sum(found.histogram.pods) == found.pods.sent - found.pods.lost
        assert sum(found.histogram.nodes) == found.nodes.sent - found.nodes.lost


def test_a_histogram_shows_outliers_at_its_ends_only() -> None:
    found = histogram([100.0] * 998 + [1.0, 1e6], [200.0] * 1000)
    assert found is not None
    assert len(found.pods) == COLUMNS
    assert found.edges[0] == 100
    assert found.edges[-1] == pytest.approx(200)
    assert (found.pods[0], found.pods[-1], found.nodes[-1]) == (999, 1, 1000)
    assert histogram([], []) is None

"""When a run is worse: what is clearly slower or loses more, and not what noise does."""

import random
from dataclasses import replace

import pytest

from mcnet.model.cluster import ClusterId
from mcnet.model.latency import Path, PathResult, Place, Report, Series, Summary, Verdict, Way
from mcnet.plan.latency import measure
from mcnet.plan.latency_compare import compare

EAST = Place(ClusterId("east"), "n1", "east-admin", True)
WEST = Place(ClusterId("west"), "n1", "west-admin", True)
PATH = Path(EAST, WEST)


def series(way: Way, center: float, seed: str, *, lost: int = 0, spread: float = 0.2) -> Series:
    luck = random.Random(f"{way} {seed}")
    trips = [None if number < lost else center * luck.lognormvariate(0, spread) for number in range(1000)]
    return Series("tcp", 4, way, tuple(number / 100 for number in range(1000)), tuple(trips))


def run(pods: float, nodes: float | None = 100.0, *, seed: str = "a", lost: int = 0, path: Path = PATH) -> Report:
    ways = measure(series(Way.PODS, pods, seed, lost=lost), None if nodes is None else series(Way.NODES, nodes, seed))
    return Report(time="t", version="v", duration=10, interval=0.01, results=(PathResult(path, (ways,)),))


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        pytest.param(run(150), run(150), Verdict.SAME, id="the-same-run"),
        pytest.param(run(150), run(150, seed="b"), Verdict.SAME, id="noise"),
        pytest.param(run(155), run(150, seed="b"), Verdict.SAME, id="within-the-tolerance"),
        pytest.param(run(200), run(150, seed="b"), Verdict.WORSE, id="slower"),
        pytest.param(run(110), run(150, seed="b"), Verdict.BETTER, id="faster"),
        pytest.param(run(300, 200), run(150, 100, seed="b"), Verdict.SAME, id="a-slower-machine"),
        pytest.param(run(200, None), run(150, None, seed="b"), Verdict.WORSE, id="slower-without-baseline"),
        pytest.param(run(150, None), run(150, 100, seed="b"), Verdict.SAME, id="the-baseline-is-gone"),
        pytest.param(run(150, lost=20), run(150, seed="b"), Verdict.WORSE, id="loses"),
        pytest.param(run(150, lost=1), run(150, seed="b"), Verdict.SAME, id="one-lost-says-nothing"),
        pytest.param(run(150, lost=20), run(150, lost=22, seed="b"), Verdict.SAME, id="loses-as-before"),
        pytest.param(run(150), run(150, lost=30, seed="b"), Verdict.BETTER, id="loses-no-more"),
        pytest.param(run(100, lost=30), run(150, seed="b"), Verdict.WORSE, id="faster-but-loses"),
        pytest.param(run(150, lost=1000), run(150, seed="b"), Verdict.WORSE, id="no-answer-any-more"),
    ],
)
def test_verdict(new: Report, old: Report, expected: Verdict) -> None:
    assert compare(new, old).verdict is expected


def test_the_tolerance_decides_what_is_worse() -> None:
    assert compare(run(180), run(150, seed="b"), tolerance=0.05).verdict is Verdict.WORSE
    assert compare(run(180), run(150, seed="b"), tolerance=0.5).verdict is Verdict.SAME


def test_a_difference_says_what_and_how_much() -> None:
    (p50, *_) = compare(run(300), run(150, seed="b")).differences
    assert (p50.path, p50.family, p50.protocol, p50.what) == (PATH, 4, "tcp", "p50")
    assert p50.change.low < 2 < p50.change.high
    assert p50.verdict is Verdict.WORSE


def test_noise_alone_is_rarely_called_a_difference() -> None:
    verdicts = [
        compare(run(150, seed=str(number)), run(150, seed=f"other {number}"), tolerance=0.0).verdict
        for number in range(60)
    ]
    assert sum(verdict is not Verdict.SAME for verdict in verdicts) <= 6


def test_paths_that_only_one_run_has_are_named_and_not_judged() -> None:
    other = Path(WEST, replace(EAST, node="n2"))
    comparison = compare(run(150), run(900, path=other))
    assert (comparison.only_old, comparison.only_new) == ((other,), (PATH,))
    assert comparison.differences == ()
    assert comparison.verdict is Verdict.SAME


def test_a_path_is_the_same_by_cluster_and_node_whatever_the_context_is_called() -> None:
    renamed = Path(replace(EAST, context="x", gateway=False), WEST)
    assert compare(run(150), run(150, path=renamed)).only_new == ()


def test_nothing_sent_is_nothing_known() -> None:
    (result,) = run(150).results
    (whole,) = result.measures
    empty = replace(whole, pods=Summary(0, 0), nodes=Summary(0, 0), ratios={}, blocks=(), histogram=None)
    report = replace(run(150), results=(PathResult(PATH, (empty,)),))
    assert compare(report, report).verdict is Verdict.SAME

"""The screen: the ratio first, aligned, and said in words where there is none."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.benchmark.screen import bars, comparison_lines, report_lines, time_text
from mcnet.model.cluster import ClusterId
from mcnet.model.latency import Path, PathResult, Place, Report, Series, Way
from mcnet.plan.latency import measures
from mcnet.plan.latency_compare import compare

PATH = Path(Place(ClusterId("east"), "east-n1", "e", True), Place(ClusterId("west"), "worker", "w"))


def series(way: Way, trips: list[float | None], family: int = 4) -> Series:
    return Series("icmp", family, way, tuple(number / 100 for number in range(len(trips))), tuple(trips))


def report(pods: list[float | None], nodes: list[float | None], families: tuple[int, int] = (4, 4)) -> Report:
    made = measures([series(Way.PODS, pods, families[0]), series(Way.NODES, nodes, families[1])])
    return Report(
        time="2026-01-31T12:00:00Z", version="v", duration=10, interval=0.01, results=(PathResult(PATH, made),)
    )


SLOW, FAST = [150.0 + number % 9 for number in range(1000)], [100.0 + number % 9 for number in range(1000)]


def test_the_screen() -> None:
    lines = report_lines(report([*SLOW], [*FAST]))
    assert lines[0] == "east-n1 (gateway) → west/worker"
    assert lines[1] == "  icmp IPv4  1.48x (1.48-1.48)"
    table = lines[3:7]
    assert table[0].split() == ["P50", "P90", "P99", "P99.9", "MAX", "JITTER", "LOSS"]
    assert table[1].split() == ["icmp", "IPv4", "ratio", "1.48x", "1.46x", "1.46x"]
    assert table[2].split()[:7] == ["pods", "154", "µs", "158", "µs", "158", "µs"]
    assert len({line.rindex("µs") for line in table[2:]}) == 1
    assert max(map(len, lines)) <= 120
    assert "1000 samples each, one every 10 ms" in lines[-1]


@pytest.mark.parametrize(
    ("made", "says"),
    [
        pytest.param(
            report([None] * 100, [*FAST]), "no answer from pod to pod: mcnet show connections", id="no-pods"
        ),
        pytest.param(report([*SLOW], [None] * 100), "no answer from node to node without mcnet", id="no-nodes"),
        pytest.param(report([*SLOW[:60]], [*FAST[:60]]), "1.48x (too few samples to say how exactly)", id="few"),
        pytest.param(report([*SLOW], [*FAST], (4, 6)), "1.48x (1.48-1.48), nodes by IPv6", id="other-family"),
    ],
)
def test_headlines(made: Report, says: str) -> None:
    assert any(says in line for line in report_lines(made))


def test_colours_do_not_move_anything() -> None:
    made = report([*SLOW], [*FAST])
    colored = report_lines(made, lambda text, color: f"<{color}>{text}</>")
    stripped = list(colored)
    for color in ("<bold>", "<dim>", "</>"):
        stripped = [line.replace(color, "") for line in stripped]
    assert stripped == report_lines(made)


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (None, "-"), (0.1, "0.10 µs"), (9.99, "9.99 µs"), (9.996, "10.0 µs"), (99.9, "99.9 µs"), (123.4, "123 µs"),
        (999.4, "999 µs"), (999.9, "1.00 ms"), (1234, "1.23 ms"), (123456, "123 ms"), (1234567, "1.23 s"),
    ],
)  # fmt: skip
def test_times_have_three_digits(microseconds: float | None, text: str) -> None:
    assert time_text(microseconds) == text


@given(st.floats(0.1, 1e9))
def test_a_time_is_short(microseconds: float) -> None:
    assert len(time_text(microseconds)) <= 8


@given(st.lists(st.integers(0, 10**6), min_size=1))
def test_every_column_that_holds_something_is_seen(counts: list[int]) -> None:
    drawn = bars(counts, max(*counts, 1))
    assert len(drawn) == len(counts)
    assert [character == " " for character in drawn] == [count == 0 for count in counts]


def test_a_comparison() -> None:
    old, new = report([*FAST], [*FAST]), report([*SLOW], [*FAST])
    lines = comparison_lines(compare(new, old), old.time)
    assert lines[0] == "Compared with the run of 2026-01-31T12:00:00Z: worse"
    assert lines[1].startswith("  worse  east-n1 (gateway) → west/worker icmp IPv4 p50 +48 %")
    assert comparison_lines(compare(new, new), "t")[1] == "  nothing differs by more than the noise and the tolerance"
    other = replace(old, results=(replace(old.results[0], path=replace(PATH, target=PATH.source)),))
    lines = comparison_lines(compare(new, other), "t")
    assert lines[1:] == [
        "  only in the earlier run: east-n1 (gateway) → east-n1 (gateway)",
        "  only in this run: east-n1 (gateway) → west/worker",
    ]

"""A latency report as a screen of text, the ratio first. Pure: colours are given by the caller's `paint`."""

from collections.abc import Callable, Iterable, Sequence
from math import isinf
from typing import Final

from mcnet.model.latency import (
    Comparison,
    Difference,
    Estimate,
    Histogram,
    Measure,
    PathResult,
    Place,
    Report,
    Summary,
    Verdict,
)

Paint = Callable[[str, str], str]
"""Text and a colour's name ("bold", "dim", "red", "green") in, text out."""
BARS: Final = " ▁▂▃▄▅▆▇█"
HEADINGS: Final = ("P50", "P90", "P99", "P99.9", "MAX", "JITTER", "LOSS")
WIDTH: Final = 10
LABEL: Final = 17
"""Columns of protocol, family and way."""
TICKS: Final = 4


def plain(text: str, _: str) -> str:
    """No colours."""
    return text


def report_lines(report: Report, paint: Paint = plain) -> list[str]:
    """The whole report."""
    lines: list[str] = []
    for result in report.results:
        lines += [*_result(result, paint), ""]
    sent = max((each.pods.sent for one in report.results for each in one.measures), default=0)
    lines.append(
        paint(f"{sent} samples each, one every {report.interval * 1000:g} ms; pods and nodes in turns. ", "dim")
        + paint("ratio: pods / nodes, 95 % interval in brackets", "dim")
    )
    return lines


def comparison_lines(comparison: Comparison, old: str, paint: Paint = plain) -> list[str]:
    """Against an earlier run, whose time is `old`: what differs, else that nothing does."""
    colors = {Verdict.WORSE: "red", Verdict.BETTER: "green", Verdict.SAME: "bold"}
    verdict = paint(comparison.verdict.value, colors[comparison.verdict])
    lines = [f"Compared with the run of {old}: {verdict}"]
    notable = [one for one in comparison.differences if one.verdict is not Verdict.SAME]
    for one in notable:
        where = f"{_end(one.path.source)} → {_end(one.path.target)} {one.protocol} IPv{one.family}"
        lines.append(f"  {paint(f'{one.verdict.value:<6}', colors[one.verdict])} {where} {_change(one)}")
    if comparison.differences and not notable:
        lines.append("  nothing differs by more than the noise and the tolerance")
    for word, paths in (("the earlier", comparison.only_old), ("this", comparison.only_new)):
        lines += [f"  only in {word} run: {_end(path.source)} → {_end(path.target)}" for path in paths]
    return lines


def time_text(microseconds: float | None) -> str:
    """Three digits and the unit."""
    if microseconds is None:
        return "-"
    for limit, unit, factor in ((1e3, "µs", 1.0), (1e6, "ms", 1e3), (float("inf"), "s", 1e6)):
        if microseconds < limit * 0.9995:
            value = microseconds / factor
            return (
                f"{value:.2f} {unit}"
                if value < 9.995
                else f"{value:.1f} {unit}"
                if value < 99.95
                else f"{value:.0f} {unit}"
            )
    return "-"


def bars(counts: Sequence[int], highest: int) -> str:
    """One character per column; what is there is seen, however little."""
    return "".join(BARS[0 if not count else max(1, round(count / highest * 8))] for count in counts)


def _result(result: PathResult, paint: Paint) -> list[str]:
    path = result.path
    lines = [paint(f"{_end(path.source)} → {_end(path.target)}", "bold")]
    lines += [f"  {_headline(one)}" for one in result.measures]
    lines += ["", " " * LABEL + "".join(f"{heading:>{WIDTH}}" for heading in HEADINGS)]
    for one in result.measures:
        lines += _rows(one, paint)
    for one in result.measures:
        if one.histogram is not None:
            lines += ["", *_histogram(one, one.histogram, paint)]
    return lines


def _end(place: Place) -> str:
    node = place.node if place.node.startswith(f"{place.cluster}-") else f"{place.cluster}/{place.node}"
    return f"{node} (gateway)" if place.gateway else node


def _headline(measure: Measure) -> str:
    name = f"{measure.protocol:<4} IPv{measure.family}"
    if not measure.pods.sent or measure.pods.lost == measure.pods.sent:
        return f"{name}  no answer from pod to pod: mcnet show connections"
    ratio = measure.ratios.get("p50")
    if ratio is None:
        return f"{name}  no answer from node to node without mcnet, so there is no ratio"
    over = "" if measure.nodes_family == measure.family else f", nodes by IPv{measure.nodes_family}"
    return f"{name}  {ratio.value:.2f}x {_range(ratio)}{over}"


def _range(estimate: Estimate) -> str:
    if isinf(estimate.low) or isinf(estimate.high):
        return "(too few samples to say how exactly)"
    return f"({estimate.low:.2f}-{estimate.high:.2f})"


def _rows(measure: Measure, paint: Paint) -> list[str]:
    name = f"{measure.protocol:<5}IPv{measure.family} "
    ratios = [f"{one.value:.2f}x" for one in measure.ratios.values()]
    lines = [_row(name, "ratio", ratios, paint, "bold")] if ratios else []
    lines.append(_row("" if ratios else name, "pods", _cells(measure.pods), paint, ""))
    lines.append(_row("", "nodes", _cells(measure.nodes), paint, "dim"))
    return lines


def _row(name: str, way: str, cells: Iterable[str], paint: Paint, color: str) -> str:
    text = f"{way:<7}" + "".join(f"{cell:>{WIDTH}}" for cell in cells)
    return f"{name:<10}" + (paint(text, color) if color else text)


def _cells(summary: Summary) -> list[str]:
    times = (summary.p50, summary.p90, summary.p99, summary.p999, summary.maximum, summary.jitter)
    loss = f"{summary.loss * 100:.2g} %" if summary.sent else "-"
    return [*map(time_text, times), loss]


def _histogram(measure: Measure, histogram: Histogram, paint: Paint) -> list[str]:
    highest = max(*histogram.pods, *histogram.nodes, 1)
    name = f"{measure.protocol:<5}IPv{measure.family}"
    return [
        f"{name:<10}{'pods':<7}{bars(histogram.pods, highest).rstrip()}",
        f"{'':<10}" + paint(f"{'nodes':<7}{bars(histogram.nodes, highest).rstrip()}", "dim"),
        " " * LABEL + paint(_scale(histogram.edges), "dim"),
    ]


def _scale(edges: Sequence[float]) -> str:
    """Times below their columns."""
    columns = len(edges) - 1
    text = ""
    for tick in range(TICKS):
        column = columns * tick // TICKS
        text = f"{text:<{column}}╵{time_text(edges[column])}"
    return text


def _change(difference: Difference) -> str:
    change = difference.change
    if difference.what == "loss":
        return f"loss {change.value * 100:+.2g} percentage points"
    low, high = ((one - 1) * 100 for one in (change.low, change.high))
    return f"{difference.what} {(change.value - 1) * 100:+.0f} % ({low:+.0f} to {high:+.0f})"

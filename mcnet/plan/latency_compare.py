"""Whether a run is better or worse than an earlier one: by the ratios to the nodes' own way, with their noise.

Compared are the stretches of time of both runs (mcnet.plan.latency), by rank sums. Worse is what is, with 95 %
confidence over all comparisons together, more than the tolerance slower; or loses more. A run without a baseline
is compared by its times alone.
"""

from collections.abc import Iterable, Mapping
from math import exp, log
from typing import Final

from mcnet.model.latency import Comparison, Difference, Estimate, Measure, Path, Report, Verdict
from mcnet.plan.estimate import proportion, shift
from mcnet.plan.latency import CONFIDENCE, SHARES, log_ratios

TOLERANCE: Final = 0.10
"""Two runs of the same minute differ by some per cent; what one run can't know of itself must not be called worse."""


def compare(new: Report, old: Report, tolerance: float = TOLERANCE) -> Comparison:
    """The paths, families and protocols that both runs have."""
    before, after = _by_path(old), _by_path(new)
    pairs = [
        (path, measure, earlier)
        for path, measures in after.items()
        for key, measure in measures.items()
        if (earlier := before.get(path, {}).get(key)) is not None
    ]
    # Each comparison may err; together they may err once in twenty.
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(pairs) * (len(SHARES) + 1))
    return Comparison(
        tuple(found for pair in pairs for found in _differences(*pair, tolerance, confidence)),
        tuple(path for path in before if path not in after),
        tuple(path for path in after if path not in before),
    )


def _by_path(report: Report) -> Mapping[Path, Mapping[tuple[int, str], Measure]]:
    return {one.path: {(each.family, each.protocol): each for each in one.measures} for one in report.results}


def _differences(path: Path, new: Measure, old: Measure, tolerance: float, confidence: float) -> Iterable[Difference]:
    for name in SHARES:
        now, then = _values(new, old, name)
        if now and then:
            logs = shift(now, then, confidence)
            verdict = _verdict(logs, log(1 + tolerance))
            change = Estimate(exp(logs.value), exp(logs.low), exp(min(logs.high, 700.0)))
            yield Difference(path, new.family, new.protocol, name, change, verdict)
    now_lost = proportion(new.pods.lost, new.pods.sent, confidence)
    then_lost = proportion(old.pods.lost, old.pods.sent, confidence)
    change = Estimate(now_lost.value - then_lost.value, now_lost.low - then_lost.high, now_lost.high - then_lost.low)
    yield Difference(path, new.family, new.protocol, "loss", change, _verdict(change, 0.0))


def _values(new: Measure, old: Measure, name: str) -> tuple[list[float], list[float]]:
    now, then = log_ratios(new.blocks, name), log_ratios(old.blocks, name)
    if now and then:
        return now, then
    return _log_times(new, name), _log_times(old, name)


def _log_times(measure: Measure, name: str) -> list[float]:
    return [log(block.pods[name]) for block in measure.blocks if name in block.pods]


def _verdict(change: Estimate, bound: float) -> Verdict:
    if change.low > bound:
        return Verdict.WORSE
    return Verdict.BETTER if change.high < -bound else Verdict.SAME

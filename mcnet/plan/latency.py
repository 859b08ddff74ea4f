"""From samples to what is said of a path: quantiles, jitter, loss, the ratio to the nodes' own way, a histogram.

The ratio is taken in stretches of time, pods against nodes of the same stretch: what else the machines do falls on
both, and how the ratio varies from stretch to stretch tells how well it is known.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import exp, log
from typing import Final

from mcnet.model.latency import Block, Estimate, Histogram, Measure, Series, Summary, Way
from mcnet.plan.estimate import center, quantile

CONFIDENCE: Final = 0.95
BLOCKS: Final = 10
"""Stretches of time; fewer where samples are few."""
BLOCK_SAMPLES: Final = 20
"""Samples that a stretch has at least, each way."""
SHARES: Final[Mapping[str, float]] = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
"""The quantiles for which ratios are given."""
ENOUGH_BEYOND: Final = 1.0
"""Samples beyond a quantile that a stretch must have for it."""
COLUMNS: Final = 48
OUTSIDE: Final = 0.005
"""Share of the samples at either end that do not widen the histogram."""


def measures(series: Iterable[Series]) -> tuple[Measure, ...]:
    """One measure for each family and protocol between pods, beside the nodes' of the same family; where the nodes
    have none of it (IPv4 pods over an IPv6 underlay), beside what they have."""
    found = list(series)
    nodes = [one for one in found if one.way is Way.NODES]
    return tuple(measure(one, _beside(one, nodes)) for one in found if one.way is Way.PODS)


def measure(pods: Series, nodes: Series | None) -> Measure:
    """Both ways of one protocol."""
    blocks = _blocks(pods, nodes)
    return Measure(
        protocol=pods.protocol,
        family=pods.family,
        nodes_family=nodes.family if nodes else pods.family,
        pods=summary(pods.trips),
        nodes=summary(nodes.trips if nodes else ()),
        ratios=_ratios(blocks),
        blocks=blocks,
        histogram=histogram(_answered(pods.trips), _answered(nodes.trips if nodes else ())),
    )


def _beside(pods: Series, nodes: Iterable[Series]) -> Series | None:
    fitting = [one for one in nodes if one.protocol == pods.protocol]
    return min(fitting, key=lambda one: one.family != pods.family, default=None)


def summary(trips: Sequence[float | None]) -> Summary:
    """Quantiles, maximum and jitter of what was answered; None is lost."""
    answered = _answered(trips)
    lost = len(trips) - len(answered)
    if not answered:
        return Summary(len(trips), lost)
    ordered = sorted(answered)
    steps = [abs(later - earlier) for earlier, later in pairwise(trips) if earlier is not None and later is not None]
    return Summary(
        sent=len(trips),
        lost=lost,
        p50=quantile(ordered, 0.5),
        p90=quantile(ordered, 0.9),
        p99=quantile(ordered, 0.99),
        p999=quantile(ordered, 0.999),
        maximum=ordered[-1],
        jitter=sum(steps) / len(steps) if steps else None,
    )


def histogram(pods: Sequence[float], nodes: Sequence[float]) -> Histogram | None:
    """Both distributions over the same logarithmic columns; None where nothing was answered."""
    ordered = [sorted(values) for values in (pods, nodes) if values]
    if not ordered:
        return None
    low = min(quantile(values, OUTSIDE) for values in ordered)
    high = max(quantile(values, 1 - OUTSIDE) for values in ordered)
    step = max(log(high / low), log(1.01)) / COLUMNS
    edges = tuple(low * exp(step * column) for column in range(COLUMNS + 1))
    return Histogram(edges, _counts(pods, low, step), _counts(nodes, low, step))


def _counts(values: Sequence[float], low: float, step: float) -> tuple[int, ...]:
    counts = [0] * COLUMNS
    for value in values:
        counts[min(COLUMNS - 1, max(0, int(log(value / low) / step)))] += 1
    return tuple(counts)


def _blocks(pods: Series, nodes: Series | None) -> tuple[Block, ...]:
    """Equal stretches of the time in which both were measured; those with too few answers are left out. Where the
    nodes' own way never answered, the pods' alone."""
    if not _answered(pods.trips):
        return ()
    both = [pods, nodes] if nodes and _answered(nodes.trips) else [pods]
    count = max(1, min(BLOCKS, min(len(one.at) for one in both) // BLOCK_SAMPLES))
    start, end = max(one.at[0] for one in both), min(one.at[-1] for one in both)
    width = (end - start) / count or 1.0
    cut = [[_within(one, start + width * number, width) for one in both] for number in range(count)]
    return tuple(
        Block(_quantiles(ways[0]), _quantiles(ways[1]) if len(ways) > 1 else {})
        for ways in cut
        if min(map(len, ways)) >= BLOCK_SAMPLES // 2
    )


def _within(series: Series, start: float, width: float) -> list[float]:
    return [
        trip
        for at, trip in zip(series.at, series.trips, strict=True)
        if trip is not None and start <= at < start + width
    ]


def _quantiles(values: Sequence[float]) -> Mapping[str, float]:
    ordered = sorted(values)
    # 0.5: a stretch is rarely cut so evenly that the last sample is in it.
    return {
        name: quantile(ordered, share)
        for name, share in SHARES.items()
        if (1 - share) * len(ordered) >= ENOUGH_BEYOND * 0.5
    }


def _ratios(blocks: Sequence[Block]) -> Mapping[str, Estimate]:
    found: dict[str, Estimate] = {}
    for name in SHARES:
        logs = log_ratios(blocks, name)
        if logs:
            estimate = center(logs, CONFIDENCE)
            found[name] = Estimate(exp(estimate.value), exp(estimate.low), _exp(estimate.high))
    return found


def log_ratios(blocks: Iterable[Block], name: str) -> list[float]:
    """The logarithm of pods to nodes in each stretch that has that quantile both ways."""
    return [log(one.pods[name] / one.nodes[name]) for one in blocks if name in one.pods and name in one.nodes]


def _exp(value: float) -> float:
    return exp(value) if value < 700 else value


def _answered(trips: Iterable[float | None]) -> list[float]:
    return [trip for trip in trips if trip is not None]

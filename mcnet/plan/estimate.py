"""Quantiles, and intervals that hold without any assumption on how the values are distributed.

The estimates are those of Hodges and Lehmann: of one sample by Wilcoxon's signed ranks, of the difference of two
samples by Mann and Whitney's rank sums, both with exact distributions. What is measured belongs to the callers.
"""

from collections.abc import Sequence
from functools import cache
from math import ceil, comb, inf, sqrt
from statistics import NormalDist, median

from mcnet.model.latency import Estimate


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the ascending values that at least `share` of them don't exceed: always a measured one."""
    return ordered[max(0, ceil(share * len(ordered) - 1e-9) - 1)]


def center(values: Sequence[float], confidence: float) -> Estimate:
    """The middle of a symmetric population from independent values. Fewer than six can't give 95 %."""
    count = len(values)
    walsh = sorted((values[i] + values[j]) / 2 for i in range(count) for j in range(i, count))
    return _between(walsh, _below(_signed_ranks(count), 2**count, confidence))


def shift(new: Sequence[float], old: Sequence[float], confidence: float) -> Estimate:
    """By how much the values of `new` are larger than those of `old`; both independent. Four of each give 95 %."""
    differences = sorted(one - other for one in new for other in old)
    return _between(
        differences, _below(_rank_sums(len(new), len(old)), comb(len(new) + len(old), len(new)), confidence)
    )


def proportion(count: int, total: int, confidence: float) -> Estimate:
    """The share behind `count` of `total` (Wilson's score interval); total 0 says nothing."""
    if not total:
        return Estimate(0.0, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))


def _between(ordered: Sequence[float], cut: int | None) -> Estimate:
    value = median(ordered)
    if cut is None:
        return Estimate(value, -inf, inf)
    return Estimate(value, ordered[cut], ordered[-1 - cut])


def _below(ways: Sequence[int], total: int, confidence: float) -> int | None:
    """The largest statistic that, with all smaller ones, has at most half of what confidence leaves; None: none."""
    allowed = (1 - confidence) / 2 * total
    reached, found = 0, None
    for statistic, count in enumerate(ways):
        reached += count
        if reached > allowed:
            break
        found = statistic
    return found


@cache
def _signed_ranks(count: int) -> tuple[int, ...]:
    """In how many ways a subset of 1 … count has each sum."""
    ways = [1] + [0] * (count * (count + 1) // 2)
    for rank in range(1, count + 1):
        for total in range(len(ways) - 1, rank - 1, -1):
            ways[total] += ways[total - rank]
    return tuple(ways)


@cache
def _rank_sums(one: int, other: int) -> tuple[int, ...]:
    """In how many orders of both samples each number of pairs is reversed: a Gaussian binomial coefficient."""
    ways = [1] + [0] * (one * other)
    for rank in range(1, one + 1):
        for total in range(len(ways) - 1, other + rank - 1, -1):
            ways[total] -= ways[total - other - rank]
        for total in range(rank, len(ways)):
            ways[total] += ways[total - rank]
    return tuple(ways)

"""Quantiles and intervals, against brute force and against what they promise: to hold the truth often enough."""

import random
from itertools import combinations, product
from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.plan.estimate import _rank_sums, _signed_ranks, center, proportion, quantile, shift

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 5), (0.51, 6), (0.9, 9), (0.99, 10), (0.999, 10), (1.0, 10)]
)
def test_quantile(share: float, expected: int) -> None:
    assert quantile(range(1, 11), share) == expected


@given(st.lists(st.integers(0, 1000), min_size=1), st.integers(1, 1000))
def test_a_quantile_is_the_smallest_value_that_enough_do_not_exceed(values: list[int], thousandths: int) -> None:
    ordered = sorted(values)
    found = quantile(ordered, thousandths / 1000)
    need = ceil(thousandths * len(values) / 1000)
    assert sum(value <= found for value in values) >= need
    assert sum(value < found for value in values) < need


@pytest.mark.parametrize("count", range(1, 8))
def test_signed_ranks_are_counted_as_by_hand(count: int) -> None:
    sums = [sum(rank for rank, sign in enumerate(signs, 1) if sign) for signs in product((0, 1), repeat=count)]
    assert list(_signed_ranks(count)) == [sums.count(total) for total in range(count * (count + 1) // 2 + 1)]


@pytest.mark.parametrize(("one", "other"), [(1, 1), (2, 3), (4, 4), (5, 2)])
def test_rank_sums_are_counted_as_by_hand(one: int, other: int) -> None:
    least = one * (one + 1) // 2
    sums = [sum(ranks) - least for ranks in combinations(range(1, one + other + 1), one)]
    assert list(_rank_sums(one, other)) == [sums.count(total) for total in range(one * other + 1)]


def test_center_as_in_the_tables() -> None:
    # Wilcoxon's table: n = 10, two-sided 5 %: W ≤ 8, so the 9th smallest and largest of the 55 Walsh averages.
    values = [1.1, 2.3, 3.2, 4.8, 5.1, 6.4, 7.7, 8.1, 9.9, 11.2]
    walsh = sorted((one + other) / 2 for at, one in enumerate(values) for other in values[at:])
    found = center(values, 0.95)
    assert (found.low, found.high) == (walsh[8], walsh[-9])
    assert found.value == walsh[27]


def test_shift_as_in_the_tables() -> None:
    # Mann and Whitney's table: 5 and 6, two-sided 5 %: U ≤ 3.
    new, old = [5.0, 7.5, 9.1, 11.3, 12.9], [1.2, 2.7, 4.1, 6.6, 8.8, 10.3]
    differences = sorted(one - other for one in new for other in old)
    found = shift(new, old, 0.95)
    assert (found.low, found.high) == (differences[3], differences[-4])


@pytest.mark.parametrize("count", range(1, 6))
def test_too_few_values_say_nothing_for_certain(count: int) -> None:
    values = [float(number) for number in range(count)]
    assert (center(values, 0.95).low, center(values, 0.95).high) == (-inf, inf)
    assert center([*values, 7.0][-6:], 0.5).low > -inf or count < 3


@given(VALUES, st.floats(0.5, 0.999))
def test_an_interval_holds_its_value(values: list[float], confidence: float) -> None:
    found = center(values, confidence)
    assert found.low <= found.value <= found.high
    moved = shift(values, [value + 1 for value in values], confidence)
    assert moved.low <= moved.value <= moved.high


@given(VALUES, VALUES)
def test_exchanged_samples_have_the_opposite_shift(one: list[float], other: list[float]) -> None:
    there, back = shift(one, other, 0.9), shift(other, one, 0.9)
    assert (there.low, there.high) == (-back.high, -back.low)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    luck = random.Random(1)
    runs = 1000
    held = moved = 0
    for _ in range(runs):
        estimate = center([luck.gauss(3, 1) for _ in range(10)], 0.95)
        held += estimate.low <= 3 <= estimate.high
        found = shift([luck.gauss(5, 1) for _ in range(10)], [luck.gauss(3, 1) for _ in range(10)], 0.95)
        moved += found.low <= 2 <= found.high
    assert min(held, moved) >= 0.93 * runs
    assert max(held, moved) <= 0.99 * runs


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        pytest.param(0, 0, 0.0, 1.0, id="nothing-known"),
        pytest.param(0, 100, 0.0, 0.037, id="none-of-100"),
        pytest.param(5, 100, 0.0215, 0.1118, id="five-of-100"),
        pytest.param(100, 100, 0.963, 1.0, id="all-of-100"),
    ],
)
def test_proportion(count: int, total: int, low: float, high: float) -> None:
    found = proportion(count, total, 0.95)
    assert found.low == pytest.approx(low, abs=1e-3)
    assert found.high == pytest.approx(high, abs=1e-3)

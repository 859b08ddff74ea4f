"""Which replies had been held back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.plan.held import Arrivals, arrived

INTERVAL = 0.1


def counted(*round_trips: float) -> list[int]:
    """How many before each reply had come together, in the order of coming; probes go out each INTERVAL."""
    arrivals, found = Arrivals(), []
    sent = [number * INTERVAL for number in range(len(round_trips))]
    for came, went in sorted((round(went + time, 6), went) for went, time in zip(sent, round_trips, strict=True)):
        arrivals, held = arrived(arrivals, sent=went, came=came)
        found.append(held)
    return found


@pytest.mark.parametrize(
    ("round_trips", "held"),
    [
        ((0.01, 0.01, 0.01), [0, 0, 0]),
        ((0.3, 0.2, 0.1, 0.001, 0.001, 0.001), [0, 0, 0, 0, 4, 0]),
        ((0.33, 0.23, 0.13, 0.03, 0.001, 0.001), [0, 0, 0, 0, 4, 0]),
        ((0.15, 0.08, 0.04, 0.001, 0.001), [0, 0, 2, 0, 0]),
        ((0.2, 0.1, 0.001, 0.001, 0.2, 0.1, 0.001, 0.001), [0, 0, 0, 3, 0, 0, 0, 3]),
        ((0.1, 0.2, 0.3, 0.4), [0, 0, 0, 0]),
        ((0.4, 0.37, 0.34, 0.31), [0, 0, 0, 0]),
        ((0.3, 0.1), [0, 0]),
    ],
    ids=["steady", "released", "between two probes", "two", "twice", "queues grow", "queues shrink", "overtaken"],
)
def test_what_came_together_though_it_was_sent_one_after_the_other(
    round_trips: tuple[float, ...], held: list[int]
) -> None:
    assert counted(*round_trips) == held


@given(st.lists(st.floats(0.0, 3.0), max_size=40))
def test_never_more_than_came_before(round_trips: list[float]) -> None:
    found = counted(*round_trips)
    assert all(held <= place for place, held in enumerate(found))
    assert sum(found) <= len(found), "each is counted once"


@given(st.permutations(range(12)), st.lists(st.floats(-0.001, 0.001), min_size=12, max_size=12))
def test_the_order_in_which_they_come_together_does_not_matter(order: list[int], jitter: list[float]) -> None:
    arrivals = Arrivals(sent=0.0, came=0.001)
    for place, error in zip(order, jitter, strict=True):
        arrivals, held = arrived(arrivals, sent=10 + place * INTERVAL, came=12 + error)
        assert held == 0
    assert arrived(arrivals, sent=12.2, came=13.2) == (Arrivals(12.2, 13.2), 12)


@given(st.floats(0.0, 3.0), st.floats(0.0, 0.049), st.integers(2, 30))
def test_all_of_those_released_are_counted_by_the_first_that_was_not(way: float, since: float, count: int) -> None:
    released = count * INTERVAL - INTERVAL + since
    found = counted(*(released - number * INTERVAL + way for number in range(count)), way, way, way)
    assert found == [0] * count + [count, 0, 0]

"""Which replies had been held back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.plan.held import RECENT, SEVERAL, Arrivals, arrived

INTERVAL = 0.1


def counted(*round_trips: float, begin: float = 0.0, before: Arrivals | None = None) -> tuple[Arrivals, list[int]]:
    """How many before each reply had been held back, in the order of coming; probes go out each INTERVAL."""
    arrivals, found = before or Arrivals(), []
    sent = [begin + number * INTERVAL for number in range(len(round_trips))]
    for came, went in sorted((round(went + time, 6), went) for went, time in zip(sent, round_trips, strict=True)):
        arrivals, held = arrived(arrivals, sent=went, came=came)
        found.append(held)
    return arrivals, found


@pytest.mark.parametrize(
    ("round_trips", "held"),
    [
        ((0.01, 0.01, 0.01), [0, 0, 0]),
        ((0.3, 0.2, 0.1, 0.001, 0.001, 0.001), [0, 1, 2, 3, 4, 0]),
        ((0.33, 0.23, 0.13, 0.03, 0.001, 0.001), [0, 1, 2, 3, 4, 0]),
        ((0.15, 0.08, 0.04, 0.001, 0.001), [0, 1, 2, 0, 0]),
        ((0.1, 0.2, 0.3, 0.4), [0, 0, 0, 0]),
        ((0.4, 0.37, 0.34, 0.31), [0, 0, 0, 0]),
        ((0.3, 0.1), [0, 0]),
    ],
    ids=["steady", "released", "released between two probes", "two", "queues grow", "queues shrink", "overtaken"],
)
def test_what_came_together_though_it_was_sent_one_after_the_other(
    round_trips: tuple[float, ...], held: list[int]
) -> None:
    assert counted(*round_trips)[1] == held


def test_what_comes_together_again_and_again_is_how_the_path_is() -> None:
    arrivals = Arrivals()
    found = []
    for number in range(6):
        arrivals, held = counted(0.301, 0.201, 0.101, 0.001, begin=number, before=arrivals)
        found.append(max(held[1:]))
    assert [held > 0 for held in found] == [number < SEVERAL for number in range(1, 7)]
    assert counted(0.301, 0.201, begin=RECENT, before=arrivals)[1][-1] == 0
    assert counted(0.301, 0.201, begin=5 + RECENT, before=arrivals)[1][-1] == 1


@given(st.lists(st.floats(0.0, 3.0), max_size=40))
def test_never_more_than_came_before(round_trips: list[float]) -> None:
    assert all(held <= place for place, held in enumerate(counted(*round_trips)[1]))


@given(st.permutations(range(12)), st.lists(st.floats(-0.001, 0.001), min_size=12, max_size=12))
def test_the_order_in_which_they_come_together_does_not_matter(order: list[int], jitter: list[float]) -> None:
    arrivals, _ = counted(0.001, 0.001)
    for place, error in zip(order, jitter, strict=True):
        arrivals, held = arrived(arrivals, sent=10 + place * INTERVAL, came=12 + error)
    assert held == 11
    assert len(arrivals.bursts) == 1
    arrivals, held = arrived(arrivals, sent=12.05, came=12.051)
    assert held == 12
    arrivals, held = arrived(arrivals, sent=12.15, came=12.151)
    assert (held, arrivals.together) == (13, 0)


@given(st.floats(0.0, 3.0), st.floats(0.0, 0.099), st.integers(2, 30))
def test_of_those_released_the_next_says_how_long_the_way_is(way: float, since: float, count: int) -> None:
    """They all are shortened by it: it went out after the release."""
    released = count * INTERVAL - INTERVAL + since
    found = counted(*(released - number * INTERVAL + way for number in range(count)), way, way, way)[1]
    shortened = {place - back for place, held in enumerate(found) for back in range(1, held + 1)}
    assert shortened >= set(range(count - 1))
    assert count - 1 in shortened or since < INTERVAL / 2 + 1e-6
    assert not shortened & {count + 1, count + 2}

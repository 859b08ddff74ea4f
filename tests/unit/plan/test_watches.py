"""Times of looks: clocks that agree are believed, of others only what is sure is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.look import NodeLook
from mcnet.plan.watches import by_our_clock, together

seconds = st.floats(0, 1000, allow_nan=False)


def look(began: float, ended: float) -> NodeLook:
    return NodeLook("n1", began, ended)


def test_a_clock_that_fits_is_believed() -> None:
    assert by_our_clock(look(105.0, 110.0), 100.0, 112.0) == look(105.0, 110.0)


@pytest.mark.parametrize("off", [-3600.0, 3600.0])
def test_of_a_clock_that_is_off_the_sure_part_is_left(off: float) -> None:
    # It began 0 to 3 s after it was asked for and lasted 10 s.
    moved = by_our_clock(look(101.0 + off, 111.0 + off), 100.0, 113.0)
    assert (moved.began, moved.ended) == (103.0, 110.0)


@given(asked=seconds, late=st.floats(0, 30), lasted=st.floats(0, 30), slow=st.floats(0, 30), off=st.floats(-1e4, 1e4))
def test_nothing_is_claimed_that_was_not_watched(
    asked: float, late: float, lasted: float, slow: float, off: float
) -> None:
    began, ended = asked + late, asked + late + lasted
    moved = by_our_clock(look(began + off, ended + off), asked, ended + slow)
    assert moved.began <= moved.ended
    if moved.began == began + off:
        assert asked - 1e-6 <= moved.began
        assert moved.ended <= ended + slow + 1e-6
    elif moved.ended - moved.began > 1e-3:
        assert began - 1e-3 <= moved.began
        assert moved.ended <= ended + 1e-3


@given(seconds, seconds, seconds, seconds)
def test_together_is_what_both_have(one: float, first: float, other: float, second: float) -> None:
    a, b = look(one, one + first), look(other, other + second)
    assert together(a, b) == together(b, a)
    assert 0 <= together(a, b) <= min(a.ended - a.began, b.ended - b.began) + 1e-6


def test_a_clock_set_meanwhile_proves_nothing() -> None:
    moved = by_our_clock(look(100.0, 900.0), 100.0, 112.0)
    assert moved.began == moved.ended

"""However many problems there are, what is published stays small, and stays the same while they come and go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.plan.problems import LISTED, LONGEST, bounded


def test_few_are_published_as_they_are_each_once() -> None:
    assert bounded(["b", "a", "b"]) == ("b", "a")
    assert bounded([]) == ()


@pytest.mark.parametrize(
    ("count", "last"),
    [
        (LISTED + 1, "and 1 more"),
        (LISTED + 9, "and 9 more"),
        (LISTED + 10, "and 10 more"),
        (LISTED + 11, "and over 10 more"),
        (LISTED + 30, "and over 20 more"),
        (LISTED + 4980, "and over 4000 more"),
    ],
)
def test_of_many_the_first_and_about_how_many_more(count: int, last: str) -> None:
    found = bounded(f"problem {number:05}" for number in range(count))
    assert found[:LISTED] == tuple(f"problem {number:05}" for number in range(LISTED))
    assert found[LISTED:] == (last,)


def test_one_more_of_thousands_changes_nothing() -> None:
    many = [f"problem {number:05}" for number in range(5000)]
    assert bounded(many) == bounded([*many, "problem 99999"])


@given(st.lists(st.text(max_size=2000), max_size=60))
def test_it_stays_small_and_can_be_bounded_again(problems: list[str]) -> None:
    found = bounded(problems)
    assert len(found) <= LISTED + 1
    assert all(len(problem) <= LONGEST for problem in found)
    assert bounded(found, LISTED + 1) == found

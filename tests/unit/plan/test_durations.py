"""Durations on the command line, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.errors import UsageError
from mcnet.plan.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h", 86400), ("90m", 5400), ("7d", 604800), ("1d12h", 129600), ("5s", 5)]
)
def test_parse(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "1.5h", "-1h", "12h1d", "soon"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.9, "59s"), (60, "1m"), (3661, "1h1m"), (90061, "1d1h"), (-5, "0s")]
)
def test_format(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 10**7))
def test_what_is_shown_is_never_later_than_the_truth(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) <= seconds

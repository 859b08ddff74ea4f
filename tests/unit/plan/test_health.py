"""Verdicts on probed paths: when a path is up, down, and what the statistics say."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.probe import Mark
from mcnet.plan.health import (
    LONGEST_PATIENCE,
    REPLIES_AFTER_LOSS,
    WINDOW,
    History,
    has_answered,
    health,
    is_at_the_brink,
    observe_late_reply,
    observe_loss,
    observe_reply,
    patience,
    resumed,
)

VERDICTS = st.lists(st.one_of(st.none(), st.floats(0, 10)), max_size=150)


def after(verdicts: str, *, multiplier: int = 3) -> History:
    """The history after replies (`r`), losses (`x`) and replies to what was counted as lost (`l`), one second each,
    from second 1 on."""
    history = History()
    for second, verdict in enumerate(verdicts, 1):
        if verdict == "r":
            history = observe_reply(history, second / 1000, now=second)
        elif verdict == "l":
            history = observe_late_reply(history, second / 1000, now=second)
        else:
            history = observe_loss(history, multiplier=multiplier, now=second)
    return history


@pytest.mark.parametrize(
    ("verdicts", "state", "since"),
    [
        ("", "unknown", 0),
        ("x", "unknown", 0),
        ("xx", "unknown", 0),
        ("xxx", "down", 3),
        ("xxxxx", "down", 3),
        ("r", "up", 1),
        ("xxr", "up", 3),
        ("rrrr", "up", 1),
        ("rxx", "up", 1),
        ("rxxr", "up", 1),
        ("rxxrxx", "up", 1),
        ("rxxx", "down", 4),
        ("xxxr", "down", 3),
        ("xxxrr", "down", 3),
        ("xxxrrr", "up", 6),
        ("xxxrrxrr", "down", 3),
        ("xxxrrxrrr", "up", 9),
        ("rxxxrrrxxx", "down", 10),
        ("rxxlxx", "up", 1),
        ("rxxlxxx", "down", 7),
        ("rxlxlxlxlxlxl", "up", 1),
        ("rxxxl", "down", 4),
        ("rxxxll", "down", 4),
        ("rxxxlll", "up", 7),
        ("rxxxlxlxlxl", "up", 9),
        ("rxxxlxxlxxlxx", "down", 4),
        ("xl", "up", 2),
    ],
)
def test_state_and_its_age(verdicts: str, state: str, since: int) -> None:
    assert (after(verdicts).state, after(verdicts).since) == (state, since)


@pytest.mark.parametrize("multiplier", [1, 2, 5, 150])
def test_down_after_exactly_as_many_losses_as_asked(multiplier: int) -> None:
    assert after("r" + "x" * (multiplier - 1), multiplier=multiplier).state == "up"
    assert after("r" + "x" * multiplier, multiplier=multiplier).state == "down"


@pytest.mark.parametrize(
    ("verdicts", "multiplier", "expected"),
    [
        ("", 3, False),
        ("xx", 3, False),
        ("r", 3, False),
        ("rx", 3, False),
        ("rxx", 3, True),
        ("rxxr", 3, False),
        ("rxxx", 3, False),
        ("xxxrrxx", 3, False),
        ("rx", 2, True),
        ("r", 1, False),
        ("rx", 1, False),
    ],
)
def test_at_the_brink_is_what_one_loss_more_takes_down(verdicts: str, multiplier: int, expected: bool) -> None:
    history = after(verdicts, multiplier=multiplier)
    assert is_at_the_brink(history, multiplier=multiplier) == expected
    if expected:
        assert observe_loss(history, multiplier=multiplier, now=99.0).state == "down"


def test_statistics_of_the_window() -> None:
    summary = health(after("rxr"))
    assert (summary.rtt_last, summary.rtt_min, summary.rtt_max) == (0.003, 0.001, 0.003)
    assert summary.rtt_avg == pytest.approx(0.002)
    assert summary.rtt_stddev == pytest.approx(0.001)
    assert (summary.sent, summary.lost, summary.loss) == (3, 1, pytest.approx(1 / 3))


@given(VERDICTS, st.floats(0, 10))
def test_a_late_reply_takes_one_loss_back(verdicts: list[float | None], rtt: float) -> None:
    history = History()
    for second, verdict in enumerate(verdicts, 1):
        if verdict is None:
            history = observe_loss(history, multiplier=3, now=second)
        else:
            history = observe_reply(history, verdict, now=second)
    before, later = health(history), health(observe_late_reply(history, rtt, now=len(verdicts) + 1))
    assert later.lost == max(0, before.lost - 1)
    assert later.rtt_last == rtt
    assert not is_at_the_brink(observe_late_reply(history, rtt, now=len(verdicts) + 1), multiplier=3)


def test_without_replies_there_are_no_round_trips() -> None:
    assert [has_answered(after(one)) for one in ("", "xx", "xr", "rx", "r" + WINDOW * "x")] == [
        False,
        False,
        True,
        True,
        False,
    ]
    assert health(History(since=5.0)).since == 5.0
    assert health(after("xx")).rtt_last is None
    assert (health(after("xx")).loss, health(History()).loss) == (1, 0)


@given(VERDICTS)
def test_the_window_slides_and_the_numbers_hold_together(verdicts: list[float | None]) -> None:
    history = History()
    for verdict in verdicts:
        if verdict is None:
            history = observe_loss(history, multiplier=3, now=1)
        else:
            history = observe_reply(history, verdict, now=1)
    summary = health(history)
    kept = verdicts[-WINDOW:]
    assert (summary.sent, summary.lost) == (len(kept), kept.count(None))
    if summary.rtt_avg is not None:
        assert summary.rtt_min is not None
        assert summary.rtt_max is not None
        assert summary.rtt_min <= summary.rtt_avg * 1.000001
        assert summary.rtt_avg <= summary.rtt_max * 1.000001
    tail = verdicts[-REPLIES_AFTER_LOSS:]
    if len(tail) == REPLIES_AFTER_LOSS and None not in tail:
        assert summary.state == "up" or summary.held_until > 1, "it came and went before"
    if verdicts[-3:] == [None] * 3:
        assert summary.state == "down"


@pytest.mark.parametrize(
    ("round_trip", "interval", "seconds"),
    [(None, 0.1, LONGEST_PATIENCE), (None, 5, 5), (0.01, 0.1, 0.1), (0.2, 0.1, 0.4), (3, 0.1, LONGEST_PATIENCE)],
)
def test_a_long_path_is_given_longer_than_an_interval(
    round_trip: float | None, interval: float, seconds: float
) -> None:
    history = History() if round_trip is None else observe_reply(History(), round_trip, now=0)
    assert patience(history, interval) == pytest.approx(seconds)


def test_one_late_answer_does_not_make_the_next_hundred_wait() -> None:
    history = History()
    for _ in range(80):
        history = observe_reply(history, 0.002, now=0)
    history = observe_reply(history, 0.2, now=0)
    assert patience(history, 0.1) == pytest.approx(0.1)
    for number in range(80):
        history = observe_reply(history, 0.05 + 0.1 * (number % 2), now=0)
    assert patience(history, 0.1) == pytest.approx(0.3, rel=0.2), "a path that varies is given more"


@pytest.mark.parametrize("observe", [observe_reply, observe_late_reply])
def test_what_came_together_after_a_loss_had_no_longer_way_than_the_reply_after_it(
    observe: Callable[..., History],
) -> None:
    history = History(state="up", verdicts=(0.9, None, None, None, 0.3, None, 0.2, 0.001, None))
    later = observe(history, 0.002, now=0, held=3)
    assert later.verdicts[:8] == (0.9, None, None, None, 0.002, None, 0.002, 0.001)
    assert later.verdicts[-1] == 0.002


@pytest.mark.parametrize(
    ("verdicts", "held"),
    [((0.9, 0.001, 0.3, 0.2), 2), ((None, None, 0.3, 0.2), 2), ((None, None, None, 0.1, 0.3, 0.2), 2),
     ((None, None, None, 0.3, 0.2), 0), ((None, None, None, None), 2)],
    ids=["no loss", "too few", "not before them", "none together", "no reply"],
)  # fmt: skip
def test_else_they_are_taken_as_they_are(verdicts: tuple[float | None, ...], held: int) -> None:
    assert observe_reply(History(state="up", verdicts=verdicts), 0.002, now=0, held=held).verdicts == (
        *verdicts,
        0.002,
    )


@pytest.mark.parametrize(
    ("replies", "mark"),
    [
        ("", Mark.NONE),
        ("s", Mark.SPARE),
        ("ps", Mark.SPARE),
        ("sp", Mark.SPARE),
        ("spp", Mark.SPARE),
        ("sppp", Mark.NONE),
        ("sppsp", Mark.SPARE),
        ("spplp", Mark.NONE),
        ("slll", Mark.SPARE),
        ("slllp", Mark.SPARE),
        ("sppps", Mark.SPARE),
        ("i", Mark.ISOLATED),
        ("si", Mark.ISOLATED),
        ("iss", Mark.ISOLATED),
        ("isss", Mark.SPARE),
        ("isps", Mark.SPARE),
        ("issp", Mark.NONE),
        ("issi", Mark.ISOLATED),
        ("ississ", Mark.ISOLATED),
    ],
)
def test_a_higher_mark_counts_at_once_and_until_three_replies_lack_it(replies: str, mark: Mark) -> None:
    """s, i: a reply with a mark, p: one without, l: a loss."""
    history = History()
    for second, letter in enumerate(replies):
        if letter == "l":
            history = observe_loss(history, multiplier=3, now=second)
        else:
            said = {"p": Mark.NONE, "s": Mark.SPARE, "i": Mark.ISOLATED}[letter]
            history = observe_reply(history, 0.001, now=second, mark=said)
    assert health(history).mark is mark
    assert resumed(health(history), now=9.0).mark is mark, "who goes on probing knows it"


@given(
    st.lists(st.sampled_from([None, 0.001]), max_size=40), st.lists(st.sampled_from(Mark), min_size=40, max_size=40)
)
def test_marks_change_nothing_else(verdicts: list[float | None], marks: list[Mark]) -> None:
    plain = noted = History()
    for now, verdict in enumerate(verdicts):
        if verdict is None:
            plain, noted = (observe_loss(one, multiplier=3, now=now) for one in (plain, noted))
        else:
            plain = observe_reply(plain, verdict, now=now)
            noted = observe_reply(noted, verdict, now=now, mark=marks[now])
    assert replace(health(noted), mark=Mark.NONE) == health(plain)

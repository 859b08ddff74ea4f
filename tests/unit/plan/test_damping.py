"""A path that comes and goes is held down for longer each time, and a quiet one is forgiven."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.probe import Mark, PathHealth
from mcnet.plan.damping import HOLDS, QUIET, Damping, fell, needed, silent
from mcnet.plan.health import History, health, observe_loss, observe_reply, resumed

STEP = 0.1
"""Seconds between two probes."""


def play(script: str, history: History | None = None, *, begin: float = 0.0) -> tuple[History, float]:
    """The history after words like `r30` (30 replies) and `x3` (3 losses), and the time then."""
    found, now = history or History(), begin
    for word in script.split():
        for _ in range(int(word[1:])):
            now = round(now + STEP, 6)
            found = (
                observe_reply(found, 0.01, now=now) if word[0] == "r" else observe_loss(found, multiplier=3, now=now)
            )
    return found, now


def test_the_first_time_it_comes_back_with_the_third_answer() -> None:
    assert play("r10 x3 r2")[0].state == "down"
    assert play("r10 x3 r3")[0].state == "up"
    first, now = play("x30 r3")
    assert first.state == "up", "a path that was down at first"
    again, _ = play("r10 x3 r3", first, begin=now)
    assert (again.state, again.damping.falls) == ("up", 1), "to be down at first is no fall"


@pytest.mark.parametrize(("times", "seconds"), [(2, 5), (3, 10), (4, 20), (5, 40), (6, 60), (7, 60), (20, 60)])
def test_each_further_time_it_is_held_longer(times: int, seconds: int) -> None:
    history, now = play("r10 x3 r3")
    for _ in range(times - 2):
        history, now = play("x3 r700", history, begin=now)
        assert history.state == "up"
    history, now = play("x3", history, begin=now)
    silenced = now
    history, now = play(f"r{seconds * 10 - 1}", history, begin=now)
    assert (history.state, health(history).held_until) == ("down", pytest.approx(silenced + seconds))
    history, now = play("r1", history, begin=now)
    assert (history.state, health(history).held_until) == ("up", 0)


def test_two_quiet_minutes_are_forgiven() -> None:
    history, now = play("r10 x3 r3 x3 r100")
    assert (history.state, history.damping.falls) == ("up", 2)
    history, now = play(f"r{int(QUIET * 10)} x3 r3", history, begin=now)
    assert (history.state, history.damping.falls) == ("up", 1)


def test_silence_while_it_is_held_begins_anew_but_a_lost_packet_does_not() -> None:
    history, now = play("r10 x3 r3 x3 r40")
    lossy, _ = play("x1 r8 x2 r3", history, begin=now)
    assert lossy.state == "up"
    again, later = play("x3 r40", history, begin=now)
    assert (again.state, again.damping.falls) == ("down", 2)
    assert health(again).held_until == pytest.approx(later - 4 + 5)


def test_it_is_not_held_while_it_does_not_answer() -> None:
    assert health(play("r10 x3 r3 x3")[0]).held_until == 0
    assert health(play("r10 x3 r3 x3 r2")[0]).held_until == 0


def test_another_prober_goes_on_where_the_one_before_ended() -> None:
    history, now = play("r10 x3 r3 x3 r40")
    taken = resumed(health(history), now=now)
    assert (taken.state, taken.since, taken.damping.falls) == ("down", history.since, 2)
    assert play("r49", taken, begin=now)[0].state == "down"
    assert play("r50", taken, begin=now)[0].state == "up"
    up = resumed(PathHealth(state="up", since=3.0), now=9.0)
    assert (up.state, up.since) == ("up", 3.0)
    assert play("x3", up, begin=9.0)[0].state == "down"


def test_the_steps() -> None:
    assert Damping().release == 0
    assert fell(Damping(), up_for=1.0, now=7.0) == Damping(1, 7.0)
    assert fell(Damping(), up_for=None, now=7.0) == Damping(0, 7.0)
    assert fell(Damping(3, 1.0), up_for=None, now=7.0) == Damping(3, 7.0)
    assert fell(Damping(3, 1.0), up_for=QUIET, now=7.0) == Damping(1, 7.0)
    assert fell(Damping(3, 1.0), up_for=QUIET - 1, now=7.0) == Damping(4, 7.0)
    assert silent(Damping(3, 1.0), now=7.0) == Damping(3, 7.0)
    assert sorted(HOLDS) == list(HOLDS)


@given(st.lists(st.tuples(st.sampled_from("rx"), st.integers(1, 80)), max_size=40))
def test_it_never_comes_up_early_and_never_stays_down_for_ever(words: list[tuple[str, int]]) -> None:
    history, now, ups = History(), 0.0, [0.0]
    for kind, count in words:
        for _ in range(count):
            before = history
            history, now = play(f"{kind}1", history, begin=now)
            if (before.state, history.state) == ("down", "up"):
                assert now - before.damping.silent >= (0.0, *HOLDS)[min(before.damping.falls, len(HOLDS))] - 1e-6
                ups.append(now)
            if history.state == "up":
                assert not health(history).held_until
    steady, _ = play(f"r{int(HOLDS[-1] / STEP) + 3}", history, begin=now)
    assert steady.state == "up"
    assert len(ups) <= 2 + len(HOLDS) + now / HOLDS[-1] + now / QUIET * len(HOLDS)


UP, DOWN, HELD = PathHealth(state="up"), PathHealth(state="down"), PathHealth(state="down", held_until=9.0)


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ({"a": HELD}, {"a"}),
        ({"a": HELD, "b": UP}, set()),
        ({"a": HELD, "b": PathHealth(state="up", mark=Mark.SPARE)}, {"a"}),
        ({"a": HELD, "b": DOWN}, {"a"}),
        ({"a": HELD, "b": HELD}, {"a", "b"}),
        ({"a": HELD, "b": PathHealth()}, {"a"}),
        ({"a": DOWN}, set()),
        ({}, set()),
    ],
)
def test_what_is_held_is_better_than_nothing(paths: dict[str, PathHealth], found: set[str]) -> None:
    assert needed(paths, [("a", "b")]) == found
    assert needed({**paths, "c": UP}, [("a", "b"), ("c",)]) == found

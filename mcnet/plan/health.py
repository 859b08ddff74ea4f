"""Health of a probed path, from replies and losses. Pure: times are arguments, nothing is sent here.

A path is "unknown" until the first verdict, "up" after its first reply, "down" after `multiplier` losses in a
row, and up again only after three replies in a row, so that a path that loses every other packet stays down. One
that comes and goes stays down longer (mcnet.plan.damping). It gets a higher mark by the first reply that bears it,
since who marks has made sure before (mcnet.plan.soft_mark), and a lesser one or none by three in a row.
"""

from dataclasses import dataclass, field, replace
from math import fsum, sqrt
from typing import Final

from mcnet.model.probe import Mark, PathHealth, State
from mcnet.plan import damping
from mcnet.plan.damping import Damping

WINDOW: Final = 100
"""Probes that the statistics cover."""
REPLIES_AFTER_LOSS: Final = 3
SILENCE: Final = 3
"""Losses in a row after which a path was not there, and not slow."""
LONGEST_PATIENCE: Final = 1.0
"""Seconds that a reply may take where no round trip is known yet: twice around the earth."""


@dataclass(frozen=True, slots=True)
class History:
    """The verdicts of the window, oldest first: a round trip in seconds, or None for a loss."""

    state: State = "unknown"
    since: float = 0.0
    verdicts: tuple[float | None, ...] = ()
    damping: Damping = field(default_factory=Damping)
    answers: bool = False
    """It is down, and has answered often enough since it was silent."""
    mark: Mark = Mark.NONE
    lesser: int = 0
    """Replies in a row with a lesser mark, or none."""


def resumed(path: PathHealth, *, now: float) -> History:
    """The history of a path that somebody else has probed until now: its state holds until there is a verdict."""
    damped = Damping(path.falls, now if path.falls else 0.0)
    return History(state=path.state, since=path.since, damping=damped, mark=path.mark)


def observe_reply(history: History, rtt: float, *, now: float, mark: Mark = Mark.NONE, held: int = 0) -> History:
    """`history` after a reply that took `rtt` seconds and bears `mark`. The last `held` replies before it came
    together (mcnet.plan.held)."""
    verdicts = (*_shortened(history.verdicts, held, rtt), rtt)[-WINDOW:]
    noted = replace(_noted(history, mark), verdicts=verdicts)
    if history.state != "down":
        return replace(noted, state="up", since=history.since if history.state == "up" else now)
    answers = history.answers or _ends_with(verdicts, REPLIES_AFTER_LOSS, lost=False)
    if answers and now >= history.damping.release:
        return replace(noted, state="up", since=now, answers=False)
    return replace(noted, answers=answers)


def _shortened(verdicts: tuple[float | None, ...], held: int, rtt: float) -> tuple[float | None, ...]:
    """`verdicts` with no more than `rtt` for the last `held` replies, if they came after losses that stayed losses:
    then the path had not been there, and is no longer than the reply that had not to wait for it. Where everything is
    answered, however late, that is how the path is."""
    replies = [place for place, verdict in enumerate(verdicts) if verdict is not None][-held:] if held else []
    if not replies or not _ends_with(verdicts[: replies[0]], SILENCE, lost=True):
        return verdicts
    return tuple(
        min(verdict, rtt) if verdict is not None and place in replies else verdict
        for place, verdict in enumerate(verdicts)
    )


def observe_late_reply(history: History, rtt: float, *, now: float, mark: Mark = Mark.NONE, held: int = 0) -> History:
    """`history` after a reply to a probe that was counted as lost: it is not, and the path is not silent. So a path
    whose round trips have grown all at once, since a link on it is full, is not lost."""
    verdicts = history.verdicts
    last = next((place for place in reversed(range(len(verdicts))) if verdicts[place] is None), None)
    if last is not None:
        verdicts = (*verdicts[:last], *verdicts[last + 1 :])
    return observe_reply(replace(history, verdicts=verdicts), rtt, now=now, mark=mark, held=held)


def _noted(history: History, mark: Mark) -> History:
    """`history` with what a reply's mark says."""
    if mark >= history.mark or history.lesser + 1 >= REPLIES_AFTER_LOSS:
        return replace(history, mark=mark, lesser=0)
    return replace(history, lesser=history.lesser + 1)


def observe_loss(history: History, *, multiplier: int, now: float) -> History:
    """`history` after a probe without reply; down after `multiplier` of them in a row."""
    verdicts = (*history.verdicts, None)[-max(WINDOW, multiplier) :]
    if not _ends_with(verdicts, multiplier, lost=True):
        return replace(history, verdicts=verdicts)
    if history.state == "down":
        since, damped = history.since, damping.silent(history.damping, now=now)
    else:
        up_for = now - history.since if history.state == "up" else None
        since, damped = now, damping.fell(history.damping, up_for=up_for, now=now)
    return replace(history, state="down", since=since, verdicts=verdicts, damping=damped, answers=False)


def health(history: History) -> PathHealth:
    """The summary of `history`."""
    times = _times(history)
    sent, damped = len(history.verdicts), history.damping
    average, deviation = _spread(times) if times else (None, None)
    return PathHealth(
        state=history.state,
        rtt_last=times[-1] if times else None,
        rtt_min=min(times, default=None),
        rtt_avg=average,
        rtt_max=max(times, default=None),
        rtt_stddev=deviation,
        sent=sent,
        lost=sent - len(times),
        since=history.since,
        falls=damped.falls,
        held_until=damped.release if history.answers else 0.0,
        mark=history.mark,
    )


def is_at_the_brink(history: History, *, multiplier: int) -> bool:
    """Whether it is up, and one loss more takes it down; never by a single loss."""
    return history.state == "up" and multiplier > 1 and _ends_with(history.verdicts, multiplier - 1, lost=True)


def has_answered(history: History) -> bool:
    """Whether anything of what is remembered was answered."""
    return any(verdict is not None for verdict in history.verdicts)


def patience(history: History, interval: float) -> float:
    """Seconds after which a probe counts as lost: an interval, or longer where the path is longer than that.

    Mean and four deviations, as TCP waits (RFC 6298): one late answer must not make a whole window of probes wait.
    """
    times = _times(history)
    if not times:
        return max(interval, LONGEST_PATIENCE)
    average, deviation = _spread(times)
    return max(interval, min(LONGEST_PATIENCE, max(2 * average, average + 4 * deviation)))


def _times(history: History) -> list[float]:
    return [verdict for verdict in history.verdicts if verdict is not None]


def _spread(times: list[float]) -> tuple[float, float]:
    """Mean and standard deviation."""
    average = fsum(times) / len(times)
    return average, sqrt(fsum((time - average) ** 2 for time in times) / len(times))


def _ends_with(verdicts: tuple[float | None, ...], count: int, *, lost: bool) -> bool:
    """Whether the last `count` verdicts are all losses (or replies)."""
    return len(verdicts) >= count and all((verdict is None) == lost for verdict in verdicts[-count:])

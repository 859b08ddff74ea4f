"""Health of a probed path, from replies and losses. Pure: times are arguments, nothing is sent here.

A path is "unknown" until the first verdict, "up" after its first reply, "down" after `multiplier` losses in a
row, and up again only after three replies in a row, so that a path that loses every other packet stays down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev
from typing import Final, Literal, TypeAlias

State: TypeAlias = Literal["up", "down", "unknown"]

WINDOW: Final = 100
"""Probes that the statistics cover."""
REPLIES_AFTER_LOSS: Final = 3
LONGEST_PATIENCE: Final = 1.0
"""Seconds that a reply may take where no round trip is known yet: twice around the earth."""


@dataclass(frozen=True, slots=True)
class PathHealth:
    """What probes say of a path. Round-trip times are seconds, None before the first reply; `sent` and `lost`
    count judged probes of the window; `since` is the time of the last change of state (seconds, the caller's
    clock)."""

    state: State = "unknown"
    rtt_last: float | None = None
    rtt_min: float | None = None
    rtt_avg: float | None = None
    rtt_max: float | None = None
    rtt_stddev: float | None = None
    sent: int = 0
    lost: int = 0
    since: float = 0.0

    @property
    def loss(self) -> float:
        """Share of the window's probes that were lost, 0 to 1."""
        return self.lost / self.sent if self.sent else 0.0


@dataclass(frozen=True, slots=True)
class History:
    """The verdicts of the window, oldest first: a round trip in seconds, or None for a loss."""

    state: State = "unknown"
    since: float = 0.0
    verdicts: tuple[float | None, ...] = ()


def observe_reply(history: History, rtt: float, *, now: float) -> History:
    """`history` after a reply that took `rtt` seconds."""
    verdicts = (*history.verdicts, rtt)[-WINDOW:]
    needed = REPLIES_AFTER_LOSS if history.state == "down" else 1
    answered = _run_length(verdicts, lost=False) >= needed
    return _with_state(replace(history, verdicts=verdicts), "up" if answered else history.state, now)


def observe_loss(history: History, *, multiplier: int, now: float) -> History:
    """`history` after a probe without reply; down after `multiplier` of them in a row."""
    verdicts = (*history.verdicts, None)[-max(WINDOW, multiplier) :]
    silent = _run_length(verdicts, lost=True) >= multiplier
    return _with_state(replace(history, verdicts=verdicts), "down" if silent else history.state, now)


def health(history: History) -> PathHealth:
    """The summary of `history`."""
    times = _times(history)
    counts = (len(history.verdicts), len(history.verdicts) - len(times))
    if not times:
        return PathHealth(state=history.state, sent=counts[0], lost=counts[1], since=history.since)
    return PathHealth(
        state=history.state,
        rtt_last=times[-1],
        rtt_min=min(times),
        rtt_avg=fmean(times),
        rtt_max=max(times),
        rtt_stddev=pstdev(times),
        sent=counts[0],
        lost=counts[1],
        since=history.since,
    )


def patience(history: History, interval: float) -> float:
    """Seconds after which a probe counts as lost: an interval, or longer where the path is longer than that."""
    times = _times(history)
    expected = min(LONGEST_PATIENCE, 2 * max(times)) if times else LONGEST_PATIENCE
    return max(interval, expected)


def _times(history: History) -> Sequence[float]:
    return [verdict for verdict in history.verdicts if verdict is not None]


def _run_length(verdicts: Sequence[float | None], *, lost: bool) -> int:
    """How many of the last verdicts in a row are losses (or replies)."""
    count = 0
    for verdict in reversed(verdicts):
        if (verdict is None) != lost:
            break
        count += 1
    return count


def _with_state(history: History, state: State, now: float) -> History:
    return history if history.state == state else replace(history, state=state, since=now)

"""How long a path that comes and goes is held down, although it answers again.

Each time that flows move to another path, some of their packets are lost or overtake each other. A path that is lost
once comes back with its third answer. One that goes down again before it has been up for two minutes is held down
first for 5 seconds without silence, then longer each time, up to a minute. Pure; what counts as silence is
mcnet.plan.health's.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mcnet.model.probe import PathHealth

HOLDS: Final = (0.0, 5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds after the first, second, … time in a row that the path went down; the last one repeats."""
QUIET: Final = 120.0
"""Seconds that a path has to be up for its falls to be forgotten."""


@dataclass(frozen=True, slots=True)
class Damping:
    """`falls`: times in a row that the path went down; `silent`: when it last gave no answer (the caller's clock)."""

    falls: int = 0
    silent: float = 0.0

    @property
    def release(self) -> float:
        """The time from which it may be up, if it answers until then."""
        return self.silent + hold(self.falls)


def hold(falls: int) -> float:
    """Seconds without silence that a path needs to be up again which went down that many times in a row."""
    return HOLDS[min(falls, len(HOLDS)) - 1] if falls else 0.0


def fell(damping: Damping, *, up_for: float | None, now: float) -> Damping:
    """The path goes down at `now` after `up_for` seconds of being up; None where it never was, which is no fall: its
    other end is only being set up."""
    if up_for is None:
        return silent(damping, now=now)
    again = damping.falls and up_for < QUIET
    return Damping(falls=damping.falls + 1 if again else 1, silent=now)


def silent(damping: Damping, *, now: float) -> Damping:
    """It is down and does not answer at `now` either: what it is held for begins anew."""
    return Damping(falls=damping.falls, silent=now)


def needed(paths: Mapping[str, PathHealth], alternatives: Iterable[Collection[str]]) -> frozenset[str]:
    """Paths to be used although they are held, since nothing better leads where they lead.

    Each of `alternatives` are the keys of all paths to one place. A path that comes and goes is better than none.
    """
    found: set[str] = set()
    for keys in alternatives:
        known = {key: paths[key] for key in keys if key in paths}
        if not any(path.state == "up" and not path.mark for path in known.values()):
            found |= {key for key, path in known.items() if path.held_until}
    return frozenset(found)

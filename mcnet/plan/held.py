"""Replies that were held back: which of those that came say nothing of how long their way is. Pure.

Replies to probes that were sent one after the other come together where something held them back, an address that
was not resolved yet or a link that came back. Taken for round trips they would make a path look long, and so be given
up late if it is lost again. The reply after them is the first one that has not waited. But where it happens again and
again it is how the path is: a radio link that sends when it may, for one; then their times count.
"""

from dataclasses import dataclass
from typing import Final

RECENT: Final = 10.0
"""Seconds for which a burst is remembered: much longer than a reply may be held back and still counts."""
SEVERAL: Final = 3
"""Bursts within that time are how the path is: a link that comes back can make two, one for each direction."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The replies of a path until now, in seconds of one clock."""

    sent: float = float("-inf")
    """When the probe went out that was answered last."""
    came: float = float("-inf")
    """When its answer came."""
    together: int = 0
    """How many came before that one, all at the same time."""
    bursts: tuple[float, ...] = ()
    """When the first of those that came together came, of the last SEVERAL times."""


def arrived(before: Arrivals, *, sent: float, came: float) -> tuple[Arrivals, int]:
    """What there is with one reply more, and how many before it had been held back, and had no longer way than it."""
    # In any order: what is let go at once may overtake, and when it came is known to some microseconds only.
    together = abs(came - before.came) < abs(sent - before.sent) / 2
    bursts = before.bursts
    if together and not before.together:
        bursts = (*bursts, before.came)[-SEVERAL:]
    held = before.together + 1 if together or before.together else 0
    often = len(bursts) == SEVERAL and came - bursts[0] < RECENT
    return Arrivals(sent, came, held if together else 0, bursts), 0 if often else held

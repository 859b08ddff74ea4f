"""Replies that were held back: those that came together though their probes were sent one after the other. Pure.

A link that comes back asks for its neighbour's address first, and then lets go all that has waited for it. Taken for
round trips these replies make a path look long. The reply after them is the first one that has not waited. Whether
they say nothing of the path, since it was not there, or how it is, is judged with its losses (mcnet.plan.health).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The replies of a path until now, in seconds of one clock."""

    sent: float = float("-inf")
    """When the probe went out that was answered last."""
    came: float = float("-inf")
    """When its answer came."""
    together: int = 0
    """How many came before that one, all at the same time."""


def arrived(before: Arrivals, *, sent: float, came: float) -> tuple[Arrivals, int]:
    """What there is with one reply more, and how many before it had come together: 0 unless it is the first after
    them."""
    # In any order: what is let go at once may overtake, and when it came is known to some microseconds only.
    if abs(came - before.came) < abs(sent - before.sent) / 2:
        return Arrivals(sent, came, before.together + 1), 0
    return Arrivals(sent, came), before.together + 1 if before.together else 0

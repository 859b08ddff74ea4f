"""What a cable's path really carries, from measurements that may be wrong: a packet that is lost looks too large.

A path is taken for narrower than its device says only when two measurements in a row agree; that it is wide enough is
believed at once.
"""

from dataclasses import dataclass, replace
from typing import Final

from mcnet.model.look import Tried
from mcnet.plan.largest import STEP
from mcnet.plan.mtu import MINIMUM

AGAIN: Final = 600.0
"""Seconds until a path is measured again: about as long as kernels believe what they learnt of one (ip(7))."""
DOUBTFUL: Final = 5.0
"""Seconds until the second measurement, or the next one where nothing was answered."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`carried` bytes of an IP packet inside pass, 0 where all do that the device takes; `suspected` is what the last
    measurement said, to be confirmed."""

    carried: int = 0
    suspected: int = 0


def judge(before: Measured, tried: Tried) -> Measured:
    """`before` after one more measurement."""
    if not tried.answered or tried.largest is None:
        return before
    if tried.largest + STEP > tried.device_mtu:
        return Measured()
    found = max(MINIMUM, tried.largest)
    if before.carried and abs(before.carried - found) < STEP:
        return Measured(before.carried)
    if before.suspected and abs(before.suspected - found) < STEP:
        return Measured(min(before.suspected, found))
    return replace(before, suspected=found)


def pause(measured: Measured, tried: Tried) -> float:
    """Seconds until the next measurement."""
    return DOUBTFUL if measured.suspected or not tried.answered else AGAIN

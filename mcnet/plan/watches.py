"""When two nodes were watched at the same time, whatever their clocks say.

A look tells its times by the node's own clock. It lay between the moments in which this machine asked for it and
was told its end: that bounds how far the clock is off. One that fits without a shift is believed.
"""

from dataclasses import replace
from typing import Final

from mcnet.model.look import NodeLook

TOGETHER: Final = 2.0
"""Seconds that both ends must have been watched before "nothing arrived" means anything: at least two probes."""


def by_our_clock(look: NodeLook, asked: float, told: float) -> NodeLook:
    """The look with times by this machine's clock, `asked` before it began and `told` after it ended. Of a clock
    that is off only that part is left in which the node was watched for sure."""
    least, most = asked - look.began, told - look.ended
    if least <= 0 <= most:
        return look
    if least > most:
        # No clock fits: it was set meanwhile.
        return replace(look, began=told, ended=told)
    return replace(look, began=look.began + most, ended=max(look.began + most, look.ended + least))


def together(one: NodeLook, other: NodeLook) -> float:
    """Seconds in which both were watched."""
    return max(0.0, min(one.ended, other.ended) - max(one.began, other.began))

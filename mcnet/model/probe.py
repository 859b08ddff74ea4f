"""What is probed, and what probes say of it: the same in the daemons and in the process that probes for them."""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, TypeAlias

State: TypeAlias = Literal["up", "down", "unknown"]
"""See mcnet.plan.health."""


class Mark(IntEnum):
    """What a gateway says of itself in its answers to probes (mcnet.plan.soft_mark): the higher, the less it is to be
    used."""

    NONE = 0
    SPARE = 1
    """It delivers what comes to it, and had better be spared: it drains, or its way to its nodes comes and goes."""
    ISOLATED = 2
    """It reaches none of its own nodes: what comes to it is lost."""


Standing: TypeAlias = tuple[State, bool, Mark]
"""Of a path: its state, whether it answers again but is held down, the mark of its answers."""


@dataclass(frozen=True, slots=True)
class Target:
    """A path to probe: `address` over `device`, from `source` if given. `key` names it in the results."""

    key: str
    address: IPv4Address | IPv6Address
    device: str
    source: IPv4Address | IPv6Address | None = None
    losses: int = 0
    """Lost probes in a row after which it is down, where that is another number than the prober's; 0: it is not."""
    formerly: str = field(default="", compare=False)
    """The key of a target until now that was the same path under another name: its history goes on under this one."""

    def is_formerly(self, other: "Target") -> bool:
        """Whether `other` was this path."""
        return bool(self.formerly) and replace(other, key=self.key) == self and other.key == self.formerly


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
    falls: int = 0
    """How often it went down one time after the other, without two quiet minutes in between."""
    held_until: float = 0.0
    """It answers and is down all the same, as it comes and goes: until this time (the caller's clock). 0: not so."""
    mark: Mark = Mark.NONE
    """Of its answers."""

    @property
    def loss(self) -> float:
        """Share of the window's probes that were lost, 0 to 1."""
        return self.lost / self.sent if self.sent else 0.0

    @property
    def standing(self) -> Standing:
        """What is told at once when it changes."""
        return self.state, bool(self.held_until), self.mark

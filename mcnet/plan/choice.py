"""Which paths carry traffic, and how much of it: of a gateway's cables, and of a node's gateways.

All that are healthy, each by its weight. A path nobody has judged yet (a daemon has just started) counts as it does
in the kernel now, so that a restart moves nothing. A path that drains (weight 0) or is marked (mcnet.plan.soft_mark)
carries only while nothing better can. What a path carries now it does not lose to a worse one: where all are alike
bad, all stays as it is.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import gcd
from typing import TypeVar

from mcnet.model.cluster import ClusterId
from mcnet.model.node import DEFAULT_WEIGHT
from mcnet.model.probe import Mark


class Health(Enum):
    """What the probes say of a path. UNKNOWN: not enough of them were sent yet. HELD: it answers, but comes and goes
    (mcnet.plan.damping), so that it is used only where nothing better leads there."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Rail:
    """A gateway's cable to one gateway of a cluster: the remote rail, and the remote gateway's weight (0: drains).
    `mark`: what the remote gateway says of itself."""

    rail: int
    health: Health
    weight: int = DEFAULT_WEIGHT
    mark: Mark = Mark.NONE


@dataclass(frozen=True, slots=True)
class GatewayView:
    """A gateway of the own cluster as one of its nodes sees it.

    `reach` are the clusters that it says it reaches, None before it has said anything; `narrow`: bytes of an IP
    packet that pass to those of them to which less passes than its devices promise; `weight` is 0 while it drains.
    """

    node: str
    rail: int
    health: Health
    reach: frozenset[ClusterId] | None
    narrow: Mapping[ClusterId, int] = field(default_factory=dict, hash=False)
    weight: int = DEFAULT_WEIGHT


Path = TypeVar("Path", Rail, GatewayView)


def choose_cables(cables: Iterable[Rail], in_use: Collection[int]) -> tuple[tuple[int, int], ...]:
    """(remote rail, weight) of the cables over which a gateway sends to one remote cluster, by rail; () rejects.

    `in_use` are the rails in the kernel's group now.
    """
    alive = [one for one in cables if _alive(one, in_use)]
    least = min((one.mark for one in alive), default=Mark.NONE)
    return tuple((one.rail, weight) for one, weight in _weighed([one for one in alive if one.mark is least]))


def choose_gateways(
    gateways: Iterable[GatewayView], cluster: ClusterId, in_use: Collection[int]
) -> tuple[tuple[GatewayView, int], ...]:
    """The gateways over which a node sends to `cluster`, each with its weight, by rail; () rejects.

    A gateway that says that it does not reach the cluster is out. Of the others those count that are alive, and
    have said that they reach it or are in use. Without any, those of which too little is known; and where all
    probes fail, what was used last: a node must not cut itself off.
    """
    able = [view for view in gateways if view.reach is None or cluster in view.reach]
    carrying = [view for view in able if view.rail in in_use]
    alive = [view for view in able if _alive(view, in_use)]
    proven = [view for view in alive if view.reach is not None or view.rail in in_use]
    hopeful = [view for view in able if view.health is not Health.DOWN]
    said = [view for view in hopeful if view.reach is not None]
    return _weighed(next(filter(None, (proven, said, hopeful, carrying)), able))


def _alive(path: Rail | GatewayView, in_use: Collection[int]) -> bool:
    return path.health is Health.UP or (path.health is Health.UNKNOWN and path.rail in in_use)


def _weighed(paths: Sequence[Path]) -> tuple[tuple[Path, int], ...]:
    """`paths` by rail with weights that have no common divisor; those that drain are left out, unless all do. Of
    two with one rail (it has just passed from one gateway to another) the first."""
    by_rail: dict[int, Path] = {}
    for path in sorted([path for path in paths if path.weight > 0] or paths, key=lambda path: path.rail):
        by_rail.setdefault(path.rail, path)
    divisor = gcd(*(path.weight for path in by_rail.values())) or 1
    return tuple((path, path.weight // divisor or 1) for path in by_rail.values())

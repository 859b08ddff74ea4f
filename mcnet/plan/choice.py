"""Which paths carry traffic: of a gateway's cables, and of a node's gateways.

At present one path per remote cluster: the lowest rail that is healthy. A path nobody has judged yet (a daemon
has just started) counts as it does in the kernel now, so that a restart moves nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from mcnet.model.cluster import ClusterId


class Health(Enum):
    """What the probes say of a path. UNKNOWN: not enough of them were sent yet."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class GatewayView:
    """A gateway of the own cluster as one of its nodes sees it.

    `reach` are the clusters that it says it reaches, None before it has said anything; `narrow`: bytes of an IP
    packet that pass to those of them to which less passes than its devices promise.
    """

    node: str
    rail: int
    health: Health
    reach: frozenset[ClusterId] | None
    narrow: Mapping[ClusterId, int] = field(default_factory=dict, hash=False)


def choose_cables(rails: Iterable[tuple[int, Health]], in_use: Collection[int]) -> tuple[int, ...]:
    """Remote rails over which a gateway sends to one remote cluster; () rejects.

    `rails` are the configured cables' (remote rail, health); `in_use` the rails in the kernel's group now.
    """
    alive = sorted(
        rail for rail, health in rails if health is Health.UP or (health is Health.UNKNOWN and rail in in_use)
    )
    return tuple(alive[:1])


def choose_gateways(
    gateways: Iterable[GatewayView], cluster: ClusterId, in_use: Collection[int]
) -> tuple[GatewayView, ...]:
    """The gateways over which a node sends to `cluster`; () rejects.

    A gateway that says that it does not reach the cluster is out. Of the others those whose probes fail come
    last, yet one of them is kept when there is nothing better: a node whose own probes all fail must not cut
    itself off.
    """

    def order(view: GatewayView) -> tuple[bool, bool, int]:
        unproven = view.reach is None and view.rail not in in_use
        return view.health is Health.DOWN, unproven, view.rail

    able = [view for view in gateways if view.reach is None or cluster in view.reach]
    return tuple(sorted(able, key=order)[:1])

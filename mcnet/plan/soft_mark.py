"""The mark: a gateway tells the other clusters' gateways that they had better use another one, by the echo replies
with which its kernel answers their probes. Pure.

A gateway is marked as isolated while none of its cluster's other nodes answers it, so that what comes by its cables
arrives nowhere; and as one to spare while it drains, or was isolated again and again until a moment ago. Who sees a
mark leaves that cable while one with a lesser mark or none is there, and not else. So a mark that was wrong costs no
packet, and it is set sooner than a path is given up. Neither side needs an API server for it. What the mark is in a
packet is mcnet.plan.gateway_firewall's; why it is one, docs/decisions/soft-mark.md.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from mcnet.model import ownership
from mcnet.model.kernel import KernelState, NftFingerprint, NftSet
from mcnet.model.node import Node
from mcnet.model.ownership import OVERLAY_DEVICE
from mcnet.model.probe import Mark, PathHealth, Standing, Target
from mcnet.plan.addresses import overlay_ends

ENOUGH: Final = 4
"""Nodes that a gateway probes, as long as none of them is down: by chance all of them are, and the gateway lives, so
seldom that the moment until others are asked does not matter."""
MOST: Final = 16
"""Nodes that it probes at most, beside those that are down."""
REASON: Final = "what its gateway says of itself has changed"
ISOLATED: Final = (
    "no other node of the cluster answers over the overlay: what comes by the cables can't be delivered, and the "
    "other clusters' gateways are told to use another gateway"
)
_PREFIX: Final = "node "
"""Of the keys of probes of nodes: no cable's begins so, as there is no blank in a cluster's name."""


def key(node: str) -> str:
    """What the probes of a node are called."""
    return f"{_PREFIX}{node}"


def cables(paths: Mapping[str, PathHealth]) -> dict[str, Standing]:
    """How the paths stand that are no probes of nodes."""
    return {name: path.standing for name, path in paths.items() if not name.startswith(_PREFIX)}


def witnesses(nodes: Iterable[Node], me: str, paths: Mapping[str, PathHealth]) -> tuple[str, ...]:
    """The nodes that a gateway probes: ENOUGH that are not down, and those that are and come before them in an order
    of its own, MOST together. So each gateway asks others, and asks them as long as nothing changes."""
    chosen: list[str] = []
    fine = 0
    for name in sorted((node.name for node in nodes if node.name != me), key=lambda name: _digest(me, name)):
        if fine == ENOUGH or len(chosen) == MOST:
            break
        chosen.append(name)
        path = paths.get(key(name))
        fine += path is None or path.state != "down"
    return tuple(chosen)


def targets(
    nodes: Collection[Node], me: str, paths: Mapping[str, PathHealth], family: int, losses: int
) -> set[Target]:
    """The probes of the witnesses, over the overlay in one family. They are given up one loss sooner than a path that
    may be used no more after `losses`."""
    ends = overlay_ends(nodes)
    return {
        Target(
            key=key(name),
            address=ends[name].address(family),
            device=OVERLAY_DEVICE,
            source=ends[me].address(family),
            losses=max(2, losses - 1),
        )
        for name in witnesses(nodes, me, paths)
        if me in ends
    }


def wanted(paths: Mapping[str, PathHealth], *, drains: bool) -> Mark | None:
    """The mark that replies are to bear; None where it is not known: then that stays as it is.

    A node that has not answered for all that is remembered of it says nothing: maybe nothing of mcnet runs on it.
    Nodes that come and go are reached all the same: another gateway may be worse off.
    """
    asked = [path for name, path in paths.items() if name.startswith(_PREFIX)]
    if any(path.state == "up" for path in asked):
        return Mark.SPARE if drains else Mark.NONE
    if any(path.held_until for path in asked):
        return Mark.SPARE
    if any(path.state == "down" and path.rtt_last is not None for path in asked):
        return Mark.ISOLATED
    return Mark.SPARE if drains else None


def present(actual: KernelState) -> Mark:
    """The mark that the kernel gives replies now."""
    found = (table.mark for table in actual.tables if isinstance(table, NftFingerprint))
    return max(found, default=Mark.NONE)


def sets(mark: Mark) -> tuple[NftSet, ...]:
    """Those of the gateway's table with which replies bear `mark`."""
    return tuple(
        NftSet(name, "inet_proto", (), ownership.MARKED_PROTOCOLS if mark is one else frozenset())
        for one, name in ownership.MARK_SETS.items()
    )


def _digest(me: str, name: str) -> bytes:
    return hashlib.sha256(f"{me}/{name}".encode()).digest()

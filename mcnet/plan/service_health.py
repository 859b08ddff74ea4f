"""Which clusters' endpoints are withdrawn: those that no cable leads to, after a while of it without a break.

The data path rejects at once; this is for who connects anew, and for names. What gateways report is all that is
known: a cluster of which none says anything, or of which one has just begun to probe, is not called lost.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from mcnet.model.cluster import ClusterId
from mcnet.model.gateway import CableState, Gateway

LOST_AFTER: Final = 2.0
"""Seconds without any cable after which a cluster's endpoints go."""

Memory = Mapping[ClusterId, float]
"""Since when (seconds, the caller's clock) each cluster has been cut off."""


def cut_off(gateways: Iterable[Gateway]) -> frozenset[ClusterId]:
    """The clusters all whose cables are reported as failed, by all gateways."""
    states: dict[ClusterId, set[CableState]] = {}
    for gateway in gateways:
        for cable in gateway.cables:
            states.setdefault(cable.cluster, set()).add(cable.state)
    return frozenset(cluster for cluster, found in states.items() if found == {CableState.ERROR})


def remember(memory: Memory, now_cut_off: Iterable[ClusterId], now: float) -> dict[ClusterId, float]:
    """`memory` after a look: who is back is forgotten at once."""
    return {cluster: memory.get(cluster, now) for cluster in now_cut_off}


def lost(memory: Memory, now: float) -> frozenset[ClusterId]:
    """Those that have been cut off for long enough."""
    return frozenset(cluster for cluster, since in memory.items() if now - since >= LOST_AFTER)


def next_look(memory: Memory, now: float) -> float | None:
    """Seconds until the next one may be lost; None if none can be by waiting alone."""
    waits = [LOST_AFTER - (now - since) for since in memory.values() if now - since < LOST_AFTER]
    return min(waits) if waits else None

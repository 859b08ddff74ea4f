"""Which clusters' endpoints are withdrawn: those that no cable leads to, after a while of it without a break.

The data path rejects at once; this is for who connects anew, and for names. What the own gateways report is all that
is known: where none reports, or one has just begun to probe, nobody is called lost.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from mcnet.model.cluster import ClusterId
from mcnet.model.gateway import CableState, Gateway

LOST_AFTER: Final = 2.0
"""Seconds without any cable after which a cluster's endpoints go."""

Memory = Mapping[ClusterId, float]
"""Since when (seconds, the caller's clock) each cluster has been cut off."""


def cut_off(gateways: Iterable[Gateway], members: Iterable[ClusterId]) -> frozenset[ClusterId]:
    """The other `members` to which no cable leads: all that there are have failed, or there are none."""
    reporting = [gateway for gateway in gateways if gateway.cluster and gateway.rail is not None]
    if not reporting:
        return frozenset()
    hopeful = {
        cable.cluster for gateway in reporting for cable in gateway.cables if cable.state is not CableState.ERROR
    }
    return frozenset(members) - hopeful - {gateway.cluster for gateway in reporting}


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

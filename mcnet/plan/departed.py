"""Clusters that have just left: what still goes to their addresses is rejected for a while, not sent in the clear.

Pods hold connections open, and what is in them was meant for a cable. By a reject they learn that it is over; were
the routes gone at once, the packets would take the default route. Later these addresses are like any others, since
nobody has told whose they are. A daemon that starts meanwhile knows nothing of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from mcnet.model.cluster import Cluster, ClusterId, cluster_number
from mcnet.model.kernel import Network
from mcnet.model.member import Member

REJECTED: Final = 300.0
"""Seconds. A connection that is in use has sent something again by then: TCP doubles its pauses from a second up to
one or two minutes (RFC 6298, 5.5)."""

Memory = Mapping[ClusterId, tuple[Cluster, float]]
"""Clusters, and when (seconds, the caller's clock) each was there last."""


def remember(memory: Memory, present: Iterable[Cluster], now: float) -> dict[ClusterId, tuple[Cluster, float]]:
    """`memory` after a look: what is there, and what was there a moment ago."""
    young = {name: seen for name, seen in memory.items() if now - seen[1] < REJECTED}
    return young | {cluster.id: (cluster, now) for cluster in present}


def departed(memory: Memory, present: Iterable[Cluster], member: Member) -> tuple[Cluster, ...]:
    """The remembered clusters that are not `present`, with those of their prefixes that nobody else has by now:
    neither this cluster nor one that is there."""
    there = {cluster.id: cluster for cluster in present}
    gone = [cluster for cluster, _ in memory.values() if cluster.id not in {*there, member.cluster}]
    if not gone:
        return ()
    numbers = {cluster_number(cluster) for cluster in there}
    taken = [*member.pod_prefixes, *member.service_prefixes]
    taken += [prefix for cluster in there.values() for prefix in cluster.prefixes]

    def left(prefixes: Iterable[Network]) -> tuple[Network, ...]:
        return tuple(one for one in prefixes if not any(one.overlaps(other) for other in taken))

    bare = [
        replace(one, pod_prefixes=left(one.pod_prefixes), service_prefixes=left(one.service_prefixes)) for one in gone
    ]
    return tuple(
        sorted(
            (one for one in bare if one.prefixes and cluster_number(one.id) not in numbers), key=lambda one: one.id
        )
    )

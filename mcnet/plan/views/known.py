"""The members of the clustersets, each once, from all that brokers and members say: whose record it is, what it asks
for, and what tells that it is alive. Rows are the views'.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mcnet.model.cluster import Cluster, ClusterId, Requested
from mcnet.model.endpoint import Endpoint
from mcnet.model.gateway import CableState
from mcnet.model.kernel import Network
from mcnet.plan.cluster_view import BrokerView, ClusterView, Picture

STALE_AFTER: Final = timedelta(minutes=5)
"""Without a renewal of its Lease for so long, a member without a living cable is stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMember:
    """A member. `broker` is the broker's view if its context could be read, else this is a member's copy;
    `own` is the member's own view if that context could be read; `others` the records beside it."""

    cluster: Cluster
    request: Requested
    endpoints: tuple[Endpoint, ...]
    others: tuple[Cluster, ...]
    broker: BrokerView | None = None
    own: ClusterView | None = None
    renewed: datetime | None = None
    connected: bool = False
    """Whether a cable from or to it is alive, by what any readable member says."""


def known_members(picture: Picture) -> list[KnownMember]:
    """In order of ID; a broker's record counts more than a member's copy."""
    found: dict[tuple[str, bytes], KnownMember] = {}
    views: tuple[BrokerView | ClusterView, ...] = (*picture.brokers, *picture.members)
    for view in views:
        for cluster in view.clusters:
            if _key(cluster) not in found:
                found[_key(cluster)] = _known(picture, view, cluster)
    return [found[key] for key in sorted(found)]


def brokers_of(picture: Picture, view: ClusterView) -> list[BrokerView]:
    """The broker that keeps the record of this member: told by the identity keys, for URLs may differ."""
    mine = {_key(cluster) for cluster in view.clusters if cluster.id == view.cluster}
    return [broker for broker in picture.brokers if mine & {_key(cluster) for cluster in broker.clusters}]


def lacking(asked: Iterable[Network], approved: Iterable[Network]) -> tuple[Network, ...]:
    """What is asked for and not approved, in the order of asking."""
    have = set(approved)
    return tuple(prefix for prefix in asked if prefix not in have)


def overlap(prefix: Network, others: Iterable[Cluster]) -> tuple[ClusterId, Network] | None:
    """The first approved prefix of `others` that overlaps, and whose it is."""
    for other in others:
        for theirs in other.prefixes:
            if theirs.version == prefix.version and theirs.overlaps(prefix):
                return other.id, theirs
    return None


def _known(picture: Picture, view: BrokerView | ClusterView, cluster: Cluster) -> KnownMember:
    broker = view if isinstance(view, BrokerView) else None
    beside = [one for one in picture.members if _key(cluster) in map(_key, one.clusters)]
    own = next((one for one in beside if one.cluster == cluster.id), None)
    return KnownMember(
        cluster=cluster,
        request=view.requests.get(cluster.id, Requested()),
        endpoints=tuple(one for one in view.endpoints if one.cluster == cluster.id),
        others=tuple(one for one in view.clusters if one.id != cluster.id),
        broker=broker,
        own=own,
        renewed=broker.renewals.get(cluster.id) if broker else None,
        connected=any(_connected(one, cluster.id) for one in beside),
    )


def _connected(view: ClusterView, cluster: ClusterId) -> bool:
    return any(
        cable.state is CableState.CONNECTED and cluster in (cable.cluster, view.cluster)
        for gateway in view.gateways
        if gateway.node not in view.daemon_problems
        for cable in gateway.cables
    )


def _key(cluster: Cluster) -> tuple[str, bytes]:
    return cluster.id, cluster.identity.signing_key if cluster.identity else b""

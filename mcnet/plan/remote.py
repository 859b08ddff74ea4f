"""The other clusters as this one accepts them: approved prefixes, no overlaps, one gateway per rail.

One cluster's bad data never stops the others: what is refused is left out and named in a problem.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mcnet.model.cluster import PROTOCOL_VERSION, Cluster, ClusterId, cluster_number
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Network
from mcnet.model.member import Member
from mcnet.model.ownership import MAX_RAILS


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote cluster with what of it is routed here: `prefixes` of this cluster's families, `endpoints` by rail."""

    cluster: ClusterId
    prefixes: tuple[Network, ...]
    endpoints: tuple[Endpoint, ...]

    @property
    def number(self) -> int:
        return cluster_number(self.cluster)

    def prefixes_of(self, family: int) -> tuple[Network, ...]:
        return tuple(prefix for prefix in self.prefixes if prefix.version == family)


@dataclass(frozen=True, slots=True)
class Remotes:
    """All accepted remote clusters in order of ID, and what was refused, as sentences."""

    clusters: tuple[Remote, ...]
    problems: tuple[str, ...] = ()

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(endpoint for remote in self.clusters for endpoint in remote.endpoints)

    def prefixes_of(self, family: int) -> tuple[Network, ...]:
        return tuple(prefix for remote in self.clusters for prefix in remote.prefixes_of(family))


def families(member: Member) -> tuple[int, ...]:
    """The IP families that pods of this cluster have: 4, 6 or both. The others' prefixes are of no use here."""
    return tuple(sorted({prefix.version for prefix in member.pod_prefixes}))


def accept(member: Member, clusters: Iterable[Cluster], endpoints: Iterable[Endpoint]) -> Remotes:
    """Decide which prefixes of which remote clusters are routed.

    An Endpoint counts for what it says *and* its Cluster was approved for. A cluster without any gateway keeps
    all that it was approved for, so that its addresses are rejected and never go to the default route: the last
    gateway may be on its way back. What overlaps this cluster's own
    prefixes is refused (remapping comes with its own feature); of two remote clusters that overlap, the first
    by ID keeps its prefix.
    """
    wanted = families(member)
    problems: list[str] = []
    routed = _Routed()
    for prefix in sorted(member.pod_prefixes + member.service_prefixes, key=lambda prefix: prefix.prefixlen):
        if routed.clash(prefix) is None:
            routed.add(prefix, member.cluster)
    numbers = {cluster_number(member.cluster): member.cluster}
    accepted: list[Remote] = []
    by_cluster: dict[ClusterId, list[Endpoint]] = {}
    for endpoint in endpoints:
        by_cluster.setdefault(endpoint.cluster, []).append(endpoint)
    problems += [
        f"endpoint {endpoint.name} speaks protocol version {endpoint.protocol_version}, this cluster "
        f"{PROTOCOL_VERSION}: used as far as it is understood; upgrade mcnet here"
        for endpoint in sorted(_flat(by_cluster), key=lambda endpoint: endpoint.name)
        if endpoint.protocol_version > PROTOCOL_VERSION and endpoint.cluster != member.cluster
    ]
    known = {cluster.id: cluster for cluster in clusters if cluster.id != member.cluster}
    problems += [
        f"cluster {name} has gateways but is not a member of the clusterset: its endpoints are not used"
        for name in sorted(by_cluster.keys() - known.keys() - {member.cluster})
    ]
    for cluster in sorted(known.values(), key=lambda cluster: cluster.id):
        number = cluster_number(cluster.id)
        if number in numbers:
            problems.append(
                f"cluster {cluster.id} has the same number {number} as {numbers[number]}: not connected; "
                "it must join under another ID"
            )
            continue
        numbers[number] = cluster.id
        ends = _one_per_rail(by_cluster.get(cluster.id, []), problems)
        prefixes = []
        for prefix in _approved(cluster, ends, problems) if ends else cluster.prefixes:
            if prefix.version not in wanted:
                continue
            clash = routed.clash(prefix)
            if clash is not None:
                problems.append(
                    f"{prefix} of cluster {cluster.id} overlaps {clash[0]} of cluster {clash[1]}: not routed"
                )
                continue
            prefixes.append(prefix)
            routed.add(prefix, cluster.id)
        accepted.append(Remote(cluster=cluster.id, prefixes=tuple(prefixes), endpoints=ends))
    return Remotes(clusters=tuple(accepted), problems=tuple(problems))


def _flat(by_cluster: Mapping[ClusterId, list[Endpoint]]) -> Iterable[Endpoint]:
    return (endpoint for endpoints in by_cluster.values() for endpoint in endpoints)


def _approved(cluster: Cluster, ends: Iterable[Endpoint], problems: list[str]) -> list[Network]:
    """What endpoints say as far as it is approved: of one that says more than its cluster has (any more), the part
    that is, so that a prefix made smaller is not cut off until the endpoint says so too."""
    approved: set[Network] = set()
    for endpoint in ends:
        for prefix in endpoint.prefixes:
            if any(_within(prefix, whole) for whole in cluster.prefixes):
                approved.add(prefix)
                continue
            approved |= {whole for whole in cluster.prefixes if _within(whole, prefix)}
            problems.append(
                f"{prefix} of endpoint {endpoint.name} is outside what cluster {cluster.id} is approved for: "
                "not routed"
            )
    return [
        prefix
        for prefix in sorted(approved, key=lambda prefix: (prefix.version, prefix))
        if not any(other != prefix and _within(prefix, other) for other in approved)
    ]


def _one_per_rail(endpoints: Iterable[Endpoint], problems: list[str]) -> tuple[Endpoint, ...]:
    rails: dict[int, Endpoint] = {}
    for endpoint in sorted(endpoints, key=lambda endpoint: (-endpoint.sequence, endpoint.gateway)):
        if not 0 <= endpoint.rail < MAX_RAILS:
            problems.append(f"endpoint {endpoint.name} has rail {endpoint.rail}, outside 0-{MAX_RAILS - 1}: not used")
        elif endpoint.rail in rails:
            problems.append(
                f"endpoint {endpoint.name} has the same rail {endpoint.rail} as the newer "
                f"{rails[endpoint.rail].name}: not used"
            )
        else:
            rails[endpoint.rail] = endpoint
    return tuple(rails[rail] for rail in sorted(rails))


class _Routed:
    """Prefixes with their clusters, of which no two overlap: there may be thousands, so they are kept in order."""

    def __init__(self) -> None:
        self._starts: dict[int, list[int]] = {4: [], 6: []}
        self._prefixes: dict[int, list[tuple[Network, ClusterId]]] = {4: [], 6: []}

    def add(self, prefix: Network, owner: ClusterId) -> None:
        """`prefix` overlaps none that is here."""
        at = bisect_right(self._starts[prefix.version], int(prefix.network_address))
        self._starts[prefix.version].insert(at, int(prefix.network_address))
        self._prefixes[prefix.version].insert(at, (prefix, owner))

    def clash(self, prefix: Network) -> tuple[Network, ClusterId] | None:
        """One that overlaps `prefix`, if any does: then also the last of those that start before its end."""
        at = bisect_right(self._starts[prefix.version], int(prefix.broadcast_address))
        if at == 0:
            return None
        last = self._prefixes[prefix.version][at - 1]
        return last if int(last[0].broadcast_address) >= int(prefix.network_address) else None


def _within(one: Network, whole: Network) -> bool:
    return (
        one.version == whole.version
        and int(whole.network_address) <= int(one.network_address)
        and int(one.broadcast_address) <= int(whole.broadcast_address)
    )

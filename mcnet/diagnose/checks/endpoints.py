"""Whether Endpoints, rails and reports belong to gateways and nodes that are there."""

from collections.abc import Iterable
from dataclasses import dataclass

from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec.errors import DecodeError
from mcnet.diagnose.broker import Broker, read_broker
from mcnet.diagnose.check import Check
from mcnet.diagnose.site import Site
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.endpoint import Endpoint
from mcnet.model.member import BROKER_NAMESPACE, rail_lease_name
from mcnet.model.ownership import MAX_RAILS
from mcnet.plan.gateway_choice import labelled_gateways

RAILS = tuple(rail_lease_name(rail) for rail in range(MAX_RAILS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What this cluster holds; `members` are the clusters it knows, itself included."""

    cluster: str
    kubectl: str = "kubectl -n mcnet-system"
    nodes: tuple[JsonObject, ...] = ()
    members: frozenset[str] = frozenset()
    endpoints: tuple[JsonObject, ...] = ()
    gateways: tuple[JsonObject, ...] = ()
    node_states: tuple[JsonObject, ...] = ()
    leases: tuple[JsonObject, ...] = ()
    broker: Broker

    @property
    def names(self) -> frozenset[str]:
        """Of all nodes."""
        return frozenset(map(_name, self.nodes))

    def lost(self, node: str) -> str:
        """Why a node can't be a gateway, "" if it is one."""
        if node not in self.names:
            return f"there is no node {node}"
        return "" if node in labelled_gateways(self.nodes) else f"{node} is no gateway any more"


async def gather(site: Site) -> Evidence:
    return Evidence(
        cluster=site.member.cluster,
        kubectl=site.kubectl,
        nodes=tuple(await site.listed(kinds.NODE)),
        members=frozenset(_name(obj) for obj in await site.listed(kinds.CLUSTER)),
        endpoints=tuple(await site.listed(kinds.ENDPOINT)),
        gateways=tuple(await site.listed(kinds.GATEWAY)),
        node_states=tuple(await site.listed(kinds.NODE_STATE)),
        leases=tuple(await site.listed(kinds.LEASE)),
        broker=await read_broker(site),
    )


def judge(evidence: Evidence) -> Judgement:
    endpoints, unreadable = _decoded(evidence)
    findings = [
        *unreadable,
        *_own(evidence, endpoints),
        *_strange(evidence, endpoints),
        *_rails(evidence, endpoints),
        *_leases(evidence),
        *_reports(evidence),
    ]
    clusters = len({one.cluster for one in endpoints})
    looked = f"{len(endpoints)} endpoints of {clusters} clusters, reports of {len(evidence.node_states)} nodes"
    return Judgement(looked, tuple(findings))


def _decoded(evidence: Evidence) -> tuple[list[Endpoint], list[Finding]]:
    endpoints, findings = [], []
    for obj in evidence.endpoints:
        try:
            endpoints.append(endpoint_codec.decode(obj))
        except DecodeError as error:
            said = f"it can't be read, so no gateway uses it: {error.field}: {error.why}"
            findings.append(
                Finding(Verdict.WARNING, f"Endpoint {_name(obj)}", said, _delete(evidence, "endpoints", _name(obj)))
            )
    return endpoints, findings


def _own(evidence: Evidence, endpoints: Iterable[Endpoint]) -> Iterable[Finding]:
    for one in endpoints:
        if one.cluster == evidence.cluster and (why := evidence.lost(one.gateway)):
            said = f"{why}, but other clusters still make cables to it"
            yield Finding(Verdict.WRONG, f"Endpoint {one.name}", said, _delete(evidence, "endpoints", one.name))


def _strange(evidence: Evidence, endpoints: Iterable[Endpoint]) -> Iterable[Finding]:
    """Endpoints of clusters that are no members."""
    held = {_name(obj) for obj in evidence.broker.held.endpoints} if evidence.broker.held else set()
    for one in endpoints:
        if one.cluster in evidence.members or one.cluster == evidence.cluster:
            continue
        remedy = _delete(evidence, "endpoints", one.name)
        if one.name in held:  # what the broker has comes back
            kubectl = f"kubectl{evidence.broker.option} -n {BROKER_NAMESPACE}"
            remedy = f"{kubectl} delete endpoints.mcnet.dev {one.name} --ignore-not-found"
        said = f"{one.cluster} is no member of the clusterset"
        yield Finding(Verdict.WRONG, f"Endpoint {one.name}", said, remedy)


def _rails(evidence: Evidence, endpoints: Iterable[Endpoint]) -> Iterable[Finding]:
    """Two gateways of a cluster with one rail would get the same ports and addresses."""
    by_rail: dict[tuple[str, int], list[Endpoint]] = {}
    for one in endpoints:
        if one.cluster != evidence.cluster or not evidence.lost(one.gateway):
            by_rail.setdefault((one.cluster, one.rail), []).append(one)
    holders = {_name(lease): _holder(lease) for lease in evidence.leases}
    for (cluster, rail), sharing in sorted(by_rail.items()):
        if len(sharing) < 2:
            continue
        names = sorted(one.gateway for one in sharing)
        said = f"{' and '.join(names)} have the same rail {rail}: their cables have the same ports and addresses"
        if cluster == evidence.cluster:
            holder = holders.get(rail_lease_name(rail), names[0])
            losers = [one.name for one in sharing if one.gateway != holder]
            remedy = _delete(evidence, "endpoints", *sorted(losers))
        else:
            remedy = f"mcnet diagnose endpoints, in {cluster}'s context"
        yield Finding(Verdict.WRONG, f"gateways of {cluster}", said, remedy)


def _leases(evidence: Evidence) -> Iterable[Finding]:
    for lease in evidence.leases:
        holder = _holder(lease)
        if _name(lease) in RAILS and (why := evidence.lost(holder) if holder else "nobody holds it"):
            said = f"{why}, but the rail is kept for it"
            yield Finding(Verdict.WARNING, f"Lease {_name(lease)}", said, _delete(evidence, "leases", _name(lease)))


def _reports(evidence: Evidence) -> Iterable[Finding]:
    for obj in evidence.gateways:
        if why := evidence.lost(_name(obj)):
            remedy = _delete(evidence, "gateways", _name(obj))
            yield Finding(Verdict.WARNING, f"Gateway {_name(obj)}", f"it is a report of the past: {why}", remedy)
    for obj in evidence.node_states:
        if _name(obj) not in evidence.names:
            remedy = _delete(evidence, "nodestates", _name(obj))
            said = f"it is a report of the past: there is no node {_name(obj)}"
            yield Finding(Verdict.WARNING, f"NodeState {_name(obj)}", said, remedy)


def _delete(evidence: Evidence, plural: str, *names: str) -> str:
    kind = plural if plural == "leases" else f"{plural}.mcnet.dev"
    return f"{evidence.kubectl} delete {kind} {' '.join(names)} --ignore-not-found"


def _holder(lease: JsonObject) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _name(obj: JsonObject) -> str:
    return str(obj["metadata"]["name"])


CHECK = Check(
    name="endpoints",
    title="Endpoints",
    matters="other clusters send traffic to every gateway that has an Endpoint, also to one that is gone",
    gather=gather,
    judge=judge,
)

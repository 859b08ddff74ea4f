"""Whether the networks of all members are apart, approved, and really those that the pods have."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from mcnet.diagnose.broker import Broker, read_broker
from mcnet.diagnose.check import Check
from mcnet.diagnose.site import Site
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.cluster import Cluster
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address, Network
from mcnet.model.member import Member
from mcnet.model.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`member` says what this cluster asks for, `clusters` what every member is approved to have; `pods` are all
    pods of the cluster."""

    option: str = ""
    member: Member
    clusters: tuple[Cluster, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    nodes: tuple[Node, ...] = ()
    pods: tuple[JsonObject, ...] = ()
    broker: Broker

    @property
    def own(self) -> Cluster | None:
        return next((one for one in self.clusters if one.id == self.member.cluster), None)

    @property
    def others(self) -> tuple[Cluster, ...]:
        return tuple(one for one in self.clusters if one.id != self.member.cluster)


async def gather(site: Site) -> Evidence:
    return Evidence(
        option=site.option,
        member=site.member,
        clusters=await site.clusters(),
        endpoints=await site.endpoints(),
        nodes=await site.nodes(),
        pods=tuple(await site.listed(kinds.POD, None)),
        broker=await read_broker(site),
    )


def judge(evidence: Evidence) -> Judgement:
    findings = [*_overlaps(evidence), *_nodes(evidence), *_unapproved(evidence), *_outside(evidence)]
    prefixes = sum(len(one.prefixes) for one in evidence.clusters)
    pods = sum(1 for pod in evidence.pods if _address(pod))
    looked = f"{prefixes} networks of {len(evidence.clusters)} members, the addresses of {pods} pods"
    return Judgement(looked, tuple(findings))


def _overlaps(evidence: Evidence) -> Iterable[Finding]:
    own = evidence.own
    if own is None:
        return
    for other in evidence.others:
        for mine in own.prefixes:
            for theirs in _hits(mine, other.prefixes):
                what = f"{_what(own, mine)} {mine} of {own.id} and {_what(other, theirs)} {theirs} of {other.id}"
                said = f"{what} overlap: an address in both is reached in one of the clusters only"
                remedy = "re-create one of the clusters with another range, and take it out first: mcnet leave"
                yield Finding(Verdict.WRONG, f"{own.id} and {other.id}", said, remedy)


def _nodes(evidence: Evidence) -> Iterable[Finding]:
    """Nodes and gateways whose own address another cluster's pods or services could have."""
    for node in evidence.nodes:
        for other in evidence.others:
            for address in node.addresses:
                if hit := _within(address, other.prefixes):
                    said = (
                        f"its address {address} lies within {_what(other, hit)} {hit} of {other.id}: what has that "
                        f"address there is not reached from {evidence.member.cluster}"
                    )
                    remedy = f"give the node another address, or re-create {other.id} with another range"
                    yield Finding(Verdict.WRONG, f"node {node.name}", said, remedy)
    own = evidence.own
    for endpoint in evidence.endpoints if own else ():
        if endpoint.cluster == evidence.member.cluster:
            continue
        for address in (*endpoint.private_addresses, *endpoint.public_addresses):
            if own and (hit := _within(address, own.prefixes)):
                said = f"its address {address} is within {_what(own, hit)} {hit} of {own.id}: no cable can reach it"
                remedy = f"re-create {own.id} with another range, or give that gateway another address"
                yield Finding(Verdict.WRONG, f"gateway {endpoint.gateway} of {endpoint.cluster}", said, remedy)


def _unapproved(evidence: Evidence) -> Iterable[Finding]:
    """What the member asks for and the broker's admin has not approved. Service networks that overlap with another
    member's are left out at join already, and said there."""
    own = evidence.own
    if own is None:
        return
    taken = [prefix for other in evidence.others for prefix in other.prefixes]
    asked = (
        *evidence.member.pod_prefixes,
        *(one for one in evidence.member.service_prefixes if not _hits(one, taken)),
    )
    waiting = [one for one in asked if not any(_contains(approved, one) for approved in own.prefixes)]
    if waiting:
        said = f"{', '.join(map(str, waiting))} asked for, but not approved: no other cluster reaches it"
        remedy = f"mcnet member approve {own.id}{evidence.broker.option}"
        yield Finding(Verdict.WARNING, f"cluster {own.id}", said, remedy)


def _outside(evidence: Evidence) -> Iterable[Finding]:
    """Pods that have addresses outside of all that is approved and asked for: the CNI's range is larger."""
    own = evidence.own
    if own is None:
        return
    known = (*own.pod_prefixes, *evidence.member.pod_prefixes)
    versions = {prefix.version for prefix in known}
    found = [
        (f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}", address)
        for pod in evidence.pods
        if (address := _address(pod)) and address.version in versions and not _within(address, known)
    ]
    if found:
        name, address = found[0]
        rest = f" and {len(found) - 1} more pods have" if len(found) > 1 else " has"
        said = f"{name} ({address}){rest} an address outside of {', '.join(map(str, own.pod_prefixes)) or 'nothing'}"
        wanted = ",".join(map(str, (*evidence.member.pod_prefixes, "CIDR")))
        remedy = f"mcnet config set pod-cidr {wanted}{evidence.option}, with the CNI's whole range for CIDR"
        yield Finding(Verdict.WRONG, f"cluster {own.id}", f"{said}: other clusters don't reach it", remedy)


def _address(pod: JsonObject) -> Address | None:
    """The address of a running pod that has one of its own."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed"):
        return None
    try:
        return ip_address(str(status.get("podIP") or ""))
    except ValueError:
        return None


def _what(cluster: Cluster, prefix: Network) -> str:
    return "the pod network" if prefix in cluster.pod_prefixes else "the service network"


def _hits(one: Network, others: Iterable[Network]) -> list[Network]:
    return [other for other in others if other.version == one.version and other.overlaps(one)]


def _within(address: Address, prefixes: Iterable[Network]) -> Network | None:
    return next((prefix for prefix in prefixes if prefix.version == address.version and address in prefix), None)


def _contains(whole: Network, part: Network) -> bool:
    return whole.version == part.version and whole.prefixlen <= part.prefixlen and whole.overlaps(part)


CHECK = Check(
    name="cidr-overlap",
    title="Networks",
    matters="what has an address of two clusters is reached in one of them only, without approval in none",
    gather=gather,
    judge=judge,
)

"""Whether NetworkPolicies in our namespace keep discovery from its API server, the broker or DNS.

The node daemons are in the host's network, where policies don't reach them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from mcnet.diagnose.broker import is_address, look_inside, read_broker
from mcnet.diagnose.check import Check
from mcnet.diagnose.site import Site
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.errors import McnetError, NotFoundError
from mcnet.model.kernel import Address
from mcnet.model.member import MANAGED_LABEL, SYSTEM_NAMESPACE
from mcnet.plan.network_policy import Destination, Labels, allowing, forbidding

ALLOWING: Final = "mcnet-discovery"
"""Name of the policy that the remedy makes."""
OURS: Final = {"app.kubernetes.io/name": "mcnet"}
MANAGED: Final = {MANAGED_LABEL: "mcnet"}
"""Also on the throw-away pods, which try for `diagnose` what discovery needs."""
FOREIGN: Final = (kinds.CILIUM_POLICY, kinds.CALICO_POLICY)
"""Kinds of policies that are counted, not understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`pods` are ours in the pod network, by name with their labels; `foreign` counts policies of other kinds."""

    kubectl: str = "kubectl -n mcnet-system"
    policies: tuple[JsonObject, ...] = ()
    pods: Mapping[str, Labels]
    destinations: tuple[Destination, ...] = ()
    foreign: Mapping[str, int]


async def gather(site: Site) -> Evidence:
    pods = [pod for pod in await site.listed(kinds.POD) if not (pod.get("spec") or {}).get("hostNetwork")]
    labelled = {str(pod["metadata"]["name"]): pod["metadata"].get("labels") or {} for pod in pods}
    name, value = next(iter(OURS.items()))
    policies = await site.listed(kinds.NETWORK_POLICY)
    return Evidence(
        kubectl=site.kubectl,
        policies=tuple(policies),
        pods={pod: labels for pod, labels in labelled.items() if labels.get(name) == value},
        destinations=await _destinations(site) if policies else (),
        foreign={f"{kind.plural}.{kind.group}": await _count(site, kind) for kind in FOREIGN},
    )


async def _count(site: Site, kind: Kind) -> int:
    try:
        return len(await site.listed(kind))
    except NotFoundError:
        return 0


async def _destinations(site: Site) -> tuple[Destination, ...]:
    api = await site.api.list(
        kinds.ENDPOINT_SLICE, "default", labels="kubernetes.io/service-name=kubernetes"
    )  # fmt: skip
    dns = await site.api.list(kinds.ENDPOINT_SLICE, "kube-system", labels="k8s-app=kube-dns")
    dns_pods = await site.api.list(kinds.POD, "kube-system", labels="k8s-app=kube-dns")
    namespace = await site.api.find(kinds.NAMESPACE, "kube-system") or {"metadata": {}}
    return (
        *(Destination("its own API server", address, port) for address, port, _ in endpoints(api)),
        *await _broker(site),
        *dns_destinations(dns, dns_pods, namespace["metadata"].get("labels") or {}),
    )


async def _broker(site: Site) -> tuple[Destination, ...]:
    broker = await read_broker(site)
    if not broker.host:
        return ()
    addresses: tuple[str, ...] = (broker.host,)
    if not is_address(broker.host):
        try:
            addresses = (await look_inside(site)).names[broker.host].addresses
        except (McnetError, KeyError):
            return ()  # the checks broker and dns say so
    port = urlsplit(broker.server).port or 443
    return tuple(Destination("the broker", ip_address(one), port) for one in addresses if is_address(one))


def endpoints(slices: Iterable[JsonObject]) -> Iterator[tuple[Address, int, str]]:
    """Address, port and protocol of everything in EndpointSlices."""
    for one in slices:
        for endpoint in one.get("endpoints") or ():
            for text in endpoint.get("addresses") or ():
                for port in one.get("ports") or ():
                    if is_address(text) and isinstance(port.get("port"), int):
                        yield ip_address(text), port["port"], port.get("protocol") or "TCP"


def dns_destinations(
    slices: Iterable[JsonObject], pods: Iterable[JsonObject], namespace_labels: Labels
) -> tuple[Destination, ...]:
    """The DNS servers, as the pods that they are; port 53 of each where the slices tell nothing else."""
    by_address = {(pod.get("status") or {}).get("podIP"): pod for pod in pods}
    found = []
    for address, port, protocol in endpoints(slices):
        if port not in (53, 5353, 1053, 8053):
            continue  # metrics
        pod = by_address.get(str(address))
        found.append(
            Destination(
                what="DNS", address=address, port=port, protocol=protocol,
                labels=(pod["metadata"].get("labels") or {}) if pod else None,
                namespace="kube-system", namespace_labels=namespace_labels, ports=_port_names(pod),
            )
        )  # fmt: skip
    return tuple(found)


def _port_names(pod: JsonObject | None) -> Mapping[str, int]:
    containers = ((pod or {}).get("spec") or {}).get("containers") or ()
    return {
        port["name"]: port["containerPort"]
        for one in containers
        for port in one.get("ports") or ()
        if port.get("name")
    }


def judge(evidence: Evidence) -> Judgement:
    findings = [*_forbidden(evidence)]
    for name, count in sorted(evidence.foreign.items()):
        if count:
            said = f"{count} in {SYSTEM_NAMESPACE} are not looked into: whether they block discovery is not known"
            findings.append(Finding(Verdict.UNKNOWN, name, said, f"{evidence.kubectl} get {name}"))
    noun = "policy" if len(evidence.policies) == 1 else "policies"
    looked = f"{len(evidence.policies)} {noun} in {SYSTEM_NAMESPACE}, {len(evidence.pods)} pods of ours"
    return Judgement(looked, tuple(findings))


def _forbidden(evidence: Evidence) -> Iterable[Finding]:
    """One finding for each set of policies that together keep pods from what they need."""
    blocked: dict[tuple[str, ...], list[Destination]] = {}
    for labels in evidence.pods.values():
        for to in evidence.destinations:
            by = forbidding(evidence.policies, labels, SYSTEM_NAMESPACE, to)
            if by:
                names = tuple(sorted(str(one["metadata"]["name"]) for one in by))
                blocked.setdefault(names, []).append(to)
    for names, destinations in sorted(blocked.items()):
        said = f"discovery's pods may not reach {_listed(destinations)}"
        about = f"NetworkPolicy {' and '.join(names)}"
        yield Finding(Verdict.WRONG, about, said, _remedy(evidence))


def _listed(destinations: Iterable[Destination]) -> str:
    """What there is, each with one of its addresses and all its ports."""
    places: dict[str, tuple[str, set[str]]] = {}
    for one in sorted(destinations, key=lambda to: (to.what, str(to.address))):
        places.setdefault(one.what, (str(one.address), set()))[1].add(f"{one.protocol} {one.port}")
    return ", ".join(
        f"{what} ({address}, {' and '.join(sorted(ports))})" for what, (address, ports) in places.items()
    )


def _remedy(evidence: Evidence) -> str:
    """Applies a policy that allows what is needed; policies add up, so nobody's is taken away."""
    policy = allowing(ALLOWING, SYSTEM_NAMESPACE, MANAGED, evidence.destinations)
    return f"echo '{json.dumps(policy, separators=(',', ':'))}' | {evidence.kubectl} apply -f -"


CHECK = Check(
    name="network-policies",
    title="NetworkPolicies",
    matters="discovery that can't reach the broker or its own API server carries no change from cluster to cluster",
    gather=gather,
    judge=judge,
)

"""Whether names are answered inside of the cluster: the API server's own, and the broker's where it has one."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mcnet.diagnose.broker import API_NAME, is_address, look_inside, read_broker
from mcnet.diagnose.check import Check
from mcnet.diagnose.inside import Lookup
from mcnet.diagnose.site import Site
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.errors import McnetError

DNS_NAMESPACE: Final = "kube-system"
DNS_LABEL: Final = ("k8s-app", "kube-dns")
"""CoreDNS keeps kube-dns' label, which its Service selects by."""
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
USUAL_REPLICAS: Final = 2
"""What kubeadm and most distributions run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`names` is what a pod found, None if no pod could look, for `unlooked`; `addresses` are the cluster IPs of
    the API server's Service; `deployments` are the cluster's DNS servers."""

    cluster: str
    kubectl: str
    """Without a namespace."""
    host: str = ""
    """The broker's host, a name or an address."""
    names: Mapping[str, Lookup] | None = field(default_factory=dict)
    unlooked: str = ""
    addresses: tuple[str, ...] = ()
    deployments: tuple[JsonObject, ...] = ()


async def gather(site: Site) -> Evidence:
    broker = await read_broker(site)
    names: Mapping[str, Lookup] | None = None
    unlooked = ""
    try:
        names = (await look_inside(site)).names
    except McnetError as error:
        unlooked = error.message
    service = await site.api.find(kinds.SERVICE, "kubernetes", "default")
    spec = (service or {}).get("spec") or {}
    key, value = DNS_LABEL
    return Evidence(
        cluster=site.member.cluster,
        kubectl="kubectl" + site.option,
        host=broker.host,
        names=names,
        unlooked=unlooked,
        addresses=tuple(spec.get("clusterIPs") or ()),
        deployments=tuple(await site.api.list(kinds.DEPLOYMENT, DNS_NAMESPACE, labels=f"{key}={value}")),
    )


def judge(evidence: Evidence) -> Judgement:
    if evidence.names is None:
        said = f"no pod could look names up: {evidence.unlooked}"
        return Judgement("not looked at", (Finding(Verdict.UNKNOWN, f"DNS in {evidence.cluster}", said),))
    findings = [*_api(evidence, evidence.names), *_broker(evidence, evidence.names)]
    answered = sum(not lookup.problem for lookup in evidence.names.values())
    by_address = f"; the broker {evidence.host} needs no name" if is_address(evidence.host) else ""
    return Judgement(f"{answered} of {len(evidence.names)} names answered in a pod{by_address}", tuple(findings))


def _api(evidence: Evidence, names: Mapping[str, Lookup]) -> Iterable[Finding]:
    about = f"DNS in {evidence.cluster}"
    lookup = names.get(API_NAME, Lookup(problem="it was not asked for"))
    if lookup.problem:
        said = f"{API_NAME} is not answered: {lookup.problem}"
        why, remedy = _why(evidence)
        yield Finding(Verdict.WRONG, about, "; ".join(part for part in (said, why) if part), remedy)
    elif evidence.addresses and not set(lookup.addresses) <= set(evidence.addresses):
        said = f"{API_NAME} is {', '.join(lookup.addresses)}, but the Service has {', '.join(evidence.addresses)}"
        yield Finding(Verdict.WRONG, about, said, f"{evidence.kubectl} -n {DNS_NAMESPACE} get configmaps")


def _why(evidence: Evidence) -> tuple[str, str]:
    """What the DNS servers' Deployments say, and the command that mends it."""
    kubectl = f"{evidence.kubectl} -n {DNS_NAMESPACE}"
    for obj in evidence.deployments:
        name = obj["metadata"]["name"]
        replicas = (obj.get("spec") or {}).get("replicas", 1)
        if replicas == 0:
            return (
                f"the Deployment {name} is scaled to 0",
                f"{kubectl} scale deployment/{name} --replicas={wanted_replicas(obj)}",
            )
        if not (obj.get("status") or {}).get("readyReplicas", 0):
            return f"none of {replicas} pods of {name} is ready", f"{kubectl} rollout restart deployment/{name}"
    key, value = DNS_LABEL
    return "", f"{kubectl} logs -l {key}={value} --tail 20"


def wanted_replicas(deployment: JsonObject) -> int:
    """How many replicas a Deployment had before it was scaled to 0, as far as it tells."""
    annotations = deployment["metadata"].get("annotations") or {}
    try:
        replicas = json.loads(annotations[LAST_APPLIED])["spec"]["replicas"]
    except (KeyError, ValueError, TypeError):
        return USUAL_REPLICAS
    return replicas if isinstance(replicas, int) and replicas > 0 else USUAL_REPLICAS


def _broker(evidence: Evidence, names: Mapping[str, Lookup]) -> Iterable[Finding]:
    lookup = names.get(evidence.host)
    api = names.get(API_NAME)
    if lookup is None or not lookup.problem or (api and api.problem):
        return  # a resolver that answers nothing is said once
    said = f"the broker's name {evidence.host} is not answered in the pods of {evidence.cluster}: {lookup.problem}"
    remedy = f"{evidence.kubectl} -n {DNS_NAMESPACE} edit configmap coredns"
    yield Finding(Verdict.WRONG, f"broker {evidence.host}", said, remedy)


CHECK = Check(
    name="dns",
    title="DNS inside",
    matters="discovery finds the broker by its name, and pods find services by theirs",
    gather=gather,
    judge=judge,
)

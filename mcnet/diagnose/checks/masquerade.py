"""Whether the CNI or anybody else gives pods another source on their way to other clusters."""

from collections.abc import Iterator
from dataclasses import dataclass

from mcnet.diagnose.check import Check
from mcnet.diagnose.looked import not_looked_at
from mcnet.diagnose.site import Looks, Site
from mcnet.kube import kinds
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.look import NodeLook

CILIUM = "cilium-config"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The looks, and Cilium's settings (empty without Cilium)."""

    looks: Looks
    cilium: dict[str, str]
    kubectl: str = "kubectl"


async def gather(site: Site) -> Evidence:
    found = await site.api.find(kinds.CONFIG_MAP, CILIUM, "kube-system")
    context = f" --context {site.context}" if site.context else ""
    data = {str(key): str(value) for key, value in ((found or {}).get("data") or {}).items()}
    return Evidence(await site.looks(), data, f"kubectl{context} -n kube-system")


def judge(evidence: Evidence) -> Judgement:
    found = [*not_looked_at(evidence.looks), *_cilium(evidence)]
    for _, look in sorted(evidence.looks.answers.items()):
        found += _node(look)
    return Judgement(f"chains that translate sources on {len(evidence.looks.answers)} nodes", tuple(found))


def _node(look: NodeLook) -> Iterator[Finding]:
    if why := look.faults.get("translation"):
        yield Finding(Verdict.UNKNOWN, f"node {look.node}", f"its chains can't be read: {why}")
    for one in look.translations:
        does = "gives" if one.certain else "probably gives"
        said = (
            f"{does} pods of {one.source} another source on their way to {one.target}: {one.why}, and at priority "
            f"{one.priority} it comes before the chain of mcnet that keeps sources"
        )
        verdict = Verdict.WRONG if one.certain else Verdict.WARNING
        yield Finding(verdict, f"node {look.node}, chain {one.chain}", said, one.remedy, look.node)


def _cilium(evidence: Evidence) -> Iterator[Finding]:
    """BPF programs translate before nftables sees a packet: that is their design, not a fault of a node."""
    settings = evidence.cilium
    if settings.get("enable-bpf-masquerade") != "true":
        return
    masquerades = any(settings.get(f"enable-ipv{family}-masquerade", "true") == "true" for family in (4, 6))
    if masquerades and settings.get("enable-ip-masq-agent") != "true":
        said = (
            "Cilium masquerades in BPF, before nftables sees a packet, so mcnet can't keep the sources of pods that "
            "it translates"
        )
        patch = '{"data":{"enable-bpf-masquerade":"false"}}'
        remedy = (
            f"{evidence.kubectl} patch configmap {CILIUM} --type merge -p '{patch}' && "
            f"{evidence.kubectl} rollout restart daemonset cilium"
        )
        yield Finding(Verdict.WARNING, f"ConfigMap kube-system/{CILIUM}", said, remedy)


CHECK = Check(
    name="masquerade",
    title="Sources of pods",
    matters="another cluster drops packets whose source is none of this cluster's pods",
    gather=gather,
    judge=judge,
)

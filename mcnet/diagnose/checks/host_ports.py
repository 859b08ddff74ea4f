"""Whether the ports that mcnet needs on nodes are free, or held by itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from mcnet.diagnose.check import Check
from mcnet.diagnose.looked import not_looked_at
from mcnet.diagnose.site import Looks, Site
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.look import NodeLook
from mcnet.plan.pods import pod_problem


@dataclass(frozen=True, slots=True)
class Evidence:
    looks: Looks
    pods: tuple[JsonObject, ...]
    kubectl: str


async def gather(site: Site) -> Evidence:
    return Evidence(await site.looks(), tuple(await site.listed(kinds.POD)), site.kubectl)


def judge(evidence: Evidence) -> Judgement:
    found = [*not_looked_at(evidence.looks)]
    for _, look in sorted(evidence.looks.answers.items()):
        found += _node(look)
    found += [finding for pod in evidence.pods for finding in _pod(evidence, pod)]
    return Judgement(f"the ports of tunnels and daemons on {len(evidence.looks.answers)} nodes", tuple(found))


def _node(look: NodeLook) -> Iterator[Finding]:
    if why := look.faults.get("ports"):
        yield Finding(Verdict.UNKNOWN, f"node {look.node}", f"its sockets can't be read: {why}")
    for port in look.taken_ports:
        protocol, _, number = port.partition(" ")
        said = f"another program holds {port}"
        yield Finding(Verdict.WRONG, f"node {look.node}", said, end_holder(protocol, number), look.node)


def end_holder(protocol: str, number: str) -> str:
    """The command that ends what holds a port: with ss(8) only, which every node has that has ip(8)."""
    listening = "-Htlnp" if protocol == "TCP" else "-Hulnp"
    return f"kill $(ss {listening} sport = :{number} | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u)"


def _pod(evidence: Evidence, pod: JsonObject) -> Iterator[Finding]:
    """Pods that no node can take because of a hostPort: the scheduler says so."""
    why = pod_problem(pod)
    if "free ports" in why:
        name = str((pod.get("metadata") or {}).get("name", ""))
        remedy = f"{evidence.kubectl} describe pod {name}"
        yield Finding(Verdict.WRONG, f"pod {name}", f"a port that it needs is another pod's: {why}", remedy)


CHECK = Check(
    name="host-ports",
    title="Ports on the nodes",
    matters="a daemon or tunnel whose port is held by another program does not start",
    gather=gather,
    judge=judge,
)

"""Whether our nft tables and devices are on the nodes as the daemons wrote them.

A running daemon puts them right within seconds: what is found here is nearly always of a daemon that does not run.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mcnet.diagnose.check import Check
from mcnet.diagnose.looked import not_looked_at
from mcnet.diagnose.site import Looks, Site
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.look import NodeLook, Order
from mcnet.model.ownership import GATEWAY_NFT_TABLE, NODE_NFT_TABLE, OVERLAY_DEVICE
from mcnet.plan.pods import pod_problem


@dataclass(frozen=True, slots=True)
class Evidence:
    looks: Looks
    pods: tuple[JsonObject, ...]
    kubectl: str
    join: str
    """The command that puts back daemons that are not there."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one daemon keeps on a node."""

    component: str
    table: str
    devices: tuple[str, ...]


def _parts(order: Order) -> tuple[Part, ...]:
    node = Part("route-agent", NODE_NFT_TABLE, (OVERLAY_DEVICE,))
    return (node, Part("gateway", GATEWAY_NFT_TABLE, order.cable_devices)) if order.gateway else (node,)


async def gather(site: Site) -> Evidence:
    join = f"mcnet join broker-info.mcnet{site.option}"
    return Evidence(await site.looks(), tuple(await site.listed(kinds.POD)), site.kubectl, join)


def judge(evidence: Evidence) -> Judgement:
    found = [*not_looked_at(evidence.looks)]
    for node, look in sorted(evidence.looks.answers.items()):
        order = evidence.looks.orders.get(node, Order(node))
        for part in _parts(order):
            found += _part(evidence, look, part)
    return Judgement(f"tables and devices of mcnet on {len(evidence.looks.answers)} nodes", tuple(found))


def _part(evidence: Evidence, look: NodeLook, part: Part) -> Iterator[Finding]:
    about = f"node {look.node}"
    daemon, remedy = _daemon(evidence, look.node, part)
    match look.tables.get(part.table):
        case None:
            why = look.faults.get("tables", "nothing was said of it")
            yield Finding(Verdict.UNKNOWN, about, f"the nft table inet {part.table} can't be read: {why}")
        case "missing":
            yield Finding(Verdict.WRONG, about, f"the nft table inet {part.table} is missing, and {daemon}", remedy)
        case "edited":
            said = f"the nft table inet {part.table} was changed by hand, and {daemon}"
            yield Finding(Verdict.WRONG, about, said, remedy)
    devices = {device.name: device for device in look.devices}
    if "devices" in look.faults:
        return
    for name in part.devices:
        if name not in devices:
            yield Finding(Verdict.WRONG, about, f"the device {name} is missing, and {daemon}", remedy)
        elif not devices[name].carrier:
            yield Finding(Verdict.WRONG, about, f"the device {name} is down, and {daemon}", remedy)


def _daemon(evidence: Evidence, node: str, part: Part) -> tuple[str, str]:
    """How the daemon is that should put it right, and the command to go on with."""
    for pod in evidence.pods:
        labels = (pod.get("metadata") or {}).get("labels") or {}
        here = (pod.get("spec") or {}).get("nodeName") == node
        if here and labels.get("app.kubernetes.io/component") == part.component:
            name = str(pod["metadata"].get("name", ""))
            if why := pod_problem(pod):
                return f"its {part.component} does not run: {why}", f"{evidence.kubectl} logs {name} --tail 20"
            return f"its {part.component} runs and has not put it right", f"{evidence.kubectl} delete pod {name}"
    return f"no {part.component} runs there", evidence.join


CHECK = Check(
    name="tables",
    title="Rules and devices of mcnet",
    matters="without its own rules and devices a node neither carries nor protects traffic of the clusterset",
    gather=gather,
    judge=judge,
)

"""Whether chains of other programs on the nodes (firewalld, Docker, a hardening script) drop packets of mcnet."""

from collections.abc import Iterator
from dataclasses import dataclass

from mcnet.diagnose.check import Check
from mcnet.diagnose.looked import not_looked_at
from mcnet.diagnose.site import Looks, Site
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.look import NodeLook


@dataclass(frozen=True, slots=True)
class Evidence:
    """The looks; `managed`: mcnet puts rules of its own into other programs' chains."""

    looks: Looks
    managed: bool = False


async def gather(site: Site) -> Evidence:
    return Evidence(await site.looks(), site.member.manage_host_firewall)


def judge(evidence: Evidence) -> Judgement:
    found = [*not_looked_at(evidence.looks)]
    for _, look in sorted(evidence.looks.answers.items()):
        found += _node(evidence, look)
    return Judgement(f"nft chains of other programs on {len(evidence.looks.answers)} nodes", tuple(found))


def _node(evidence: Evidence, look: NodeLook) -> Iterator[Finding]:
    if why := look.faults.get("foreign chains"):
        yield Finding(Verdict.UNKNOWN, f"node {look.node}", f"its chains can't be read: {why}")
    for drop in look.drops:
        does = "drops" if drop.certain else "probably drops"
        said = f"{does} packets of mcnet ({', '.join(drop.packets)}): {drop.why}"
        if evidence.managed:
            said += "; mcnet manages the host's firewall and has not mended it"
        verdict = Verdict.WRONG if drop.certain else Verdict.WARNING
        yield Finding(verdict, f"node {look.node}, chain {drop.chain}", said, drop.remedy, look.node)


CHECK = Check(
    name="foreign-chains",
    title="Other programs' firewalls",
    matters="a rule of another program that drops tunnels, probes or forwarded packets cuts the node off",
    gather=gather,
    judge=judge,
)

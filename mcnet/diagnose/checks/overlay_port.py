"""Whether nodes and gateways of a cluster reach each other over the overlay, tried from both ends."""

from mcnet.diagnose.check import Check
from mcnet.diagnose.looked import not_looked_at
from mcnet.diagnose.site import Site
from mcnet.diagnose.tunnels import Evidence, Member, findings, pairs
from mcnet.model.diagnosis import Judgement
from mcnet.model.look import Tunnel


async def gather(site: Site) -> Evidence:
    return Evidence(Member(site.member.cluster, site.option, await site.looks()))


def judge(evidence: Evidence) -> Judgement:
    count = sum(1 for _ in pairs(evidence, Tunnel.OVERLAY))
    found = (*not_looked_at(evidence.own.looks), *findings(evidence, Tunnel.OVERLAY))
    return Judgement(f"echoes over {count} pairs of node and gateway", found)


CHECK = Check(
    name="overlay-port",
    title="Overlay between nodes",
    matters="pods on a node that its gateways can't reach over UDP 4800 reach no other cluster",
    gather=gather,
    judge=judge,
)

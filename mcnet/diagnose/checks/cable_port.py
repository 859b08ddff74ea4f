"""Whether this cluster's gateways and those of the others reach each other over their cables, from both ends where
both can be looked at."""

import asyncio

from mcnet.diagnose.check import Check
from mcnet.diagnose.looked import not_looked_at
from mcnet.diagnose.site import Looks, Site
from mcnet.diagnose.tunnels import Evidence, Member, findings, pairs
from mcnet.model.diagnosis import Judgement
from mcnet.model.errors import McnetError
from mcnet.model.look import Tunnel


async def gather(site: Site) -> Evidence:
    own, *others = await asyncio.gather(site.looks(), *(_looks(other) for other in site.others))
    return Evidence(
        Member(site.member.cluster, site.option, own),
        tuple(
            Member(other.member.cluster, other.option, looks)
            for other, looks in zip(site.others, others, strict=True)
        ),
    )


async def _looks(site: Site) -> Looks:
    """Another member's looks; what can't be read there is its own checks' matter."""
    try:
        return await site.looks()
    except McnetError:
        return Looks({}, {}, {})


def judge(evidence: Evidence) -> Judgement:
    ends = list(pairs(evidence, Tunnel.CABLE))
    both = sum(1 for _, near, far, _ in ends if near.look and far.look)
    found = (*not_looked_at(evidence.own.looks), *findings(evidence, Tunnel.CABLE))
    return Judgement(f"echoes over {len(ends)} cables, {both} of them watched at both ends", found)


CHECK = Check(
    name="cable-port",
    title="Cables to other clusters",
    matters="a gateway that another cluster's gateway can't reach over UDP carries no traffic between the two",
    gather=gather,
    judge=judge,
)

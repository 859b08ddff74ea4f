"""Climbs the ladder: API servers are read first, pods run only once all rungs below hold, and the first broken rung
is the last that is judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcnet.diagnose.service.evidence import Evidence
from mcnet.diagnose.service.gather import gather, reach
from mcnet.diagnose.service.ladder import LADDER, Rung
from mcnet.diagnose.site import Site
from mcnet.model.diagnosis import Judgement, Verdict, worst
from mcnet.model.service import ServiceName


@dataclass(frozen=True, slots=True)
class Climbed:
    """A rung, and what was found; None if the way was broken before."""

    rung: Rung
    judgement: Judgement | None

    @property
    def verdict(self) -> Verdict:
        if self.judgement is None:
            return Verdict.UNKNOWN
        return worst(finding.verdict for finding in self.judgement.findings)


async def climb(
    sites: Sequence[Site], service: ServiceName, doing: Callable[[str], None] = lambda _: None
) -> list[Climbed]:
    """All rungs in their order. Raises nothing that a member's API server has caused: that is a finding."""
    doing("reading what the clusters and the broker have of it")
    evidence: Evidence = await gather(sites, service)
    climbed: list[Climbed] = []
    looked = broken = False
    for rung in LADDER:
        if broken:
            climbed.append(Climbed(rung, None))
            continue
        if rung.by_pods and not looked:
            doing(f"a pod in each cluster looks {evidence.name} up and connects")
            evidence = await reach(sites, evidence)
            looked = True
        climbed.append(Climbed(rung, rung.judge(evidence)))
        broken = climbed[-1].verdict is Verdict.WRONG
    return climbed

"""Whether every node's kernel has what the data path is made of, found by trying."""

from collections.abc import Iterable

from mcnet.diagnose.check import Check
from mcnet.diagnose.looked import not_looked_at
from mcnet.diagnose.site import Looks, Site
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.look import NodeLook


async def gather(site: Site) -> Looks:
    return await site.looks()


def judge(looks: Looks) -> Judgement:
    findings = [*not_looked_at(looks), *(one for look in looks.answers.values() for one in _lacking(look))]
    return Judgement(f"tried out on {len(looks.answers)} of {len(looks.orders)} nodes", tuple(findings))


def _lacking(look: NodeLook) -> Iterable[Finding]:
    about = f"node {look.node}"
    if why := look.faults.get("features"):
        yield Finding(Verdict.UNKNOWN, about, f"the kernel can't be tried: {why}")
    for one in look.missing:
        said = f"Linux {look.release} lacks {one.name} (there from {one.since} on): {one.detail}"
        if one.required:
            remedy = f"boot {look.node} with Linux {one.since} or newer, or with the module that has it"
            yield Finding(Verdict.WRONG, about, said, remedy)
        else:
            yield Finding(Verdict.WARNING, about, said + "; without it flows may move when paths change")


CHECK = Check(
    name="kernel-features",
    title="Kernel features",
    matters="a node whose kernel lacks one of them can't carry traffic to other clusters",
    gather=gather,
    judge=judge,
)

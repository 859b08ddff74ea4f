"""Runs checks on members: all beside each other, each with its deadline, so that what hangs holds up nothing else."""

import asyncio
from collections.abc import Callable, Sequence

from mcnet.diagnose.check import AnyCheck
from mcnet.diagnose.site import Site
from mcnet.model.diagnosis import Diagnosis, Finding, Judgement, Verdict
from mcnet.model.errors import McnetError

Told = Callable[[Diagnosis], None]


async def diagnose(sites: Sequence[Site], checks: Sequence[AnyCheck], told: Told = lambda _: None) -> list[Diagnosis]:
    """The outcome of every check on every member, in the order of members and checks; `told` hears each as it is
    there."""

    async def one(site: Site, check: AnyCheck) -> Diagnosis:
        diagnosis = await _run(site, check)
        told(diagnosis)
        return diagnosis

    return list(await asyncio.gather(*(one(site, check) for site in sites for check in checks)))


async def _run(site: Site, check: AnyCheck) -> Diagnosis:
    try:
        async with asyncio.timeout(check.deadline) as limit:
            judgement = check.judge(await check.gather(site))
    except McnetError as error:
        judgement = _unknown(site, error.message, error.hint)
    except TimeoutError:
        late = limit.expired()
        judgement = _unknown(site, f"not finished after {check.deadline:g} s" if late else "no answer in time", "")
    except Exception as error:  # a fault of this check's own, or an object that it does not expect: the others go on
        judgement = _unknown(site, f"the check itself failed: {type(error).__name__}: {error}", "")
    return Diagnosis(
        check=check.name,
        title=check.title,
        matters=check.matters,
        cluster=site.member.cluster,
        looked=judgement.looked,
        findings=judgement.findings,
    )


def _unknown(site: Site, why: str, hint: str) -> Judgement:
    finding = Finding(Verdict.UNKNOWN, f"cluster {site.member.cluster}", why, hint)
    return Judgement("could not be looked at", (finding,))

"""Checks beside each other: what hangs or fails holds up nothing else, and everything is told as it is there."""

import asyncio

from mcnet.diagnose.check import AnyCheck, Check
from mcnet.diagnose.run import diagnose
from mcnet.diagnose.site import Site
from mcnet.model.cluster import ClusterId
from mcnet.model.diagnosis import Diagnosis, Finding, Judgement, Verdict
from mcnet.model.errors import ForbiddenError, UnreachableError
from mcnet.model.member import Member
from tests.fakes.api import FakeServer
from tests.unit.diagnose.world import site


async def nothing(site: Site) -> str:
    return site.member.cluster


def check(name: str, gather: object = nothing, judge: object = Judgement, deadline: float = 5.0) -> AnyCheck:
    return Check(name=name, title=name.title(), matters="m", gather=gather, judge=judge, deadline=deadline)  # type: ignore[arg-type]


def member(name: str) -> Member:
    return Member(ClusterId(name), (), ())


async def outcome(one: AnyCheck) -> Diagnosis:
    (found,) = await diagnose([site(FakeServer())], [one])
    return found


async def test_outcomes_come_in_the_order_of_members_and_checks() -> None:
    async def slow(site: Site) -> str:
        await asyncio.sleep(0.01)
        return site.member.cluster

    sites = [site(FakeServer(), member(name)) for name in ("west", "east")]
    found = await diagnose(sites, [check("a", slow), check("b")])
    assert [(one.cluster, one.check, one.looked) for one in found] == [
        ("west", "a", "west"), ("west", "b", "west"), ("east", "a", "east"), ("east", "b", "east"),
    ]  # fmt: skip


async def test_a_check_that_hangs_holds_up_nothing_else() -> None:
    heard: list[str] = []
    others_done = asyncio.Event()

    async def hang(site: Site) -> str:
        await others_done.wait()
        await asyncio.Event().wait()
        raise AssertionError

    def told(diagnosis: Diagnosis) -> None:
        heard.append(diagnosis.check)
        if len(heard) == 2:
            others_done.set()

    checks = [check("hangs", hang, deadline=0.2), check("a"), check("b")]
    found = await diagnose([site(FakeServer())], checks, told)
    assert heard == ["a", "b", "hangs"]
    assert [one.verdict for one in found] == [Verdict.UNKNOWN, Verdict.FINE, Verdict.FINE]
    assert found[0].findings[0].said == "not finished after 0.2 s"


async def test_what_can_not_be_read_is_unknown_with_the_reason_and_the_hint() -> None:
    async def refused(site: Site) -> str:
        raise ForbiddenError("list Node at https://fake: no", "ask the admin", status=403)

    found = await outcome(check("a", refused))
    assert found.findings == (
        Finding(Verdict.UNKNOWN, "cluster west", "list Node at https://fake: no", "ask the admin"),
    )
    assert (found.looked, found.verdict) == ("could not be looked at", Verdict.UNKNOWN)


async def test_a_time_out_of_something_else_is_not_the_deadline() -> None:
    async def waits(site: Site) -> str:
        raise TimeoutError

    assert (await outcome(check("a", waits))).findings[0].said == "no answer in time"


async def test_a_check_that_fails_is_unknown_and_the_others_go_on() -> None:
    def broken(evidence: str) -> Judgement:
        raise KeyError("spec")

    found = await diagnose([site(FakeServer())], [check("broken", judge=broken), check("a")])
    assert found[0].findings[0].said == "the check itself failed: KeyError: 'spec'"
    assert found[1].verdict is Verdict.FINE


async def test_the_gravest_finding_is_the_verdict() -> None:
    def judge(evidence: str) -> Judgement:
        verdicts = (Verdict.UNKNOWN, Verdict.WRONG, Verdict.WARNING)
        return Judgement("x", tuple(Finding(verdict, "a", "b") for verdict in verdicts))

    assert (await outcome(check("a", judge=judge))).verdict is Verdict.WRONG


async def test_a_reading_that_fails_fails_for_every_check_that_wants_it_and_is_tried_once() -> None:
    server = FakeServer()
    server.go_down(UnreachableError("https://fake does not answer"))

    async def version(site: Site) -> str:
        return await site.version()

    found = await diagnose([site(server)], [check("a", version), check("b", version)])
    assert [one.findings[0].said for one in found] == ["https://fake does not answer"] * 2
    assert len(server.requests) == 1


async def test_without_members_there_is_nothing() -> None:
    assert await diagnose([], [check("a")]) == []

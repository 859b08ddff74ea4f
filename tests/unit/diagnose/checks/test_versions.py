"""Versions: Kubernetes' minimum, daemons and members of other versions, and which side is told to upgrade."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec import gateway as gateway_codec
from mcnet.diagnose.checks.versions import CHECK, Evidence, gather, judge, number
from mcnet.model.diagnosis import Verdict
from mcnet.model.gateway import Gateway
from tests.fakes.api import FakeServer
from tests.unit.diagnose.world import WEST, cluster, site

WELL = Evidence(
    cluster="west",
    option=" --context west",
    kubernetes="v1.37.2",
    broker="v1.37.2",
    command="0.2.0",
    daemons={"discovery": "0.2.0", "gateway on n1": "0.2.0", "route agent on n1": "0.2.0"},
    members={"east": "0.2.0"},
    protocols={"": 1, "east": 1, "west": 1},
    contexts={"east": " --context e"},
)
JOIN = "mcnet join broker-info.mcnet --context west"


def test_one_version_everywhere_is_fine() -> None:
    assert judge(WELL).findings == ()
    assert judge(WELL).looked == "mcnet 0.2.0; Kubernetes v1.37.2, the broker v1.37.2"


def test_what_has_not_reported_yet_is_no_skew() -> None:
    daemons = {"discovery": "", "gateway on n1": ""}
    assert judge(replace(WELL, daemons=daemons, members={"east": ""}, protocols={}, broker=None)).findings == ()


@pytest.mark.parametrize(
    ("change", "about", "said", "remedy", "verdict"),
    [
        ({"kubernetes": "v1.26.9"}, "cluster west", "needs 1.27", "upgrade its Kubernetes", Verdict.WRONG),
        ({"broker": "v1.29.1"}, "the broker", "needs 1.30", "upgrade its Kubernetes", Verdict.WRONG),
        (
            {"daemons": {"discovery": "0.2.0", "gateway on n1": "0.1.0"}}, "daemons of west",
            "gateway on n1 is of version 0.1.0, this command of 0.2.0", JOIN, Verdict.WARNING,
        ),
        (
            {"daemons": {"discovery": "0.3.0", "gateway on n1": "0.3.0"}, "members": {}}, "daemons of west",
            "discovery, gateway on n1 are of version 0.3.0", "install mcnet 0.3.0 here", Verdict.WARNING,
        ),
        ({"members": {"east": "0.1.9"}}, "member east", "runs mcnet 0.1.9",
         "mcnet join broker-info.mcnet --context e", Verdict.WARNING),
        ({"members": {"east": "0.3.0"}}, "member east", "runs mcnet 0.3.0", JOIN, Verdict.WARNING),
        ({"members": {"south": "0.1.0"}}, "member south", "where south is the current context",
         "mcnet join broker-info.mcnet", Verdict.WARNING),
        ({"protocols": {"": 1, "east": 2}}, "member east", "speaks protocol version 2",
         "mcnet join broker-info.mcnet --context e", Verdict.WRONG),
        ({"protocols": {"": 2, "west": 2}}, "this command", "protocol version 1", "install", Verdict.WARNING),
    ],
)  # fmt: skip
def test_what_differs_is_named(
    change: dict[str, object], about: str, said: str, remedy: str, verdict: Verdict
) -> None:
    (finding,) = judge(replace(WELL, **change)).findings  # type: ignore[arg-type]
    assert (finding.about, finding.verdict) == (about, verdict)
    assert said in finding.said
    assert finding.remedy.startswith(remedy)


@pytest.mark.parametrize("version", ["v0.0.0-master", "", "unknown"])
def test_a_version_that_can_not_be_read_is_no_fault(version: str) -> None:
    assert judge(replace(WELL, kubernetes=version)).findings == ()


def test_many_daemons_are_counted_not_listed() -> None:
    daemons = {f"gateway on n{number}": "0.1.0" for number in range(9)}
    (finding,) = judge(replace(WELL, daemons=daemons)).findings
    assert "and 5 more are of version 0.1.0" in finding.said


@pytest.mark.parametrize(
    ("text", "ordered"), [("0.2.0", (0, 2, 0)), ("v1.10", (1, 10)), ("0.2.0.dev1+x", (0, 2, 0)), ("dev", ())]
)
def test_order_of_versions(text: str, ordered: tuple[int, ...]) -> None:
    assert number(text) == ordered


@given(st.text(), st.text(), st.text())
def test_no_version_is_too_odd(kubernetes: str, daemon: str, member: str) -> None:
    judge(replace(WELL, kubernetes=kubernetes, daemons={"discovery": daemon}, members={"east": member}))


async def test_gathered_from_the_reports() -> None:
    server = FakeServer()
    server.add(
        cluster("west", 2, status={"version": "0.1.0", "protocolVersion": 1}),
        cluster("east", status={"version": "0.0.9", "protocolVersion": 2}),
        gateway_codec.encode(Gateway("n1", WEST, 0, version="0.0.8"), namespace="mcnet-system"),
    )
    evidence = await gather(site(server))
    assert evidence.kubernetes == "v1.37.2"
    assert evidence.broker is None
    assert evidence.daemons == {"discovery": "0.1.0", "gateway on n1": "0.0.8"}
    assert (evidence.members, evidence.protocols) == ({"east": "0.0.9"}, {"east": 2, "west": 1})
    assert CHECK.name == "versions"

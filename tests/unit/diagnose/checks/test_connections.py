"""Connections: cables, gateways and nodes as they report themselves."""

from dataclasses import replace

import pytest

from mcnet.diagnose.checks.connections import Evidence, judge
from mcnet.model.cluster import Cluster
from mcnet.model.diagnosis import Verdict
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.model.member import Member
from mcnet.model.node import NodeState
from mcnet.plan.cluster_view import ClusterView
from tests.unit.diagnose.world import EAST, WEST

CABLE = Cable(EAST, "e1", 0, CableState.CONNECTED, "vxlan", active=True)
VIEW = ClusterView(
    context="w",
    member=Member(WEST, (), ()),
    clusters=(Cluster(EAST, (), ()), Cluster(WEST, (), ())),
    gateways=(Gateway("w1", WEST, 0, (CABLE,)),),
    gateway_nodes=("w1",),
)
STATES = (NodeState("w1", ready=True), NodeState("w2", ready=True))
WELL = Evidence(VIEW, STATES, frozenset({"w1", "w2"}))


def with_cable(cable: Cable) -> Evidence:
    return replace(WELL, view=replace(VIEW, gateways=(Gateway("w1", WEST, 0, (cable,)),)))


def test_all_connected_is_fine() -> None:
    assert judge(WELL).findings == ()
    assert judge(WELL).looked == "1 of 1 connection up"


def test_the_first_member_has_nobody_to_connect_to() -> None:
    view = replace(VIEW, clusters=(Cluster(WEST, (), ()),), gateways=(Gateway("w1", WEST, 0),))
    assert judge(replace(WELL, view=view)).findings == ()
    assert judge(replace(WELL, view=view)).looked == "no other member yet"


def test_a_cable_that_is_not_connected() -> None:
    (finding,) = judge(with_cable(replace(CABLE, state=CableState.ERROR, reason="no probe is answered"))).findings
    assert (finding.verdict, finding.about) == (Verdict.WRONG, "west → east (w1 → e1)")
    assert finding.said == "error: no probe is answered"
    assert finding.remedy


def test_a_member_that_no_cable_leads_to() -> None:
    view = replace(VIEW, gateways=(Gateway("w1", WEST, 0),))
    (finding,) = judge(replace(WELL, view=view)).findings
    assert (finding.verdict, finding.about) == (Verdict.WRONG, "west → east")


def test_a_gateway_whose_daemon_does_not_run_tells_nothing_of_its_cables() -> None:
    view = replace(VIEW, daemon_problems={"w1": "CrashLoopBackOff"})
    findings = judge(replace(WELL, view=view)).findings
    assert [(one.verdict, one.about) for one in findings] == [
        (Verdict.UNKNOWN, "west → east (w1 → e1)"), (Verdict.WRONG, "gateway w1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("states", "said", "verdict"),
    [
        ((STATES[0],), "its route agent has not reported", Verdict.WRONG),
        ((STATES[0], NodeState("w2")), "its route agent is not ready", Verdict.WRONG),
        ((STATES[0], NodeState("w2", ready=True, problems=("no address", "x"))), "no address; x", Verdict.WARNING),
    ],
)
def test_nodes(states: tuple[NodeState, ...], said: str, verdict: Verdict) -> None:
    (finding,) = judge(replace(WELL, states=states)).findings
    assert (finding.about, finding.said, finding.verdict) == ("node w2", said, verdict)


def test_the_report_of_a_node_that_is_gone_is_left_to_the_check_of_endpoints() -> None:
    assert judge(replace(WELL, states=(*STATES, NodeState("gone")))).findings == ()

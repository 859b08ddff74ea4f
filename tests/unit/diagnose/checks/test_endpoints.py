"""Objects of gateways, clusters and nodes that are gone, and rails given twice."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.diagnose.checks.endpoints import Evidence, judge
from mcnet.model.diagnosis import Verdict
from tests.unit.diagnose.world import bare, broker, endpoint, lease, node

KUBECTL = "kubectl --context w -n mcnet-system"
WELL = Evidence(
    cluster="west",
    kubectl=KUBECTL,
    nodes=(node("w1", gateway=True), node("w2")),
    members=frozenset({"east", "west"}),
    endpoints=(endpoint("east", "e1"), endpoint("west", "w1")),
    gateways=(bare("Gateway", "w1"),),
    node_states=(bare("NodeState", "w1"), bare("NodeState", "w2")),
    leases=(lease("rail-0", "w1"), lease("mcnet-discovery", "a-pod")),
    broker=broker(endpoints=(endpoint("east", "e1"), endpoint("west", "w1"))),
)


def test_what_belongs_to_living_nodes_is_fine() -> None:
    assert judge(WELL).findings == ()
    assert judge(WELL).looked == "2 endpoints of 2 clusters, reports of 2 nodes"


@pytest.mark.parametrize(
    ("change", "verdict", "about", "said", "remedy"),
    [
        ({"endpoints": (*WELL.endpoints, endpoint("west", "gone", 1))}, Verdict.WRONG, "Endpoint west.gone",
         "there is no node gone", "delete endpoints.mcnet.dev west.gone --ignore-not-found"),
        ({"endpoints": (*WELL.endpoints, endpoint("west", "w2", 1))}, Verdict.WRONG, "Endpoint west.w2",
         "w2 is no gateway any more", "delete endpoints.mcnet.dev west.w2 --ignore-not-found"),
        ({"endpoints": (*WELL.endpoints, endpoint("north", "x"))}, Verdict.WRONG, "Endpoint north.x",
         "north is no member", "delete endpoints.mcnet.dev north.x --ignore-not-found"),
        ({"leases": (*WELL.leases, lease("rail-3", "gone"))}, Verdict.WARNING, "Lease rail-3",
         "there is no node gone, but the rail is kept for it", "delete leases rail-3 --ignore-not-found"),
        ({"leases": (*WELL.leases, lease("rail-3"))}, Verdict.WARNING, "Lease rail-3", "nobody holds it",
         "delete leases rail-3 --ignore-not-found"),
        ({"gateways": (*WELL.gateways, bare("Gateway", "w2"))}, Verdict.WARNING, "Gateway w2",
         "w2 is no gateway any more", "delete gateways.mcnet.dev w2 --ignore-not-found"),
        ({"node_states": (*WELL.node_states, bare("NodeState", "gone"))}, Verdict.WARNING, "NodeState gone",
         "there is no node gone", "delete nodestates.mcnet.dev gone --ignore-not-found"),
        ({"endpoints": (*WELL.endpoints, bare("Endpoint", "west.odd"))}, Verdict.WARNING, "Endpoint west.odd",
         "it can't be read", "delete endpoints.mcnet.dev west.odd --ignore-not-found"),
    ],
)  # fmt: skip
def test_what_is_left_over(change: dict[str, Any], verdict: Verdict, about: str, said: str, remedy: str) -> None:
    (finding,) = judge(replace(WELL, **change)).findings
    assert (finding.verdict, finding.about, finding.remedy) == (verdict, about, f"{KUBECTL} {remedy}")
    assert said in finding.said


def test_what_the_broker_has_is_deleted_there() -> None:
    strange = endpoint("north", "x")
    evidence = replace(WELL, endpoints=(*WELL.endpoints, strange), broker=broker(endpoints=(strange,)))
    (finding,) = judge(evidence).findings
    assert finding.remedy == (
        "kubectl --context hub -n mcnet-broker delete endpoints.mcnet.dev north.x --ignore-not-found"
    )


def test_two_gateways_with_one_rail_the_holder_keeps_it() -> None:
    nodes = (node("w1", gateway=True), node("w2", gateway=True))
    evidence = replace(WELL, nodes=nodes, endpoints=(endpoint("west", "w1"), endpoint("west", "w2")))
    (finding,) = judge(evidence).findings
    assert finding.said.startswith("w1 and w2 have the same rail 0")
    assert finding.remedy == f"{KUBECTL} delete endpoints.mcnet.dev west.w2 --ignore-not-found"


def test_another_clusters_rails_are_mended_there() -> None:
    evidence = replace(WELL, endpoints=(*WELL.endpoints, endpoint("east", "e2")))
    (finding,) = judge(evidence).findings
    assert finding.remedy == "mcnet diagnose endpoints, in east's context"


@given(
    st.dictionaries(
        st.sampled_from(("cluster", "gateway", "rail", "mtu", "prefixes")), st.none() | st.text() | st.integers()
    )
)
def test_no_endpoint_is_too_odd(spec: dict[str, object]) -> None:
    odd = bare("Endpoint", "west.w1")
    assert judge(replace(WELL, endpoints=(odd | {"spec": spec},))).findings

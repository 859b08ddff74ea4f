"""Networks: overlaps, what is not approved, nodes and pods outside of what they should be in."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.diagnose.checks.cidr_overlap import Evidence, judge
from mcnet.model.cluster import Cluster
from mcnet.model.diagnosis import Verdict
from mcnet.model.endpoint import Endpoint
from mcnet.model.node import Node
from tests.unit.diagnose.world import EAST, MEMBER, WEST, broker

PODS, SERVICES = MEMBER.pod_prefixes, MEMBER.service_prefixes


def east(pods: str = "10.1.0.0/16", services: str = "10.101.0.0/16") -> Cluster:
    return Cluster(EAST, (ip_network(pods),), (ip_network(services),))


def pod(name: str, address: str, **spec: Any) -> dict[str, Any]:
    phase = spec.pop("phase", "Running")
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
        "status": {"podIP": address, "phase": phase},
    }


WELL = Evidence(
    option=" --context w",
    member=MEMBER,
    clusters=(east(), Cluster(WEST, PODS, SERVICES)),
    endpoints=(Endpoint(EAST, "e1", 0, (ip_address("192.0.2.1"),)),),
    nodes=(Node("w1", "", (ip_address("192.0.2.10"),), ()),),
    pods=(pod("a", "10.2.1.1"), pod("host", "192.0.2.10", hostNetwork=True), pod("new", "", phase="Pending")),
    broker=broker(),
)


def test_networks_that_are_apart_are_fine() -> None:
    assert judge(WELL).findings == ()
    assert judge(WELL).looked == "4 networks of 2 members, the addresses of 1 pods"


def test_overlap() -> None:
    (finding,) = judge(replace(WELL, clusters=(east("10.2.128.0/17"), WELL.clusters[1]))).findings
    assert (finding.verdict, finding.about) == (Verdict.WRONG, "west and east")
    assert finding.said.startswith(
        "the pod network 10.2.0.0/16 of west and the pod network 10.2.128.0/17 of east overlap"
    )
    (finding,) = judge(replace(WELL, clusters=(east(services="10.2.0.0/20"), WELL.clusters[1]))).findings
    assert "the service network 10.2.0.0/20 of east" in finding.said


def test_a_nodes_address_within_another_clusters_network() -> None:
    (finding,) = judge(replace(WELL, nodes=(Node("w1", "", (ip_address("10.1.0.9"),), ()),))).findings
    assert finding.about == "node w1"
    assert "its address 10.1.0.9 lies within the pod network 10.1.0.0/16 of east" in finding.said


def test_another_clusters_gateway_within_our_network() -> None:
    inside = Endpoint(EAST, "e1", 0, (ip_address("10.102.0.9"),))
    (finding,) = judge(replace(WELL, endpoints=(inside,))).findings
    assert finding.about == "gateway e1 of east"
    own = replace(inside, cluster=WEST)
    assert judge(replace(WELL, endpoints=(own,))).findings == ()


def test_what_waits_for_approval() -> None:
    member = replace(MEMBER, pod_prefixes=(*PODS, ip_network("10.9.0.0/16")))
    (finding,) = judge(replace(WELL, member=member)).findings
    assert (finding.verdict, finding.about) == (Verdict.WARNING, "cluster west")
    assert finding.said.startswith("10.9.0.0/16 asked for, but not approved")
    assert finding.remedy == "mcnet member approve west --context hub"


def test_part_of_what_is_approved_needs_no_approval() -> None:
    assert judge(replace(WELL, member=replace(MEMBER, pod_prefixes=(ip_network("10.2.4.0/24"),)))).findings == ()


def test_services_that_overlap_with_anothers_were_left_out_at_join() -> None:
    clusters = (east(services="10.102.0.0/16"), Cluster(WEST, PODS, ()))
    assert judge(replace(WELL, clusters=clusters)).findings == ()
    (finding,) = judge(replace(WELL, clusters=(east(), Cluster(WEST, PODS, ())))).findings
    assert finding.said.startswith("10.102.0.0/16 asked for, but not approved")


def test_pods_outside_of_the_networks() -> None:
    pods = (*WELL.pods, pod("b", "10.3.0.1"), pod("c", "10.3.0.2"), pod("done", "10.3.0.3", phase="Succeeded"))
    (finding,) = judge(replace(WELL, pods=pods)).findings
    assert finding.said.startswith("default/b (10.3.0.1) and 1 more pods have an address outside of 10.2.0.0/16")
    assert finding.remedy.startswith("mcnet config set pod-cidr 10.2.0.0/16,CIDR --context w")


def test_pods_that_only_wait_for_approval_are_said_once() -> None:
    member = replace(MEMBER, pod_prefixes=(*PODS, ip_network("10.9.0.0/16")))
    findings = judge(replace(WELL, member=member, pods=(pod("b", "10.9.0.1"),))).findings
    assert [finding.verdict for finding in findings] == [Verdict.WARNING]


def test_pods_of_a_family_that_is_not_joined_are_no_fault() -> None:
    assert judge(replace(WELL, pods=(pod("b", "fd00::1"),))).findings == ()


def test_a_member_that_is_not_known_yet() -> None:
    assert judge(replace(WELL, clusters=())).findings == ()


@pytest.mark.parametrize("odd", [{}, {"spec": None, "status": None}, {"status": {"podIP": "x"}}])
def test_odd_pods(odd: dict[str, Any]) -> None:
    assert judge(replace(WELL, pods=({"metadata": {"name": "x"}} | odd,))).findings == ()


@given(st.lists(st.integers(0, 255), min_size=2, max_size=2), st.integers(8, 16), st.integers(8, 16))
def test_said_exactly_if_they_share_an_address(seconds: list[int], one: int, other: int) -> None:
    prefixes = [
        ip_network(f"10.{second}.0.0/{length}", strict=False)
        for second, length in zip(seconds, (one, other), strict=True)
    ]
    clusters = (Cluster(EAST, (prefixes[0],), ()), Cluster(WEST, (prefixes[1],), ()))
    member = replace(MEMBER, pod_prefixes=(prefixes[1],), service_prefixes=())
    findings = judge(replace(WELL, member=member, clusters=clusters, pods=())).findings
    assert bool(findings) == prefixes[0].overlaps(prefixes[1])

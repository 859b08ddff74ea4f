"""The verdict on a join: each reason against it, alone and together, and what is only lost."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from mcnet.model.cluster import Cluster, ClusterId, Identity
from mcnet.model.member import Member
from mcnet.plan import preflight
from mcnet.plan.preflight import Question, judge

WEST = ClusterId("west")
KEYS = Identity(b"s" * 32, b"a" * 32)
OTHER_KEYS = Identity(b"t" * 32, b"b" * 32)


def nets(*texts: str) -> tuple[Any, ...]:
    return tuple(map(ip_network, texts))


EAST = Cluster(ClusterId("east"), nets("10.1.0.0/16", "fd01::/56"), nets("10.96.0.0/16"))
NODE: dict[str, Any] = {"metadata": {"name": "n1", "labels": {}}}
GOOD = Question(
    cluster=WEST,
    pod_prefixes=nets("10.2.0.0/16", "fd02::/56"),
    service_prefixes=nets("10.97.0.0/16"),
    others=(EAST,),
    nodes=(NODE,),
    gateways=("n1",),
)


def texts(question: Question) -> list[str]:
    return [finding.message for finding in judge(question).blockers]


def test_nothing_against_it() -> None:
    verdict = judge(GOOD)
    assert verdict.findings == ()
    assert verdict.advertised == GOOD.service_prefixes


@pytest.mark.parametrize("pods", ["10.1.0.0/16", "10.0.0.0/8", "10.1.2.0/24", "fd01::/64"])
def test_overlapping_pods_are_refused(pods: str) -> None:
    (text,) = texts(replace(GOOD, pod_prefixes=nets(pods)))
    assert text.startswith(f"the pod CIDR {pods} overlaps with ")
    assert text.endswith("the pods of member east")


def test_pods_that_overlap_with_services_are_refused() -> None:
    (text,) = texts(replace(GOOD, pod_prefixes=nets("10.96.128.0/17")))
    assert text == "the pod CIDR 10.96.128.0/17 overlaps with 10.96.0.0/16, the services of member east"


def test_overlapping_services_join_without_being_advertised() -> None:
    verdict = judge(replace(GOOD, service_prefixes=nets("10.96.0.0/16", "10.97.0.0/16")))
    assert verdict.blockers == ()
    assert verdict.advertised == nets("10.97.0.0/16")
    (finding,) = verdict.findings
    assert "10.96.0.0/16 overlaps with 10.96.0.0/16 of east: it is not advertised" in finding.message
    assert "not its services by ClusterIP" in finding.message


def test_an_id_that_another_cluster_has() -> None:
    taken = replace(GOOD, mine=Cluster(WEST, GOOD.pod_prefixes, GOOD.service_prefixes, OTHER_KEYS), identity=KEYS)
    assert texts(taken) == ["the cluster ID west is taken by another cluster of this clusterset"]
    assert texts(replace(taken, identity=None)) == [
        "the cluster ID west is taken by another cluster of this clusterset"
    ]
    assert texts(replace(taken, identity=OTHER_KEYS)) == []


def test_an_id_whose_number_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "cluster_number", lambda identifier: 7)
    assert texts(GOOD) == ["the cluster ID west has the same number as the member east"]


def test_a_member_does_not_change_its_id() -> None:
    before = Member(ClusterId("north"), GOOD.pod_prefixes, GOOD.service_prefixes)
    assert texts(replace(GOOD, member=before)) == ["this cluster is already the member north, it can't also be west"]


def test_approved_prefixes_change_only_with_the_admin() -> None:
    grown = replace(GOOD, mine=Cluster(WEST, nets("10.2.0.0/17"), GOOD.service_prefixes, KEYS), identity=KEYS)
    waits, still = judge(grown).findings
    assert waits.message.startswith("10.2.0.0/16, fd02::/56 waits for approval by the broker's admin")
    assert waits.hint == "the broker's admin: mcnet member approve west"
    assert still.message == "the broker still has 10.2.0.0/17 approved, which the cluster no longer has"
    assert texts(grown) == []
    assert judge(replace(grown, from_admin=True)).findings == ()


def test_a_member_that_is_replaced() -> None:
    holder = Cluster(WEST, nets("10.9.0.0/16"), (), OTHER_KEYS)
    taken = replace(GOOD, mine=holder, identity=KEYS, holder="key SHA256:x, never seen")
    (text,) = texts(taken)
    assert text == "the cluster ID west is taken by another cluster of this clusterset: key SHA256:x, never seen"
    assert texts(replace(taken, replace=True)) == ["replacing the member west is the broker's admin's to decide"]
    assert judge(replace(taken, replace=True, from_admin=True)).findings == ()
    # Its prefixes are no reason against the new ones, those of others still are.
    overlapping = replace(taken, replace=True, from_admin=True, pod_prefixes=nets("10.1.0.0/16"))
    assert len(texts(overlapping)) == 1


def test_unknown_networks() -> None:
    found = judge(replace(GOOD, pod_prefixes=(), service_prefixes=())).blockers
    assert [finding.hint for finding in found] == ["say them with --pod-cidr", "say them with --service-cidr"]


@pytest.mark.parametrize("kind", ["symmetric", "eim"])
@pytest.mark.parametrize("place", ["labels", "annotations"])
def test_a_gateway_behind_nat_is_refused_by_name_where_the_driver_can_not_cross_it(kind: str, place: str) -> None:
    node = {"metadata": {"name": "n1", place: {"mcnet.dev/nat": kind}}}
    assert texts(replace(GOOD, nodes=(node,))) == []
    (text,) = texts(replace(GOOD, nodes=(node,), driver="vxlan"))
    assert text == (f"cluster west is behind NAT ({kind}, says node n1), which the vxlan cable driver can't cross")
    others = replace(GOOD, nodes=(node, NODE | {"metadata": {"name": "n2"}}), gateways=("n2",), driver="vxlan")
    assert texts(others) == []


def test_refused_cni() -> None:
    (text,) = texts(replace(GOOD, cni="ovn-kubernetes"))
    assert "ovn-kubernetes is not supported: it does not route pods" in text


def test_no_gateway_node() -> None:
    assert texts(replace(GOOD, gateways=())) == ["no node fits --node-selector as a gateway"]
    assert texts(replace(GOOD, nodes=(), gateways=())) == ["no node can be a gateway"]


def test_all_reasons_are_told_at_once() -> None:
    bad = replace(GOOD, pod_prefixes=nets("10.1.0.0/16"), cni="ovn-kubernetes", gateways=())
    assert len(texts(bad)) == 3


def test_delivery_by_the_cni_needs_something_of_the_cloud() -> None:
    (finding,) = judge(replace(GOOD, delivery="cni")).findings
    assert not finding.stops
    assert "source/destination check" in finding.hint

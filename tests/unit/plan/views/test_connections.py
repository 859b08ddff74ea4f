"""Connections, endpoints and gateways: rows, why something is not well, and the next command."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.gateway import Cable, CableState, Gateway, RoundTrip
from mcnet.model.member import Member
from mcnet.model.traffic import Throughput
from mcnet.model.trust import Pin
from mcnet.plan.cluster_view import ClusterView
from mcnet.plan.views.connections import connection_rows
from mcnet.plan.views.endpoints import endpoint_rows
from mcnet.plan.views.gateways import gateway_rows
from mcnet.show import forms
from tests.fakes.identities import identity_of

EAST, WEST = ClusterId("east"), ClusterId("west")
CABLE = Cable(
    cluster=WEST,
    gateway="w1",
    rail=0,
    state=CableState.CONNECTED,
    driver="vxlan",
    local_address=ip_address("192.0.2.1"),
    remote_address=ip_address("192.0.2.2"),
    round_trip=RoundTrip(0.002, 0.001, 0.0015, 0.003, 0.0005),
    since="2026-01-01T00:00:00Z",
    active=True,
    share=0.5,
    throughput=Throughput(received=8000, sent=640),
)


def endpoint(cluster: ClusterId, gateway: str) -> Endpoint:
    address = ip_address("192.0.2.1" if cluster == EAST else "192.0.2.2")
    prefixes = (ip_network("10.1.0.0/16"),)
    return Endpoint(cluster, gateway, 0, (address,), drivers=(DriverOffer("vxlan"),), prefixes=prefixes)


VIEW = ClusterView(
    context="east-admin",
    member=Member(EAST, (), ()),
    clusters=(Cluster(EAST, (), ()), Cluster(WEST, (), ())),
    endpoints=(endpoint(WEST, "w1"), endpoint(EAST, "e1")),
    gateways=(Gateway("e1", EAST, 0, (CABLE,), version="0.1.0"),),
    gateway_nodes=("e1",),
)


def only(rows: list[dict[str, Any]]) -> dict[str, Any]:
    (row,) = rows
    return row


def test_a_connection() -> None:
    row = only(connection_rows(VIEW))
    assert (row["cluster"], row["remoteCluster"], row["state"], row["why"]) == ("east", "west", "connected", "")
    assert (row["roundTripSeconds"], row["driver"], row["since"]) == (0.002, "vxlan", "2026-01-01T00:00:00Z")
    assert row["share"] == 0.5


def test_a_cable_that_carries_nothing_has_no_share() -> None:
    idle = replace(CABLE, active=False, share=0.0)
    assert only(connection_rows(replace(VIEW, gateways=(Gateway("e1", EAST, 0, (idle,)),))))["share"] is None


def test_a_cable_that_is_not_used_though_it_is_connected_has_a_note() -> None:
    idle = replace(CABLE, active=False, share=0.0, reason="west.n1 says that it drains")
    row = only(connection_rows(replace(VIEW, gateways=(Gateway("e1", EAST, 0, (idle,)),))))
    assert (row["state"], row["why"], row["note"]) == ("connected", "", "west.n1 says that it drains")


@pytest.mark.parametrize("draining", [False, True])
def test_a_gateways_weight_and_whether_it_drains(draining: bool) -> None:
    report = replace(VIEW.gateways[0], weight=30, draining=draining)
    row = only(gateway_rows(replace(VIEW, gateways=(report,))))
    assert (row["weight"], row["draining"], row["state"]) == (30, draining, "ready")
    assert ("drains" in row["note"]) == draining
    assert forms.weight(row, "weight") == ("drains" if draining else "30")
    silent = only(gateway_rows(replace(VIEW, gateways=())))
    assert forms.weight(silent, "weight") == ""


def test_what_goes_by_a_gateway_is_the_sum_of_its_cables_as_far_as_known() -> None:
    (report,) = VIEW.gateways
    others = (
        replace(CABLE, gateway="w2", throughput=Throughput(1, 2)),
        replace(CABLE, gateway="w3", throughput=None),
    )
    view = replace(VIEW, gateways=(replace(report, cables=(CABLE, *others)),))
    row = only(gateway_rows(view))
    assert (row["receivedBitsPerSecond"], row["sentBitsPerSecond"]) == (8001, 642)
    found = [(row["receivedBitsPerSecond"], row["sentBitsPerSecond"]) for row in connection_rows(view)]
    assert found == [(8000, 640), (1, 2), (None, None)]


def test_of_a_daemon_that_is_down_no_throughput_is_known() -> None:
    view = replace(VIEW, daemon_problems={"e1": "gone"})
    for row in (only(connection_rows(view)), only(gateway_rows(view))):
        assert row["receivedBitsPerSecond"] is row["sentBitsPerSecond"] is None


def test_an_error_names_reason_port_and_addresses() -> None:
    broken = replace(CABLE, state=CableState.ERROR, reason="3 probes in a row were not answered")
    row = only(connection_rows(replace(VIEW, gateways=(Gateway("e1", EAST, 0, (broken,)),))))
    assert (row["state"], row["why"]) == ("error", "3 probes in a row were not answered")
    assert "UDP 4520 is open both ways between 192.0.2.1 and 192.0.2.2" in row["next"]
    assert row["why"]


def test_the_port_follows_the_remote_port_base() -> None:
    remote = replace(endpoint(WEST, "w1"), port_base=4600)
    broken = replace(CABLE, state=CableState.CONNECTING)
    view = replace(VIEW, endpoints=(remote,), gateways=(Gateway("e1", EAST, 0, (broken,)),))
    assert "UDP 4620" in only(connection_rows(view))["next"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"gateways": ()}, "east has no gateway"),
        ({"gateways": (Gateway("e1", EAST, 0),)}, "the gateways of east have not taken up west's endpoints"),
        (
            {"gateways": (Gateway("e1", EAST, 0),), "endpoints": ()},
            "west has published no gateway that east knows of",
        ),
    ],
)
def test_a_member_without_cable_is_a_row_too(change: dict[str, Any], why: str) -> None:
    row = only(connection_rows(replace(VIEW, **change)))
    assert (row["remoteCluster"], row["state"], row["why"]) == ("west", "missing", why)
    assert row["next"]


def test_a_member_whose_keys_have_changed_says_what_to_do() -> None:
    west = ClusterId("west")
    pin = Pin(identity_of("west").public, offered=identity_of("west", 2).public)
    row = only(connection_rows(replace(VIEW, gateways=(Gateway("e1", EAST, 0),), endpoints=(), pins={west: pin})))
    assert row["state"] == "missing"
    assert row["why"].startswith("the keys of west have changed (known here by the key SHA256:")
    assert row["next"] == f"mcnet member trust west --context {VIEW.context}, if it was rebuilt"


def test_a_dead_daemon_makes_the_state_unknown() -> None:
    view = replace(VIEW, daemon_problems={"e1": "CrashLoopBackOff"})
    row = only(connection_rows(view))
    assert row["state"] == "unknown"
    assert row["why"] == "the gateway's daemon on e1 does not run (CrashLoopBackOff); it last said connected"
    assert row["next"].startswith("kubectl --context east-admin -n mcnet-system describe pods")


def test_a_daemon_that_is_not_ready_still_reports() -> None:
    assert only(connection_rows(replace(VIEW, unready_nodes=("e1",))))["state"] == "connected"


def test_endpoints_are_sorted_and_tell_which_are_own() -> None:
    rows = endpoint_rows(VIEW)
    assert [(row["endpointCluster"], row["local"]) for row in rows] == [("east", True), ("west", False)]
    assert rows[0]["ports"] == ["4520"], "what is needed, not all that a port base may ever take"


def test_a_gateway() -> None:
    row = only(gateway_rows(VIEW))
    assert (row["gateway"], row["state"], row["connected"], row["cables"]) == ("e1", "ready", 1, 1)
    assert row["addresses"] == ["192.0.2.1"]
    assert not row["why"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"gateways": ()}, "it has not reported yet"),
        ({"gateway_nodes": ()}, "its node no longer bears the gateway label"),
        ({"unready_nodes": ("e1",)}, "its daemon runs, but is not ready"),
        ({"daemon_problems": {"e1": "there is no pod"}}, "its daemon does not run: there is no pod"),
        ({"gateways": (Gateway("e1", EAST, None, problems=("no rail is free",)),)}, "no rail is free"),
    ],
)
def test_what_is_wrong_with_a_gateway(change: dict[str, Any], why: str) -> None:
    row = only(gateway_rows(replace(VIEW, **change)))
    assert (row["state"], row["why"]) == ("not ready", why)
    assert row["next"]


def pods(cluster: ClusterId, *texts: str) -> Cluster:
    return Cluster(cluster, tuple(ip_network(text) for text in texts), ())


@pytest.mark.parametrize(
    ("mine", "theirs", "families", "note"),
    [
        (["10.1.0.0/16"], ["10.2.0.0/16"], ["IPv4"], ""),
        (["10.1.0.0/16", "fd01::/48"], ["10.2.0.0/16", "fd02::/48"], ["IPv4", "IPv6"], ""),
        (["10.1.0.0/16", "fd01::/48"], ["10.2.0.0/16"], ["IPv4"], "pods reach each other by IPv4 only"),
        (["fd01::/48"], ["10.2.0.0/16", "fd02::/48"], ["IPv6"], "pods reach each other by IPv6 only"),
        (["fd01::/48"], ["10.2.0.0/16"], [], "their pods have no IP family in common"),
        ([], ["10.2.0.0/16"], [], ""),
    ],
)
def test_a_connection_says_by_which_families_pods_reach_each_other(
    mine: list[str], theirs: list[str], families: list[str], note: str
) -> None:
    view = replace(VIEW, clusters=(pods(EAST, *mine), pods(WEST, *theirs)))
    row = only(connection_rows(view))
    assert (row["families"], row["onlySome"], row["note"]) == (families, bool(note), note)


def test_gateways_without_a_common_outer_family_are_told_what_brings_them_together() -> None:
    broken = replace(CABLE, state=CableState.ERROR, reason="no IPv6", local_address=None, remote_address=None)
    far = replace(endpoint(WEST, "w1"), private_addresses=(ip_address("fd02::1"),))
    view = replace(VIEW, endpoints=(far, endpoint(EAST, "e1")), gateways=(Gateway("e1", EAST, 0, (broken,)),))
    row = only(connection_rows(view))
    assert row["why"] == "no IPv6"
    assert "give e1 an address and a default route of IPv6" in row["next"]
    assert "kubectl --context east-admin annotate node e1 mcnet.dev/private-address=ADDRESS" in row["next"]


def test_a_cable_that_can_not_be_made_is_no_question_of_ports() -> None:
    broken = replace(CABLE, state=CableState.ERROR, reason="no driver", local_address=None, remote_address=None)
    row = only(connection_rows(replace(VIEW, gateways=(Gateway("e1", EAST, 0, (broken,)),))))
    assert row["next"] == "mcnet show endpoints -o wide"

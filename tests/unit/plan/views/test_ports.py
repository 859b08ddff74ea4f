"""Ports: which addresses have to reach which, and that it is the list of mcnet.plan.ports."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import ClusterId, ClusterSet
from mcnet.plan import ports
from mcnet.plan.views.ports import generic, rows
from tests.fakes.pictures import changed, clusterset

PICTURE = clusterset({"east": 1, "west": 2})
EAST, WEST = ClusterId("east"), ClusterId("west")
VIEW = PICTURE.members[0]


def said(cluster: str, name: str) -> list[tuple[str, list[str], list[str]]]:
    return [
        (row["ports"], row["fromAddresses"], row["toAddresses"])
        for row in rows(PICTURE)
        if (row["cluster"], row["name"]) == (cluster, name)
    ]


def test_cables_by_gateway_and_cluster() -> None:
    assert said("east", "vxlan-cable") == [("4520", ["192.0.1.1", "192.0.1.2"], ["192.0.0.1"])]
    assert said("west", "vxlan-cable") == [
        ("4520", ["192.0.0.1"], ["192.0.1.1"]),
        ("4520", ["192.0.0.1"], ["192.0.1.2"]),
    ]


def test_inside_a_cluster_and_to_the_broker() -> None:
    nodes = ["172.16.0.1", "172.16.0.2"]
    assert said("east", "overlay") == [("4800", nodes, nodes)]
    assert said("east", "gateway-metrics") == [("4581", [], ["172.16.0.1"])]
    assert said("east", "route-agent-metrics") == [("4582", [], nodes)]
    assert said("east", "broker") == [("6443", [], ["broker.example.com"])]


def test_a_port_base_of_its_own_and_the_family_of_the_gateway() -> None:
    own, *others = VIEW.endpoints
    own = replace(own, port_base=4600, private_addresses=(ip_address("2001:db8::1"), own.private_addresses[0]))
    others[0] = replace(others[0], private_addresses=(others[0].private_addresses[0], ip_address("2001:db8::9")))
    found = [row for row in rows(changed(PICTURE, endpoints=(own, *others))) if row["cluster"] == "east"]
    assert (found[0]["ports"], found[0]["toAddresses"], found[0]["fromAddresses"]) == (
        "4620", ["2001:db8::1"], ["2001:db8::9"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "ports"),
    [
        (ClusterSet("wireguard"), ["4500-4515"]),
        (ClusterSet("vxlan", drivers_for_pairs={frozenset({EAST, WEST}): "wireguard"}), ["4500-4515"]),
        (ClusterSet("wireguard", drivers_for_pairs={frozenset({EAST, WEST}): "vxlan"}), ["4520"]),
        (ClusterSet("pigeon"), []),
        (None, ["4500-4515", "4524", "4520"]),
    ],
)
def test_the_ports_are_those_of_the_pairs_driver(options: ClusterSet | None, ports: list[str]) -> None:
    found = rows(changed(PICTURE, clusterset=options))
    assert [row["ports"] for row in found if row["cluster"] == "east" and row["name"].endswith("-cable")] == ports


def test_a_cluster_of_one_node_has_no_overlay_to_open() -> None:
    found = rows(changed(PICTURE, nodes=VIEW.nodes[:1]))
    assert not [row for row in found if (row["cluster"], row["name"]) == ("east", "overlay")]


@given(st.integers(min_value=1024, max_value=65500))
def test_without_a_clusterset_the_same_list_in_words(base: int) -> None:
    listed = [(row["protocol"], row["ports"], row["from"], row["to"]) for row in generic(base)]
    assert listed == [
        (one.protocol.value, one.numbers, one.sources.value, one.listeners.value) for one in ports.outside(base)
    ]
    assert rows(replace(PICTURE, members=())) == generic()

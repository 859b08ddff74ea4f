"""The Service before a gateway, and its EndpointSlices."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from mcnet.codec.load_balancer import NODE_LABEL, addresses, encode, mark_of
from tests.fakes.worlds import EAST_0

OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "uid-1"}


def test_one_port_for_each_cable_and_one_for_nat_discovery() -> None:
    service, _ = encode(EAST_0, namespace="mcnet-system", owner=OWNER)
    assert service["metadata"]["name"] == "mcnet-gateway-0"
    assert service["spec"]["externalTrafficPolicy"] == "Local", "senders keep their addresses"
    assert "selector" not in service["spec"]
    ports = service["spec"]["ports"]
    assert [port["port"] for port in ports] == [4490, *range(4500, 4516)]
    assert {port["protocol"] for port in ports} == {"UDP"}
    names = [port["name"] for port in ports]
    assert len(names) == len(set(names))
    assert all(len(name) <= 15 for name in names), "a port's name is an IANA service name (RFC 6335, 5.1)"


def test_a_slice_for_each_family_with_the_node_that_is_meant() -> None:
    both = replace(EAST_0, private_addresses=(ip_address("192.0.2.1"), ip_address("fd00::1")))
    service, four, six = encode(both, namespace="mcnet-system", owner=OWNER)
    assert [(one["addressType"], one["endpoints"][0]["addresses"]) for one in (four, six)] == [
        ("IPv4", ["192.0.2.1"]),
        ("IPv6", ["fd00::1"]),
    ]
    for one in (four, six):
        assert one["metadata"]["labels"]["kubernetes.io/service-name"] == service["metadata"]["name"]
        assert one["endpoints"][0]["nodeName"] == "n1"
        assert [(port["name"], port["port"]) for port in one["ports"]] == [
            (port["name"], port["port"]) for port in service["spec"]["ports"]
        ]
    assert four["metadata"]["name"] != six["metadata"]["name"]


def test_ports_follow_the_port_base() -> None:
    service, _ = encode(replace(EAST_0, port_base=4600), namespace="n", owner=OWNER)
    assert [port["port"] for port in service["spec"]["ports"]][1:3] == [4600, 4601]


def test_whose_it_is_fits_a_label_whatever_the_nodes_name() -> None:
    marks = {mark_of("a" * 253), mark_of("a" * 252), mark_of("n1")}
    assert len(marks) == 3
    assert all(len(mark) <= 63 for mark in marks)
    assert encode(EAST_0, namespace="n", owner=OWNER)[0]["metadata"]["labels"][NODE_LABEL] == mark_of("n1")


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ({}, []),
        ({"loadBalancer": {}}, []),
        ({"loadBalancer": {"ingress": None}}, []),
        ({"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}}, ["198.51.100.7"]),
        ({"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}, ["lb.example"]),
        ({"loadBalancer": {"ingress": [{"ip": "198.51.100.7", "hostname": "x"}, {}]}}, ["198.51.100.7"]),
    ],
)
def test_what_it_has_been_given(status: dict[str, object], found: list[str]) -> None:
    assert addresses({"status": status}) == found

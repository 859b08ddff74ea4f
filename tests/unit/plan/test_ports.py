"""What has to be open: the numbers, and that firewall rules and preflight say the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model import ownership
from mcnet.model.kernel import NftTable
from mcnet.plan import ports
from mcnet.plan.gateway import decide as gateway_decide
from mcnet.plan.ports import Protocol, Side, Way
from mcnet.plan.route_agent import decide as node_decide
from tests.fakes.worlds import SITUATIONS

BASES = st.integers(min_value=1024, max_value=65500)


def test_what_a_firewall_between_machines_must_let_pass() -> None:
    said = [(one.protocol.value, one.numbers, one.listeners, one.sources, one.required) for one in ports.outside()]
    assert said == [
        ("udp", "4500-4515", Side.GATEWAYS, Side.OTHER_GATEWAYS, True),
        ("udp", "4490", Side.GATEWAYS, Side.OTHER_GATEWAYS, False),
        ("udp", "4800", Side.NODES, Side.NODES, True),
        ("tcp", "4581", Side.GATEWAYS, Side.MONITORING, False),
        ("tcp", "4582", Side.NODES, Side.MONITORING, False),
        ("tcp", "6443", Side.BROKER, Side.DISCOVERY, True),
    ]


def test_where_no_cable_can_cross_a_nat_nobody_asks_about_it() -> None:
    assert ports.NAT_DISCOVERY not in ports.of_nodes(drivers=["vxlan"])
    assert ports.NAT_DISCOVERY in ports.of_nodes(drivers=iter(["vxlan", "wireguard"]))


@given(BASES)
def test_cable_ports_follow_the_port_base(base: int) -> None:
    (cable,) = ports.cables("vxlan", base)
    assert (cable.first, cable.last) == (base + 20, base + 20)
    (cable,) = ports.cables("wireguard", base)
    assert (cable.first, cable.last) == (base, base + 15)


def test_no_driver_has_a_port_of_another_nor_two_cables_the_same() -> None:
    taken = [ownership.vxlan_cable_port(4500)]
    taken += [ownership.wireguard_port(4500, rail, slot) for rail in range(ownership.MAX_RAILS) for slot in (0, 1)]
    assert len(taken) == len(set(taken))
    assert all(4500 <= port < 4530 for port in taken)


@given(BASES)
def test_nothing_is_named_twice(base: int) -> None:
    names = [one.name for one in (*ports.of_nodes(base), ports.broker(""))]
    assert len(names) == len(set(names))


def test_an_unknown_driver_opens_nothing() -> None:
    assert ports.cables("pigeon", 4500) == ()


@pytest.mark.parametrize(
    ("server", "port"),
    [
        ("https://192.0.2.1:16443", "16443"),
        ("https://api.example.com", "443"),
        ("https://[2001:db8::1]:6443/k8s", "6443"),
        ("", "6443"),
        ("https://host:port", "443"),
    ],
)
def test_the_brokers_port_is_its_urls(server: str, port: str) -> None:
    assert ports.broker(server).numbers == port


@pytest.mark.parametrize(("first", "last", "text"), [(4520, 4520, "4520"), (4500, 4515, "4500-4515")])
def test_ranges_as_nft_writes_them(first: int, last: int, text: str) -> None:
    opening = ports.Opening(
        name="x", protocol=Protocol.UDP, first=first, last=last, listeners=Side.NODES, sources=Side.NODES, purpose=""
    )
    assert opening.numbers == text


def test_echo_has_no_port() -> None:
    echoes = [one for one in ports.of_nodes() if one.protocol is Protocol.ICMP]
    assert {(one.numbers, one.way) for one in echoes} == {("", Way.OVERLAY), ("", Way.CABLE)}


def rules_ports(table: NftTable) -> set[str]:
    text = "\n".join(rule for chain in table.chains for rule in chain.rules)
    found = re.findall(r"udp dport (\d+)(?:-(\d+))?", text)
    return {str(port) for first, last in found for port in range(int(first), int(last or first) + 1)}


def test_the_firewalls_guard_exactly_these_udp_ports() -> None:
    situation = SITUATIONS["gateway, connected"]
    (gateway,) = gateway_decide(situation.for_gateway()).state.tables
    (node,) = node_decide(situation.for_route_agent()).state.tables
    wanted = {
        one.numbers for one in ports.of_nodes(ownership.DEFAULT_PORT_BASE, ["vxlan"]) if one.protocol is Protocol.UDP
    }
    assert rules_ports(gateway) | rules_ports(node) == wanted
    assert rules_ports(gateway) == {ports.vxlan_cable(ownership.DEFAULT_PORT_BASE).numbers}

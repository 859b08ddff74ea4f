"""Delivery by the CNI: by which devices packets come in, what happens to their rp_filter, and the switch."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_interface, ip_network

import pytest

from mcnet.codec.nft import fingerprint
from mcnet.model.kernel import HostLink, HostRoute, KernelState, NftTable, Sysctl
from mcnet.model.ownership import DELIVERY_TABLE
from mcnet.plan import delivery, route_agent
from tests.fakes.worlds import MEMBER, Situation, host, node

ME, OTHER = node(1, gateway=True), node(2)
ETH0 = delivery.path("eth0")


def test_devices_are_those_of_the_routes_to_other_nodes_pods_and_the_nodes_own() -> None:
    facts = host()
    tunnel = HostLink("flannel.1", 1450, True, frozenset({ip_interface("10.10.0.0/32")}))
    routes = {HostRoute(ip_network("10.10.1.0/24"), "wan0"), HostRoute(ip_network("10.99.0.0/16"), "cni0")}
    facts = replace(facts, links=facts.links | {tunnel}, routes=frozenset(routes))
    assert delivery.incoming(facts, ME, (ME, OTHER)) == {"eth0", "wan0", "flannel.1"}


@pytest.mark.parametrize(
    ("live", "noted", "accepting", "originals"),
    [
        ({delivery.ALL: "0", ETH0: "1"}, {}, True, {ETH0: "1"}),
        ({delivery.ALL: "1", ETH0: "0"}, {}, True, {ETH0: "0"}),
        ({delivery.ALL: "0", ETH0: "0"}, {}, True, {}),
        ({delivery.ALL: "2", ETH0: "1"}, {}, True, {}),
        ({delivery.ALL: "0", ETH0: "1"}, {}, False, {}),
        ({delivery.ALL: "0", ETH0: "2"}, {ETH0: "1"}, True, {ETH0: "1"}),
        ({delivery.ALL: "0", ETH0: "2"}, {ETH0: "1"}, False, {ETH0: "1"}),
        ({delivery.ALL: "0", ETH0: "1"}, {ETH0: "1"}, False, {}),
        ({delivery.ALL: "0"}, {ETH0: "1"}, True, {}),
    ],
)
def test_only_strict_checks_are_changed_and_what_they_were_is_known_until_it_is_back(
    live: Mapping[str, str], noted: Mapping[str, str], accepting: bool, originals: Mapping[str, str]
) -> None:
    assert delivery.originals(wanted=["eth0"], noted=noted, live=live, accepting=accepting) == originals


def test_loose_while_packets_come_in_then_as_before() -> None:
    noted = {ETH0: "1", delivery.path("wan0"): "1"}
    loose = delivery.sysctls(wanted=["eth0"], originals=noted, accepting=True)
    assert loose == {Sysctl(ETH0, "2"), Sysctl(delivery.path("wan0"), "1")}
    assert delivery.sysctls(wanted=["eth0"], originals=noted, accepting=False) == {
        Sysctl(ETH0, "1"),
        Sysctl(delivery.path("wan0"), "1"),
    }


def decided(way: str, actual: KernelState, *, settled: bool) -> route_agent.Decision:
    situation = Situation(member=replace(MEMBER, delivery=way))
    live = frozenset({Sysctl(delivery.ALL, "0"), Sysctl(ETH0, "1")})
    held = {sysctl.path: sysctl for sysctl in (*live, *actual.sysctls)}
    world = situation.for_route_agent(replace(actual, sysctls=frozenset(held.values())))
    return route_agent.decide(replace(world, settled=settled))


def delivers(decision: route_agent.Decision) -> bool:
    return any(route.table == DELIVERY_TABLE for route in decision.state.routes)


def takes(decision: route_agent.Decision) -> bool:
    """Whether packets with remote sources pass, whatever device they come by: firewall and sysctl agree."""
    (table,) = decision.state.tables
    assert isinstance(table, NftTable)
    (raw,) = (chain for chain in table.chains if chain.name == "raw_prerouting")
    open_ = not any("saddr @remote" in rule for rule in raw.rules)
    loose = Sysctl(ETH0, "2") in decision.state.sysctls
    assert open_ == loose
    return open_


def held(decision: route_agent.Decision) -> KernelState:
    tables = frozenset(fingerprint(table) for table in decision.state.tables if isinstance(table, NftTable))
    return replace(decision.state, tables=tables)


def test_while_it_is_switched_gateways_keep_the_old_way_and_nodes_take_both() -> None:
    overlay = decided("overlay", KernelState(), settled=True)
    assert (delivers(overlay), takes(overlay)) == (True, False)
    to_cni = decided("cni", held(overlay), settled=False)
    assert (delivers(to_cni), takes(to_cni)) == (True, True)
    cni = decided("cni", held(to_cni), settled=True)
    assert (delivers(cni), takes(cni)) == (False, True)
    assert dict(cni.originals)[ETH0] == "1"
    back = decided("overlay", held(cni), settled=False)
    assert (delivers(back), takes(back)) == (True, True)
    again = decided("overlay", held(back), settled=True)
    assert (delivers(again), takes(again)) == (True, False)
    assert Sysctl(ETH0, "1") in again.state.sysctls
    assert ETH0 not in dict(decided("overlay", held(again), settled=True).originals)


def test_a_restart_within_the_switch_keeps_what_is_there() -> None:
    cni = decided("cni", KernelState(), settled=False)
    assert (delivers(cni), takes(cni)) == (False, True)
    overlay = decided("overlay", KernelState(), settled=False)
    assert (delivers(overlay), takes(overlay)) == (True, False)

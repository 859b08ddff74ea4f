"""What the route agent wants on its node: by a table of situations, and what must hold in every one."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given

from mcnet.model import ownership
from mcnet.model.kernel import KernelState, NftChain, NftTable, Route, RouteType, Rule
from mcnet.plan import node_firewall
from mcnet.plan.addresses import cable_number, overlay_ends
from mcnet.plan.route_agent import Decision, decide
from tests.fakes.worlds import EAST_0, IPSEC, NORTH, SITUATIONS, WEST, Situation, node, situations


def decided(name: str) -> Decision:
    return decide(SITUATIONS[name].for_route_agent())


def routes(decision: Decision, table: int) -> dict[str, Route]:
    return {str(route.prefix): route for route in decision.state.routes if route.table == table}


def firewall(decision: Decision) -> NftTable:
    (table,) = decision.state.tables
    assert isinstance(table, NftTable)
    return table


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("node, two gateways", {"n2": 1, "n3": 1}),
        ("node, gateways of unlike weight", {"n2": 2, "n3": 5}),
        ("node, first gateway lost", {"n3": 1}),
    ],
)
def test_a_node_reaches_remote_prefixes_over_all_gateways_by_weight(name: str, weights: dict[str, int]) -> None:
    decision = decided(name)
    (group,) = decision.state.groups
    ends = overlay_ends(SITUATIONS[name].nodes)
    vias = {hop.id: hop.via for hop in decision.state.nexthops}
    assert {vias[member]: weight for member, weight in group.members} == {
        ends[node].address4: weight for node, weight in weights.items()
    }
    over = routes(decision, ownership.OVERLAY_TABLE)
    assert {prefix: route.nexthop for prefix, route in over.items()} == {
        "10.20.0.0/16": group.id,
        "10.21.0.0/16": group.id,
    }
    assert {route.source for route in over.values()} == {ip_address("10.10.0.1")}


def test_what_passes_by_all_gateways_in_use_is_in_the_nodes_routes() -> None:
    """A node that puts a pod's fragments together, as conntrack does on bridges, splits them by its own route."""
    situation = SITUATIONS["node, two gateways"]
    first, second = situation.gateways
    for sizes, expected in (({}, 0), ({"n2": 1346}, 1346), ({"n2": 1346, "n3": 1300}, 1300), ({"n3": 1300}, 1300)):
        told = tuple(
            replace(one, narrow={WEST: sizes[one.node]}) if one.node in sizes else one for one in (first, second)
        )
        over = routes(decide(replace(situation, gateways=told).for_route_agent()), ownership.OVERLAY_TABLE)
        assert {route.mtu for route in over.values()} == {expected}


def test_an_unreachable_cluster_is_rejected_never_the_default_route() -> None:
    decision = decided("node, nobody reaches")
    over = routes(decision, ownership.OVERLAY_TABLE)
    assert {route.type for route in over.values()} == {RouteType.UNREACHABLE}
    assert set(over) == {"10.20.0.0/16", "10.21.0.0/16"}
    assert not decision.state.groups


def test_a_cluster_that_lost_its_last_gateway_is_rejected_never_the_default_route() -> None:
    situation = replace(SITUATIONS["node, two gateways"], endpoints=(EAST_0,))
    for gateways in ((), situation.gateways):
        decision = decide(replace(situation, gateways=gateways).for_route_agent())
        assert {"10.20.0.0/16", "10.21.0.0/16"} <= set(routes(decision, ownership.OVERLAY_TABLE))
        assert {"10.20.0.0/16", "10.21.0.0/16"} <= set(routes(decision, ownership.REJECT_TABLE))


def test_every_look_up_ends_in_the_reject_table() -> None:
    decision = decided("gateway, connected")
    rejected = routes(decision, ownership.REJECT_TABLE)
    assert set(rejected) == {"10.20.0.0/16", "10.21.0.0/16"}
    order = [
        (rule.priority, rule.iif, rule.table)
        for rule in sorted(decision.state.rules, key=lambda rule: (rule.priority, rule.iif or ""))
        if rule.family == 4 and rule.table
    ]
    assert order == [
        (301, "mcnet-cv", ownership.DELIVERY_TABLE),
        (301, "mcnet-cv6", ownership.DELIVERY_TABLE),
        (302, "mcnet-cv", ownership.REJECT_TABLE),
        (302, "mcnet-cv6", ownership.REJECT_TABLE),
        (303, None, ownership.CABLES_TABLE),
        (304, "mcnet-vx", ownership.REJECT_TABLE),
        (305, None, ownership.OVERLAY_TABLE),
        (306, None, ownership.REJECT_TABLE),
    ]


def test_a_gateway_delivers_to_the_node_that_has_the_pod() -> None:
    delivery = routes(decided("gateway, connected"), ownership.DELIVERY_TABLE)
    ends = overlay_ends(SITUATIONS["gateway, connected"].nodes)
    assert {prefix: route.via for prefix, route in delivery.items()} == {"10.10.1.0/24": ends["n2"].address4}


def test_delivery_by_the_cni_leaves_the_table_empty_and_the_source_check_out() -> None:
    decision = decided("node, delivery by the CNI")
    assert not routes(decision, ownership.DELIVERY_TABLE)
    raw = firewall(decision).chains[0].rules
    assert not any("saddr @remote" in rule and rule.endswith("drop") for rule in raw)


def test_on_a_flat_network_outer_addresses_are_excepted() -> None:
    over = routes(decided("node, flat network"), ownership.OVERLAY_TABLE)
    thrown = {prefix for prefix, route in over.items() if route.type is RouteType.THROW}
    assert thrown == {"192.168.1.1/32", "192.168.2.1/32"}


def test_on_a_flat_network_the_firewall_takes_no_outer_address_for_a_remote_pod() -> None:
    elements = {item.name: item.elements for item in firewall(decided("node, flat network")).sets}["remote4"]
    remote = [ip_network(text) for text in elements]
    for outer in ("192.168.1.1", "192.168.2.1"):
        assert not any(ip_address(outer) in prefix for prefix in remote)
    for pod in ("192.168.2.0", "192.168.2.2", "192.168.255.1"):
        assert any(ip_address(pod) in prefix for prefix in remote)


def chain(table: NftTable, name: str) -> NftChain:
    return next(one for one in table.chains if one.name == name)


def test_a_pod_can_speak_neither_vxlan_nor_adverts_to_a_node() -> None:
    forward = chain(firewall(decided("alone")), "filter_forward")
    assert forward.hook == "type filter hook forward priority filter"
    assert forward.rules[0] == "udp dport 4800-4801 jump own_ports_of_others"
    assert chain(firewall(decided("alone")), "own_ports_of_others").rules == (
        "udp dport 4800 ip daddr @nodes4 drop",
        "udp dport 4800 ip6 daddr @nodes6 drop",
        "udp dport 4801 ip daddr 244.0.0.0/8 drop",
        "udp dport 4801 ip6 daddr fd6d:636e:6574:1::/64 drop",
    )


def test_a_node_is_no_router_into_other_clusters() -> None:
    forward = chain(firewall(decided("alone")), "filter_forward")
    assert forward.rules[1:] == (
        'ct state new iifname != "mcnet-vx" ip saddr != @local_pods4 ip daddr @remote4 ct status & dnat == 0 drop',
    )


def test_ports_of_overlay_and_adverts_are_taken_from_those_who_use_them() -> None:
    table = firewall(decided("gateway, connected"))
    raw = chain(table, "raw_prerouting")
    assert raw.hook == "type filter hook prerouting priority raw"
    assert raw.rules == (
        'iifname "mcnet-vx" goto from_overlay',
        'iifname "mcnet-c*" goto from_cable',
        'ip saddr @remote4 iifname != "lo" drop',
        'ip6 saddr @remote6 iifname != "lo" drop',
        "udp dport 4800-4801 goto own_ports",
    )
    assert chain(table, "from_overlay").rules[0] == "udp dport 4800 fib daddr type local drop"
    assert chain(table, "from_cable").rules[0] == "udp dport 4800-4801 fib daddr type local drop"
    assert chain(table, "own_ports").rules == (
        "udp dport 4800 ip saddr != @nodes4 fib daddr type local drop",
        "udp dport 4800 ip6 saddr != @nodes6 fib daddr type local drop",
        'udp dport 4801 iifname != "lo" fib daddr type local drop',
    )


def test_transit_is_not_tracked_on_gateways_only() -> None:
    tracked = {
        name: [
            rule for part in ("from_overlay", "from_cable") for rule in chain(firewall(decided(name)), part).rules[1:]
        ]
        for name in ("gateway, connected", "alone")
    }
    assert "ip daddr @remote4 notrack" in tracked["gateway, connected"]
    assert "ip daddr @other_nodes_pods4 notrack" in tracked["gateway, connected"]
    assert tracked["alone"] == []


OWN = ip_network("10.10.0.0/24")


def test_what_goes_to_the_nodes_own_pods_skips_all_that_can_not_match_it() -> None:
    rules = {rule for rule in decided("gateway, connected").state.rules if rule.family == 4}
    ordered = sorted(rules, key=lambda rule: rule.priority)
    assert ordered[0] == Rule(4, ownership.RULE_OWN_PODS, 0, to=OWN, goto=ownership.RULE_END)
    assert ordered[-1] == Rule(4, ownership.RULE_END, 0)
    assert not any(
        OWN.overlaps(route.prefix)
        for route in decided("gateway, connected").state.routes
        if route.prefix.version == 4
    )


def test_with_many_prefixes_of_its_own_a_node_does_without() -> None:
    situation = SITUATIONS["alone"]
    many = tuple(ip_network(f"10.9.{number}.0/24") for number in range(9))
    me, *others = situation.nodes
    decision = decide(replace(situation, nodes=(replace(me, pod_prefixes=many), *others)).for_route_agent())
    assert not [rule for rule in decision.state.rules if rule.priority == ownership.RULE_OWN_PODS]


def test_a_service_on_the_host_network_sees_the_gateways_own_address() -> None:
    nat = next(chain for chain in firewall(decided("gateway, connected")).chains if chain.name == "nat_postrouting")
    service = "ip saddr @remote4 ct original ip daddr @local_services4"
    assert nat.rules[:2] == (f"{service} ip daddr @local_pods4 snat ip to 244.30.1.2", f"{service} masquerade")


def test_without_a_routable_address_node_traffic_is_refused_and_named() -> None:
    decision = decided("gateway, no routable address")
    output = next(chain for chain in firewall(decision).chains if chain.name == "filter_output")
    assert output.rules[-1] == "ip daddr @remote4 reject with icmpx type admin-prohibited"
    assert any("no IPv4 address" in problem for problem in decision.problems)
    assert not any("snat ip to 10." in rule for chain in firewall(decision).chains for rule in chain.rules)


def test_the_overlay_is_never_larger_than_the_smallest_cable() -> None:
    situation = SITUATIONS["node, two gateways"]
    small = replace(situation, endpoints=(*situation.endpoints[:1], replace(situation.endpoints[1], mtu=1400)))
    (link,) = decide(small.for_route_agent()).state.links
    assert link.mtu == 1350


def test_the_overlay_keeps_to_the_limit_of_the_underlay() -> None:
    situation = SITUATIONS["node, two gateways"].for_route_agent()
    (link,) = decide(replace(situation, member=replace(situation.member, underlay_mtu=1380))).state.links
    assert link.mtu == 1330


def test_an_unknown_node_gets_nothing_and_loses_nothing() -> None:
    situation = SITUATIONS["node, two gateways"]
    decision = decide(replace(situation.for_route_agent(), node="stranger"))
    assert decision.state == KernelState()
    assert decision.problems
    running = decided("node, two gateways")
    deleted = replace(situation, nodes=situation.nodes[1:])
    decision = decide(deleted.for_route_agent(running.state))
    assert (decision.state, decision.originals) == (running.state, running.originals)
    assert decision.problems


def test_originals_come_from_notes_before_nodestate_before_the_live_value() -> None:
    situation = SITUATIONS["alone"]
    first = decide(situation.for_route_agent())
    assert dict(first.originals)["ipv4/ip_forward"] == "0"
    changed = replace(situation, facts=replace(situation.facts, sysctls={"ipv4/ip_forward": "1"}))
    again = decide(changed.for_route_agent(first.state))
    assert dict(again.originals)["ipv4/ip_forward"] == "0"
    flushed = replace(changed.for_route_agent(), reported_sysctls=dict(first.originals))
    assert dict(decide(flushed).originals)["ipv4/ip_forward"] == "0"


@given(situations())
def test_in_every_situation(situation: Situation) -> None:
    decision = decide(situation.for_route_agent())
    state = decision.state
    ids = {hop.id for hop in state.nexthops}
    assert all(member in ids for group in state.groups for member, _ in group.members)
    groups = {group.id for group in state.groups}
    assert all(route.nexthop in groups for route in state.routes if route.nexthop is not None)
    assert len({route.key for route in state.routes}) == len(state.routes)
    assert {ownership.nexthop_kind(identifier) for identifier in ids | groups} <= set(ownership.ROUTE_AGENT.nexthops)
    assert {route.table for route in state.routes} <= set(ownership.ROUTE_AGENT.tables)
    # Every remote prefix that may come in from the overlay has its end here, never the default route.
    over = {route.prefix for route in state.routes if route.table == ownership.OVERLAY_TABLE}
    rejected = {route.prefix for route in state.routes if route.table == ownership.REJECT_TABLE}
    assert rejected >= {prefix for prefix in over if prefix.version == 4}
    assert decide(situation.for_route_agent()) == decision


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_order_of_inputs_does_not_matter(name: str) -> None:
    situation = SITUATIONS[name]
    turned = replace(
        situation,
        nodes=situation.nodes[::-1],
        clusters=situation.clusters[::-1],
        endpoints=situation.endpoints[::-1],
        gateways=situation.gateways[::-1],
    )
    assert decide(turned.for_route_agent()).state == decide(situation.for_route_agent()).state


def test_two_nodes_never_share_an_overlay_address() -> None:
    twin = replace(node(1), name="twin", uid="other", addresses=(ip_address("10.30.1.2"),), created=9)
    ends = overlay_ends([node(1), twin, node(2)])
    assert ends["n1"].address4 == ip_address("244.30.1.2")
    assert len({end.address4 for end in ends.values()}) == 3
    assert all(end.address4 in ip_network("244.0.0.0/8") for end in ends.values())
    assert overlay_ends([twin, node(1)])["n1"] == ends["n1"]


def test_forwarding_of_a_node_whose_cni_has_not_started_is_not_taken_for_its_original() -> None:
    situation = SITUATIONS["gateway, no routable address"]
    early = decide(situation.for_route_agent())
    assert "ipv4/ip_forward" not in dict(early.originals)
    assert not [one for one in early.state.sysctls if one.path == "ipv4/ip_forward"]
    started = replace(situation.facts, links=SITUATIONS["alone"].facts.links, sysctls={"ipv4/ip_forward": "1"})
    later = decide(replace(situation, facts=started).for_route_agent(early.state))
    assert dict(later.originals)["ipv4/ip_forward"] == "1"


def test_nodes_that_list_their_addresses_the_other_way_round_share_one_overlay() -> None:
    one = replace(node(1), addresses=(ip_address("172.30.1.2"), ip_address("fd01::1")))
    other = replace(node(2), addresses=(ip_address("fd01::2"), ip_address("172.30.1.3")))
    for me, peer in ((one, other), (other, one)):
        world = replace(Situation(nodes=(one, other)).for_route_agent(), node=me.name)
        state = decide(world).state
        (link,) = state.links
        assert link.vxlan is not None
        (entry,) = state.fdb
        assert (link.vxlan.local, entry.remote) == (
            next(address for address in me.addresses if address.version == 4),
            next(address for address in peer.addresses if address.version == 4),
        )


def test_a_node_without_the_overlays_family_says_so() -> None:
    stray = replace(node(1), addresses=(ip_address("fd01::1"),))
    decision = decide(Situation(nodes=(stray, node(2), node(3))).for_route_agent())
    assert not decision.state.fdb
    assert any("no IPv4 InternalIP" in problem for problem in decision.problems)


@pytest.mark.parametrize(
    ("own", "remote", "mtu"), [("192.168.1.1", "192.168.2.1", 1450), ("fd01::1", "fd02::1", 1430)]
)
def test_the_overlay_carries_no_more_than_a_cable_of_the_family_in_use(own: str, remote: str, mtu: int) -> None:
    east, west = SITUATIONS["gateway, connected"].endpoints
    endpoints = (
        replace(east, private_addresses=(ip_address(own),)),
        replace(west, private_addresses=(ip_address(remote),)),
    )
    decision = decide(replace(SITUATIONS["gateway, connected"], endpoints=endpoints).for_route_agent())
    (link,) = decision.state.links
    assert link.mtu == mtu


@pytest.mark.parametrize(("gateway", "let_out"), [(True, True), (False, False)])
def test_only_a_gateways_own_errors_leave_without_an_address_of_the_pods(gateway: bool, let_out: bool) -> None:
    facts = SITUATIONS["gateway, no routable address"].facts
    decision = decide(replace(Situation(nodes=(node(1, gateway=gateway),)), facts=facts).for_route_agent())
    (output,) = (chain.rules for chain in firewall(decision).chains if chain.name == "filter_output")
    assert output[-1] == "ip daddr @remote4 reject with icmpx type admin-prohibited"
    assert (len(output) > 1) == let_out
    assert all("destination-unreachable" in rule and rule.endswith("accept") for rule in output[:-1])


def test_a_machine_with_two_names_has_its_youngest() -> None:
    before, renamed = node(2), replace(node(2), name="other", uid="uid-other", created=9)
    nodes = (node(1, gateway=True), before, renamed)
    (route,) = routes(decide(Situation(nodes=nodes).for_route_agent()), ownership.DELIVERY_TABLE).values()
    assert route.via == overlay_ends(nodes)["other"].address4


def test_what_this_machine_was_called_before_is_no_other_node() -> None:
    before = replace(node(1), name="before", uid="uid-before", created=0)
    decision = decide(Situation(nodes=(node(1, gateway=True), before)).for_route_agent())
    assert not routes(decision, ownership.DELIVERY_TABLE)
    assert decision.state.fdb == frozenset()


def test_the_rules_of_a_cable_are_there_before_its_device() -> None:
    """Both slots of each remote rail: a packet that comes by a new device is not to miss them."""
    for name, devices in (
        ("wireguard, no cable yet", {"mcnet-cw0a", "mcnet-cw0b"}),
        ("wireguard, two rails", {"mcnet-cw0a", "mcnet-cw0b", "mcnet-cw1a", "mcnet-cw1b"}),
        ("wireguard and vxlan", {"mcnet-cw0a", "mcnet-cw0b", "mcnet-cv", "mcnet-cv6"}),
        ("node, one gateway", set()),
    ):
        rules = decided(name).state.rules
        assert {rule.iif for rule in rules if rule.priority == ownership.RULE_CABLE_DELIVERY} == devices, name


def test_libreswan_cables_are_named_where_others_are_meant_by_how_their_names_begin() -> None:
    decision = decide(Situation(**IPSEC).for_route_agent())
    numbers = [cable_number(cluster, 0) for cluster in (WEST, NORTH)]
    devices = {
        ownership.libreswan_device(ownership.libreswan_if_id(number, slot)) for number in numbers for slot in (0, 1)
    }
    assert {rule.iif for rule in decision.state.rules if rule.priority == ownership.RULE_CABLE_DELIVERY} == devices
    named = "{ " + ", ".join(f'"{device}"' for device in sorted(devices)) + " }"
    table = firewall(decision)
    assert f"iifname {named} goto from_cable" in chain(table, "raw_prerouting").rules
    clamped = f"oifname {named} {node_firewall.SYN} tcp option maxseg size set rt mtu"
    assert clamped in chain(table, "clamp_mss").rules

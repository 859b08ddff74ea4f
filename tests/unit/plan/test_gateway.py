"""What a gateway wants: routes only over living cables, each cable only its cluster's sources."""

import re
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given

from mcnet.codec.nft import fingerprint
from mcnet.model import ownership
from mcnet.model.cluster import ClusterId
from mcnet.model.gateway import CableState, Cause
from mcnet.model.kernel import (
    Add,
    NextHop,
    NextHopGroup,
    NftChain,
    NftTable,
    Remove,
    Replace,
    Route,
    RouteType,
)
from mcnet.model.probe import Mark, PathHealth, State
from mcnet.plan import gateway_report, transition
from mcnet.plan.addresses import cable_end, cable_number
from mcnet.plan.choice import Health
from mcnet.plan.diff import diff
from mcnet.plan.gateway import Decision, decide
from mcnet.plan.remote import families
from tests.fakes.worlds import EAST_0, IPSEC, NORTH, NORTH_0, SITUATIONS, WEST, WEST_0, Situation, ipsec, situations


def decided(name: str) -> Decision:
    return decide(SITUATIONS[name].for_gateway())


def test_no_route_before_a_probe_is_answered() -> None:
    decision = decided("gateway, no cable yet")
    assert not decision.state.routes
    assert not decision.reach
    (link,) = decision.state.links
    assert (link.name, link.mtu) == ("mcnet-cv", 1450)
    assert {entry.remote.compressed for entry in decision.state.fdb} == {"192.168.2.1"}


def test_a_living_cable_carries_its_clusters_prefixes() -> None:
    decision = decided("gateway, connected")
    assert {str(route.prefix) for route in decision.state.routes} == {"10.20.0.0/16", "10.21.0.0/16"}
    (hop,) = decision.state.nexthops
    assert hop.via == cable_end(WEST, 0).address4
    assert decision.reach == {WEST}
    assert [standing.active for standing in decision.cables] == [True]


def test_routes_say_what_all_cables_in_use_carry_and_nodes_are_told() -> None:
    situation = SITUATIONS["gateway, two rails"]
    one, other = (path for standing in decide(situation.for_gateway()).cables for path in (standing.path.probe(4),))
    for carried, expected in (({}, 0), ({one: 1346}, 1346), ({one: 1346, other: 1300}, 1300), ({other: 1300}, 1300)):
        decision = decide(replace(situation.for_gateway(), carried=carried))
        assert {route.mtu for route in decision.state.routes} == {expected}
        assert decision.narrow == ({WEST: expected} if expected else {})


def test_a_lost_cable_takes_its_routes_along() -> None:
    decision = decided("gateway, cable lost")
    assert not decision.state.routes
    assert not decision.state.groups
    assert decision.state.fdb, "the cable stays configured, so that its probes can be answered again"


FIRST, SECOND = cable_end(WEST, 0).address4, cable_end(WEST, 1).address4


@pytest.mark.parametrize(
    ("name", "hops"),
    [
        ("gateway, two rails", {FIRST: 1, SECOND: 1}),
        ("gateway, rails of unlike weight", {FIRST: 4, SECOND: 1}),
        ("gateway, first rail drains", {SECOND: 1}),
        ("gateway, first rail lost", {SECOND: 1}),
    ],
)
def test_all_healthy_cables_carry_by_weight(name: str, hops: dict[object, int]) -> None:
    decision = decided(name)
    (group,) = decision.state.groups
    by_id = {hop.id: hop.via for hop in decision.state.nexthops}
    assert {by_id[member]: weight for member, weight in group.members} == hops
    assert group.id == ownership.nexthop_id(ownership.NextHopKind.CABLE_GROUP4, cable_number(WEST, 0))
    shares = {cable_end(WEST, one.path.endpoint.rail).address4: one.share for one in decision.cables if one.active}
    assert shares == {via: weight / sum(hops.values()) for via, weight in hops.items()}


def test_a_restart_keeps_what_the_kernel_uses() -> None:
    for name in ("gateway, two rails", "gateway, first rail lost", "gateway, rails of unlike weight"):
        running = decided(name).state
        restarted = replace(SITUATIONS[name], health={})
        assert decide(restarted.for_gateway(running)).state == running


def test_a_cable_that_dies_leaves_the_group_before_its_next_hop_goes() -> None:
    before, after = decided("gateway, two rails").state, decided("gateway, first rail lost").state
    changes = [change for change in diff(after, before) if isinstance(change.item, NextHop | NextHopGroup | Route)]
    assert [(type(change), type(change.item)) for change in changes] == [(Replace, NextHopGroup), (Remove, NextHop)]


def test_a_next_hop_that_went_with_its_device_comes_back_into_the_group() -> None:
    wanted = decided("gateway, two rails").state
    (group,) = wanted.groups
    lost = next(hop for hop in wanted.nexthops if hop.via == FIRST)
    left = replace(group, members=tuple(member for member in group.members if member[0] != lost.id))
    actual = replace(wanted, nexthops=wanted.nexthops - {lost}, groups=frozenset({left}))
    assert diff(wanted, actual) == (Add(lost, "missing"), Replace(left, group, "differs"))


def test_no_cluster_can_speak_for_another() -> None:
    situation = SITUATIONS["gateway, three clusters"]
    # A second gateway behind the address of another cluster's.
    shared = replace(situation.endpoints[2], cluster=WEST, gateway="n2", rail=1)
    decision = decide(replace(situation, endpoints=(*situation.endpoints, shared)).for_gateway())
    (table,) = decision.state.tables
    assert isinstance(table, NftTable)
    west, other, north = (
        "0x" + cable_end(ClusterId(cluster), rail).mac.replace(":", "")
        for cluster, rail in (("west", 0), ("west", 1), ("north", 0))
    )
    pairs = sorted((f"192.168.2.1 . {west}", f"192.168.3.1 . {other}", f"192.168.3.1 . {north}"))
    assert chain(table, "cable_port").rules == (
        f"ip saddr . @th,176,48 {{ {', '.join(pairs)} }} accept",
        "fib daddr type local drop",
    )


def chain(table: NftTable, name: str) -> NftChain:
    return next(one for one in table.chains if one.name == name)


def senders(table: NftTable) -> dict[str, str]:
    """By the sender inside of a cable: the chain that checks what it sends. All others are dropped."""
    way, known, last = chain(table, "from_cable").rules
    assert (known, last) == ("ether saddr @senders goto any_vxlan", "drop")
    found = re.fullmatch(r"ether saddr vmap \{ (.*) \}", way)
    assert found
    ways = dict(pair.split(" : goto ") for pair in found[1].split(", "))
    assert elements(table)["senders"] == ways.keys()
    return ways


def elements(table: NftTable) -> dict[str, frozenset[str]]:
    return {one.name: one.elements for one in table.sets}


def sources(table: NftTable, mac: str, family: int) -> frozenset[str]:
    return elements(table)[f"{senders(table)[mac]}_{family}"]


def test_no_cable_brings_packets_of_the_nodes_themselves() -> None:
    """On a flat network the other cluster's prefix holds nodes of this one: pods take those for their own node."""
    (table,) = decided("node, flat network").state.tables
    assert isinstance(table, NftTable)
    for texts in (sources(table, cable_end(WEST, 0).mac, 4), elements(table)["any_vxlan_4"]):
        networks = [ip_network(text) for text in texts]
        for host in ("192.168.1.1", "192.168.2.1"):
            assert not any(ip_address(host) in prefix for prefix in networks)
        assert any(ip_address("192.168.2.77") in prefix for prefix in networks)


def test_without_a_peer_nothing_comes_in() -> None:
    (table,) = decide(replace(SITUATIONS["gateway, connected"], endpoints=()).for_gateway()).state.tables
    assert isinstance(table, NftTable)
    assert chain(table, "from_cable").rules == ("drop",)
    assert chain(table, "cable_port").rules == ("fib daddr type local drop",)


def test_what_comes_by_a_cable_or_to_its_port_is_looked_at_before_all_else() -> None:
    (table,) = decided("gateway, connected").state.tables
    assert isinstance(table, NftTable)
    first = chain(table, "cable_prerouting")
    assert first.hook == "type filter hook prerouting priority raw - 10"
    assert first.rules == ('iifname "mcnet-c*" goto from_cable', "udp dport 4520 goto cable_port")


def test_the_cables_own_address_answers_probes_and_nothing_else() -> None:
    (table,) = decided("gateway, connected").state.tables
    assert isinstance(table, NftTable)
    end = cable_end(ClusterId("east"), 0)
    assert chain(table, "to_local").rules == (
        "ip daddr @local4 accept",
        f"ip daddr != {end.address4} drop",
        f"ip daddr {end.address4} meta l4proto != icmp drop",
        "ip6 daddr @local6 accept",
        f"ip6 daddr != {end.address6} drop",
        f"ip6 daddr {end.address6} meta l4proto != icmpv6 drop",
    )


def test_a_pod_can_not_speak_to_a_peers_cable_port() -> None:
    (table,) = decided("gateway, connected").state.tables
    assert isinstance(table, NftTable)
    forward = chain(table, "cable_forward")
    assert forward.hook == "type filter hook forward priority filter"
    assert forward.rules == ("udp dport 4520 jump cable_port_of_others",)
    assert chain(table, "cable_port_of_others").rules == ("ip daddr @peers4 drop", "ip6 daddr @peers6 drop")


def test_the_firewall_lets_each_cable_bring_only_its_own_sources() -> None:
    (table,) = decided("gateway, three clusters").state.tables
    assert isinstance(table, NftTable)
    sets = {one.name: one.elements for one in table.sets}
    west, north = cable_end(WEST, 0), cable_end(ClusterId("north"), 0)
    assert sources(table, west.mac, 4) == {str(west.address4), "10.20.0.0/15"}
    assert sources(table, north.mac, 4) == {str(north.address4), "10.30.0.0/16"}
    assert sources(table, west.mac, 6) == {str(west.address6)}
    for name in senders(table).values():
        assert chain(table, name).rules == (
            "counter",
            f"ip saddr != @{name}_4 drop",
            f"ip6 saddr != @{name}_6 drop",
            "goto to_local",
        )
    assert sets["peers4"] == {"192.168.2.1", "192.168.3.1"}
    assert sets["local4"] == {"10.10.0.0/15"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"drivers": ()}, "does not offer"),
        ({"port_base": 5500}, "port base 5500"),
        ({"private_addresses": ()}, "has no IPv4 address"),
        ({"private_addresses": (ip_address("224.0.0.1"),)}, "has the address 224.0.0.1"),
        ({"private_addresses": (ip_address("127.0.0.1"),)}, "has the address 127.0.0.1"),
    ],
)
def test_a_cable_that_cannot_be_made_says_why(change: dict[str, object], words: str) -> None:
    situation = SITUATIONS["gateway, connected"]
    broken = replace(situation.endpoints[1], **change)  # type: ignore[arg-type]
    decision = decide(replace(situation, endpoints=(situation.endpoints[0], broken)).for_gateway())
    assert words in decision.cables[0].path.problem
    assert not decision.reach


def test_without_an_outer_address_nothing_is_made_and_it_is_said() -> None:
    situation = SITUATIONS["gateway, connected"]
    decision = decide(replace(situation, own=replace(situation.own, private_addresses=())).for_gateway())
    assert not decision.state.links
    assert any("no default route" in problem for problem in decision.problems)


@given(situations())
def test_in_every_situation(situation: Situation) -> None:
    decision = decide(situation.for_gateway())
    state = decision.state
    ids, groups = {hop.id for hop in state.nexthops}, {group.id for group in state.groups}
    assert all(member in ids for group in state.groups for member, _ in group.members)
    for family in families(situation.member) if situation.facts.ipv6 else (4,):
        alive = {
            standing.path.endpoint.name
            for standing in decision.cables
            if family in standing.path.families
            and situation.health.get(standing.path.probe(family)) is Health.UP
            and standing.path.endpoint.weight
            and not standing.path.problem
        }
        assert alive <= {standing.path.endpoint.name for standing in decision.cables if standing.active}
    for cluster in decision.reach:
        shares = {
            one.path.endpoint.name: one.share for one in decision.cables if one.path.endpoint.cluster == cluster
        }
        assert sum(shares.values()) == pytest.approx(1)
    devices = {link.name for link in state.links}
    for route in state.routes:
        if route.type is RouteType.UNICAST:
            assert route.nexthop in groups or route.device in devices
    assert {device.name for device in state.wireguard} == {link.name for link in state.links if link.wireguard}
    assert all(hop.device in devices for hop in state.nexthops)
    assert {route.table for route in state.routes} <= set(ownership.GATEWAY.tables)
    assert {ownership.nexthop_kind(one) for one in ids | groups} <= set(ownership.GATEWAY.nexthops)
    for standing in decision.cables:
        if standing.active:
            probes = [situation.health[standing.path.probe(family)] for family in standing.path.families]
            assert Health.UP in probes
            assert standing.path.endpoint.cluster in decision.reach


DUAL = SITUATIONS["gateway, dual stack"]


@pytest.mark.parametrize(
    ("health", "routed"),
    [
        ({}, set()),
        ({"west.n1": Health.UP}, {4}),
        ({"west.n1 IPv6": Health.UP}, {6}),
        ({"west.n1": Health.UP, "west.n1 IPv6": Health.UP}, {4, 6}),
        ({"west.n1": Health.UP, "west.n1 IPv6": Health.DOWN}, {4}),
        ({"west.n1": Health.DOWN, "west.n1 IPv6": Health.UP}, {6}),
    ],
)
def test_each_family_is_routed_while_its_own_probes_are_answered(health: dict[str, Health], routed: set[int]) -> None:
    decision = decide(replace(DUAL, health=health).for_gateway())
    assert {route.prefix.version for route in decision.state.routes} == routed
    assert decision.reach == ({WEST} if routed else set())
    assert [standing.active for standing in decision.cables] == [bool(routed)]


def test_families_fail_over_each_for_itself() -> None:
    second = replace(DUAL.endpoints[1], gateway="n2", rail=1, private_addresses=(ip_address("192.168.2.2"),))
    both = {"west.n1": Health.UP, "west.n1 IPv6": Health.DOWN, "west.n2": Health.UP, "west.n2 IPv6": Health.UP}
    decision = decide(replace(DUAL, endpoints=(*DUAL.endpoints, second), health=both).for_gateway())
    assert {(hop.family, hop.via) for hop in decision.state.nexthops} == {
        (4, cable_end(WEST, 0).address4),
        (4, cable_end(WEST, 1).address4),
        (6, cable_end(WEST, 1).address6),
    }
    assert [standing.share for standing in decision.cables] == [0.25, 0.75], "the mean of both families"


def test_a_dual_stack_cluster_and_one_with_ipv4_use_what_both_have() -> None:
    four = replace(DUAL.endpoints[1], cable_address6=None)
    decision = decide(replace(DUAL, endpoints=(DUAL.endpoints[0], four), health={"west.n1": Health.UP}).for_gateway())
    (standing,) = decision.cables
    assert standing.path.families == (4,)
    assert {route.prefix.version for route in decision.state.routes} == {4}
    (table,) = decision.state.tables
    assert isinstance(table, NftTable)
    sets = {one.name: one.elements for one in table.sets}
    (name,) = senders(table).values()
    assert sets[f"{name}_4"]
    assert not sets[f"{name}_6"]


def test_the_firewall_of_an_ipv6_cable_has_its_own_ends() -> None:
    situation = SITUATIONS["gateway, connected"]
    own, west = (
        replace(one, private_addresses=(ip_address(address),))
        for one, address in zip(situation.endpoints, ("fd01::1", "fd02::1"), strict=True)
    )
    decision = decide(replace(situation, own=own, endpoints=(own, west)).for_gateway())
    (link,) = decision.state.links
    assert (link.name, link.mtu) == ("mcnet-cv6", 1430)
    (table,) = decision.state.tables
    assert isinstance(table, NftTable)
    end, remote = (cable_end(cluster, 0, ownership.CableNetwork.VXLAN_OVER6) for cluster in (ClusterId("east"), WEST))
    assert f"ip daddr {end.address4} meta l4proto != icmp drop" in chain(table, "to_local").rules
    mac = "0x" + remote.mac.replace(":", "")
    assert f"ip6 saddr . @th,176,48 {{ fd02::1 . {mac} }} accept" in chain(table, "cable_port").rules
    assert str(remote.address4) in sources(table, remote.mac, 4)


@pytest.mark.parametrize(
    ("first", "second", "cause", "words"),
    [
        ("up", "up", Cause.ANSWERS, ""),
        ("up", "unknown", Cause.WAITING, "no probe"),
        ("up", "down", Cause.ONE_FAMILY, "not those in IPv6"),
        ("down", "up", Cause.ONE_FAMILY, "not those in IPv4"),
        ("down", "down", Cause.SILENT, "does not answer probes at 192.168.2.1"),
    ],
)
def test_a_cable_is_as_well_as_its_worst_family(first: State, second: State, cause: Cause, words: str) -> None:
    states = {Cause.ANSWERS: CableState.CONNECTED, Cause.WAITING: CableState.CONNECTING}
    standings = decide(DUAL.for_gateway()).cables
    paths = {"west.n1": PathHealth(state=first), "west.n1 IPv6": PathHealth(state=second)}
    (cable,) = gateway_report.cables(standings, paths, (), "2026-01-01T00:00:00Z")
    assert (cable.state, cable.cause) == (states.get(cause, CableState.ERROR), cause)
    assert words in cable.reason


def test_a_cable_that_is_held_down_says_so() -> None:
    standings = decide(DUAL.for_gateway()).cables
    held = PathHealth(state="down", falls=3, held_until=9.0)
    for paths in ({"west.n1": held, "west.n1 IPv6": held}, {"west.n1": held, "west.n1 IPv6": PathHealth("up")}):
        (cable,) = gateway_report.cables(standings, paths, (), "2026-01-01T00:00:00Z")
        assert (cable.state, cable.cause) == (CableState.ERROR, Cause.FLAPPING)
        assert "went down 3 times" in cable.reason
        assert "answered for 10 seconds" in cable.reason


def test_each_libreswan_device_brings_its_clusters_sources_only_and_no_mark() -> None:
    decision = decide(Situation(**IPSEC).for_gateway())
    (table,) = decision.state.tables
    assert isinstance(table, NftTable)
    by_cluster = {standing.path.endpoint.cluster: standing.path for standing in decision.cables}
    devices = ", ".join(sorted(f'"{path.device}"' for path in by_cluster.values()))
    assert f"iifname {{ {devices} }} goto from_libreswan" in chain(table, "cable_prerouting").rules
    unmark, way, last = chain(table, "from_libreswan").rules
    assert (unmark, last) == ("meta mark set 0", "goto any_libreswan")
    found = re.fullmatch(r"iifname vmap \{ (.*) \}", way)
    assert found
    ways = dict(pair.split(" : goto ") for pair in found[1].split(", "))
    networks = {name: set(map(ip_network, its)) for name, its in elements(table).items() if "cable" in name}
    for cluster, prefix, other in ((WEST, "10.20.0.0/16", "10.30.0.0/16"), (NORTH, "10.30.0.0/16", "10.20.0.0/16")):
        path = by_cluster[cluster]
        checks = ways[f'"{path.device}"']
        assert chain(table, checks).rules[0] == f"ip saddr != @{checks}_4 drop"
        allowed = networks[f"{checks}_4"]
        assert ip_network(path.address(4)) in allowed
        assert any(ip_network(prefix).subnet_of(one) for one in allowed)  # type: ignore[arg-type]
        assert not any(ip_network(other).overlaps(one) for one in allowed)
    assert chain(table, "cable_output").rules == ("udp sport 4524 meta mark set 0",)


def test_pluto_is_told_of_the_wanted_cables_and_a_former_one_is_kept_until_the_new_one_is_up() -> None:
    situation = Situation(**IPSEC)
    before = decide(situation.for_gateway())
    assert {one.if_id for one in before.ike} == {link.if_id for link in before.state.links if link.if_id}
    assert before.former == ()
    newer = replace(situation, endpoints=(ipsec(EAST_0), ipsec(WEST_0, 1), ipsec(NORTH_0)))
    during = decide(newer.for_gateway(before.state))
    assert [path.endpoint.cluster for path in during.former] == [WEST]
    assert len({link.if_id for link in during.state.links if link.if_id}) == 3
    new = {one.name for one in during.ike}
    assert len(new) == len(before.ike)
    assert len(new & {one.name for one in before.ike}) == len(before.ike) // 2
    (wanted,) = [path for path in during.probed if path.endpoint.cluster == WEST and path not in during.former]
    up = {wanted.probe(family): Health.UP for family in wanted.families}
    later = replace(newer, health=up).for_gateway(during.state)
    waiting = decide(later)
    after = decide(replace(later, clock=dict(waiting.clock), now=later.now + transition.GRACE))
    assert [path.endpoint.cluster for path in waiting.former] == [WEST]
    assert after.former == ()
    assert len({link.if_id for link in after.state.links if link.if_id}) == 2


@pytest.mark.parametrize("before", Mark)
@pytest.mark.parametrize("mark", [None, *Mark])
def test_the_own_mark_stays_until_it_is_known_better(before: Mark, mark: Mark | None) -> None:
    world = replace(SITUATIONS["gateway, two rails"].for_gateway(), mark=before)
    running = decide(world).state
    tables = frozenset(fingerprint(table) for table in running.tables if isinstance(table, NftTable))
    restarted = decide(replace(world, actual=replace(running, tables=tables), mark=mark))
    after = before if mark is None else mark
    assert restarted.mark is after
    assert (restarted.state == running) is (before is after)
    alone = decide(replace(world, actual=replace(running, tables=tables), mark=None, nodes=world.nodes[:1]))
    assert alone.mark is Mark.NONE, "nobody else is there"


@pytest.mark.parametrize(
    ("mark", "why"), [(Mark.SPARE, "it drains, or that its way"), (Mark.ISOLATED, "no other node of its cluster")]
)
def test_a_marked_cable_is_left_and_says_so(mark: Mark, why: str) -> None:
    world = SITUATIONS["gateway, two rails"].for_gateway()
    decision = decide(replace(world, marks={"west.n1": mark}))
    assert [(one.mark, one.active, one.share) for one in decision.cables] == [
        (mark, False, 0.0),
        (Mark.NONE, True, 1.0),
    ]
    paths = {one.path.probe(family): PathHealth("up") for one in decision.cables for family in one.path.families}
    left, used = gateway_report.cables(decision.cables, paths, (), "2026-01-01T00:00:00Z")
    assert (left.state, used.state) == (CableState.CONNECTED, CableState.CONNECTED)
    assert f"west.n1 says that {why}" in left.reason
    assert (left.cause.value, used.cause, used.reason) == (mark.name.lower(), Cause.ANSWERS, "")
    both = decide(replace(world, marks={"west.n1": mark, "west.n2": mark}))
    assert both.state == decide(world).state
    assert {one.reason for one in gateway_report.cables(both.cables, paths, (), "2026-01-01T00:00:00Z")} == {""}


def test_a_cable_to_a_gateway_that_drains_says_so_without_a_mark() -> None:
    world = SITUATIONS["gateway, two rails"].for_gateway()
    endpoints = tuple(replace(one, weight=0) if one.name == "west.n1" else one for one in world.endpoints)
    decision = decide(replace(world, endpoints=endpoints))
    paths = {one.path.probe(family): PathHealth("up") for one in decision.cables for family in one.path.families}
    left, used = gateway_report.cables(decision.cables, paths, (), "2026-01-01T00:00:00Z")
    assert (left.active, left.cause, used.cause) == (False, Cause.DRAINS, Cause.ANSWERS)
    assert "west.n1 says that it drains: nothing" in left.reason

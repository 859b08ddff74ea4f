"""What a daemon finds in the kernel when it starts: asked as the rounds ask it, and nothing taken away that lives."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.advert import Advert
from mcnet.model import ownership
from mcnet.model.cluster import cluster_number
from mcnet.model.kernel import Address, FdbEntry, KernelState, Link, NextHop, NextHopGroup
from mcnet.model.ownership import NextHopKind, nexthop_id
from mcnet.model.probe import PathHealth, Target
from mcnet.plan import failover, gateway, inherited, route_agent
from mcnet.plan.addresses import overlay_ends
from mcnet.plan.cable import own_address
from mcnet.plan.choice import Health
from mcnet.plan.failover import Lost
from mcnet.plan.inherited import Inherited, found
from tests.fakes.worlds import (
    CLUSTER_WEST,
    DUAL_MEMBER,
    EAST_0,
    EAST_1,
    IPSEC,
    NORTH,
    SECURED,
    WEST,
    WEST_0,
    WEST_1,
    Situation,
    ipsec,
    node,
    prefixes,
    secured,
    situations,
    view,
)

DOWN, UP, HELD = PathHealth("down"), PathHealth("up"), PathHealth("down", held_until=9.0)
DUAL_WEST = tuple(replace(one, prefixes=prefixes("10.20.0.0/16", "fd20::/48")) for one in (WEST_0, WEST_1))
DRIVERS = {
    "vxlan": Situation(member=DUAL_MEMBER, endpoints=(EAST_0, *DUAL_WEST)),
    "wireguard": Situation(**SECURED | {"endpoints": (secured(EAST_0), secured(WEST_0), secured(WEST_1))}),
    "libreswan": Situation(**IPSEC | {"endpoints": (ipsec(EAST_0), ipsec(WEST_0), ipsec(WEST_1))}),
}


def link(device: str, *addresses: str) -> Link:
    return Link(device, 1400, "", None, addresses=frozenset(map(ip_interface, addresses)))


def hop(kind: NextHopKind, number: int, device: str, via: str = "") -> NextHop:
    return NextHop(nexthop_id(kind, number), device, ip_address(via) if via else None, 6 if kind.value & 1 else 4)


def state(links: list[Link], *groups: tuple[NextHopKind, int, list[NextHop]]) -> KernelState:
    """Groups of a kind with a number, each with its members."""
    return KernelState(
        links=frozenset(links),
        nexthops=frozenset(one for _, _, hops in groups for one in hops),
        groups=frozenset(
            NextHopGroup(nexthop_id(kind, number), 4, tuple((one.id, 1) for one in hops), 128)
            for kind, number, hops in groups
        ),
    )


def asked(inherited: Inherited) -> dict[int, tuple[str, str, str]]:
    """By next hop: the address, the device, and from where."""
    return {
        one.id: (str(target.address), target.device, str(target.source)) for one, target in inherited.paths.items()
    }


OVERLAY = link("mcnet-vx", "244.0.0.1/8", "fd6d:636e:6574:1::a/64")
VIA_4 = hop(NextHopKind.OVERLAY_MEMBER4, 1, "mcnet-vx", "244.0.0.2")
VIA_6 = hop(NextHopKind.OVERLAY_MEMBER6, 1, "mcnet-vx", "fd6d:636e:6574:1::b")
TUNNEL_4 = hop(NextHopKind.CABLE_MEMBER4, 0x1009, "mcnet-cw1a")
TUNNEL_6 = hop(NextHopKind.CABLE_MEMBER6, 0x1009, "mcnet-cw1a")
GROUP_4, GROUP_6 = NextHopKind.CABLE_GROUP4, NextHopKind.CABLE_GROUP6


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (state([]), {}),
        (
            state([OVERLAY], (NextHopKind.OVERLAY_GROUP4, 8, [VIA_4]), (NextHopKind.OVERLAY_GROUP6, 8, [VIA_6])),
            dict.fromkeys([VIA_4.id, VIA_6.id], ("244.0.0.2", "mcnet-vx", "244.0.0.1")),
        ),
        (
            state([OVERLAY], (NextHopKind.OVERLAY_GROUP6, 8, [VIA_6])),
            {VIA_6.id: ("fd6d:636e:6574:1::b", "mcnet-vx", "fd6d:636e:6574:1::a")},
        ),
        (
            state([link("mcnet-cw1a", "247.0.32.1/32")], (GROUP_4, 0x1008, [TUNNEL_4])),
            {TUNNEL_4.id: ("247.0.16.9", "mcnet-cw1a", "247.0.32.1")},
        ),
        (
            state(
                [link("mcnet-cw1a", "247.0.32.1/32", "fd6d:636e:6574:4::a/128")],
                (GROUP_4, 0x1008, [TUNNEL_4]),
                (GROUP_6, 0x1008, [TUNNEL_6]),
            ),
            dict.fromkeys([TUNNEL_4.id, TUNNEL_6.id], ("247.0.16.9", "mcnet-cw1a", "247.0.32.1")),
        ),
        # Each family has its own association there.
        (
            state(
                [link("ipsec18a", "249.0.32.1/32", "fd6d:636e:6574:6::a/128")],
                (GROUP_4, 0x1008, [replace(TUNNEL_4, device="ipsec18a")]),
                (GROUP_6, 0x1008, [replace(TUNNEL_6, device="ipsec18a")]),
            ),
            {TUNNEL_4.id: ("249.0.16.9", "ipsec18a", "249.0.32.1")},
        ),
        # What somebody else has put there counts for nothing; of two of ours nobody knows which is right.
        (
            state([link("mcnet-vx", "10.0.0.5/24", "244.0.0.9/8")], (NextHopKind.OVERLAY_GROUP4, 8, [VIA_4])),
            {VIA_4.id: ("244.0.0.2", "mcnet-vx", "244.0.0.9")},
        ),
        (state([link("mcnet-vx", "244.0.0.8/8", "244.0.0.9/8")], (NextHopKind.OVERLAY_GROUP4, 8, [VIA_4])), {}),
        # Nobody says what the other end is called.
        (state([link("mcnet-cw1a", "fd6d:636e:6574:4::a/128")], (GROUP_6, 0x1008, [TUNNEL_6])), {}),
        # Not ours, or no device any more.
        (state([link("mcnet-cw1a", "10.0.0.1/32")], (GROUP_4, 0x1008, [TUNNEL_4])), {}),
        (state([], (GROUP_4, 0x1008, [TUNNEL_4])), {}),
        # In no group.
        (KernelState(links=frozenset({OVERLAY}), nexthops=frozenset({VIA_4})), {}),
    ],
)
def test_whom_to_ask(kernel: KernelState, expected: dict[int, tuple[str, str, str]]) -> None:
    assert asked(found(kernel)) == expected


def rounds_targets(situation: Situation, decision: gateway.Decision) -> set[tuple[Address, str, Address | None]]:
    """As the gateway's rounds have them probed."""
    return {
        (path.address(family), path.device, own_address(situation.own, path, family))
        for path in decision.probed
        for family in path.families
    }


def by_path(targets: frozenset[Target]) -> set[tuple[Address, str, Address | None]]:
    return {(target.address, target.device, target.source) for target in targets}


def all_up(situation: Situation) -> gateway.Decision:
    """What the gateway does once every path that it probes has answered."""
    first = gateway.decide(situation.for_gateway())
    health = {path.probe(family): Health.UP for path in first.probed for family in path.families}
    return gateway.decide(replace(situation, health=health).for_gateway())


@pytest.mark.parametrize("driver", DRIVERS)
def test_cables_of_every_driver_are_asked_as_by_the_rounds(driver: str) -> None:
    situation = DRIVERS[driver]
    decision = all_up(situation)
    assert len(decision.state.groups) > 0
    inherits = found(decision.state)
    members = {member for group in decision.state.groups for member, _ in group.members}
    assert {one.id for one in inherits.paths} == members
    assert {one.family for one in inherits.paths} == ({4, 6} if driver == "vxlan" else {4})
    assert by_path(inherits.targets) <= rounds_targets(situation, decision)
    assert len(inherits.targets) >= 2


@given(situations())
def test_whatever_is_found_is_asked_as_by_the_rounds(situation: Situation) -> None:
    """A path that is asked in another way than it answers would be taken away with each start."""
    decision = all_up(situation)
    assert by_path(found(decision.state).targets) <= rounds_targets(situation, decision)


@pytest.mark.parametrize("member", [Situation().member, DUAL_MEMBER], ids=["IPv4", "both families"])
def test_a_node_asks_its_gateways_as_by_its_rounds(member: object) -> None:
    nodes = (node(1), node(2, gateway=True), node(3, gateway=True))
    gateways = (view("n2", 0, reach=[WEST]), view("n3", 1, reach=[WEST]))
    situation = Situation(member=member, nodes=nodes, gateways=gateways, endpoints=(EAST_0, EAST_1, *DUAL_WEST))  # type: ignore[arg-type]
    ends = overlay_ends(nodes)
    inherits = found(route_agent.decide(situation.for_route_agent()).state)
    assert by_path(inherits.targets) == {
        (ends[name].address4, ownership.OVERLAY_DEVICE, ends["n1"].address4) for name in ("n2", "n3")
    }
    families = {one.family for one in inherits.paths}
    assert families == ({4, 6} if member == DUAL_MEMBER else {4})


@pytest.mark.parametrize("names", [frozenset({WEST}), frozenset({NORTH}), frozenset({WEST, NORTH}), frozenset()])
def test_an_advert_says_what_the_rounds_make_of_it(names: frozenset[object]) -> None:
    nodes = (node(1), node(2, gateway=True), node(3, gateway=True))
    gateways = (view("n2", 0, reach=[WEST]), view("n3", 1, reach=[WEST]))
    situation = Situation(nodes=nodes, gateways=gateways, endpoints=(EAST_0, EAST_1, WEST_0))
    ends = overlay_ends(nodes)
    state = route_agent.decide(situation.for_route_agent()).state
    reach = frozenset(cluster_number(name) for name in names)  # type: ignore[arg-type]
    said = {str(ends["n3"].address4): Advert("n3", 1, reach)}
    views = (view("n2", 0), view("n3", 1, reach=names))  # type: ignore[arg-type]
    expected = failover.lost_gateways(views, ends, [CLUSTER_WEST])
    ours = {group.id for group in state.groups}
    assert inherited.lost(found(state), {}, said) == Lost(
        members=frozenset(one for one in expected.members if one[0] in ours)
    )


HOPS = [hop(NextHopKind.CABLE_MEMBER4, number, "mcnet-cv", f"245.0.0.{number}") for number in (8, 9, 10)]
THREE = found(state([link("mcnet-cv", "245.0.0.1/8")], (GROUP_4, 8, HOPS)))


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ({}, set()),
        ({8: PathHealth(), 9: UP}, set()),
        ({8: DOWN, 9: UP}, {8}),
        ({8: DOWN, 9: DOWN, 10: DOWN}, {8, 9, 10}),
        ({8: HELD, 9: UP}, {8}),
        ({8: HELD, 9: DOWN, 10: DOWN}, {9, 10}),
    ],
)
def test_what_is_lost(paths: dict[int, PathHealth], expected: set[int]) -> None:
    said = {f"245.0.0.{number} mcnet-cv": path for number, path in paths.items()}
    gone = inherited.lost(THREE, said, {})
    assert gone == Lost(hops=frozenset(one for one in HOPS if one.id & 0xFFFFFF in expected))
    assert failover.changes(THREE.state, gone) != () or expected in (set(), {8, 9, 10})


def test_a_held_path_counts_where_nothing_better_leads_to_the_same_place() -> None:
    others = [hop(NextHopKind.CABLE_MEMBER4, number, "mcnet-cv", f"245.0.0.{number}") for number in (16, 17)]
    two = found(state([link("mcnet-cv", "245.0.0.1/8")], (GROUP_4, 8, HOPS), (GROUP_4, 16, others)))
    paths = {"245.0.0.8 mcnet-cv": UP, "245.0.0.9 mcnet-cv": HELD, "245.0.0.16 mcnet-cv": HELD}
    assert inherited.lost(two, paths, {}) == Lost(hops=frozenset({HOPS[1]}))


@given(st.sets(st.sampled_from(HOPS)))
def test_never_the_last_path(lost: set[NextHop]) -> None:
    paths = {target.key: DOWN if one in lost else UP for one, target in THREE.paths.items()}
    after = failover.after(THREE.state, failover.changes(THREE.state, inherited.lost(THREE, paths, {})))
    assert all(group.members for group in after.groups)
    assert set(after.nexthops) >= set(HOPS) - lost


@pytest.mark.parametrize(
    ("paths", "nodes", "expected"), [(1, 0, 0.1), (60, 0, 0.2), (3, 250, 0.2), (3, 1, 0.1), (300, 1, 1.0)]
)
def test_many_are_asked_less_often(paths: int, nodes: int, expected: float) -> None:
    hops = [
        hop(NextHopKind.OVERLAY_MEMBER4, number, "mcnet-vx", f"244.0.1.{number}") for number in range(paths % 256)
    ]
    hops += [
        hop(NextHopKind.OVERLAY_MEMBER4, 256 + one, "mcnet-vx", f"244.0.2.{one}") for one in range(paths // 256 * 256)
    ]
    kernel = state([OVERLAY], (NextHopKind.OVERLAY_GROUP4, 8, hops))
    fdb = frozenset(
        FdbEntry("mcnet-vx", f"02:00:00:00:00:{number:02x}", ip_address("172.30.0.9")) for number in range(nodes)
    )
    assert found(replace(kernel, fdb=fdb)).interval(0.1) == expected
    assert found(kernel).interval(20.0) == 20.0


def test_the_rounds_go_on_with_the_same_paths() -> None:
    (first, *_) = sorted(THREE.targets, key=lambda target: target.key)
    known = replace(first, key="west.n1")
    moved = replace(known, source=ip_address("245.0.0.2"))
    told = {target.key: target.formerly for target in THREE.taken_over([known])}
    assert told == {"west.n1": first.key}
    assert {target.formerly for target in THREE.taken_over([moved])} == {""}
    assert {target.formerly for target in Inherited().taken_over([known])} == {""}

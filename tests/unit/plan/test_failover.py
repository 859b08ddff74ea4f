"""What leaves the kernel ahead of a round: lost next hops, never a group's last, and nothing that is not lost."""

from dataclasses import replace
from ipaddress import ip_address
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.kernel import KernelState, Link, NextHop, NextHopGroup, NftSet, NftTable, Remove, Replace
from mcnet.model.ownership import OVERLAY_DEVICE, NextHopKind, nexthop_id
from mcnet.model.probe import Mark, PathHealth
from mcnet.plan import failover, gateway, soft_mark
from mcnet.plan.addresses import cable_number, overlay_ends
from mcnet.plan.choice import GatewayView, Health
from mcnet.plan.failover import Lost, after, changes
from tests.fakes.kernel import FakeKernel
from tests.fakes.worlds import (
    CLUSTER_NORTH,
    CLUSTER_WEST,
    EAST_0,
    NORTH,
    NORTH_0,
    WEST,
    WEST_0,
    WEST_1,
    Situation,
    node,
)

HOPS = {
    number: NextHop(nexthop_id(NextHopKind.OVERLAY_MEMBER4, number), "mcnet-vx", ip_address(f"244.0.0.{number}"), 4)
    for number in (1, 2, 3)
}


def group(number: int, *members: int, weight: int = 1) -> NextHopGroup:
    ids = tuple((HOPS[member].id, weight) for member in members)
    return NextHopGroup(nexthop_id(NextHopKind.OVERLAY_GROUP4, number), 4, ids, 128)


def state(*groups: NextHopGroup) -> KernelState:
    return KernelState(nexthops=frozenset(HOPS.values()), groups=frozenset(groups))


def lost(*hops: int, **members: tuple[int, ...]) -> Lost:
    """`g8=(1,)`: hop 1 of group 8."""
    pairs = {
        (nexthop_id(NextHopKind.OVERLAY_GROUP4, int(name[1:])), HOPS[hop].id)
        for name, found in members.items()
        for hop in found
    }
    return Lost(frozenset(HOPS[hop] for hop in hops), frozenset(pairs))


@pytest.mark.parametrize(
    ("groups", "gone", "removed", "left"),
    [
        ([group(8, 1, 2)], lost(), [], {}),
        ([group(8, 1, 2)], lost(1), [1], {}),
        ([group(8, 1, 2), group(16, 1, 3)], lost(1), [1], {}),
        ([group(8, 1, 2, 3)], lost(1, 2), [1, 2], {}),
        ([group(8, 1)], lost(1), [], {}),
        ([group(8, 1, 2)], lost(1, 2), [], {}),
        ([group(8, 1, 2)], lost(3), [], {}),
        ([group(8, 1, 2), group(16, 1)], lost(1), [], {8: (2,)}),
        ([group(8, 1, 2, 3), group(16, 1)], lost(1, 2), [2], {8: (3,)}),
        ([group(8, 1, 2), group(16, 1, 2)], lost(g8=(1,)), [], {8: (2,)}),
        ([group(8, 1, 2), group(16, 1, 2)], lost(g8=(1, 2)), [], {}),
        ([group(8, 1, 2), group(16, 1, 2)], lost(2, g8=(1,)), [], {16: (1,)}),
    ],
)
def test_what_goes(
    groups: list[NextHopGroup], gone: Lost, removed: list[int], left: dict[int, tuple[int, ...]]
) -> None:
    made = changes(state(*groups), gone)
    assert [change.item for change in made if isinstance(change, Remove)] == [HOPS[number] for number in removed]
    shrunk = {change.item.id & 0xFFFFFF: change.item for change in made if isinstance(change, Replace)}  # type: ignore[union-attr]
    assert shrunk == {number: group(number, *members) for number, members in left.items()}
    assert changes(after(state(*groups), made), gone) == ()


def test_weights_stay_and_another_device_is_another_path() -> None:
    weighed = state(group(8, 1, 2, weight=7), group(16, 1))
    (change,) = changes(weighed, lost(1))
    assert change.item == group(8, 2, weight=7)
    moved = Lost(frozenset({replace(HOPS[1], device="mcnet-cw0a")}))
    assert changes(state(group(8, 1, 2)), moved) == ()


@st.composite
def scenes(draw: st.DrawFn) -> tuple[KernelState, Lost]:
    numbers = st.lists(st.sampled_from(sorted(HOPS)), min_size=1, unique=True).map(sorted)
    groups = [group(number, *draw(numbers)) for number in draw(st.sets(st.sampled_from((8, 16, 24))))]
    hops = draw(st.frozensets(st.sampled_from(sorted(HOPS))))
    pairs = (
        draw(st.frozensets(st.sampled_from([(one.id, member) for one in groups for member, _ in one.members])))
        if groups
        else frozenset()
    )
    return state(*groups), Lost(frozenset(HOPS[hop] for hop in hops), pairs)


@given(scenes())
async def test_no_group_becomes_empty_and_the_kernel_agrees(scene: tuple[KernelState, Lost]) -> None:
    before, gone = scene
    kernel = FakeKernel()
    for item in (*before.nexthops, *before.groups):
        kernel.nexthops[item.id] = item
    made = changes(before, gone)
    assert await kernel.apply(made) == ()
    found = kernel.read(())
    assert (found.nexthops, found.groups) == (after(before, made).nexthops, after(before, made).groups)
    assert {one.id for one in found.groups} == {one.id for one in before.groups}
    ids = {hop.id for hop in gone.hops}
    for one in found.groups:
        (was,) = (other for other in before.groups if other.id == one.id)
        bad = {member for member, _ in was.members if member in ids or (one.id, member) in gone.members}
        kept = {member for member, _ in was.members} - bad
        assert {member for member, _ in one.members} == (kept or bad), "all that is lost, or nothing"


DEVICES = ("mcnet-cw0a", "mcnet-cw1a", "mcnet-cw2a")
EACH = {number: replace(hop, device=DEVICES[number - 1], via=None) for number, hop in HOPS.items()}
"""As those of WireGuard, each with a device of its own."""
FOUND = KernelState(
    links=frozenset(Link(device, 1400, "", None) for device in DEVICES),
    nexthops=frozenset(EACH.values()),
    groups=frozenset({group(8, 1, 2, 3), group(16, 1, 2, weight=7), group(24, 3)}),
)
LOSSES = st.builds(
    Lost,
    st.frozensets(st.sampled_from(sorted(HOPS)).map(EACH.__getitem__)),
    st.frozensets(st.sampled_from(sorted((one.id, member) for one in FOUND.groups for member, _ in one.members))),
)


def drop(kernel: FakeKernel, down: frozenset[str]) -> None:
    """Devices go down, and the kernel takes what is by them; the others are up."""
    kernel.links = {device: Link(device, 1400, "", None, up=device not in down) for device in DEVICES}
    held = kernel.read(())
    gone = {hop.id for hop in held.nexthops if hop.device in down}
    for one in (*held.nexthops, *held.groups):
        if isinstance(one, NextHop) and one.id in gone:
            del kernel.nexthops[one.id]
        elif isinstance(one, NextHopGroup):
            left = tuple(pair for pair in one.members if pair[0] not in gone)
            del kernel.nexthops[one.id]
            if left:
                kernel.nexthops[one.id] = replace(one, members=left)


def holding(found: KernelState) -> FakeKernel:
    kernel = FakeKernel()
    kernel.links = {link.name: link for link in found.links}
    for item in (*found.nexthops, *found.groups):
        kernel.nexthops[item.id] = item
    return kernel


@given(st.lists(LOSSES, max_size=5))
async def test_before_the_first_round_all_is_as_if_it_were_lost_now(told: list[Lost]) -> None:
    """Whatever was lost before, in whatever order: what answers is used as it was found."""
    kernel = holding(FOUND)
    for one in told:
        found = failover.resumed(FOUND, kernel.read(()), one)
        assert not await kernel.apply(found)
        wanted, held = after(FOUND, changes(FOUND, one)), kernel.read(())
        assert (held.nexthops, held.groups) == (wanted.nexthops, wanted.groups)
        assert failover.resumed(FOUND, held, one) == (), "once is enough"
        assert {change.reason for change in found} <= {failover.REASON, failover.BACK}


@given(st.lists(st.tuples(LOSSES, st.frozensets(st.sampled_from(DEVICES))), max_size=6))
async def test_before_the_first_round_devices_go_and_come_too(happens: list[tuple[Lost, frozenset[str]]]) -> None:
    """No group goes that is there, and of each what answers by a device that is up is used, if anything does."""
    kernel = holding(FOUND)
    for lost, down in happens:
        drop(kernel, down)
        before = {one.id for one in kernel.read(()).groups}
        assert not await kernel.apply(failover.resumed(FOUND, kernel.read(()), lost))
        groups = {one.id: {member for member, _ in one.members} for one in kernel.read(()).groups}
        assert before <= set(groups)
        gone = {hop.id for hop in lost.hops}
        for one in FOUND.groups:
            usable = {hop.id for hop in EACH.values() if hop.device not in down} & {hop for hop, _ in one.members}
            lives = {hop for hop in usable if hop not in gone and (one.id, hop) not in lost.members}
            assert groups.get(one.id, set()) == (lives or usable)


@pytest.mark.parametrize("lost", [Lost(), Lost(frozenset({EACH[3]}))])
def test_what_the_kernel_has_not_dropped_yet_is_left_to_it(lost: Lost) -> None:
    """The device of a group's last hop is down, and the kernel still holds both."""
    links = frozenset(replace(link, up=link.name != DEVICES[2]) for link in FOUND.links)
    found = failover.resumed(FOUND, replace(FOUND, links=links), lost)
    assert [change for change in found if isinstance(change, Remove)] == []
    assert {group(24, 3)} <= after(FOUND, found).groups


def test_what_only_leaves_does_so_by_itself() -> None:
    """One request for a hop, and not one for each group of it."""
    assert failover.resumed(FOUND, FOUND, Lost(frozenset({EACH[1]}))) == (Remove(EACH[1], failover.REASON),)


# From probes and adverts


CABLES = tuple(
    replace(standing, path=replace(standing.path, families=(4,)))
    for standing in gateway.decide(
        Situation(endpoints=(EAST_0, WEST_0, WEST_1, NORTH_0), clusters=(CLUSTER_WEST, CLUSTER_NORTH)).for_gateway()
    ).cables
)
SPARE, ISOLATED = Mark.SPARE, Mark.ISOLATED
UP, DOWN, UNKNOWN, HELD = Health.UP, Health.DOWN, Health.UNKNOWN, Health.HELD


def test_alternatives_are_the_cables_to_a_cluster() -> None:
    assert sorted(failover.cable_alternatives(CABLES)) == [["north.n1"], ["west.n1", "west.n2"]]


def test_a_held_path_counts_only_where_nothing_better_leads() -> None:
    held = PathHealth("down", held_until=9.0)
    alternatives = failover.cable_alternatives(CABLES)
    paths = {"west.n1": held, "west.n2": PathHealth("up"), "north.n1": held}
    assert failover.judged(paths, alternatives) == {"west.n1": HELD, "west.n2": UP, "north.n1": UP}


@pytest.mark.parametrize("bad", [DOWN, HELD])
def test_lost_cables_are_those_that_are_down(bad: Health) -> None:
    found = failover.lost_cables(CABLES, {"west.n1": bad, "west.n2": UP, "north.n1": UNKNOWN})
    assert {hop.id for hop in found.hops} == {nexthop_id(NextHopKind.CABLE_MEMBER4, cable_number(WEST, 0))}
    assert found.members == frozenset()


@pytest.mark.parametrize(
    ("health", "marks", "rails"),
    [
        ({"west.n1": UP, "west.n2": UP}, {"west.n1": SPARE}, {0}),
        ({"west.n1": UP, "west.n2": UP}, {"west.n1": ISOLATED}, {0}),
        ({"west.n1": UP, "west.n2": UP}, {"west.n1": SPARE, "west.n2": SPARE}, set()),
        ({"west.n1": UP, "west.n2": UP}, {"west.n1": ISOLATED, "west.n2": ISOLATED}, set()),
        ({"west.n1": UP, "west.n2": UP}, {"west.n1": ISOLATED, "west.n2": SPARE}, {0}),
        ({"west.n1": UP, "west.n2": DOWN}, {"west.n1": ISOLATED}, {1}),
        ({"west.n1": UP, "west.n2": UNKNOWN}, {"west.n1": ISOLATED}, set()),
        ({"west.n1": DOWN, "west.n2": UP}, {"west.n1": SPARE}, {0}),
        ({"west.n1": UP, "west.n2": UP}, {"north.n1": ISOLATED}, set()),
    ],
)
def test_marked_cables_are_lost_where_a_better_one_is_in_use(
    health: dict[str, Health], marks: dict[str, Mark], rails: set[int]
) -> None:
    used = [replace(standing, active=True) for standing in CABLES]
    found = failover.lost_cables(used, health, marks)
    assert {hop.id & 7 for hop in found.hops} == rails
    idle = [replace(one, active=one.path.endpoint.name == "west.n1") for one in used]
    left = {hop.id & 7 for hop in failover.lost_cables(idle, health, {"west.n1": ISOLATED}).hops}
    assert left == {number for number, name in enumerate(("west.n1", "west.n2")) if health[name] is DOWN}


@pytest.mark.parametrize(("before", "mark"), list(permutations(Mark, 2)))
def test_marks_change_nothing_but_themselves(before: Mark, mark: Mark) -> None:
    other = NftSet("peers4", "ipv4_addr", (), frozenset({"192.0.2.1"}))
    table = NftTable("mcnet_gateway", (other, *soft_mark.sets(before)), ())
    state = KernelState(tables=frozenset({table}))
    assert failover.changes(state, Lost()) == failover.changes(state, Lost(mark=before)) == ()
    changes = failover.changes(state, Lost(mark=mark))
    assert changes == (Replace(table, replace(table, sets=(other, *soft_mark.sets(mark))), soft_mark.REASON),)
    assert failover.reason(changes) == soft_mark.REASON
    now = failover.after(state, changes)
    assert now.tables == {changes[0].item}
    assert failover.changes(now, Lost(mark=mark)) == ()


@pytest.mark.parametrize(
    ("health", "reached"),
    [
        ({}, set()),
        ({"west.n1": UP, "north.n1": UP}, {WEST, NORTH}),
        ({"west.n1": DOWN, "west.n2": UP, "north.n1": UP}, {WEST, NORTH}),
        ({"west.n1": DOWN, "west.n2": UNKNOWN, "north.n1": UP}, {NORTH}),
        ({"west.n1": HELD, "west.n2": DOWN, "north.n1": DOWN}, set()),
    ],
)
def test_what_is_still_reached(health: dict[str, Health], reached: set[str]) -> None:
    assert failover.reach(CABLES, health, {WEST, NORTH}) == reached
    assert failover.reach(CABLES, health, {NORTH}) == reached & {NORTH}


def test_a_cable_in_use_that_nobody_has_judged_yet_still_reaches() -> None:
    used = [replace(standing, active=True) for standing in CABLES]
    assert failover.reach(used, {"west.n1": DOWN}, {WEST, NORTH}) == {WEST, NORTH}


def test_what_a_nodes_gateways_have_lost() -> None:
    ends = overlay_ends([node(1), node(2), node(3)])
    clusters = (CLUSTER_WEST, CLUSTER_NORTH)
    views = (
        GatewayView("n2", 1, DOWN, None),
        GatewayView("n3", 2, UP, frozenset({NORTH})),
        GatewayView("gone", 3, DOWN, frozenset()),
    )
    found = failover.lost_gateways(views, ends, clusters)
    assert found.hops == {
        NextHop(nexthop_id(kind, 1), OVERLAY_DEVICE, ends["n2"].address(family), family)
        for family, kind in ((4, NextHopKind.OVERLAY_MEMBER4), (6, NextHopKind.OVERLAY_MEMBER6))
    }
    west = cable_number(WEST, 0)
    assert found.members == {
        (nexthop_id(NextHopKind.OVERLAY_GROUP4, west), nexthop_id(NextHopKind.OVERLAY_MEMBER4, 2)),
        (nexthop_id(NextHopKind.OVERLAY_GROUP6, west), nexthop_id(NextHopKind.OVERLAY_MEMBER6, 2)),
    }

"""What leaves the next-hop groups at once when a path is lost or marked, ahead of the round that looks at all.

A round reads the kernel and all objects, which takes its time on a large node; deleting a next hop takes one request,
and the kernel takes it out of all groups itself. Pure. It only takes away what the round will not want either, and
never a group's last member: without any, the kernel drops the group and its routes, which is for the round to decide.
Before a daemon's first round there is none to bring anything back: then what it found is what it returns to.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.kernel import Add, Change, KernelState, NextHop, NextHopGroup, NftTable, Remove, Replace
from mcnet.model.ownership import OVERLAY_DEVICE, nexthop_id
from mcnet.model.probe import Mark, PathHealth
from mcnet.plan import gateway, route_agent, soft_mark
from mcnet.plan.addresses import TunnelEnd, cable_number
from mcnet.plan.choice import GatewayView, Health
from mcnet.plan.damping import needed
from mcnet.plan.diff import diff
from mcnet.plan.gateway import Standing
from mcnet.plan.gateway_report import health_of

REASON = "its path was lost, or is better not used"
BACK = "of the paths found at the start, these are to be used"
GONE = (Health.DOWN, Health.HELD)


@dataclass(frozen=True, slots=True)
class Lost:
    """What carries nothing any more: next hops for whatever they are used, and (group, next hop) by their ids."""

    hops: frozenset[NextHop] = frozenset()
    members: frozenset[tuple[int, int]] = frozenset()
    mark: Mark | None = None
    """Of a gateway: which its answers are to bear (mcnet.plan.soft_mark); None leaves that as it is."""


def judged(paths: Mapping[str, PathHealth], alternatives: Iterable[Collection[str]]) -> dict[str, Health]:
    """What the planner makes of the probes: one that is held down counts as up where nothing better leads there.

    Each of `alternatives` are the keys of all paths to one place.
    """
    used = needed(paths, alternatives)
    return {key: Health.UP if key in used else health_of(path) for key, path in paths.items()}


def cable_alternatives(standings: Iterable[Standing]) -> list[list[str]]:
    """The probes of a gateway's cables, by cluster and family inside."""
    found: dict[tuple[ClusterId, int], list[str]] = {}
    for standing in standings:
        for family in standing.path.families:
            found.setdefault((standing.path.endpoint.cluster, family), []).append(standing.path.probe(family))
    return list(found.values())


def lost_cables(
    standings: Collection[Standing],
    health: Mapping[str, Health],
    marks: Mapping[str, Mark] | None = None,
    *,
    mark: Mark | None = None,
) -> Lost:
    """Of a gateway: the next hops of cables that are down, and of those whose answers bear a mark (`marks`, by what
    the probes are called) where one with a lesser mark or none is up and in use. `mark` is its own."""
    marks = marks or {}
    least = _least_marks(standings, health, marks)
    return Lost(
        mark=mark,
        hops=frozenset(
            NextHop(
                id=nexthop_id(
                    gateway.MEMBER[family],
                    cable_number(standing.path.endpoint.cluster, standing.path.endpoint.rail),
                ),
                device=standing.path.device,
                via=standing.path.via(family),
                family=family,
            )
            for standing in standings
            for family in standing.path.families
            if not standing.path.problem
            and (
                health.get(standing.path.probe(family)) in GONE
                or marks.get(standing.path.probe(family), Mark.NONE)
                > least.get((standing.path.endpoint.cluster, family), max(Mark))
            )
        ),
    )


def _least_marks(
    standings: Iterable[Standing], health: Mapping[str, Health], marks: Mapping[str, Mark]
) -> dict[tuple[ClusterId, int], Mark]:
    """By cluster and family inside, the least mark of the cables that are up and in use."""
    least: dict[tuple[ClusterId, int], Mark] = {}
    for standing in standings:
        for family in standing.path.families:
            probe, place = standing.path.probe(family), (standing.path.endpoint.cluster, family)
            if standing.active and not standing.path.problem and health.get(probe) is Health.UP:
                least[place] = min(marks.get(probe, Mark.NONE), least.get(place, max(Mark)))
    return least


def reach(
    standings: Iterable[Standing], health: Mapping[str, Health], before: Collection[ClusterId]
) -> frozenset[ClusterId]:
    """Of the clusters that a gateway reached `before`, those that it still reaches by a cable that it has."""
    here = {
        standing.path.endpoint.cluster
        for standing in standings
        for family in standing.path.families
        if not standing.path.problem
        and (
            health.get(standing.path.probe(family)) is Health.UP
            or (standing.active and health.get(standing.path.probe(family)) not in GONE)
        )
    }
    return frozenset(before) & here


def lost_gateways(views: Iterable[GatewayView], ends: Mapping[str, TunnelEnd], clusters: Iterable[Cluster]) -> Lost:
    """Of a node: the next hops to gateways that are down, and those to gateways that say they do not reach a cluster
    in that cluster's groups."""
    known = [view for view in views if view.node in ends]
    groups = {
        nexthop_id(route_agent.GROUP[family], cable_number(cluster.id, 0)): (cluster.id, family)
        for cluster in clusters
        for family in (4, 6)
    }
    return Lost(
        hops=frozenset(
            NextHop(
                id=nexthop_id(route_agent.MEMBER[family], view.rail),
                device=OVERLAY_DEVICE,
                via=ends[view.node].address(family),
                family=family,
            )
            for view in known
            for family in (4, 6)
            if view.health in GONE
        ),
        members=frozenset(
            (group, nexthop_id(route_agent.MEMBER[family], view.rail))
            for view in known
            for group, (cluster, family) in groups.items()
            if view.reach is not None and cluster not in view.reach
        ),
    )


def changes(state: KernelState, lost: Lost) -> tuple[Change, ...]:
    """What to take away now from what the kernel holds, and whether answers are marked; () if nothing can be."""
    gone = {hop.id for hop in state.nexthops & lost.hops}
    smaller = {group: _without(group, gone, lost.members) for group in state.groups}
    # Deleting these would empty a group, so where they can be spared they leave group by group.
    last = {member for group, left in smaller.items() if not left for member, _ in group.members}
    deleted = {hop.id: hop for hop in state.nexthops if hop.id in gone - last}
    used = {member for group in state.groups for member, _ in group.members}
    removals = [Remove(hop, REASON) for number, hop in sorted(deleted.items()) if number in used]
    shrunk = [
        Replace(group, replace(group, members=left), REASON)
        for group, left in sorted(smaller.items(), key=lambda item: item[0].id)
        if left and {member for member, _ in set(group.members) - set(left)} - set(deleted)
    ]
    return (*removals, *shrunk, *_remarked(state, lost.mark))


def resumed(found: KernelState, state: KernelState, lost: Lost) -> tuple[Change, ...]:
    """The same before the first round of a daemon that `found` this, while the kernel holds `state`: what is not lost
    any more comes back as it was found. If one of them is refused, those that remove had better not be made."""
    usable = _usable(found, state)
    taken, wanted = changes(state, lost), after(usable, changes(usable, lost))
    if _paths(after(state, taken)) == _paths(wanted):
        return taken
    return tuple(
        replace(change, reason=BACK)
        for change in diff(_paths(wanted), _paths(state))
        if not isinstance(change, Remove) or _spared(change.item, wanted, state)
    )


def _usable(found: KernelState, state: KernelState) -> KernelState:
    """What there is of `found` while devices are as in `state`: a next hop needs one that is up."""
    up = {link.name for link in state.links if link.up}
    gone = {hop.id for hop in found.nexthops if hop.device not in up}
    smaller = (replace(group, members=_without(group, gone, ())) for group in found.groups)
    return replace(
        found,
        nexthops=frozenset(hop for hop in found.nexthops if hop.id not in gone),
        groups=frozenset(group for group in smaller if group.members),
    )


def _spared(item: object, wanted: KernelState, state: KernelState) -> bool:
    """Whether it may go: a next hop of no group that is left as it is."""
    kept = {group.id for group in wanted.groups}
    others = {member for group in state.groups if group.id not in kept for member, _ in group.members}
    return isinstance(item, NextHop) and item.id not in others


def _paths(state: KernelState) -> KernelState:
    return KernelState(nexthops=state.nexthops, groups=state.groups)


def after(state: KernelState, done: Iterable[Change]) -> KernelState:
    """`state` after the `changes` have been made."""
    removed = {change.item.id for change in done if isinstance(change, Remove) and isinstance(change.item, NextHop)}
    added = {change.item for change in done if isinstance(change, Add) and isinstance(change.item, NextHop)}
    groups = {group.id: group for group in state.groups}
    tables = {table.name: table for table in state.tables}
    for change in done:
        if isinstance(change, Replace) and isinstance(change.item, NextHopGroup):
            groups[change.item.id] = change.item
        if isinstance(change, Replace) and isinstance(change.item, NftTable):
            tables[change.item.name] = change.item
    return replace(
        state,
        nexthops=frozenset(hop for hop in state.nexthops if hop.id not in removed) | added,
        groups=frozenset(replace(group, members=_without(group, removed, ())) for group in groups.values()),
        tables=frozenset(tables.values()),
    )


def reason(changes: Iterable[Change]) -> str:
    """Why all of them are made, for the log."""
    return ", ".join(sorted({change.reason for change in changes}))


def _remarked(state: KernelState, mark: Mark | None) -> tuple[Change, ...]:
    """The gateway's table with another mark and nothing else: elements of sets, which is quickly done."""
    if mark is None:
        return ()
    wanted = {one.name: one for one in soft_mark.sets(mark)}
    found = [
        (table, replace(table, sets=tuple(wanted.get(one.name, one) for one in table.sets)))
        for table in state.tables
        if isinstance(table, NftTable)
    ]
    return tuple(Replace(old, new, soft_mark.REASON) for old, new in found if new != old)


def _without(
    group: NextHopGroup, gone: Collection[int], members: Collection[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    return tuple(
        (member, weight)
        for member, weight in group.members
        if member not in gone and (group.id, member) not in members
    )

"""What a gateway wants in its kernel: cable devices, next-hop groups, routes to remote clusters, its nft table.

Pure: a `World` in, the wanted `KernelState` and every cable's standing out. Routes are present only while a
cable of their cluster is alive; a miss falls through to the route agent's tables (other gateways, else reject).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mcnet.codec.identity import PrivateIdentity
from mcnet.model import ownership
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address, HostFacts, KernelState, NextHop, NextHopGroup, Route
from mcnet.model.member import Member
from mcnet.model.node import Node
from mcnet.model.ownership import NextHopKind, nexthop_id
from mcnet.plan import cable, gateway_firewall, transition, vxlan_cable, wireguard_cable, withdrawn
from mcnet.plan.addresses import cable_number
from mcnet.plan.cable import CablePath
from mcnet.plan.choice import Health, choose_cables
from mcnet.plan.driver import VXLAN
from mcnet.plan.remote import Remote, Remotes, accept, families
from mcnet.plan.routable import routable_addresses
from mcnet.plan.throw import exceptions, throw_routes
from mcnet.plan.transition import Clock

GROUP = {4: NextHopKind.CABLE_GROUP4, 6: NextHopKind.CABLE_GROUP6}
MEMBER = {4: NextHopKind.CABLE_MEMBER4, 6: NextHopKind.CABLE_MEMBER6}


@dataclass(frozen=True, slots=True)
class World:
    """Everything a round looks at. `own` is this gateway's Endpoint as it should be published; `health` is by
    what the probes are called (`CablePath.probe`); `actual` the gateway's partition of the kernel. `options` is None
    until they have come from the broker: then all stays as it is. `identity` is None where the cluster's keys can't
    be read."""

    member: Member
    own: Endpoint
    nodes: tuple[Node, ...]
    clusters: tuple[Cluster, ...]
    endpoints: tuple[Endpoint, ...]
    health: Mapping[str, Health]
    host: HostFacts
    actual: KernelState
    options: ClusterSet | None = None
    identity: PrivateIdentity | None = field(default=None, repr=False)
    clock: Clock = field(default_factory=dict)
    """As the last round's Decision had it."""
    seen: withdrawn.Memory = field(default_factory=dict)
    """Endpoints that are or were there a moment ago."""
    ways: cable.Ways = field(default_factory=dict)
    """What NAT discovery has found."""
    now: float = 0.0
    """Seconds, by a clock that never goes back."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One cable after the decision: its path, whether routes use it now, and whether a process carries it."""

    path: CablePath
    active: bool
    userspace: bool = False
    seen_at: tuple[Address, int] | None = None
    """Where the other gateway's packets come from, if not from where it says: something between translates."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`reach`: the clusters that this gateway carries traffic to now, which it tells its nodes."""

    state: KernelState
    cables: tuple[Standing, ...] = ()
    probed: tuple[CablePath, ...] = ()
    """The cables to probe: those that are wanted, and those that are kept until these are up."""
    clock: tuple[tuple[str, float], ...] = ()
    """Of cables that are about to go, for the next round."""
    reach: frozenset[ClusterId] = frozenset()
    problems: tuple[str, ...] = ()


def decide(world: World) -> Decision:
    """The wanted state of this gateway."""
    used = tuple(family for family in families(world.member) if family == 4 or world.host.ipv6)
    remotes = accept(world.member, world.clusters, world.endpoints)
    if world.options is None:
        return Decision(world.actual, problems=(*remotes.problems, cable.NO_OPTIONS))
    keys = _keys(world)
    wanted = wireguard_cable.with_keys(
        world.own, cable.paths(world.options, world.own, remotes.endpoints, world.ways), keys
    )
    former = transition.former(
        wanted,
        cable.alternatives(world.own, wanted),
        health=world.health,
        actual=world.actual,
        clock=world.clock,
        now=world.now,
    )
    cables = transition.in_use(wanted, former.paths, health=world.health, hops=_hops(world, wanted))
    leaving = _leaving(world, remotes, keys)
    every = (*wanted, *former.paths, *leaving)
    if not world.own.private_addresses:
        standings = tuple(Standing(path, False) for path in cables)
        return Decision(KernelState(), standings, problems=(*remotes.problems, cable.no_outer_address(world.own)))
    throws = exceptions(remotes, (world.own, *_own_endpoints(world)), world.nodes)
    default = world.options.default_driver == VXLAN
    neighbours, fdb = vxlan_cable.peers(every)
    source = routable_addresses(world.host.links, world.member.pod_prefixes, used)
    nexthops: set[NextHop] = set()
    groups: set[NextHopGroup] = set()
    routes: set[Route] = set()
    active: set[str] = set()
    reach: set[ClusterId] = set()
    for remote in remotes.clusters:
        for family in used:
            prefixes = remote.prefixes_of(family)
            chosen = _chosen(world, remote, cables, family)
            if not chosen:
                continue
            reach.add(remote.cluster)
            active |= {path.endpoint.name for path in chosen}
            if not prefixes:
                continue
            members = {_member(path, family) for path in chosen}
            group = NextHopGroup(
                id=nexthop_id(GROUP[family], cable_number(remote.cluster, 0)),
                family=family,
                members=tuple(sorted((member.id, 1) for member in members)),
                resilient=ownership.RESILIENT_BUCKETS if world.host.resilient else 0,
            )
            nexthops |= members
            groups.add(group)
            routes |= {
                Route(ownership.CABLES_TABLE, prefix, nexthop=group.id, source=source.get(family))
                for prefix in prefixes
            }
    state = KernelState(
        links=vxlan_cable.links(world.own, every, used, default=default)
        | wireguard_cable.links(world.own, every, used),
        wireguard=wireguard_cable.settings(
            world.own,
            (*wanted, *leaving),
            former.paths,
            keys=keys,
            remotes=remotes,
            throws=throws,
            health=world.health,
            actual=world.actual,
        ),
        neighbours=neighbours,
        fdb=fdb,
        nexthops=frozenset(nexthops),
        groups=frozenset(groups),
        routes=frozenset(routes) | wireguard_cable.routes(every) | throw_routes(ownership.CABLES_TABLE, throws),
        tables=frozenset(
            {gateway_firewall.table(own=world.own, member=world.member, remotes=remotes, cables=every, throws=throws)}
        ),
    )
    return Decision(
        state=state,
        cables=_standings(cables, active, world.actual),
        probed=tuple(path for path in (*wanted, *former.paths) if not path.problem),
        clock=former.clock,
        reach=frozenset(reach),
        problems=remotes.problems,
    )


def _leaving(world: World, remotes: Remotes, keys: wireguard_cable.Keys | None) -> tuple[CablePath, ...]:
    """Cables of gateways that have gone a moment ago: taken in, not sent to."""
    gone = withdrawn.lingering(world.seen, world.endpoints, remotes)
    paths = wireguard_cable.with_keys(world.own, cable.paths(world.options, world.own, gone, world.ways), keys)
    return tuple(path for path in paths if not path.problem)


def _hops(world: World, cables: tuple[CablePath, ...]) -> dict[str, str]:
    """The device that traffic to each gateway takes now."""
    there = {hop.id: hop.device for hop in world.actual.nexthops}
    ids = {
        path.endpoint.name: nexthop_id(MEMBER[family], cable_number(path.endpoint.cluster, path.endpoint.rail))
        for path in cables
        for family in (6, 4)
        if family in path.families
    }
    return {name: there[one] for name, one in ids.items() if one in there}


def _standings(cables: tuple[CablePath, ...], active: set[str], actual: KernelState) -> tuple[Standing, ...]:
    held = {link.name for link in actual.links if link.userspace}
    moved = wireguard_cable.moved(cables, actual.wireguard)
    return tuple(
        Standing(path, path.endpoint.name in active, path.device in held, moved.get(path.endpoint.name))
        for path in cables
    )


def _keys(world: World) -> wireguard_cable.Keys | None:
    if world.identity is None:
        return None
    others = {one.id: one.identity for one in world.clusters if one.identity is not None}
    return wireguard_cable.Keys(world.identity, others)


def _own_endpoints(world: World) -> tuple[Endpoint, ...]:
    return tuple(endpoint for endpoint in world.endpoints if endpoint.cluster == world.member.cluster)


def _chosen(world: World, remote: Remote, cables: tuple[CablePath, ...], family: int) -> tuple[CablePath, ...]:
    """The cables that carry `family` to a cluster: each family inside is probed and chosen by itself."""
    mine = {
        path.endpoint.rail: path
        for path in cables
        if path.endpoint.cluster == remote.cluster and family in path.families and not path.problem
    }
    group_id = nexthop_id(GROUP[family], cable_number(remote.cluster, 0))
    in_use = {
        member & (ownership.MAX_RAILS - 1)
        for group in world.actual.groups
        if group.id == group_id
        for member, _ in group.members
    }
    rails = [(rail, world.health.get(path.probe(family), Health.UNKNOWN)) for rail, path in mine.items()]
    return tuple(mine[rail] for rail in choose_cables(rails, in_use))


def _member(path: CablePath, family: int) -> NextHop:
    return NextHop(
        id=nexthop_id(MEMBER[family], cable_number(path.endpoint.cluster, path.endpoint.rail)),
        device=path.device,
        via=path.via(family),
        family=family,
    )

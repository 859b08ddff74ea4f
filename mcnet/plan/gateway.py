"""What a gateway wants in its kernel: cable devices, next-hop groups, routes to remote clusters, its nft table.

Pure: a `World` in, the wanted `KernelState` and every cable's standing out. Routes are present only while a
cable of their cluster is alive; a miss falls through to the route agent's tables (other gateways, else reject).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mcnet.codec.identity import PrivateIdentity
from mcnet.model import ownership
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address, HostFacts, KernelState, NextHop, NextHopGroup, Route
from mcnet.model.libreswan import IkeConnection
from mcnet.model.member import Member
from mcnet.model.node import Node
from mcnet.model.ownership import NextHopKind, nexthop_id
from mcnet.model.probe import Mark
from mcnet.plan import (
    cable,
    gateway_firewall,
    libreswan_cable,
    soft_mark,
    transition,
    vxlan_cable,
    wireguard_cable,
    withdrawn,
)
from mcnet.plan.addresses import cable_number
from mcnet.plan.cable import CablePath
from mcnet.plan.choice import Health, Rail, choose_cables
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
    carried: Mapping[str, int] = field(default_factory=dict)
    """Bytes that pass inside, by what the probes are called, of cables whose way carries less than they promise."""
    ways: cable.Ways = field(default_factory=dict)
    """What NAT discovery has found."""
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """The marks of answers, by what the probes are called (mcnet.plan.soft_mark)."""
    mark: Mark | None = None
    """Which this gateway's own answers are to bear; None: as they do."""
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
    carries: int = 0
    """Bytes that pass inside, where that is less than the device takes; 0: all that it does."""
    share: float = 0.0
    """Of the flows to its cluster, by weight; 0 to 1."""
    mark: Mark = Mark.NONE
    """Of its answers, the highest of its families."""


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
    narrow: Mapping[ClusterId, int] = field(default_factory=dict)
    """Bytes that pass to those of them to which less passes than the cables' devices promise."""
    problems: tuple[str, ...] = ()
    ike: frozenset[IkeConnection] = frozenset()
    """What pluto is to have."""
    former: tuple[CablePath, ...] = ()
    """Cables that are kept although others are wanted: what pluto has of them stays."""
    mark: Mark = Mark.NONE
    """Of this gateway's own answers."""


def decide(world: World) -> Decision:
    """The wanted state of this gateway."""
    used = tuple(family for family in families(world.member) if family == 4 or world.host.ipv6)
    remotes = accept(world.member, world.clusters, world.endpoints)
    if world.options is None:
        return Decision(world.actual, problems=(*remotes.problems, cable.NO_OPTIONS))
    keys = _keys(world)
    secrets = libreswan_cable.Secrets(keys.identity, keys.others) if keys is not None else None
    wanted = cable.paths(world.options, world.own, remotes.endpoints, world.ways)
    wanted = wireguard_cable.with_keys(world.own, wanted, keys)
    wanted = libreswan_cable.with_secrets(world.own, wanted, secrets)
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
    mark = _mark(world)
    default = world.options.default_driver == VXLAN
    neighbours, fdb = vxlan_cable.peers(every)
    source = routable_addresses(world.host.links, world.member.pod_prefixes, used)
    nexthops: set[NextHop] = set()
    groups: set[NextHopGroup] = set()
    routes: set[Route] = set()
    loads = _Loads()
    reach: set[ClusterId] = set()
    narrow: dict[ClusterId, int] = {}
    for remote in remotes.clusters:
        for family in used:
            prefixes = remote.prefixes_of(family)
            chosen = _chosen(world, remote, cables, family)
            if not chosen:
                continue
            reach.add(remote.cluster)
            loads.add(remote.cluster, chosen)
            if not prefixes:
                continue
            members = {_member(path, family): weight for path, weight in chosen}
            narrowest = _narrowest(world, [path.probe(family) for path, _ in chosen])
            if narrowest:
                narrow[remote.cluster] = min(narrowest, narrow.get(remote.cluster, narrowest))
            group = NextHopGroup(
                id=nexthop_id(GROUP[family], cable_number(remote.cluster, 0)),
                family=family,
                members=tuple(sorted((member.id, weight) for member, weight in members.items())),
                resilient=ownership.RESILIENT_BUCKETS if world.host.resilient else 0,
            )
            nexthops |= members.keys()
            groups.add(group)
            routes |= {
                Route(ownership.CABLES_TABLE, prefix, nexthop=group.id, source=source.get(family), mtu=narrowest)
                for prefix in prefixes
            }
    state = KernelState(
        links=vxlan_cable.links(world.own, every, used, default=default)
        | wireguard_cable.links(world.own, every, used)
        | libreswan_cable.links(world.own, every, used),
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
        routes=frozenset(routes)
        | wireguard_cable.routes(every)
        | libreswan_cable.routes(every)
        | throw_routes(ownership.CABLES_TABLE, throws),
        tables=frozenset(
            {
                gateway_firewall.table(
                    own=world.own, member=world.member, remotes=remotes, cables=every, throws=throws, mark=mark
                )
            }
        ),
    )
    return Decision(
        state=state,
        cables=_standings(cables, loads.shares(), world),
        probed=tuple(path for path in (*wanted, *former.paths) if not path.problem),
        clock=former.clock,
        reach=frozenset(reach),
        narrow=narrow,
        problems=remotes.problems,
        ike=libreswan_cable.connections(world.own, wanted, secrets) if secrets is not None else frozenset(),
        former=former.paths,
        mark=mark,
    )


def _mark(world: World) -> Mark:
    """A cluster's only node has nobody to reach."""
    if world.mark is None and len(world.nodes) > 1:
        return soft_mark.present(world.actual)
    return world.mark or Mark.NONE


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


class _Loads:
    """Which cables carry what, by the weights of all families' groups."""

    def __init__(self) -> None:
        self._groups: dict[ClusterId, list[dict[str, float]]] = {}

    def add(self, cluster: ClusterId, chosen: Iterable[tuple[CablePath, int]]) -> None:
        """One family's cables to a cluster."""
        weights = {path.endpoint.name: weight for path, weight in chosen}
        total = sum(weights.values())
        self._groups.setdefault(cluster, []).append({name: weight / total for name, weight in weights.items()})

    def shares(self) -> dict[str, float]:
        """By Endpoint, of cables in use: the mean over the families that its cluster is reached by."""
        found: dict[str, float] = {}
        for groups in self._groups.values():
            for group in groups:
                for name, share in group.items():
                    found[name] = found.get(name, 0.0) + share / len(groups)
        return found


def _standings(cables: tuple[CablePath, ...], shares: Mapping[str, float], world: World) -> tuple[Standing, ...]:
    held = {link.name for link in world.actual.links if link.userspace}
    moved = wireguard_cable.moved(cables, world.actual.wireguard)
    return tuple(
        Standing(
            path,
            path.endpoint.name in shares,
            path.device in held,
            moved.get(path.endpoint.name),
            _narrowest(world, [path.probe(family) for family in path.families]),
            shares.get(path.endpoint.name, 0.0),
            max((world.marks.get(path.probe(family), Mark.NONE) for family in path.families), default=Mark.NONE),
        )
        for path in cables
    )


def _narrowest(world: World, probes: Iterable[str]) -> int:
    """The least that paths carry, by what their probes are called; 0 where each carries all."""
    return min((world.carried[name] for name in probes if name in world.carried), default=0)


def _keys(world: World) -> wireguard_cable.Keys | None:
    if world.identity is None:
        return None
    others = {one.id: one.identity for one in world.clusters if one.identity is not None}
    return wireguard_cable.Keys(world.identity, others)


def _own_endpoints(world: World) -> tuple[Endpoint, ...]:
    return tuple(endpoint for endpoint in world.endpoints if endpoint.cluster == world.member.cluster)


def _chosen(
    world: World, remote: Remote, cables: tuple[CablePath, ...], family: int
) -> tuple[tuple[CablePath, int], ...]:
    """The cables that carry `family` to a cluster, with their weights: each family inside is probed and chosen by
    itself."""
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
    rails = [
        Rail(rail, world.health.get(probe, Health.UNKNOWN), path.endpoint.weight, world.marks.get(probe, Mark.NONE))
        for rail, path in mine.items()
        for probe in [path.probe(family)]
    ]
    return tuple((mine[rail], weight) for rail, weight in choose_cables(rails, in_use))


def _member(path: CablePath, family: int) -> NextHop:
    return NextHop(
        id=nexthop_id(MEMBER[family], cable_number(path.endpoint.cluster, path.endpoint.rail)),
        device=path.device,
        via=path.via(family),
        family=family,
    )

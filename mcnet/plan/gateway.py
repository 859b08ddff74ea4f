"""What a gateway wants in its kernel: cable devices, next-hop groups, routes to remote clusters, its nft table.

Pure: a `World` in, the wanted `KernelState` and every cable's standing out. Routes are present only while a
cable of their cluster is alive; a miss falls through to the route agent's tables (other gateways, else reject).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mcnet.model import ownership
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address, HostFacts, KernelState, NextHop, NextHopGroup, Route
from mcnet.model.member import Member
from mcnet.model.node import Node
from mcnet.model.ownership import NextHopKind, nexthop_id
from mcnet.plan import gateway_firewall, vxlan_cable
from mcnet.plan.addresses import cable_end, cable_number
from mcnet.plan.choice import Health, choose_cables
from mcnet.plan.remote import Remote, accept, families
from mcnet.plan.routable import routable_addresses
from mcnet.plan.throw import exceptions, throw_routes
from mcnet.plan.vxlan_cable import CablePath

GROUP = {4: NextHopKind.CABLE_GROUP4, 6: NextHopKind.CABLE_GROUP6}
MEMBER = {4: NextHopKind.CABLE_MEMBER4, 6: NextHopKind.CABLE_MEMBER6}


@dataclass(frozen=True, slots=True)
class World:
    """Everything a round looks at. `own` is this gateway's Endpoint as it should be published; `health` is by
    what the probes are called (`CablePath.probe`); `actual` the gateway's partition of the kernel."""

    member: Member
    own: Endpoint
    nodes: tuple[Node, ...]
    clusters: tuple[Cluster, ...]
    endpoints: tuple[Endpoint, ...]
    health: Mapping[str, Health]
    host: HostFacts
    actual: KernelState


@dataclass(frozen=True, slots=True)
class Standing:
    """One cable after the decision: its path, whether routes use it now."""

    path: CablePath
    active: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """`reach`: the clusters that this gateway carries traffic to now, which it tells its nodes."""

    state: KernelState
    cables: tuple[Standing, ...] = ()
    reach: frozenset[ClusterId] = frozenset()
    problems: tuple[str, ...] = ()


def decide(world: World) -> Decision:
    """The wanted state of this gateway."""
    used = tuple(family for family in families(world.member) if family == 4 or world.host.ipv6)
    remotes = accept(world.member, world.clusters, world.endpoints)
    cables = vxlan_cable.paths(world.own, remotes.endpoints)
    devices = vxlan_cable.devices(world.own, cables, used)
    if not devices:
        problem = f"gateway {world.own.gateway} has no outer address: it has no default route"
        return Decision(
            KernelState(), tuple(Standing(path, False) for path in cables), problems=(*remotes.problems, problem)
        )
    neighbours, fdb = vxlan_cable.peers(cables)
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
    throws = exceptions(remotes, (world.own, *_own_endpoints(world)), world.nodes)
    state = KernelState(
        links=devices,
        neighbours=neighbours,
        fdb=fdb,
        nexthops=frozenset(nexthops),
        groups=frozenset(groups),
        routes=frozenset(routes) | throw_routes(ownership.CABLES_TABLE, throws),
        tables=frozenset(
            {
                gateway_firewall.table(
                    own=world.own, member=world.member, remotes=remotes, cables=cables, throws=throws
                )
            }
        ),
    )
    return Decision(
        state=state,
        cables=tuple(Standing(path, path.endpoint.name in active) for path in cables),
        reach=frozenset(reach),
        problems=remotes.problems,
    )


def _own_endpoints(world: World) -> tuple[Endpoint, ...]:
    return tuple(endpoint for endpoint in world.endpoints if endpoint.cluster == world.member.cluster)


def _chosen(world: World, remote: Remote, cables: tuple[CablePath, ...], family: int) -> tuple[CablePath, ...]:
    """The cables that carry `family` to a cluster: each family inside is probed and chosen by itself."""
    mine = {
        cable.endpoint.rail: cable
        for cable in cables
        if cable.endpoint.cluster == remote.cluster and family in cable.families
    }
    group_id = nexthop_id(GROUP[family], cable_number(remote.cluster, 0))
    in_use = {
        member & (ownership.MAX_RAILS - 1)
        for group in world.actual.groups
        if group.id == group_id
        for member, _ in group.members
    }
    rails = [(rail, world.health.get(cable.probe(family), Health.UNKNOWN)) for rail, cable in mine.items()]
    return tuple(mine[rail] for rail in choose_cables(rails, in_use))


def _member(path: CablePath, family: int) -> NextHop:
    return NextHop(
        id=nexthop_id(MEMBER[family], cable_number(path.endpoint.cluster, path.endpoint.rail)),
        device=path.device,
        via=path.via(family),
        family=family,
    )


def cable_address(own: Endpoint, path: CablePath, family: int) -> Address:
    """This gateway's own address inside a cable: what its probes are sent from."""
    return cable_end(own.cluster, own.rail, path.outer).address(family)

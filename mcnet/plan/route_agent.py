"""What the route agent wants in the kernel of its node: overlay, routes, rules, sysctls and the table `inet mcnet`.

Pure: a `World` in, the wanted `KernelState` and the problems out. The difference to what is there is
mcnet.plan.diff's; the gateway's own part (cables) is mcnet.plan.gateway's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mcnet.model import ownership
from mcnet.model.cluster import Cluster, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.foreign import ForeignChain
from mcnet.model.kernel import (
    Address,
    FdbEntry,
    HostFacts,
    HostLink,
    KernelState,
    Link,
    Neighbour,
    Network,
    NextHop,
    NextHopGroup,
    NftFingerprint,
    NftTable,
    Route,
    RouteType,
    Rule,
    Sysctl,
    Vxlan,
)
from mcnet.model.member import Member
from mcnet.model.node import Node
from mcnet.model.ownership import NextHopKind, nexthop_id
from mcnet.plan import cable, delivery, driver, host_firewall, mtu, node_firewall, sysctls
from mcnet.plan.addresses import TunnelEnd, cable_number, overlay_ends, overlay_interfaces
from mcnet.plan.choice import GatewayView, choose_gateways
from mcnet.plan.remote import Remote, Remotes, accept, families
from mcnet.plan.routable import routable_addresses
from mcnet.plan.throw import exceptions, subtract, throw_routes
from mcnet.plan.underlay import outer_address, overlay_family

MOST_OWN_PREFIXES = 8
"""Own pod prefixes for which a node has a rule each."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything a round looks at. `endpoints` are all of the clusterset, own ones included; `actual` is the
    route agent's partition of the kernel; `reported_sysctls` the originals that NodeState holds. `foreign` are other
    programs' chains; `settled`: the way of delivery has been the same for a while, so that all nodes know it."""

    node: str
    member: Member
    nodes: tuple[Node, ...]
    clusters: tuple[Cluster, ...]
    endpoints: tuple[Endpoint, ...]
    gateways: tuple[GatewayView, ...]
    host: HostFacts
    actual: KernelState
    reported_sysctls: Mapping[str, str] = field(default_factory=dict)
    foreign: tuple[ForeignChain, ...] = ()
    settled: bool = True
    options: ClusterSet | None = None
    """None until the clusterset's options have come from the broker."""
    retiring: bool = False
    """The node was a gateway until a moment ago: what others still send by it is carried on."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to hold, and what the node reports: addresses by which it is known, originals, problems as sentences."""

    state: KernelState
    overlay: tuple[Address, ...] = ()
    routable: tuple[Address, ...] = ()
    originals: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()


ACCEPTING_NOTE = "delivery"
"""Note in our table: this node takes remote packets from the CNI's devices."""
GROUP = {4: NextHopKind.OVERLAY_GROUP4, 6: NextHopKind.OVERLAY_GROUP6}
MEMBER = {4: NextHopKind.OVERLAY_MEMBER4, 6: NextHopKind.OVERLAY_MEMBER6}


def decide(world: World) -> Decision:
    """The wanted state of this node. One that the API server does not know (yet, or for a moment: a Node deleted
    and registered anew) keeps what it has: only leaving removes, and the notes in the firewall must not get lost."""
    me = next((node for node in world.nodes if node.name == world.node), None)
    if me is None or not me.addresses:
        return Decision(
            world.actual,
            originals=tuple(sorted(_remembered(world).items())),
            problems=(f"node {world.node} has no InternalIP at the API server yet",),
        )
    me = replace(me, gateway=me.gateway or world.retiring)
    used = tuple(family for family in families(world.member) if family == 4 or world.host.ipv6)
    ends = overlay_ends(world.nodes)
    remotes = accept(world.member, world.clusters, world.endpoints)
    own = tuple(endpoint for endpoint in world.endpoints if endpoint.cluster == world.member.cluster)
    throws = exceptions(remotes, own, world.nodes)
    routable = routable_addresses(world.host.links, world.member.pod_prefixes, used)
    underlay = overlay_family(world.nodes)
    local = outer_address(me, underlay)
    link = _overlay_link(world, local or me.addresses[0], ends[me.name], used, _cable_mtus(world, own, remotes))
    neighbours, fdb = _peers(me, world.nodes, ends, used, underlay)
    paths = _Paths(node=me.name, gateways=world.gateways, ends=ends, actual=world.actual, host=world.host)
    nexthops, groups, overlay_routes = paths.to(remotes, used, routable)
    live = sysctls.settled(world.host.sysctls, routable)
    handover = _Handover.of(world, me)
    originals = tuple(
        sorted((*sysctls.originals(notes(world.actual), world.reported_sysctls, live), *handover.originals.items()))
    )
    foreign = _host_firewall(world, me, remotes, used, handover)
    firewall = node_firewall.table(
        _firewall(
            world=world,
            me=me,
            end=ends[me.name],
            remotes=remotes,
            throws=throws,
            used=used,
            routable=routable,
            originals=originals,
            accepting=handover.accepting,
        )
    )
    state = KernelState(
        links=frozenset({link}),
        neighbours=neighbours,
        fdb=fdb,
        nexthops=nexthops,
        groups=groups,
        routes=frozenset(
            {
                *overlay_routes,
                *throw_routes(ownership.OVERLAY_TABLE, throws),
                *throw_routes(ownership.REJECT_TABLE, throws),
                *_reject(remotes),
                *(_delivery(me, world.nodes, ends, used) if me.gateway and handover.by_overlay else ()),
            }
        ),
        rules=frozenset(_rules(me, used, _cable_devices(world, me, remotes))),
        tables=frozenset({firewall}),
        sysctls=sysctls.wanted(
            node_uid=me.uid,
            families=used,
            devices={link.name for link in world.host.links},
            originals=dict(originals),
            everywhere=world.host.sysctls.get(delivery.ALL, ""),
        )
        | handover.sysctls,
        host_rules=foreign.rules,
    )
    missing = tuple(
        f"the node has no IPv{family} address inside the cluster's pod prefixes: what starts on the node itself "
        "(host-network pods too) can't reach other clusters by it"
        for family in used
        if family not in routable
    )
    alone = (
        f"the node has no IPv{underlay} InternalIP, which the cluster's other nodes have: there is no overlay to "
        "them, so its pods reach no other cluster; give it one (kubelet --node-ip)"
    )
    return Decision(
        state=state,
        overlay=tuple(ends[me.name].address(family) for family in used),
        routable=tuple(routable.values()),
        originals=originals,
        problems=(*remotes.problems, *([alone] if local is None else []), *missing, *foreign.problems),
    )


def _overlay_link(world: World, local: Address, end: TunnelEnd, used: Iterable[int], cables: Iterable[int]) -> Link:
    links: Iterable[HostLink] = world.host.links
    device = next((link.mtu for link in links if any(interface.ip == local for interface in link.addresses)), 1500)
    underlay = mtu.underlay_mtu(device, world.member.underlay_mtu)
    return Link(
        name=ownership.OVERLAY_DEVICE,
        mtu=mtu.overlay_mtu(underlay, local.version, cables),
        mac=end.mac,
        vxlan=Vxlan(vni=ownership.OVERLAY_VNI, port=ownership.OVERLAY_PORT, local=local),
        addresses=overlay_interfaces(end, used),
    )


def _cable_mtus(world: World, own: Iterable[Endpoint], remotes: Remotes) -> list[int]:
    """What each cable of the cluster's gateways carries."""
    # While it is not known which driver there is, the packets must fit into any.
    known = [world.options] if world.options else [ClusterSet(default_driver=name) for name in driver.DRIVERS]
    return [
        mtu.cable_mtu(path.driver, min(mine.mtu, path.endpoint.mtu), path.outer)
        for options in known
        for mine in own
        for path in cable.paths(options, mine, remotes.endpoints)
        if not path.problem
    ]


def _cable_devices(world: World, me: Node, remotes: Remotes) -> tuple[str, ...]:
    """The cable devices that the node has, and on a gateway all that its daemon may make for the gateways that there
    are: their rules have to be there before the first packet comes by one."""
    found = {link.name for link in world.host.links if ownership.owns_link(ownership.GATEWAY, link.name)}
    used = driver.in_use(world.options, world.member.cluster) if me.gateway else ()
    if driver.VXLAN in used:
        found |= set(ownership.VXLAN_CABLE_DEVICES.values())
    if driver.WIREGUARD in used:
        rails = {endpoint.rail for endpoint in remotes.endpoints}
        found |= {ownership.wireguard_device(rail, slot) for rail in rails for slot in (0, 1)}
    if driver.LIBRESWAN in used:
        numbers = {cable_number(endpoint.cluster, endpoint.rail) for endpoint in remotes.endpoints}
        ids = {ownership.libreswan_if_id(number, slot) for number in numbers for slot in (0, 1)}
        found |= {ownership.libreswan_device(one) for one in ids}
    return tuple(sorted(found))


def _peers(
    me: Node, nodes: Iterable[Node], ends: Mapping[str, TunnelEnd], used: Iterable[int], underlay: int
) -> tuple[frozenset[Neighbour], frozenset[FdbEntry]]:
    neighbours: set[Neighbour] = set()
    fdb: set[FdbEntry] = set()
    for node in nodes:
        outer = outer_address(node, underlay)
        if node.name == me.name or outer is None or outer_address(me, underlay) is None:
            continue
        # The node's own address under another name: the Node that it was before it was renamed.
        if outer in me.addresses:
            continue
        end = ends[node.name]
        fdb.add(FdbEntry(ownership.OVERLAY_DEVICE, end.mac, outer))
        neighbours |= {Neighbour(ownership.OVERLAY_DEVICE, end.address(family), end.mac) for family in used}
    return frozenset(neighbours), frozenset(fdb)


@dataclass(frozen=True, slots=True)
class _Paths:
    """From this node to remote clusters over other gateways."""

    node: str
    gateways: tuple[GatewayView, ...]
    ends: Mapping[str, TunnelEnd]
    actual: KernelState
    host: HostFacts

    def to(
        self, remotes: Remotes, used: Iterable[int], routable: Mapping[int, Address]
    ) -> tuple[frozenset[NextHop], frozenset[NextHopGroup], set[Route]]:
        others = [view for view in self.gateways if view.node != self.node and view.node in self.ends]
        nexthops: set[NextHop] = set()
        groups: set[NextHopGroup] = set()
        routes: set[Route] = set()
        for family in used:
            for remote in remotes.clusters:
                prefixes = remote.prefixes_of(family)
                if not prefixes:
                    continue
                group_id = nexthop_id(GROUP[family], cable_number(remote.cluster, 0))
                # Without any Endpoint nobody can carry it, whatever the adverts of a moment ago said.
                chosen = remote.endpoints and choose_gateways(others, remote.cluster, self._in_use(group_id))
                if not chosen:
                    routes |= {Route(ownership.OVERLAY_TABLE, prefix, RouteType.UNREACHABLE) for prefix in prefixes}
                    continue
                members = {self._member(view, family): weight for view, weight in chosen}
                nexthops |= members.keys()
                groups.add(
                    NextHopGroup(
                        id=group_id,
                        family=family,
                        members=tuple(sorted((member.id, weight) for member, weight in members.items())),
                        resilient=ownership.RESILIENT_BUCKETS if self.host.resilient else 0,
                    )
                )
                # Here too: a node that puts a pod's fragments together splits anew what is large by its own route.
                sizes = [view.narrow[remote.cluster] for view, _ in chosen if remote.cluster in view.narrow]
                routes |= {
                    Route(
                        ownership.OVERLAY_TABLE,
                        prefix,
                        nexthop=group_id,
                        source=routable.get(family),
                        mtu=min(sizes, default=0),
                    )
                    for prefix in prefixes
                }
        return frozenset(nexthops), frozenset(groups), routes

    def _in_use(self, group_id: int) -> set[int]:
        """Rails in the kernel's group now."""
        return {
            member & 0xFFFFFF for group in self.actual.groups if group.id == group_id for member, _ in group.members
        }

    def _member(self, view: GatewayView, family: int) -> NextHop:
        return NextHop(
            id=nexthop_id(MEMBER[family], view.rail),
            device=ownership.OVERLAY_DEVICE,
            via=self.ends[view.node].address(family),
            family=family,
        )


def _reject(remotes: Remotes) -> set[Route]:
    return {
        Route(ownership.REJECT_TABLE, prefix, RouteType.UNREACHABLE)
        for remote in remotes.clusters
        for prefix in remote.prefixes
    }


def _delivery(me: Node, nodes: Iterable[Node], ends: Mapping[str, TunnelEnd], used: Iterable[int]) -> Iterable[Route]:
    for prefix, name in _pods_elsewhere(me, nodes).items():
        if prefix.version in used:
            yield Route(
                ownership.DELIVERY_TABLE,
                prefix,
                device=ownership.OVERLAY_DEVICE,
                via=ends[name].address(prefix.version),
            )


def _pods_elsewhere(me: Node, nodes: Iterable[Node]) -> dict[Network, str]:
    """Pod prefixes of other nodes and whose they are. Two Nodes with the same prefix are one machine that has
    registered anew under another name: the youngest is the one that lives."""
    found: dict[Network, str] = {}
    for node in sorted(nodes, key=lambda node: (node.created, node.uid, node.name)):
        if node.name != me.name:
            found |= dict.fromkeys(node.pod_prefixes, node.name)
    return {prefix: name for prefix, name in found.items() if prefix not in me.pod_prefixes}


def _rules(me: Node, used: Iterable[int], cables: Iterable[str]) -> Iterable[Rule]:
    overlay = ownership.OVERLAY_DEVICE
    # Where pods have many prefixes of their own on a node, going through all of them costs more than it saves.
    own = me.pod_prefixes if len(me.pod_prefixes) <= MOST_OWN_PREFIXES else ()
    for family in used:
        for prefix in own:
            if prefix.version == family:
                yield Rule(family, ownership.RULE_OWN_PODS, 0, to=prefix, goto=ownership.RULE_END)
        for device in cables:
            yield Rule(family, ownership.RULE_CABLE_DELIVERY, ownership.DELIVERY_TABLE, device)
            yield Rule(family, ownership.RULE_CABLE_REJECT, ownership.REJECT_TABLE, device)
        # Early: each rule before it costs every packet to another cluster.
        yield Rule(family, ownership.RULE_TO_CABLES, ownership.CABLES_TABLE)
        yield Rule(family, ownership.RULE_OVERLAY_REJECT, ownership.REJECT_TABLE, overlay)
        yield Rule(family, ownership.RULE_TO_OVERLAY, ownership.OVERLAY_TABLE)
        yield Rule(family, ownership.RULE_REJECT, ownership.REJECT_TABLE)
        yield Rule(family, ownership.RULE_END, 0)


def notes(actual: KernelState) -> dict[str, str]:
    """What is written down in our table."""
    tables: Iterable[NftTable | NftFingerprint] = actual.tables
    return {path: value for table in tables for path, value in table.notes}


def _remembered(world: World) -> dict[str, str]:
    """All original values, of whatever was changed."""
    known = {**world.reported_sysctls, **notes(world.actual)}
    return {path: value for path, value in known.items() if path in sysctls.GLOBAL_PATHS or delivery.is_noted(path)}


@dataclass(frozen=True, slots=True)
class _Handover:
    """How gateways hand packets to nodes. While it changes, gateways keep the old way and nodes take both, for the
    time in which not all of them know: `settled` ends it."""

    by_overlay: bool
    accepting: bool
    """Whether remote packets may come in by the CNI's devices."""
    originals: Mapping[str, str]
    sysctls: frozenset[Sysctl]

    @classmethod
    def of(cls, world: World, me: Node) -> "_Handover":
        cni = world.member.delivery == "cni"
        delivering = any(route.table == ownership.DELIVERY_TABLE for route in world.actual.routes)
        was_accepting = notes(world.actual).get(ACCEPTING_NOTE) == "cni"
        accepting = cni or (was_accepting and not world.settled)
        devices = delivery.incoming(world.host, me, world.nodes)
        originals = delivery.originals(
            wanted=devices,
            noted=_remembered(world),
            live={sysctl.path: sysctl.value for sysctl in world.actual.sysctls},
            accepting=accepting,
        )
        return cls(
            by_overlay=not cni or (delivering and not world.settled),
            accepting=accepting,
            originals=originals,
            sysctls=delivery.sysctls(wanted=devices, originals=originals, accepting=accepting),
        )


def _host_firewall(
    world: World, me: Node, remotes: Remotes, used: tuple[int, ...], handover: _Handover
) -> host_firewall.Plan:
    if not world.member.manage_host_firewall:
        return host_firewall.Plan()
    private = [endpoint.private_addresses[:1] for endpoint in remotes.endpoints if me.gateway]
    passages = host_firewall.passages(
        families=used,
        underlay={me.addresses[0].version, *(address.version for addresses in private for address in addresses)},
        gateway=me.gateway,
        port_base=me.port_base or world.member.port_base,
        peer_port_bases={endpoint.port_base for endpoint in remotes.endpoints},
        drivers=driver.in_use(world.options, world.member.cluster),
        delivered=[prefix for one in remotes.clusters for prefix in _of(one, used)] if handover.accepting else (),
    )
    return host_firewall.decide(world.foreign, passages)


def _firewall(
    *,
    world: World,
    me: Node,
    end: TunnelEnd,
    remotes: Remotes,
    throws: tuple[Network, ...],
    used: tuple[int, ...],
    routable: Mapping[int, Address],
    originals: tuple[tuple[str, str], ...],
    accepting: bool,
) -> node_firewall.NodeFirewall:
    remote: list[Network] = []
    for cluster in remotes.clusters:
        remote += _of(cluster, used)
    return node_firewall.NodeFirewall(
        families=used,
        remote=subtract(remote, throws),
        local_pods=world.member.pod_prefixes,
        local_services=world.member.service_prefixes,
        other_nodes_pods=tuple(_pods_elsewhere(me, world.nodes)),
        node_addresses=tuple(address for node in world.nodes for address in node.addresses),
        routable=routable,
        overlay={family: end.address(family) for family in used},
        gateway=me.gateway,
        overlay_delivery=not accepting,
        named_cables=tuple(
            device
            for device in _cable_devices(world, me, remotes)
            if not device.startswith(ownership.CABLE_DEVICE_PREFIX)
        ),
        notes=(*originals, (ACCEPTING_NOTE, "cni")) if accepting else originals,
    )


def _of(remote: Remote, used: Iterable[int]) -> tuple[Network, ...]:
    return tuple(prefix for prefix in remote.prefixes if prefix.version in used)

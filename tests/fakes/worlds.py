"""Worlds for the planner's tests: a table of small ones that differ in every way that matters, and random ones.

The table must contain pairs that share all keys and differ in a value only, else a comparison by key alone
would pass.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from hypothesis import strategies as st

from mcnet.codec.identity import PrivateIdentity
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.foreign import ForeignChain, Verdict
from mcnet.model.kernel import HostFacts, HostLink, KernelState, Network
from mcnet.model.member import Member
from mcnet.model.node import Node
from mcnet.plan import gateway, libreswan_cable, route_agent, wireguard_cable
from mcnet.plan.addresses import cable_end
from mcnet.plan.choice import GatewayView, Health
from tests.fakes.identities import identity_of

EAST, WEST, NORTH = ClusterId("east"), ClusterId("west"), ClusterId("north")


def prefixes(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


def node(number: int, *, gateway: bool = False, pods: str | None = None) -> Node:
    """Node `n<number>` of cluster east: address 172.30.1.<number + 1>, pods 10.10.<number - 1>.0/24."""
    return Node(
        name=f"n{number}",
        uid=f"uid-{number}",
        addresses=(ip_address(f"172.30.1.{number + 1}"),),
        pod_prefixes=prefixes(pods or f"10.10.{number - 1}.0/24"),
        gateway=gateway,
        created=number,
    )


def endpoint(cluster: ClusterId, rail: int, *, address: str, routed: Iterable[str], **changes: object) -> Endpoint:
    end = cable_end(cluster, rail)
    made = Endpoint(
        cluster=cluster,
        gateway=f"n{rail + 1}",
        rail=rail,
        private_addresses=(ip_address(address),),
        drivers=(DriverOffer("vxlan"),),
        cable_address4=end.address4,
        cable_address6=end.address6,
        prefixes=prefixes(*routed),
        sequence=1,
        signature="c2ln",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


VXLAN_OPTIONS = ClusterSet(default_driver="vxlan")
EAST_PREFIXES = ("10.10.0.0/16", "10.11.0.0/16")
WEST_PREFIXES = ("10.20.0.0/16", "10.21.0.0/16")
NORTH_PREFIXES = ("10.30.0.0/16",)

MEMBER = Member(cluster=EAST, pod_prefixes=prefixes("10.10.0.0/16"), service_prefixes=prefixes("10.11.0.0/16"))
DUAL_MEMBER = replace(MEMBER, pod_prefixes=prefixes("10.10.0.0/16", "fd10::/48"))
CLUSTER_WEST = Cluster(WEST, prefixes("10.20.0.0/16", "fd20::/48"), prefixes("10.21.0.0/16"))
CLUSTER_NORTH = Cluster(NORTH, prefixes("10.30.0.0/16"), ())
EAST_0 = endpoint(EAST, 0, address="192.168.1.1", routed=EAST_PREFIXES)
EAST_1 = endpoint(EAST, 1, address="192.168.1.2", routed=EAST_PREFIXES)
WEST_0 = endpoint(WEST, 0, address="192.168.2.1", routed=WEST_PREFIXES)
WEST_1 = endpoint(WEST, 1, address="192.168.2.2", routed=WEST_PREFIXES)
NORTH_0 = endpoint(NORTH, 0, address="192.168.3.1", routed=NORTH_PREFIXES)

WIREGUARD_OPTIONS = ClusterSet(default_driver="wireguard")
MIXED_OPTIONS = ClusterSet(default_driver="wireguard", drivers_for_pairs={frozenset({EAST, NORTH}): "vxlan"})


def secured(made: Endpoint, epoch: int = 0) -> Endpoint:
    """An Endpoint that offers wireguard too."""
    offer = wireguard_cable.offer(identity_of(made.cluster), made.gateway, epoch)
    return replace(made, drivers=(offer, *made.drivers))


def ipsec(made: Endpoint, epoch: int = 0) -> Endpoint:
    """An Endpoint that offers libreswan too, which no gateway does yet."""
    return replace(made, drivers=(libreswan_cable.offer(epoch), *made.drivers))


KNOWN_WEST = replace(CLUSTER_WEST, identity=identity_of(WEST).public)
KNOWN_NORTH = replace(CLUSTER_NORTH, identity=identity_of(NORTH).public)
EMPTY = KernelState()

SYSCTLS = {
    "ipv4/ip_forward": "0",
    "ipv4/fib_multipath_hash_policy": "0",
    "ipv6/fib_multipath_hash_policy": "0",
    "ipv6/conf/all/forwarding": "0",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/eth0/rp_filter": "1",
}


def host(*, underlay_mtu: int = 1500, routable: bool = True, ipv6: bool = True) -> HostFacts:
    links = {
        HostLink("eth0", underlay_mtu, True, frozenset({ip_interface("172.30.1.2/24")})),
        HostLink("wan0", underlay_mtu, True, frozenset({ip_interface("192.168.1.1/30")})),
    }
    if routable:
        links.add(HostLink("cni0", 1500, True, frozenset({ip_interface("10.10.0.1/24"), ip_interface("fd10::1/64")})))
    return HostFacts(
        links=frozenset(links),
        default_device4="wan0",
        private4=ip_address("192.168.1.1"),  # type: ignore[arg-type]
        ipv6=ipv6,
        sysctls=SYSCTLS,
    )


@dataclass(frozen=True)
class Situation:
    """What node n1 of east can be in; both planners read it."""

    member: Member = MEMBER
    nodes: tuple[Node, ...] = (node(1, gateway=True), node(2))
    clusters: tuple[Cluster, ...] = (CLUSTER_WEST,)
    endpoints: tuple[Endpoint, ...] = (EAST_0, WEST_0)
    facts: HostFacts = field(default_factory=host)
    gateways: tuple[GatewayView, ...] = ()
    health: Mapping[str, Health] = field(default_factory=dict)
    own: Endpoint = EAST_0
    foreign: tuple[ForeignChain, ...] = ()
    options: ClusterSet | None = VXLAN_OPTIONS
    identity: PrivateIdentity | None = None
    withdrawn: tuple[Endpoint, ...] = ()
    retiring: bool = False

    def for_route_agent(self, actual: KernelState = EMPTY) -> route_agent.World:
        return route_agent.World(
            node="n1",
            member=self.member,
            nodes=self.nodes,
            clusters=self.clusters,
            endpoints=self.endpoints,
            gateways=self.gateways,
            host=self.facts,
            actual=actual,
            foreign=self.foreign,
            options=self.options,
            retiring=self.retiring,
        )

    def for_gateway(self, actual: KernelState = EMPTY) -> gateway.World:
        return gateway.World(
            member=self.member,
            own=self.own,
            nodes=self.nodes,
            clusters=self.clusters,
            endpoints=self.endpoints,
            health=self.health,
            host=self.facts,
            actual=actual,
            options=self.options,
            identity=self.identity,
            seen={one.name: (one, 0.0) for one in (*self.endpoints, *self.withdrawn)},
        )


def view(
    name: str, rail: int, *, health: Health = Health.UP, reach: Iterable[ClusterId] | None = None, weight: int = 100
) -> GatewayView:
    return GatewayView(name, rail, health, None if reach is None else frozenset(reach), weight=weight)


DROPPING = (
    ForeignChain("inet", "filter", "input", type="filter", hook="input", policy=Verdict.DROP),
    ForeignChain("ip", "filter", "FORWARD", type="filter", hook="forward", policy=Verdict.DROP),
)
"""A host firewall that lets nothing through."""

UP, DOWN = Health.UP, Health.DOWN
SECURED: dict[str, Any] = {
    "own": secured(EAST_0),
    "endpoints": (secured(EAST_0), secured(WEST_0)),
    "clusters": (KNOWN_WEST,),
    "options": WIREGUARD_OPTIONS,
    "identity": identity_of(EAST),
}
IPSEC: dict[str, Any] = {
    "own": ipsec(EAST_0),
    "endpoints": (ipsec(EAST_0), ipsec(WEST_0), ipsec(NORTH_0)),
    "clusters": (KNOWN_WEST, KNOWN_NORTH),
    "options": ClusterSet("libreswan"),
    "identity": identity_of(EAST),
}
"""Not among SITUATIONS: not every kernel that tests run on has XFRM."""
TWO_GATEWAYS = (node(1), node(2, gateway=True), node(3, gateway=True))
SITUATIONS: dict[str, Situation] = {
    "alone": Situation(nodes=(node(1),), clusters=(), endpoints=()),
    "gateway, no cable yet": Situation(),
    "gateway, connected": Situation(health={"west.n1": UP}),
    "gateway, cable lost": Situation(health={"west.n1": DOWN}),
    "gateway, two rails": Situation(endpoints=(EAST_0, WEST_0, WEST_1), health={"west.n1": UP, "west.n2": UP}),
    "gateway, first rail lost": Situation(
        endpoints=(EAST_0, WEST_0, WEST_1), health={"west.n1": DOWN, "west.n2": UP}
    ),
    "gateway, rails of unlike weight": Situation(
        endpoints=(EAST_0, WEST_0, replace(WEST_1, weight=25)), health={"west.n1": UP, "west.n2": UP}
    ),
    "gateway, first rail drains": Situation(
        endpoints=(EAST_0, replace(WEST_0, weight=0), WEST_1), health={"west.n1": UP, "west.n2": UP}
    ),
    "gateway, the other one has gone": Situation(endpoints=(EAST_0,), withdrawn=(WEST_0,)),
    "gateway, one of two has gone": Situation(
        endpoints=(EAST_0, WEST_0), withdrawn=(WEST_1,), health={"west.n1": UP, "west.n2": UP}
    ),
    "node, a gateway until now": Situation(
        nodes=(node(1), node(2, gateway=True)), gateways=(view("n2", 1, reach=[WEST]),), retiring=True
    ),
    "gateway, remote moved": Situation(
        endpoints=(EAST_0, endpoint(WEST, 0, address="192.168.2.9", routed=WEST_PREFIXES)), health={"west.n1": UP}
    ),
    "gateway, small underlay": Situation(facts=host(underlay_mtu=1400), health={"west.n1": UP}),
    "gateway, own address moved": Situation(
        own=endpoint(EAST, 0, address="192.168.1.77", routed=EAST_PREFIXES), health={"west.n1": UP}
    ),
    "gateway, three clusters": Situation(
        clusters=(CLUSTER_WEST, CLUSTER_NORTH),
        endpoints=(EAST_0, WEST_0, NORTH_0),
        health={"west.n1": UP, "north.n1": UP},
    ),
    "gateway, no routable address": Situation(facts=host(routable=False), health={"west.n1": UP}),
    "gateway, old kernel": Situation(facts=replace(host(), resilient=False), health={"west.n1": UP}),
    "gateway, dual stack": Situation(
        member=DUAL_MEMBER,
        endpoints=(EAST_0, endpoint(WEST, 0, address="192.168.2.1", routed=(*WEST_PREFIXES, "fd20::/48"))),
        health={"west.n1": UP, "west.n1 IPv6": UP},
    ),
    "gateway, IPv6 path lost": Situation(
        member=DUAL_MEMBER,
        endpoints=(EAST_0, endpoint(WEST, 0, address="192.168.2.1", routed=(*WEST_PREFIXES, "fd20::/48"))),
        health={"west.n1": UP, "west.n1 IPv6": DOWN},
    ),
    "gateway, IPv6 underlay": Situation(
        own=endpoint(EAST, 0, address="fd01::1", routed=EAST_PREFIXES),
        endpoints=(
            endpoint(EAST, 0, address="fd01::1", routed=EAST_PREFIXES),
            endpoint(WEST, 0, address="fd02::1", routed=WEST_PREFIXES),
        ),
        health={"west.n1": UP},
    ),
    "gateway, a cable of each family": Situation(
        own=replace(EAST_0, private_addresses=(ip_address("192.168.1.1"), ip_address("fd01::1"))),
        clusters=(CLUSTER_WEST, CLUSTER_NORTH),
        endpoints=(EAST_0, WEST_0, endpoint(NORTH, 0, address="fd03::1", routed=NORTH_PREFIXES)),
        health={"west.n1": UP, "north.n1": UP},
    ),
    "node, one gateway": Situation(nodes=TWO_GATEWAYS, gateways=(view("n2", 0, reach=[WEST]),)),
    "node, gateway moved": Situation(nodes=TWO_GATEWAYS, gateways=(view("n3", 0, reach=[WEST]),)),
    "node, two gateways": Situation(
        nodes=TWO_GATEWAYS, gateways=(view("n2", 0, reach=[WEST]), view("n3", 1, reach=[WEST]))
    ),
    "node, gateways of unlike weight": Situation(
        nodes=TWO_GATEWAYS, gateways=(view("n2", 0, reach=[WEST], weight=20), view("n3", 1, reach=[WEST], weight=50))
    ),
    "node, first gateway lost": Situation(
        nodes=TWO_GATEWAYS, gateways=(view("n2", 0, health=DOWN, reach=[WEST]), view("n3", 1, reach=[WEST]))
    ),
    "node, nobody reaches": Situation(nodes=TWO_GATEWAYS, gateways=(view("n2", 0, reach=[]),)),
    "node, peer re-addressed": Situation(
        nodes=(node(1), replace(node(2, gateway=True), addresses=(ip_address("172.30.1.99"),))),
        gateways=(view("n2", 0),),
    ),
    "node, flat network": Situation(
        nodes=TWO_GATEWAYS,
        clusters=(Cluster(WEST, prefixes("192.168.0.0/16"), ()),),
        endpoints=(EAST_0, endpoint(WEST, 0, address="192.168.2.1", routed=("192.168.0.0/16",))),
        gateways=(view("n2", 0),),
    ),
    "node, delivery by the CNI": Situation(
        member=replace(MEMBER, delivery="cni"), nodes=(node(1, gateway=True), node(2)), health={"west.n1": UP}
    ),
    "wireguard, no cable yet": Situation(**SECURED),
    "wireguard, connected": Situation(**SECURED, health={"west.n1 mcnet-cw0a": UP}),
    "wireguard, cable lost": Situation(**SECURED, health={"west.n1 mcnet-cw0a": DOWN}),
    "wireguard, new key": Situation(
        **SECURED | {"endpoints": (secured(EAST_0), secured(WEST_0, 2))}, health={"west.n1 mcnet-cw0a 1": UP}
    ),
    "wireguard, another slot": Situation(
        **SECURED | {"endpoints": (secured(EAST_0), secured(WEST_0, 1))}, health={"west.n1 mcnet-cw0b": UP}
    ),
    "wireguard, remote moved": Situation(
        **SECURED
        | {"endpoints": (secured(EAST_0), secured(endpoint(WEST, 0, address="192.168.2.9", routed=WEST_PREFIXES)))},
        health={"west.n1 mcnet-cw0a": UP},
    ),
    "wireguard, two rails": Situation(
        **SECURED | {"endpoints": (secured(EAST_0), secured(WEST_0), secured(WEST_1))},
        health={"west.n1 mcnet-cw0a": UP, "west.n2 mcnet-cw1a": UP},
    ),
    "wireguard, two clusters on one device": Situation(
        **SECURED
        | {
            "endpoints": (secured(EAST_0), secured(WEST_0), secured(NORTH_0)),
            "clusters": (KNOWN_WEST, KNOWN_NORTH),
        },
        health={"west.n1 mcnet-cw0a": UP, "north.n1 mcnet-cw0a": UP},
    ),
    "wireguard and vxlan": Situation(
        **SECURED
        | {
            "endpoints": (secured(EAST_0), secured(WEST_0), secured(NORTH_0)),
            "clusters": (KNOWN_WEST, KNOWN_NORTH),
            "options": MIXED_OPTIONS,
        },
        health={"west.n1 mcnet-cw0a": UP, "north.n1": UP},
    ),
    "wireguard, one of two has gone": Situation(
        **SECURED | {"endpoints": (secured(EAST_0), secured(WEST_0))},
        withdrawn=(secured(WEST_1),),
        health={"west.n1 mcnet-cw0a": UP, "west.n2 mcnet-cw1a": UP},
    ),
    "wireguard, a cluster without identity": Situation(**SECURED | {"clusters": (CLUSTER_WEST,)}),
    "gateway, host firewall": Situation(
        member=replace(MEMBER, manage_host_firewall=True), foreign=DROPPING, health={"west.n1": UP}
    ),
    "gateway, host firewall left alone": Situation(foreign=DROPPING, health={"west.n1": UP}),
}

HEALTH = st.sampled_from(Health)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Random situations: nodes, gateways, clusters, endpoints and probes that contradict each other."""
    count = draw(st.integers(1, 4))
    nodes = tuple(node(number, gateway=draw(st.booleans())) for number in range(1, count + 1))
    remote_endpoints = draw(
        st.lists(
            st.builds(
                endpoint,
                st.sampled_from([WEST, NORTH]),
                st.integers(0, 2),
                address=st.sampled_from(["192.168.2.1", "192.168.2.2", "192.168.3.1", "10.20.0.7", "fd02::1"]),
                routed=st.lists(
                    st.sampled_from([*WEST_PREFIXES, *NORTH_PREFIXES, "10.20.128.0/17", "10.10.0.0/24"]), max_size=3
                ),
                mtu=st.sampled_from([1500, 1400, 9000]),
                sequence=st.integers(1, 9),
            ).flatmap(lambda made: st.sampled_from([made, secured(made), secured(made, 1)])),
            max_size=4,
        )
    )
    clusters = draw(
        st.lists(
            st.sampled_from([CLUSTER_WEST, KNOWN_WEST, CLUSTER_NORTH, KNOWN_NORTH]),
            unique_by=lambda one: one.id,
            max_size=2,
        )
    )
    gateways = tuple(
        view(
            f"n{number}",
            number - 1,
            health=draw(HEALTH),
            reach=draw(st.none() | st.lists(st.sampled_from([WEST, NORTH]))),
        )
        for number in range(1, draw(st.integers(1, 3)))
    )
    health = {
        f"{one.name}{device}{turn}{family}": draw(HEALTH)
        for one in remote_endpoints
        for device in ("", f" mcnet-cw{one.rail}a", f" mcnet-cw{one.rail}b")
        for turn in ("", " 1")
        for family in ("", " IPv6")
    }
    return Situation(
        member=draw(
            st.sampled_from(
                [MEMBER, DUAL_MEMBER, replace(MEMBER, delivery="cni"), replace(MEMBER, manage_host_firewall=True)]
            )
        ),
        foreign=draw(st.sampled_from([(), DROPPING, DROPPING[:1]])),
        nodes=nodes,
        clusters=tuple(clusters),
        options=draw(st.sampled_from([VXLAN_OPTIONS, WIREGUARD_OPTIONS, MIXED_OPTIONS])),
        own=secured(EAST_0),
        identity=identity_of(EAST),
        endpoints=(secured(EAST_0), *remote_endpoints[: len(remote_endpoints) - draw(st.integers(0, 1))]),
        withdrawn=tuple(remote_endpoints),
        retiring=draw(st.booleans()),
        facts=host(
            underlay_mtu=draw(st.sampled_from([1500, 1400])), routable=draw(st.booleans()), ipv6=draw(st.booleans())
        ),
        gateways=gateways,
        health=health,
    )

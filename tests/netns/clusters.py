"""Two clusters of three gateways and a worker each, every node a namespace, as both daemons would make them.

Rounds of observe, decide and apply; what probes and adverts would say is the test's to say. Cables are VXLAN's. Each
gateway counts what crosses its cables, by the ports of the inner packet.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from mcnet.codec import advert
from mcnet.kernel.node import NodeKernel
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import KernelState, NftTable
from mcnet.model.member import Member
from mcnet.model.node import Node
from mcnet.model.ownership import GATEWAY, ROUTE_AGENT
from mcnet.plan import delivery, gateway, gateway_views, own_endpoint, route_agent
from mcnet.plan.addresses import overlay_ends
from mcnet.plan.choice import Health
from mcnet.plan.diff import diff
from mcnet.plan.sysctls import DEVICE_PATHS, GLOBAL_PATHS
from tests.fakes.worlds import EAST, WEST, prefixes
from tests.netns.namespaces import Namespace, shell

GATEWAYS = ("n1", "n2", "n3")
WORKER = "n4"
NUMBERS = {EAST: 1, WEST: 2}
PODS = {cluster: prefixes(f"10.{number}0.0.0/16", f"fd{number}0::/32") for cluster, number in NUMBERS.items()}
CLUSTERS = tuple(Cluster(cluster, pods, ()) for cluster, pods in PODS.items())
COUNTING = """
table inet counting {
    set out { type inet_service . inet_service; size 65535; flags dynamic; }
    set into { type inet_service . inet_service; size 65535; flags dynamic; }
    chain leaving {
        type filter hook postrouting priority 300;
        oifname "mcnet-cv" update @out { udp sport . udp dport }
    }
    chain coming {
        type filter hook prerouting priority -450;
        iifname "mcnet-cv" update @into { udp sport . udp dport }
    }
}
"""
STRICT = """
for each in all default; do echo 1 > /proc/sys/net/ipv4/conf/$each/rp_filter; done
nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; }'
nft 'add rule ip filter FORWARD ct state invalid drop'
"""
"""What distributions and kube-proxy do on nodes: strict reverse paths, and nothing is forwarded of a connection whose
beginning went elsewhere."""
KERNEL = NodeKernel()

Flow = tuple[int, int]
"""Source and destination port."""


@dataclass
class Place:
    """A node of a cluster."""

    cluster: ClusterId
    node: Node
    namespace: Namespace
    own: Endpoint | None = None
    """Of a gateway."""
    reach: frozenset[ClusterId] = frozenset()
    decision: gateway.Decision = field(default_factory=lambda: gateway.Decision(KernelState()))
    """Of a gateway: its last round's."""
    tables: dict[str, NftTable] = field(default_factory=dict)
    """By name, what both daemons want."""

    def wants(self, state: KernelState) -> None:
        self.tables |= {table.name: table for table in state.tables if isinstance(table, NftTable)}

    def pod(self, family: int = 4) -> str:
        """The address of a pod that the node itself bears here."""
        return next(str(prefix[1]) for prefix in self.node.pod_prefixes if prefix.version == family)

    def run(self, command: str) -> str:
        return self.namespace.run(shell(command))

    def groups(self) -> list[int]:
        """Ids of the next-hop groups."""
        return [one["id"] for one in json.loads(self.run("ip -j nexthop show groups") or "[]")]

    def crossed(self, direction: str) -> set[Flow]:
        """What went `out` by, or came `into` the node from its cables since the last time that this was asked."""
        found = json.loads(
            self.run(f"nft -j list set inet counting {direction}; nft flush set inet counting {direction}")
        )
        elements = next(one["set"] for one in found["nftables"] if "set" in one).get("elem", [])
        return {tuple(element["concat"]) for element in elements}


@dataclass
class Scene:
    """Both clusters, and what is said of them."""

    places: dict[tuple[ClusterId, str], Place]
    down: set[str] = field(default_factory=set)
    """Endpoints whose cables do not answer anybody."""

    def gateways(self, cluster: ClusterId) -> list[Place]:
        return [self.places[cluster, name] for name in GATEWAYS]

    def worker(self, cluster: ClusterId) -> Place:
        return self.places[cluster, WORKER]

    def mark(self, cluster: ClusterId, name: str, **changes: object) -> None:
        """Change the Node, and its Endpoint with it."""
        place = self.places[cluster, name]
        place.node = replace(place.node, **changes)  # type: ignore[arg-type]
        if place.own is not None:
            place.own = replace(place.own, weight=0 if place.node.draining else place.node.weight)

    def settle(self) -> None:
        """Rounds of all daemons, until the last one changed nothing."""
        for _ in range(4):
            if not sum(place.namespace.run(self._round(place)) for place in self.places.values()):
                return
        raise AssertionError("it does not settle")

    def rebuild(self) -> None:
        """As settle, from groups without a history: those that are there restore weights only as flows pause."""
        for place in self.places.values():
            for group in place.groups():
                place.run(f"ip nexthop del id {group}")
        self.settle()

    def forget(self) -> None:
        """What has crossed cables until now."""
        for place in self.places.values():
            if place.own is not None:
                place.crossed("out")
                place.crossed("into")

    def paths(self, here: ClusterId, there: ClusterId) -> dict[Flow, tuple[str, str]]:
        """By which gateways the flows from `here` went since the last time that this was asked."""
        out = {flow: one.node.name for one in self.gateways(here) for flow in one.crossed("out")}
        into = {flow: one.node.name for one in self.gateways(there) for flow in one.crossed("into")}
        return {flow: (out[flow], into[flow]) for flow in out.keys() & into.keys()}

    async def _round(self, place: Place) -> int:
        nodes = tuple(one.node for one in self.places.values() if one.cluster == place.cluster)
        endpoints = tuple(one.own for one in self.places.values() if one.own is not None)
        changes = await self._route_agent(place, nodes, endpoints)
        return changes + (await self._gateway(place, nodes, endpoints) if place.own is not None else 0)

    async def _route_agent(self, place: Place, nodes: tuple[Node, ...], endpoints: tuple[Endpoint, ...]) -> int:
        ends = overlay_ends(nodes)
        host = await KERNEL.host_facts(sysctls=GLOBAL_PATHS | {delivery.ALL})
        actual = await KERNEL.read(ROUTE_AGENT, sysctls=GLOBAL_PATHS | DEVICE_PATHS)
        gateways = self.gateways(place.cluster)
        views = gateway_views.views(
            [one for one in endpoints if one.cluster == place.cluster],
            ends,
            {one.node.name: Health.UP for one in gateways},
            {
                str(ends[one.node.name].address4): advert.decode(advert.encode(one.node.name, 0, one.reach))
                for one in gateways
            },
            CLUSTERS,
            nodes=nodes,
        )
        decision = route_agent.decide(
            route_agent.World(
                node=place.node.name,
                member=member(place.cluster),
                nodes=nodes,
                clusters=CLUSTERS,
                endpoints=endpoints,
                gateways=views,
                host=host,
                actual=actual,
                options=ClusterSet("vxlan"),
            )
        )
        place.wants(decision.state)
        changes = diff(decision.state, actual)
        assert await KERNEL.apply(changes) == ()
        return len(changes)

    async def _gateway(self, place: Place, nodes: tuple[Node, ...], endpoints: tuple[Endpoint, ...]) -> int:
        assert place.own is not None
        actual = await KERNEL.read(GATEWAY)
        decision = gateway.decide(
            gateway.World(
                member=member(place.cluster),
                own=place.own,
                nodes=nodes,
                clusters=CLUSTERS,
                endpoints=endpoints,
                health={
                    f"{one.name}{family}": Health.DOWN if one.name in self.down else Health.UP
                    for one in endpoints
                    for family in ("", " IPv6")
                },
                host=await KERNEL.host_facts(),
                actual=actual,
                options=ClusterSet("vxlan"),
            )
        )
        place.wants(decision.state)
        changes = diff(decision.state, actual)
        assert await KERNEL.apply(changes) == ()
        news = decision.reach != place.reach
        place.reach, place.decision = decision.reach, decision
        return len(changes) + news


def member(cluster: ClusterId) -> Member:
    return Member(cluster=cluster, pod_prefixes=PODS[cluster], service_prefixes=())


@contextmanager
def two_clusters() -> Iterator[Scene]:
    """Both clusters, connected."""
    with ExitStack() as stack:
        switch = stack.enter_context(Namespace())
        for bridge in ("wan", "lan1", "lan2"):
            switch.run(shell(f"ip link add {bridge} type bridge && ip link set {bridge} up"))
        places: dict[tuple[ClusterId, str], Place] = {}
        for cluster, number in NUMBERS.items():
            for index, name in enumerate((*GATEWAYS, WORKER), start=1):
                namespace = stack.enter_context(Namespace())
                place = places[cluster, name] = Place(cluster, _node(number, index, name), namespace)
                place.run(STRICT)
                _plug(switch, place, f"lan{number}", f"172.30.{number}.{index}/24")
                place.run("ip link add cni0 type bridge && ip link set cni0 up")
                place.run(
                    f"ip address add {place.pod()}/24 dev cni0; ip address add {place.pod(6)}/64 dev cni0 nodad"
                )
                if name != WORKER:
                    _plug(switch, place, "wan", f"192.168.0.{number}{index}/24")
                    place.run("ip route add default via 192.168.0.1")
                    place.run(f"nft -f - <<'END'{COUNTING}END")
                    place.own = _endpoint(place, rail=index - 1)
        scene = Scene(places)
        scene.settle()
        yield scene


def _node(number: int, index: int, name: str) -> Node:
    return Node(
        name=name,
        uid=f"{number}-{index}",
        addresses=(ip_address(f"172.30.{number}.{index}"),),
        pod_prefixes=prefixes(f"10.{number}0.{index}.0/24", f"fd{number}0:0:{index}::/64"),
        gateway=name != WORKER,
        created=index,
    )


def _endpoint(place: Place, *, rail: int) -> Endpoint:
    return own_endpoint.wanted(
        member=member(place.cluster),
        node=place.node,
        rail=rail,
        advertised=(),
        host=place.namespace.run(KERNEL.host_facts()),
        published=None,
    )


def _plug(switch: Namespace, place: Place, bridge: str, address: str) -> None:
    """Give the node the device `bridge`, in that network."""
    port = f"{bridge}-{place.cluster[:1]}{place.node.name}"
    switch.run(shell(f"ip link add {port} type veth peer name {bridge} netns {place.namespace.thread_id}"))
    switch.run(shell(f"ip link set {port} master {bridge} up"))
    place.run(f"ip address add {address} dev {bridge} && ip link set {bridge} up")

"""What the nodes of a member are asked to look at: which tunnels they need, and by which outer addresses.

Every path that carries traffic is tried from both its ends: node ↔ gateway by the overlay, gateway ↔ remote
gateway by each cable. Nodes that are no gateways send each other nothing.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

from mcnet.model import ownership
from mcnet.model.cluster import Cluster
from mcnet.model.endpoint import Endpoint
from mcnet.model.look import Order, Path, Tunnel
from mcnet.model.member import Member
from mcnet.model.node import Node
from mcnet.model.ownership import vxlan_cable_port
from mcnet.plan import delivery, vxlan_cable
from mcnet.plan.addresses import TunnelEnd, cable_end, overlay_ends
from mcnet.plan.remote import accept, families
from mcnet.plan.sysctls import DEVICE_PATHS, GLOBAL_PATHS


def orders(
    member: Member, nodes: Iterable[Node], clusters: Iterable[Cluster], endpoints: Iterable[Endpoint]
) -> Mapping[str, Order]:
    """Node name -> its order, for every node that has an address."""
    nodes, endpoints = tuple(nodes), tuple(endpoints)
    ends = overlay_ends(nodes)
    remotes = accept(member, clusters, endpoints)
    remote = remotes.endpoints
    own = {endpoint.gateway: endpoint for endpoint in endpoints if endpoint.cluster == member.cluster}
    used = families(member)
    made = {}
    for node in nodes:
        if not node.addresses or not used:
            continue
        paths = [*islice(_overlay_paths(node, nodes, ends, used[0]), MOST_PATHS)]
        outer = {node.addresses[0].version}
        udp, tcp = [ownership.OVERLAY_PORT], [ownership.ROUTE_AGENT_METRICS_PORT]
        if node.gateway:
            udp.append(vxlan_cable_port(member.port_base))
            tcp.append(ownership.GATEWAY_METRICS_PORT)
            if node.name in own:
                outer |= {address.version for address in own[node.name].private_addresses[:1]}
                paths += _cable_paths(own[node.name], remote, used[0])
        made[node.name] = Order(
            node=node.name,
            paths=tuple(paths),
            sysctls=tuple(sorted(GLOBAL_PATHS | DEVICE_PATHS | {delivery.ALL})),
            udp_ports=tuple(udp),
            tcp_ports=tuple(tcp),
            gateway=node.gateway,
            port_base=member.port_base,
            peer_port_bases=tuple(sorted({endpoint.port_base for endpoint in remote})) if node.gateway else (),
            families=used,
            underlay=tuple(sorted(outer)),
            pods=member.pod_prefixes,
            remote=tuple(prefix for family in used for prefix in remotes.prefixes_of(family)),
            delivery=member.delivery,
        )
    return made


MOST_PATHS: Final = 500
"""Of a gateway to nodes: the nodes of a larger cluster still try the path from their own end."""


def _overlay_paths(node: Node, nodes: Iterable[Node], ends: Mapping[str, TunnelEnd], family: int) -> Iterable[Path]:
    outer = node.addresses[0]
    for other in nodes:
        target = next((address for address in other.addresses if address.version == outer.version), None)
        if other.name == node.name or target is None or not (node.gateway or other.gateway):
            continue
        yield Path(
            tunnel=Tunnel.OVERLAY,
            peer=other.name,
            device=ownership.OVERLAY_DEVICE,
            target=ends[other.name].address(family),
            source=ends[node.name].address(family),
            outer_source=outer,
            outer_target=target,
            port=ownership.OVERLAY_PORT,
        )


def _cable_paths(own: Endpoint, remotes: Iterable[Endpoint], family: int) -> Iterable[Path]:
    for cable in vxlan_cable.paths(own, remotes):
        if cable.problem or cable.local is None or cable.remote is None:
            continue
        yield Path(
            tunnel=Tunnel.CABLE,
            peer=cable.endpoint.name,
            device=cable.device,
            target=cable.via(family),
            source=cable_end(own.cluster, own.rail).address(family),
            outer_source=cable.local,
            outer_target=cable.remote,
            port=vxlan_cable_port(cable.endpoint.port_base),
        )

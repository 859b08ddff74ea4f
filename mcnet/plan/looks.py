"""What the nodes of a member are asked to look at: which tunnels they need, and by which outer addresses.

Every path that carries traffic is tried from both its ends: node ↔ gateway by the overlay, gateway ↔ remote
gateway by each cable. Nodes that are no gateways send each other nothing.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

from mcnet.model import ownership
from mcnet.model.cluster import Cluster, ClusterSet
from mcnet.model.endpoint import Endpoint, endpoint_name
from mcnet.model.gateway import Gateway
from mcnet.model.look import Order, Path, Tunnel
from mcnet.model.member import Member
from mcnet.model.node import Node
from mcnet.plan import cable, delivery, driver
from mcnet.plan.addresses import TunnelEnd, overlay_ends
from mcnet.plan.cable import CablePath, own_address
from mcnet.plan.nat_discovery import Way
from mcnet.plan.remote import accept, families
from mcnet.plan.sysctls import DEVICE_PATHS, GLOBAL_PATHS
from mcnet.plan.underlay import outer_address, overlay_family


def orders(
    member: Member,
    nodes: Iterable[Node],
    clusters: Iterable[Cluster],
    endpoints: Iterable[Endpoint],
    options: ClusterSet | None,
    *,
    reports: Iterable[Gateway] = (),
) -> Mapping[str, Order]:
    """Node name -> its order, for every node that has an address. `reports` say by which of the others' addresses
    the gateways go now: NAT discovery found them."""
    nodes, endpoints = tuple(nodes), tuple(endpoints)
    ends = overlay_ends(nodes)
    remotes = accept(member, clusters, endpoints)
    remote = remotes.endpoints
    ways = {report.node: _ways(report, remote) for report in reports}
    own = {endpoint.gateway: endpoint for endpoint in endpoints if endpoint.cluster == member.cluster}
    used = families(member)
    underlay = overlay_family(nodes)
    made = {}
    for node in nodes:
        if not node.addresses or not used:
            continue
        paths = [*islice(_overlay_paths(node, nodes, ends, used[0], underlay), MOST_PATHS)]
        outer = {underlay}
        devices: tuple[str, ...] = ()
        udp, tcp = [ownership.OVERLAY_PORT], [ownership.ROUTE_AGENT_METRICS_PORT]
        if node.gateway:
            tcp.append(ownership.GATEWAY_METRICS_PORT)
            if node.name in own:
                cables = cable.paths(options, own[node.name], remote, ways.get(node.name, {}))
                outer |= {path.outer for path in cables if not path.problem}
                udp += sorted({path.own_port for path in cables if not path.problem})
                devices = cable.devices(options, own[node.name], remote)
                paths += _cable_paths(own[node.name], cables, used)
        made[node.name] = Order(
            node=node.name,
            paths=tuple(paths),
            sysctls=tuple(sorted(GLOBAL_PATHS | DEVICE_PATHS | {delivery.ALL})),
            udp_ports=tuple(udp),
            tcp_ports=tuple(tcp),
            gateway=node.gateway,
            cable_devices=devices,
            port_base=member.port_base,
            peer_port_bases=tuple(sorted({endpoint.port_base for endpoint in remote})) if node.gateway else (),
            families=used,
            underlay=tuple(sorted(outer)),
            pods=member.pod_prefixes,
            remote=tuple(prefix for family in used for prefix in remotes.prefixes_of(family)),
            drivers=driver.in_use(options, member.cluster),
            delivery=member.delivery,
        )
    return made


def _ways(report: Gateway, remote: Iterable[Endpoint]) -> cable.Ways:
    """As the gateway reports them."""
    used = {endpoint_name(one.cluster, one.gateway): one.remote_address for one in report.cables}
    return {
        endpoint.name: Way.PUBLIC
        for endpoint in remote
        if used.get(endpoint.name) in endpoint.public_addresses
        and used[endpoint.name] not in endpoint.private_addresses
    }


MOST_PATHS: Final = 500
"""Of a gateway to nodes: the nodes of a larger cluster still try the path from their own end."""


def _overlay_paths(
    node: Node, nodes: Iterable[Node], ends: Mapping[str, TunnelEnd], family: int, underlay: int
) -> Iterable[Path]:
    source = outer_address(node, underlay)
    for other in nodes:
        target = outer_address(other, underlay)
        if other.name == node.name or source is None or target is None or not (node.gateway or other.gateway):
            continue
        yield Path(
            tunnel=Tunnel.OVERLAY,
            peer=other.name,
            device=ownership.OVERLAY_DEVICE,
            target=ends[other.name].address(family),
            source=ends[node.name].address(family),
            outer_source=source,
            outer_target=target,
            port=ownership.OVERLAY_PORT,
        )


def cable_path(own: Endpoint, path: CablePath, family: int) -> Path:
    """A cable that can be made, as the path to try of that family inside."""
    assert path.local is not None
    assert path.remote is not None
    return Path(
        tunnel=Tunnel.CABLE,
        peer=path.endpoint.name,
        device=path.device,
        target=path.address(family),
        source=own_address(own, path, family),
        outer_source=path.local,
        outer_target=path.remote,
        port=path.port,
        back_port=path.own_port,
    )


def _cable_paths(own: Endpoint, cables: Iterable[CablePath], used: Iterable[int]) -> Iterable[Path]:
    for path in cables:
        family = next((one for one in used if one in path.families), None)
        if path.problem or path.local is None or path.remote is None or family is None:
            continue
        yield cable_path(own, path, family)

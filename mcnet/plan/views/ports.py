"""Exactly what to open in which firewall: the openings of mcnet.plan.ports with the addresses that stand for their
sides. Without a clusterset the same list in words.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from mcnet.model.endpoint import Endpoint
from mcnet.model.ownership import DEFAULT_PORT_BASE
from mcnet.plan import ports
from mcnet.plan.cluster_view import ClusterView, Picture, Row
from mcnet.plan.driver import DRIVERS, wanted
from mcnet.plan.ports import Opening


def rows(picture: Picture) -> list[Row]:
    """For each member, cables first; in words where there is no member."""
    found = [row for view in picture.members for row in _of_member(view)]
    return found or generic()


def generic(port_base: int = DEFAULT_PORT_BASE, drivers: Iterable[str] = DRIVERS[:1]) -> list[Row]:
    """What any cluster with gateways of that port base has to open, for the default driver."""
    return [
        _row("", one, source=one.sources.value, target=one.listeners.value)
        for one in ports.outside(port_base, drivers)
    ]


def _of_member(view: ClusterView) -> list[Row]:
    own = sorted((one for one in view.endpoints if one.cluster == view.cluster), key=lambda one: one.rail)
    found = [row for gateway in own for row in _cables(view, gateway)]
    return [*found, *_overlay(view), *_metrics(view, own), *_broker(view)]


def _cables(view: ClusterView, gateway: Endpoint) -> list[Row]:
    """One row for each other cluster: from its gateways' addresses to this gateway's."""
    found = []
    remotes = sorted({one.cluster for one in view.endpoints} - {view.cluster})
    for cluster in remotes:
        ends = [one for one in view.endpoints if one.cluster == cluster]
        drivers = [wanted(view.clusterset, view.cluster, cluster)] if view.clusterset else list(DRIVERS)
        for opening in (one for name in drivers for one in ports.cables(name, gateway.port_base)):
            found.append(
                _row(
                    view.cluster, opening,
                    source=f"gateways of {cluster}", source_addresses=_outer(ends, gateway),
                    target=f"gateway {gateway.gateway}", target_addresses=_outer([gateway], gateway),
                )
            )  # fmt: skip
    return found


def _overlay(view: ClusterView) -> list[Row]:
    nodes = [str(node.addresses[0]) for node in view.nodes if node.addresses]
    if len(view.nodes) == 1:
        return []  # a node does not speak to itself
    words = f"nodes of {view.cluster}"
    return [
        _row(
            view.cluster, ports.OVERLAY,
            source=words, source_addresses=nodes, target=words, target_addresses=nodes,
        )
    ]  # fmt: skip


def _metrics(view: ClusterView, own: list[Endpoint]) -> list[Row]:
    addresses = {node.name: str(node.addresses[0]) for node in view.nodes if node.addresses}
    gateways = [addresses[one.gateway] for one in own if one.gateway in addresses]
    return [
        _row(
            view.cluster, opening,
            source=opening.sources.value,
            target=words, target_addresses=targets,
        )
        for opening, words, targets in (
            (ports.GATEWAY_METRICS, f"gateways of {view.cluster}", gateways),
            (ports.ROUTE_AGENT_METRICS, f"nodes of {view.cluster}", list(addresses.values())),
        )
    ]  # fmt: skip


def _broker(view: ClusterView) -> list[Row]:
    """From no address in particular: discovery's pods may run on any node, and with which address their packets leave
    the cluster is not known from inside."""
    host = _host(view.broker_server)
    return [
        _row(
            view.cluster, ports.broker(view.broker_server),
            source=f"nodes of {view.cluster}, where discovery runs",
            target="the broker's API server", target_addresses=[host] if host else [],
        )
    ]  # fmt: skip


def _row(
    cluster: str,
    opening: Opening,
    *,
    source: str,
    target: str,
    source_addresses: list[str] | None = None,
    target_addresses: list[str] | None = None,
) -> Row:
    return {
        "cluster": cluster,
        "name": opening.name,
        "protocol": opening.protocol.value,
        "ports": opening.numbers,
        "from": source,
        "fromAddresses": source_addresses or [],
        "to": target,
        "toAddresses": target_addresses or [],
        "required": opening.required,
        "purpose": opening.purpose,
    }


def _outer(endpoints: Iterable[Endpoint], gateway: Endpoint) -> list[str]:
    """The addresses that cables of `gateway` use: of the family of its preferred one."""
    family = gateway.private_addresses[0].version if gateway.private_addresses else 0
    firsts = [[one for one in endpoint.private_addresses if one.version == family][:1] for endpoint in endpoints]
    return [str(address) for first in firsts for address in first]


def _host(server: str) -> str:
    try:
        return urlsplit(server).hostname or ""
    except ValueError:
        return ""

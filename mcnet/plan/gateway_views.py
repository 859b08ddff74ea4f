"""The gateways of the own cluster as one node sees them: from Endpoints, own probes and adverts."""

from collections.abc import Iterable, Mapping

from mcnet.codec.advert import Advert
from mcnet.model.cluster import Cluster, ClusterId, cluster_number
from mcnet.model.endpoint import Endpoint
from mcnet.model.node import Node
from mcnet.plan.addresses import TunnelEnd
from mcnet.plan.choice import GatewayView, Health
from mcnet.plan.mtu import MINIMUM


def views(
    own: Iterable[Endpoint],
    ends: Mapping[str, TunnelEnd],
    health: Mapping[str, Health],
    heard: Mapping[str, Advert],
    clusters: Iterable[Cluster],
    *,
    nodes: Iterable[Node],
) -> tuple[GatewayView, ...]:
    """One view per gateway whose node exists, by rail.

    `own` are this cluster's Endpoints, `ends` the overlay ends by node, `health` is by gateway node, `heard` by
    overlay address as text. An advert from an address that is not its gateway's does not count. Of weights the
    Node's is the newest; an Endpoint may say that its gateway drains where the Node does not.
    """
    by_name = {node.name: node for node in nodes}
    by_number = {cluster_number(cluster.id): cluster.id for cluster in clusters}
    made = []
    for endpoint in own:
        end = ends.get(endpoint.gateway)
        if end is None:
            continue
        said = [heard[text] for text in (str(end.address4), str(end.address6)) if text in heard]
        advert = said[0] if said and said[0].gateway == endpoint.gateway else None
        made.append(
            GatewayView(
                node=endpoint.gateway,
                rail=endpoint.rail,
                health=health.get(endpoint.gateway, Health.UNKNOWN),
                reach=_reach(advert, by_number) if advert else None,
                narrow=_narrow(advert, by_number) if advert else {},
                weight=_weight(endpoint, by_name.get(endpoint.gateway)),
            )
        )
    return tuple(sorted(made, key=lambda view: (view.rail, view.node)))


def _weight(endpoint: Endpoint, node: Node | None) -> int:
    if node is None:
        return endpoint.weight
    return node.weight if endpoint.weight and not node.draining else 0


def _reach(said: Advert, by_number: Mapping[int, ClusterId]) -> frozenset[ClusterId]:
    return frozenset(by_number[number] for number in said.reach if number in by_number)


def _narrow(said: Advert, by_number: Mapping[int, ClusterId]) -> dict[ClusterId, int]:
    return {by_number[number]: max(MINIMUM, size) for number, size in said.narrow.items() if number in by_number}

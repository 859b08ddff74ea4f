"""The graph of a clusterset: clusters, their gateways, and one link for each cable, whichever ends reported it."""

from dataclasses import dataclass
from typing import Any, Final

from mcnet.plan.cluster_view import Picture, Row
from mcnet.plan.views import connections, gateways
from mcnet.plan.views.known import known_members

Spot = tuple[str, str]
"""Cluster ID and gateway node; "" for the node if the cluster has no gateway."""

WORST_FIRST: Final = ("error", "missing", "unknown", "connecting", "connected")
"""A link is as well as the end that thinks worst of it."""
UNREAD: Final = "unread"
"""State of a gateway of a cluster whose context could not be read."""
GATEWAYS_BEST_FIRST: Final = ("ready", UNREAD, "not ready")


@dataclass(frozen=True, slots=True)
class GatewayNode:
    """A gateway in the graph."""

    name: str
    rail: int | None = None
    state: str = UNREAD


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """A cluster in the graph; `version` is mcnet's there."""

    name: str
    gateways: tuple[GatewayNode, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A cable, or what is there instead of one. `one` is before `other` in order of name; `round_trip` in seconds."""

    one: Spot
    other: Spot
    state: str
    active: bool = False
    round_trip: float | None = None
    driver: str = ""

    @property
    def label(self) -> str:
        """What stands beside it: the round trip, or why there is none."""
        if self.state == connections.CONNECTED and self.round_trip is not None:
            return f"{self.round_trip * 1000:.2f} ms"
        return self.state

    def seen_from(self, cluster: str) -> tuple[Spot, Spot]:
        """Its ends, that of `cluster` first."""
        return (self.one, self.other) if self.one[0] == cluster else (self.other, self.one)


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything in order of name."""

    clusters: tuple[ClusterNode, ...]
    links: tuple[Link, ...]

    def drawn(self, spot: Spot) -> Spot:
        """The gateway that stands for the cluster where a link leads to no certain one."""
        gateways = next(one.gateways for one in self.clusters if one.name == spot[0])
        return spot if spot[1] or not gateways else (spot[0], gateways[0].name)

    def numbered(self, prefix: str) -> dict[Spot, str]:
        """Names for languages in which not every text is one: `prefix` and a number for each gateway, and for
        each cluster the name of that which stands for it."""
        spots = [(one.name, gateway.name) for one in self.clusters for gateway in one.gateways]
        spots += [(one.name, "") for one in self.clusters if not one.gateways]
        names = {spot: f"{prefix}{at}" for at, spot in enumerate(spots)}
        return names | {(one.name, ""): names[self.drawn((one.name, ""))] for one in self.clusters}

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "clusters": [
                {
                    "cluster": cluster.name,
                    "version": cluster.version,
                    "gateways": [
                        {"gateway": one.name, "rail": one.rail, "state": one.state} for one in cluster.gateways
                    ],
                }
                for cluster in self.clusters
            ],
            "links": [
                {
                    "ends": [dict(zip(("cluster", "gateway"), spot, strict=True)) for spot in (link.one, link.other)],
                    "state": link.state,
                    "active": link.active,
                    "roundTripSeconds": link.round_trip,
                    "driver": link.driver,
                }
                for link in self.links
            ],
        }


def graph(picture: Picture) -> Graph:
    """From the rows of the views, so that drawing and tables never differ."""
    reported = {(row["cluster"], row["gateway"]): row for row in gateways.rows(picture)}
    spots: dict[str, dict[str, GatewayNode]] = {}
    released: dict[str, str] = {}
    for known in known_members(picture):
        here = spots.setdefault(known.cluster.id, {})
        released[known.cluster.id] = known.cluster.version
        for endpoint in known.endpoints:
            here[endpoint.gateway] = GatewayNode(endpoint.gateway, endpoint.rail)
    for (cluster, name), row in reported.items():
        spots.setdefault(cluster, {})[name] = GatewayNode(name, row["rail"], row["state"])
    links = _links(connections.rows(picture))
    for link in links:
        for cluster, name in (link.one, link.other):
            here = spots.setdefault(cluster, {})
            if name:
                here.setdefault(name, GatewayNode(name))
    return Graph(
        tuple(
            ClusterNode(name, tuple(sorted(spots[name].values(), key=_order)), released.get(name, ""))
            for name in sorted(spots)
        ),
        links,
    )


def bundled(whole: Graph) -> Graph:
    """With one gateway in each cluster that stands for all, and one link for each pair: as well as the worst."""
    pairs: dict[tuple[str, str], list[Link]] = {}
    for link in whole.links:
        pairs.setdefault((link.one[0], link.other[0]), []).append(link)
    stand_ins = {
        cluster.name: GatewayNode(
            "1 gateway" if len(cluster.gateways) == 1 else f"{len(cluster.gateways)} gateways",
            state=max((one.state for one in cluster.gateways), key=GATEWAYS_BEST_FIRST.index),
        )
        for cluster in whole.clusters
        if cluster.gateways
    }

    def spot(cluster: str) -> Spot:
        return cluster, stand_ins[cluster].name if cluster in stand_ins else ""

    return Graph(
        tuple(
            ClusterNode(one.name, (stand_ins[one.name],) if one.name in stand_ins else (), one.version)
            for one in whole.clusters
        ),
        tuple(_bundle(spot(one), spot(other), links) for (one, other), links in sorted(pairs.items())),
    )


def _bundle(one: Spot, other: Spot, links: list[Link]) -> Link:
    carrying = next((link for link in links if link.active), links[0])
    state = min((link.state for link in links), key=WORST_FIRST.index)
    return Link(one, other, state, any(link.active for link in links), carrying.round_trip, carrying.driver)


def _links(rows: list[Row]) -> tuple[Link, ...]:
    found: dict[tuple[Spot, Spot], list[Row]] = {}
    for row in rows:
        ends = (row["cluster"], row["gateway"]), (row["remoteCluster"], row["remoteGateway"])
        one, other = sorted(ends)
        found.setdefault((one, other), []).append(row)
    connected = {(one[0], other[0]) for one, other in found if one[1] and other[1]}
    return tuple(
        _link(one, other, reports)
        for (one, other), reports in sorted(found.items())
        # What one end misses the other may report.
        if (one[1] and other[1]) or (one[0], other[0]) not in connected
    )


def _link(one: Spot, other: Spot, reports: list[Row]) -> Link:
    state = min((row["state"] for row in reports), key=WORST_FIRST.index)
    trips = [trip for row in reports if (trip := row.get("roundTripSeconds")) is not None]
    return Link(
        one=one,
        other=other,
        state=state,
        active=any(row["active"] for row in reports),
        round_trip=trips[0] if trips else None,
        driver=next((row["driver"] for row in reports if row.get("driver")), ""),
    )


def _order(node: GatewayNode) -> tuple[int, str]:
    return (node.rail if node.rail is not None else 99), node.name

"""What `mcnet show` says about a member: rows of connections, endpoints and gateways, each with why it is not as it
should be and what to do next. Reading the objects is mcnet.show's; how rows look is its output's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.endpoint import Endpoint
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.model.node import PRIVATE_ADDRESS_ANNOTATION
from mcnet.model.ownership import vxlan_cable_port
from mcnet.plan.vxlan_cable import outer_family

Row = dict[str, Any]

CONNECTED: Final = CableState.CONNECTED.value
MISSING: Final = "missing"
"""State of a connection that should be there: the member is known, but no cable leads to it."""
UNKNOWN: Final = "unknown"
"""State of a cable whose gateway's daemon does not run: traffic may go on, nobody reports."""
READY: Final = "ready"
NOT_READY: Final = "not ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """A member as read from its API server. `daemon_problems` says by node why a gateway's daemon does not run;
    nodes where it runs are not in it. `gateway_nodes` are the nodes with the gateway label."""

    context: str
    cluster: ClusterId
    clusters: tuple[Cluster, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    gateway_nodes: tuple[str, ...] = ()
    daemon_problems: Mapping[str, str] | None = None
    unready_nodes: tuple[str, ...] = ()
    """Gateway nodes whose daemon runs and reports, but does not call itself ready."""
    unreadable: tuple[str, ...] = ()
    """Sentences about objects that could not be read."""


def connection_rows(view: ClusterView) -> list[Row]:
    """One row for each cable, and one for each member that no cable leads to."""
    rows = [_cable_row(view, gateway, cable) for gateway in view.gateways for cable in gateway.cables]
    reached = {row["remoteCluster"] for row in rows}
    rows += [_missing_row(view, one.id) for one in view.clusters if one.id not in reached | {view.cluster}]
    return sorted(rows, key=lambda row: (row["remoteCluster"], row["remoteGateway"], row["gateway"]))


def endpoint_rows(view: ClusterView) -> list[Row]:
    """One row for each gateway of the clusterset as this cluster knows it."""
    return [
        {
            "cluster": view.cluster,
            "endpointCluster": endpoint.cluster,
            "gateway": endpoint.gateway,
            "rail": endpoint.rail,
            "addresses": [str(address) for address in endpoint.private_addresses],
            "publicAddresses": [str(address) for address in endpoint.public_addresses],
            "ports": f"{endpoint.port_base}-{endpoint.port_base + 29}",
            "drivers": [offer.name for offer in endpoint.drivers],
            "mtu": endpoint.mtu,
            "prefixes": [str(prefix) for prefix in endpoint.prefixes],
            "local": endpoint.cluster == view.cluster,
        }
        for endpoint in sorted(view.endpoints, key=lambda one: (one.cluster, one.rail, one.gateway))
    ]


def gateway_rows(view: ClusterView) -> list[Row]:
    """One row for each node that is, or should be, a gateway."""
    reports = {gateway.node: gateway for gateway in view.gateways}
    return [_gateway_row(view, node, reports.get(node)) for node in sorted(reports.keys() | set(view.gateway_nodes))]


def connection_problem(row: Row) -> bool:
    """Whether the row calls for action."""
    return bool(row["state"] != CONNECTED)


def gateway_problem(row: Row) -> bool:
    """Likewise for a gateway."""
    return bool(row["state"] != READY)


def _cable_row(view: ClusterView, gateway: Gateway, cable: Cable) -> Row:
    silent = (view.daemon_problems or {}).get(gateway.node, "")
    state = UNKNOWN if silent else cable.state.value
    trip = cable.round_trip
    why, following = "", ""
    if silent:
        why = f"the gateway's daemon on {gateway.node} does not run ({silent}); it last said {cable.state.value}"
        following = f"{kubectl(view)} describe pods -l app.kubernetes.io/component=gateway"
    elif cable.state is not CableState.CONNECTED:
        why, following = _why_not_connected(view, gateway, cable)
    return {
        "cluster": view.cluster,
        "gateway": gateway.node,
        "remoteCluster": cable.cluster,
        "remoteGateway": cable.gateway,
        "state": state,
        "active": cable.active,
        "roundTripSeconds": trip.last if trip else None,
        "averageSeconds": trip.average if trip else None,
        "minimumSeconds": trip.minimum if trip else None,
        "maximumSeconds": trip.maximum if trip else None,
        "deviationSeconds": trip.deviation if trip else None,
        "loss": cable.loss,
        "driver": cable.driver,
        "path": cable.path,
        "localAddress": str(cable.local_address or ""),
        "remoteAddress": str(cable.remote_address or ""),
        **_families(view, cable.cluster),
        "rail": cable.rail,
        "since": cable.since,
        "why": why,
        "next": following,
    }


def _why_not_connected(view: ClusterView, gateway: Gateway, cable: Cable) -> tuple[str, str]:
    why = cable.reason or "no probe has been answered yet"
    endpoint = next(
        (one for one in view.endpoints if (one.cluster, one.gateway) == (cable.cluster, cable.gateway)), None
    )
    if endpoint is None:
        return why, f"{kubectl(view)} logs -l app.kubernetes.io/component=gateway --tail 20"
    own = next((one for one in view.endpoints if (one.cluster, one.gateway) == (view.cluster, gateway.node)), None)
    if own is not None and outer_family(own, endpoint) is None:
        return why, _how_to_meet(view, own, endpoint)
    if cable.remote_address is None:
        return why, "mcnet show endpoints -o wide"
    port = vxlan_cable_port(endpoint.port_base)
    return why, (
        f"check that UDP {port} is open both ways between {cable.local_address or gateway.node} and "
        f"{cable.remote_address or cable.gateway}, and that the gateway of {cable.cluster} runs: mcnet show gateways"
    )


def _how_to_meet(view: ClusterView, own: Endpoint, remote: Endpoint) -> str:
    """What brings two gateways together that have no outer address of one family."""
    there = " or ".join(sorted({f"IPv{address.version}" for address in remote.private_addresses}))
    return (
        f"give {own.gateway} an address and a default route of {there or 'its family'}, or name one that it has: "
        f"kubectl --context {view.context} annotate node {own.gateway} {PRIVATE_ADDRESS_ANNOTATION}=ADDRESS "
        f"(or do so in {remote.cluster}), or make a node with both the gateway"
    )


def _families(view: ClusterView, other: ClusterId) -> Row:
    """The families in which pods of the two clusters reach each other; `onlySome` if one of the two has another
    that the other lacks."""
    pods = {
        cluster.id: {prefix.version for prefix in cluster.pod_prefixes}
        for cluster in view.clusters
        if cluster.id in (view.cluster, other)
    }
    mine, theirs = pods.get(view.cluster, set()), pods.get(other, set())
    return {
        "families": [f"IPv{version}" for version in sorted(mine & theirs)],
        "onlySome": mine != theirs and bool(mine and theirs),
    }


def _missing_row(view: ClusterView, other: ClusterId) -> Row:
    endpoints = [endpoint for endpoint in view.endpoints if endpoint.cluster == other]
    if not view.gateways:
        why, following = f"{view.cluster} has no gateway", f"mcnet show gateways --context {view.context}"
    elif endpoints:
        why = f"the gateways of {view.cluster} have not taken up {other}'s endpoints"
        following = f"{kubectl(view)} logs -l app.kubernetes.io/component=gateway --tail 20"
    else:
        why = f"{other} has published no gateway that {view.cluster} knows of"
        following = f"mcnet show gateways, in {other}'s context"
    return {
        "cluster": view.cluster,
        "gateway": "",
        "remoteCluster": other,
        "remoteGateway": "",
        "state": MISSING,
        "active": False,
        "why": why,
        "next": following,
    }


def _gateway_row(view: ClusterView, node: str, report: Gateway | None) -> Row:
    silent = (view.daemon_problems or {}).get(node, "")
    problems = list(report.problems) if report else []
    following = ""
    if silent:
        problems.insert(0, f"its daemon does not run: {silent}")
        following = f"{kubectl(view)} describe pods -l app.kubernetes.io/component=gateway"
    elif report is None:
        problems.append("it has not reported yet")
        following = f"{kubectl(view)} logs -l app.kubernetes.io/component=gateway --tail 20"
    elif node not in view.gateway_nodes:
        problems.append("its node no longer bears the gateway label")
        following = f"kubectl --context {view.context} label node {node} mcnet.dev/gateway=true"
    elif problems:
        following = f"{kubectl(view)} logs -l app.kubernetes.io/component=gateway --tail 20"
    if node in view.unready_nodes:
        problems.append("its daemon runs, but is not ready")
        following = following or f"{kubectl(view)} logs -l app.kubernetes.io/component=gateway --tail 20"
    cables = report.cables if report else ()
    connected = sum(cable.state is CableState.CONNECTED for cable in cables)
    own = next((one for one in view.endpoints if (one.cluster, one.gateway) == (view.cluster, node)), None)
    return {
        "cluster": view.cluster,
        "gateway": node,
        "rail": report.rail if report else None,
        "state": NOT_READY if problems else READY,
        "connected": connected,
        "cables": len(cables),
        "addresses": [str(address) for address in own.private_addresses] if own else [],
        "version": report.version if report else "",
        "why": "; ".join(problems),
        "next": following,
    }


def kubectl(view: ClusterView) -> str:
    """How the user looks at this member's namespace."""
    return f"kubectl --context {view.context} -n {SYSTEM_NAMESPACE}"


def summary(rows: Iterable[Row]) -> str:
    """ "3 of 4 connections are up"."""
    listed = list(rows)
    up = sum(row["state"] == CONNECTED for row in listed)
    noun = "connection" if len(listed) == 1 else "connections"
    return f"{up} of {len(listed)} {noun} up"

"""Which clusters are connected, how well, and why not: a row for each cable, and for each member without one."""

from typing import Final

from mcnet.model.cluster import ClusterId
from mcnet.model.endpoint import Endpoint
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.model.node import PRIVATE_ADDRESS_ANNOTATION
from mcnet.plan import ports
from mcnet.plan.cluster_view import ClusterView, Picture, Row, describe_pods, logs
from mcnet.plan.outer_address import outer_family
from mcnet.plan.trust import is_stopped, keys_differ

CONNECTED: Final = CableState.CONNECTED.value
MISSING: Final = "missing"
"""State of a connection that should be there: the member is known, but no cable leads to it."""
UNKNOWN: Final = "unknown"
"""State of a cable whose gateway's daemon does not run: traffic may go on, nobody reports."""


def rows(picture: Picture) -> list[Row]:
    """Of all members."""
    return [row for view in picture.members for row in connection_rows(view)]


def connection_rows(view: ClusterView) -> list[Row]:
    """One row for each cable, and one for each member that no cable leads to."""
    rows = [_cable_row(view, gateway, cable) for gateway in view.gateways for cable in gateway.cables]
    reached = {row["remoteCluster"] for row in rows}
    rows += [_missing_row(view, one.id) for one in view.clusters if one.id not in reached | {view.cluster}]
    return sorted(rows, key=lambda row: (row["remoteCluster"], row["remoteGateway"], row["gateway"]))


def _cable_row(view: ClusterView, gateway: Gateway, cable: Cable) -> Row:
    silent = view.daemon_problems.get(gateway.node, "")
    state = UNKNOWN if silent else cable.state.value
    trip, rates = cable.round_trip, None if silent else cable.throughput
    families = _families(view, cable.cluster)
    why, following = "", ""
    if silent:
        why = f"the gateway's daemon on {gateway.node} does not run ({silent}); it last said {cable.state.value}"
        following = describe_pods(view, "gateway")
    elif cable.state is not CableState.CONNECTED:
        why, following = _why_not_connected(view, gateway, cable)
    return {
        "cluster": view.cluster,
        "gateway": gateway.node,
        "remoteCluster": cable.cluster,
        "remoteGateway": cable.gateway,
        "state": state,
        "active": cable.active,
        "share": cable.share if cable.active else None,
        "roundTripSeconds": trip.last if trip else None,
        "averageSeconds": trip.average if trip else None,
        "minimumSeconds": trip.minimum if trip else None,
        "maximumSeconds": trip.maximum if trip else None,
        "deviationSeconds": trip.deviation if trip else None,
        "loss": cable.loss,
        "receivedBitsPerSecond": rates.received if rates else None,
        "sentBitsPerSecond": rates.sent if rates else None,
        "driver": cable.driver,
        "device": cable.device,
        "userspace": cable.userspace,
        "path": cable.path,
        "mtu": cable.mtu or None,
        "localAddress": str(cable.local_address or ""),
        "remoteAddress": str(cable.remote_address or ""),
        **families,
        "rail": cable.rail,
        "since": cable.since,
        "why": why,
        "next": following,
        "note": (cable.reason or _only_by(families)) if state == CONNECTED else "",
    }


def _why_not_connected(view: ClusterView, gateway: Gateway, cable: Cable) -> tuple[str, str]:
    why = cable.reason or "no probe has been answered yet"
    endpoint = next(
        (one for one in view.endpoints if (one.cluster, one.gateway) == (cable.cluster, cable.gateway)), None
    )
    if endpoint is None:
        return why, logs(view, "gateway")
    own = next((one for one in view.endpoints if (one.cluster, one.gateway) == (view.cluster, gateway.node)), None)
    if own is not None and outer_family(own, endpoint) is None:
        return why, _how_to_meet(view, own, endpoint)
    if cable.remote_address is None:
        return why, "mcnet show endpoints -o wide"
    needed = ports.cables(cable.driver, endpoint.port_base) or (ports.vxlan_cable(endpoint.port_base),)
    named = " and ".join(f"{one.protocol.value.upper()} {one.numbers}" for one in needed)
    return why, (
        f"check that {named} is open both ways between {cable.local_address or gateway.node} and "
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


def _only_by(families: Row) -> str:
    if not families["onlySome"]:
        return ""
    names = ", ".join(families["families"])
    return f"pods reach each other by {names} only" if names else "their pods have no IP family in common"


def _missing_row(view: ClusterView, other: ClusterId) -> Row:
    endpoints = [endpoint for endpoint in view.endpoints if endpoint.cluster == other]
    pin = view.pins.get(other)
    if pin is not None and is_stopped(pin):
        why = f"the keys of {other} have changed ({keys_differ(pin)})"
        following = f"mcnet member trust {other} --context {view.context}, if it was rebuilt"
    elif not view.gateways:
        why, following = f"{view.cluster} has no gateway", f"mcnet show gateways --context {view.context}"
    elif endpoints:
        why = f"the gateways of {view.cluster} have not taken up {other}'s endpoints"
        following = logs(view, "gateway")
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

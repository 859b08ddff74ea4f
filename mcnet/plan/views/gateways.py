"""The gateway nodes of each cluster, and what is wrong with them."""

from typing import Final

from mcnet.model.gateway import CableState, Gateway
from mcnet.plan.cluster_view import ClusterView, Picture, Row, describe_pods, logs

READY: Final = "ready"
NOT_READY: Final = "not ready"


def rows(picture: Picture) -> list[Row]:
    """Of all members."""
    return [row for view in picture.members for row in gateway_rows(view)]


def gateway_rows(view: ClusterView) -> list[Row]:
    """One row for each node that is, or should be, a gateway."""
    reports = {gateway.node: gateway for gateway in view.gateways}
    return [_gateway_row(view, node, reports.get(node)) for node in sorted(reports.keys() | set(view.gateway_nodes))]


def _gateway_row(view: ClusterView, node: str, report: Gateway | None) -> Row:
    silent = view.daemon_problems.get(node, "")
    problems = list(report.problems) if report else []
    following = ""
    if silent:
        problems.insert(0, f"its daemon does not run: {silent}")
        following = describe_pods(view, "gateway")
    elif report is None:
        problems.append("it has not reported yet")
        following = logs(view, "gateway")
    elif node not in view.gateway_nodes:
        problems.append("its node no longer bears the gateway label")
        following = f"kubectl --context {view.context} label node {node} mcnet.dev/gateway=true"
    elif problems:
        following = logs(view, "gateway")
    if node in view.unready_nodes:
        problems.append("its daemon runs, but is not ready")
        following = following or logs(view, "gateway")
    cables = report.cables if report else ()
    connected = sum(cable.state is CableState.CONNECTED for cable in cables)
    draining = report is not None and report.draining
    rates = [cable.throughput for cable in cables if cable.throughput is not None and not silent]
    own = next((one for one in view.endpoints if (one.cluster, one.gateway) == (view.cluster, node)), None)
    return {
        "cluster": view.cluster,
        "gateway": node,
        "rail": report.rail if report else None,
        "state": NOT_READY if problems else READY,
        "weight": report.weight if report else None,
        "draining": draining,
        "connected": connected,
        "cables": len(cables),
        "receivedBitsPerSecond": sum(rate.received for rate in rates) if rates else None,
        "sentBitsPerSecond": sum(rate.sent for rate in rates) if rates else None,
        "addresses": [str(address) for address in own.private_addresses] if own else [],
        "version": report.version if report else "",
        "note": "it drains: it is not sent to where another gateway leads as well" if draining else "",
        "why": "; ".join(problems),
        "next": following,
    }

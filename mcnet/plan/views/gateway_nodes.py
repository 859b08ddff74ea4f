"""The gateways of one cluster as its admin changes them: weight, drained or not, and why one carries no traffic."""

from typing import Final

from mcnet.model.gateway import CableState
from mcnet.plan.cluster_view import Row
from mcnet.plan.gateway_nodes import GatewayNode, Gateways

READY: Final = "ready"
NOT_READY: Final = "not ready"
DRAINING: Final = "draining"
CORDONED: Final = "cordoned"


def rows(gateways: Gateways) -> list[Row]:
    """One row for each node with the gateway label, by name."""
    return [_row(gateways, one) for one in gateways.gateways]


def _row(gateways: Gateways, one: GatewayNode) -> Row:
    why, following = _why(gateways, one)
    up = sum(cable.state is CableState.CONNECTED for cable in one.cables)
    alone = one.node.draining and one.is_healthy and not gateways.rest(one.name)
    return {
        "cluster": gateways.cluster,
        "gateway": one.name,
        "rail": one.report.rail if one.report else None,
        "state": _state(one, bool(why)),
        "ready": one.is_healthy,
        "weight": one.node.weight,
        "draining": one.node.draining,
        "cordoned": one.cordoned,
        "carries": bool(one.reached) and one.is_healthy and (alone or not one.node.draining),
        "connected": up,
        "cables": len(one.cables),
        "addresses": [str(address) for address in one.endpoint.private_addresses] if one.endpoint else [],
        "publicAddresses": [str(address) for address in one.endpoint.public_addresses] if one.endpoint else [],
        "version": one.report.version if one.report else "",
        "why": why,
        "next": following,
        "note": _note(gateways, one, alone=alone),
    }


def _state(one: GatewayNode, is_wrong: bool) -> str:
    if not one.is_healthy:
        return NOT_READY
    if one.cordoned:
        return CORDONED
    if one.node.draining:
        return DRAINING
    return NOT_READY if is_wrong and not one.reached else READY


def _why(gateways: Gateways, one: GatewayNode) -> tuple[str, str]:
    """What is wrong and the next command; what the admin wants is not."""
    if not one.ready:
        return "its node is not Ready", f"kubectl{gateways.at} describe node {one.name}"
    if one.daemon:
        pods = "describe pods -l app.kubernetes.io/component=gateway"
        return f"its daemon does not run: {one.daemon}", f"kubectl{gateways.at} -n mcnet-system {pods}"
    if one.report is None:
        logs = "logs -l app.kubernetes.io/component=gateway --tail 20"
        return "it has not reported yet", f"kubectl{gateways.at} -n mcnet-system {logs}"
    said = [*one.report.problems, *(problem for problem in one.problems if problem not in one.report.problems)]
    if one.cables and not one.reached:
        first = one.cables[0]
        said.append(f"no cable is connected: {first.gateway} of {first.cluster}: {first.reason or first.state.value}")
    return "; ".join(said), f"mcnet diagnose{gateways.at}" if said else ""


def _note(gateways: Gateways, one: GatewayNode, *, alone: bool) -> str:
    if one.cordoned:
        back = f"kubectl{gateways.at} uncordon {one.name}"
        said = f"its node is cordoned, so it drains; {back} takes it back"
    elif one.drained:
        said = f"it drains; mcnet gateway undrain {one.name}{gateways.at} takes it back"
    else:
        return ""
    return f"{said}; as the only healthy gateway it carries on" if alone else said

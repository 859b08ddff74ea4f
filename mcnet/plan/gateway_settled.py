"""Whether a change of gateways has arrived everywhere: a new one connected to all, a drained one used by nobody.

A cluster sees its own objects only. That a gateway has said so stands in its Endpoint; whether the others follow is
seen where their reports can be read, and elsewhere it takes no longer than FOLLOW.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from mcnet.model.cluster import ClusterId
from mcnet.model.endpoint import Endpoint
from mcnet.model.gateway import CableState, Gateway
from mcnet.plan.gateway_nodes import GatewayNode, Gateways
from mcnet.plan.withdrawn import LINGER

FOLLOW: Final = LINGER
"""Seconds from a gateway's changed Endpoint until the others act on it: it goes by watches over their discovery and
the broker, about a second while these answer. As long as what a gateway sends that is one no more is taken in."""

FIELDS: Final = {
    "private-address": "private_addresses",
    "public-address": "public_addresses",
    "port-base": "port_base",
    "public-port-base": "public_port_base",
}
"""What an Endpoint says of each setting of a gateway."""


def unconnected(node: GatewayNode, remotes: Iterable[Endpoint]) -> tuple[str, ...]:
    """What a gateway still lacks: a sentence for each gateway of other clusters that it is not connected to."""
    if node.daemon:
        return (f"its daemon does not run: {node.daemon}",)
    if node.report is None or node.report.rail is None or node.endpoint is None:
        why = node.report.problems[:1] if node.report else ()
        return ("".join(why) or "it has not reported yet",)
    cables = {(cable.cluster, cable.gateway): cable for cable in node.cables}
    missing = []
    for end in remotes:
        cable = cables.get((end.cluster, end.gateway))
        if cable is None:
            missing.append(f"no cable to {end.gateway} of {end.cluster} yet")
        elif cable.state is not CableState.CONNECTED:
            missing.append(f"not connected to {end.gateway} of {end.cluster}: {cable.reason or cable.state.value}")
    return tuple(missing)


def unsaid(node: GatewayNode) -> str:
    """What a gateway that is to drain has not done yet; "" once it has said so to everybody, or is gone."""
    if node.endpoint is None or node.endpoint.weight == 0:
        return ""
    return f"its daemon does not run: {node.daemon}" if node.daemon else f"{node.name} has not said so yet"


def published(endpoint: Endpoint | None, before: Endpoint | None, values: Mapping[str, str]) -> bool:
    """Whether an Endpoint has what was set (`mcnet gateway set`), or at least something else than `before`: a value
    may be a name."""
    return all(
        str(getattr(endpoint, FIELDS[setting], None)) == value
        or getattr(endpoint, FIELDS[setting], None) != getattr(before, FIELDS[setting], None)
        for setting, value in values.items()
    )


def users(reports: Mapping[ClusterId, Iterable[Gateway]], cluster: ClusterId, node: str) -> tuple[str, ...]:
    """The gateways of other clusters that still send by the gateway `node` of `cluster`, by their own reports."""
    return tuple(
        sorted(
            f"{other}/{report.node}"
            for other, here in reports.items()
            for report in here
            if any((cable.cluster, cable.gateway) == (cluster, node) and cable.active for cable in report.cables)
        )
    )


def unseen(gateways: Gateways, seen: Iterable[ClusterId]) -> tuple[ClusterId, ...]:
    """The clusters with gateways whose reports can't be read from here."""
    return tuple(sorted({end.cluster for end in gateways.remotes} - set(seen)))

"""What is told of a node's gateways when its probes of them fail, or are answered again: reason, cause, next command.

The verdicts of two rounds are compared, so a restart tells nothing. When a gateway is lost all nodes see it: in a
large cluster some of them speak. Pure. Of cables mcnet.plan.cable_events tells.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping

from mcnet.plan.choice import Health
from mcnet.plan.gateway_events import Told

SPEAKERS = 20
"""Nodes of a cluster that tell of its gateways."""
LOST, BACK = "GatewayLost", "GatewayBack"
_AWAY = {
    Health.DOWN: ("silent", "its probes are not answered"),
    Health.HELD: ("flapping", "it comes and goes, and is used again when it has stayed for a while"),
}


def changes(before: Mapping[str, Health], now: Mapping[str, Health]) -> tuple[tuple[str, Told], ...]:
    """What this node has to say of its gateways, by their nodes' names; nothing of those that are new or gone."""
    return tuple(_changes(before, now))


def _changes(before: Mapping[str, Health], now: Mapping[str, Health]) -> Iterator[tuple[str, Told]]:
    for gateway in sorted(before.keys() & now.keys()):
        was, is_now = before[gateway], now[gateway]
        if is_now in _AWAY and was not in _AWAY:
            cause, why = _AWAY[is_now]
            note = f"this node has left gateway {gateway}: {why}; mcnet diagnose tells where packets are lost"
            yield gateway, Told(LOST, note, cause, warning=True)
        elif was in _AWAY and is_now is Health.UP:
            note = f"this node uses gateway {gateway} again: its probes are answered"
            yield gateway, Told(BACK, note, "answers")


def speaks(node: str, nodes: Collection[str]) -> bool:
    """Whether `node` is one of those that write Events about their gateways."""
    return node in sorted(nodes, key=_rank)[:SPEAKERS]


def _rank(node: str) -> bytes:
    return hashlib.sha256(node.encode()).digest()

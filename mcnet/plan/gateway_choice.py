"""Which nodes become gateways: those labelled already, then workers before control plane, spread over zones."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from mcnet.model.node import GATEWAY_LABEL

JsonObject = dict[str, Any]
ZONE_LABEL: Final = "topology.kubernetes.io/zone"
CONTROL_PLANE_LABELS: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


def labelled_gateways(nodes: Iterable[JsonObject]) -> tuple[str, ...]:
    """Names of the nodes that bear the gateway label."""
    return tuple(sorted(_name(node) for node in nodes if _labels(node).get(GATEWAY_LABEL) == "true"))


def choose_gateways(
    nodes: Sequence[JsonObject], count: int, selector: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Names of `count` gateway nodes, fewer if there are not so many; stable for the same nodes.

    A label that is there is kept, also beyond `count`. `selector` narrows the candidates; nodes that are
    cordoned or not Ready come last.
    """
    chosen = list(labelled_gateways(nodes))
    zones = Counter(_zone(node) for node in nodes if _name(node) in chosen)
    rest = [node for node in nodes if _name(node) not in chosen and _matches(node, selector or {})]
    while rest and len(chosen) < count:
        best = min(rest, key=lambda node: (_rank(node), zones[_zone(node)], _name(node)))
        rest.remove(best)
        chosen.append(_name(best))
        zones[_zone(best)] += 1
    return tuple(chosen)


def is_ready(node: JsonObject) -> bool:
    """Whether the node's condition Ready is true."""
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)


def _rank(node: JsonObject) -> tuple[bool, bool]:
    unusable = bool((node.get("spec") or {}).get("unschedulable")) or not is_ready(node)
    return unusable, any(label in _labels(node) for label in CONTROL_PLANE_LABELS)


def _matches(node: JsonObject, selector: Mapping[str, str]) -> bool:
    return all(_labels(node).get(label) == value for label, value in selector.items())


def _labels(node: JsonObject) -> Mapping[str, str]:
    return node["metadata"].get("labels") or {}


def _zone(node: JsonObject) -> str:
    return _labels(node).get(ZONE_LABEL, "")


def _name(node: JsonObject) -> str:
    return str(node["metadata"]["name"])

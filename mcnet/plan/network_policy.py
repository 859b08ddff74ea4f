"""What NetworkPolicies of a namespace let a pod of it send (networking.k8s.io/v1, KEP-2079 for endPort).

Policies only add up: a pod that none selects for egress may send everything; a selected one what any rule of any
of them allows. A CNI applies them to addresses after the Service's translation, so a destination is that of an
endpoint. Whether the CNI applies them at all is not known here.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mcnet.model.kernel import Address

JsonObject: TypeAlias = dict[str, Any]
Labels: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a pod has to get to: `what` in words, protocol "TCP" or "UDP". `labels` and `namespace_labels` are set
    where it is a pod; `ports` are the names that its containers give to ports."""

    what: str
    address: Address
    port: int
    protocol: str = "TCP"
    labels: Labels | None = None
    namespace: str = ""
    namespace_labels: Labels | None = None
    ports: Mapping[str, int] | None = None


def forbidding(
    policies: Sequence[JsonObject], pod_labels: Labels, namespace: str, to: Destination
) -> tuple[JsonObject, ...]:
    """The policies because of which a pod with these labels can't reach `to`; empty if it can."""
    selecting = tuple(
        one for one in policies if isolates_egress(one) and selects(_spec(one), "podSelector", pod_labels)
    )
    if any(_allows(rule, namespace, to) for one in selecting for rule in _dicts(_spec(one).get("egress"))):
        return ()
    return selecting


def isolates_egress(policy: JsonObject) -> bool:
    """Whether it is about what pods send. Without policyTypes it is if it has egress rules."""
    types = _spec(policy).get("policyTypes")
    return "Egress" in types if types else bool(_spec(policy).get("egress"))


def selects(holder: Mapping[str, Any], key: str, labels: Labels) -> bool:
    """Whether the label selector in `holder[key]` matches; one that is empty matches everything. A selector that
    is not understood matches nothing, as an API server would have refused it."""
    selector = holder.get(key) or {}
    if not isinstance(selector, dict):
        return False
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(label) == value for label, value in wanted.items()) and all(
        _fits(expression, labels) for expression in _dicts(selector.get("matchExpressions"))
    )


def _fits(expression: JsonObject, labels: Labels) -> bool:
    key, values = str(expression.get("key", "")), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def _allows(rule: JsonObject, namespace: str, to: Destination) -> bool:
    """Peers and ports are both to match; a list that is missing or empty matches everything."""
    peers, ports = rule.get("to") or (), rule.get("ports") or ()
    return (not peers or any(_is_peer(peer, namespace, to) for peer in _dicts(peers))) and (
        not ports or any(_is_port(port, to) for port in _dicts(ports))
    )


def _is_peer(peer: JsonObject, namespace: str, to: Destination) -> bool:
    block = peer.get("ipBlock")
    if block is not None:
        return _inside(block.get("cidr"), to.address) and not any(
            _inside(one, to.address) for one in block.get("except") or ()
        )
    if to.labels is None or not {"podSelector", "namespaceSelector"} & peer.keys():
        return False  # selectors select pods only
    if peer.get("namespaceSelector") is None:
        there = to.namespace == namespace
    else:
        there = selects(peer, "namespaceSelector", to.namespace_labels or {})
    return there and selects(peer, "podSelector", to.labels)


def _inside(cidr: object, address: Address) -> bool:
    try:
        network = ipaddress.ip_network(str(cidr), strict=False)
    except ValueError:
        return False
    return network.version == address.version and address in network


def _is_port(port: JsonObject, to: Destination) -> bool:
    if (port.get("protocol") or "TCP") != to.protocol:
        return False
    first, last = port.get("port"), port.get("endPort")
    if first is None:
        return True
    if isinstance(first, str):
        return (to.ports or {}).get(first) == to.port
    return bool(first <= to.port <= last) if isinstance(last, int) else bool(first == to.port)


def allowing(name: str, namespace: str, pod_labels: Labels, to: Iterable[Destination]) -> JsonObject:
    """A policy that lets these pods reach the ports of all of `to`, wherever those are: addresses change."""
    ports = sorted({(one.port, one.protocol) for one in to})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": dict(pod_labels)},
            "policyTypes": ["Egress"],
            "egress": [{"ports": [{"port": port, "protocol": protocol} for port, protocol in ports]}],
        },
    }


def _spec(policy: JsonObject) -> JsonObject:
    spec = policy.get("spec")
    return spec if isinstance(spec, dict) else {}


def _dicts(value: Any) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, (list, tuple)) else []

"""The nodes of one cluster as gateways: which are, which carry traffic and why others don't, and what speaks against
adding one, draining it or taking it away. Writing and waiting are mcnet.install.gateways'.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcnet.codec import node as node_codec
from mcnet.codec.errors import DecodeError
from mcnet.model.cluster import ClusterId
from mcnet.model.endpoint import Endpoint
from mcnet.model.errors import McnetError, UsageError
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.model.node import DEFAULT_WEIGHT, DRAIN_ANNOTATION, GATEWAY_LABEL, WEIGHT_ANNOTATION, WEIGHTS, Node
from mcnet.model.ownership import MAX_RAILS
from mcnet.plan.gateway_choice import is_ready
from mcnet.plan.pods import problem_on

JsonObject = dict[str, Any]
MARKS: Final = (DRAIN_ANNOTATION, WEIGHT_ANNOTATION)
"""Annotations that `mcnet gateway` puts on a node and that mean nothing once it is no gateway."""


@dataclass(frozen=True, slots=True)
class GatewayNode:
    """A node, and what its gateway reports if it is one. `daemon` is why the gateway's pod does not run; `drained`
    says that it is marked to drain, `cordoned` that it takes no pods, which drains it too."""

    node: Node
    ready: bool = True
    cordoned: bool = False
    drained: bool = False
    daemon: str = ""
    report: Gateway | None = None
    endpoint: Endpoint | None = None
    problems: tuple[str, ...] = ()
    """Annotations of its node that can't be used."""

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def cables(self) -> tuple[Cable, ...]:
        return self.report.cables if self.report else ()

    @property
    def reached(self) -> frozenset[ClusterId]:
        """The clusters that it is connected to."""
        return frozenset(cable.cluster for cable in self.cables if cable.state is CableState.CONNECTED)

    @property
    def is_healthy(self) -> bool:
        """Whether it could carry traffic, if it does not drain."""
        return self.node.gateway and self.ready and not self.daemon and self.report is not None

    @property
    def takes_over(self) -> bool:
        """Whether traffic can be left to it."""
        return self.is_healthy and not self.node.draining


@dataclass(frozen=True, slots=True)
class Gateways:
    """A cluster's nodes by name, and what it knows of the others' gateways. `at` is put behind a command for this
    cluster: " --context west"."""

    cluster: ClusterId
    nodes: Mapping[str, GatewayNode] = field(default_factory=dict)
    remotes: tuple[Endpoint, ...] = ()
    at: str = ""

    @property
    def gateways(self) -> tuple[GatewayNode, ...]:
        return tuple(one for one in self.nodes.values() if one.node.gateway)

    def rest(self, node: str) -> tuple[GatewayNode, ...]:
        """The other gateways that traffic can be left to."""
        return tuple(one for one in self.gateways if one.name != node and one.takes_over)


def describe(
    nodes: Iterable[JsonObject], pods: Collection[JsonObject], reports: Iterable[Gateway], own: Iterable[Endpoint]
) -> dict[str, GatewayNode]:
    """By name, from what the API server has; `pods` are those of the gateway's daemon."""
    by_node = {report.node: report for report in reports}
    ends = {endpoint.gateway: endpoint for endpoint in own}
    found = {}
    for obj in nodes:
        try:
            node = node_codec.decode(obj)
        except DecodeError:
            continue  # no gateway of ours could make anything of it
        found[node.name] = GatewayNode(
            node=node,
            ready=is_ready(obj),
            cordoned=bool((obj.get("spec") or {}).get("unschedulable")),
            drained=(obj["metadata"].get("annotations") or {}).get(DRAIN_ANNOTATION) == "true",
            daemon=problem_on(node.name, pods) if node.gateway else "",
            report=by_node.get(node.name),
            endpoint=ends.get(node.name),
            problems=node_codec.annotation_problems(obj),
        )
    return dict(sorted(found.items()))


def find(gateways: Gateways, name: str, command: str) -> GatewayNode:
    """The node of that name. Raises UsageError that says where else it is, if it is a gateway there; `command` is
    what was asked for, "drain"."""
    if name in gateways.nodes:
        return gateways.nodes[name]
    owners = sorted({end.cluster for end in gateways.remotes if end.gateway == name})
    if owners:
        raise UsageError(
            f"{name} is a gateway of {' and '.join(owners)}, not of {gateways.cluster}",
            f"mcnet gateway {command} {name} --context CONTEXT, with the context of {owners[0]}",
        )
    raise UsageError(
        f"{gateways.cluster} has no node {name!r}", f"its nodes are {', '.join(gateways.nodes) or 'none'}"
    )


def find_gateway(gateways: Gateways, name: str, command: str) -> GatewayNode:
    """The gateway of that name. Raises UsageError."""
    found = find(gateways, name, command)
    if found.node.gateway:
        return found
    names = ", ".join(one.name for one in gateways.gateways)
    there = f"its gateways are {names}; " if names else "it has none; "
    raise UsageError(
        f"{name} of {gateways.cluster} is no gateway",
        f"{there}to make it one: mcnet gateway add {name}{gateways.at}",
    )


def parse_weight(text: str, name: str, at: str = "") -> int | None:
    """The weight that was typed, None for the word that takes it back. Raises UsageError."""
    word = text.strip()
    if word == "default":
        return None
    number = int(word) if word.isascii() and word.isdigit() and len(word) < 10 else -1
    if number in WEIGHTS:
        return number
    if number == 0:
        raise UsageError(
            "a gateway of weight 0 would carry nothing, which is what draining does",
            f"drain it instead: mcnet gateway drain {name}{at}",
        )
    raise UsageError(
        f"{text!r} is not a weight from {WEIGHTS[0]} to {WEIGHTS[-1]}",
        f"weights are shares against the other gateways': with {DEFAULT_WEIGHT} and 50 two thirds of the flows go by "
        "the first",
    )


def unmark(obj: JsonObject) -> JsonObject:
    """The patch of a Node's metadata that takes away the gateway's label, its drain mark and its weight; empty if
    there are none of them."""
    metadata = obj["metadata"]
    patch = {
        "labels": {GATEWAY_LABEL: None} if GATEWAY_LABEL in (metadata.get("labels") or {}) else {},
        "annotations": {mark: None for mark in MARKS if mark in (metadata.get("annotations") or {})},
    }
    return {key: value for key, value in patch.items() if value}


def check_add(gateways: Gateways, node: GatewayNode) -> None:
    """Raises McnetError if the node can't become a gateway that carries traffic."""
    if node.node.gateway:
        return
    if not node.ready:
        raise McnetError(
            f"node {node.name} of {gateways.cluster} is not Ready, so no gateway could run there",
            f"kubectl{gateways.at} describe node {node.name}",
        )
    if node.cordoned:
        raise McnetError(
            f"node {node.name} of {gateways.cluster} is cordoned, and as a gateway it would drain at once",
            f"kubectl{gateways.at} uncordon {node.name}",
        )
    if len(gateways.gateways) >= MAX_RAILS:
        raise McnetError(
            f"{gateways.cluster} has {len(gateways.gateways)} gateways already, and {MAX_RAILS} are the most",
            f"take one away first: mcnet gateway remove NODE{gateways.at}",
        )


def lost(gateways: Gateways, node: GatewayNode) -> tuple[str, ...]:
    """The clusters that no other gateway could reach, if `node` did not carry traffic."""
    others = {cluster for one in gateways.rest(node.name) for cluster in one.reached}
    return tuple(sorted(node.reached - others))


def refusal(gateways: Gateways, node: GatewayNode) -> McnetError | None:
    """What speaks against leaving the traffic of `node` to the other gateways. Nothing does if it carries none."""
    if not node.is_healthy:
        return None
    gone = lost(gateways, node)
    if not gateways.rest(node.name):
        what = f"without it {', '.join(gone)} can't be reached" if gone else "no other could carry on"
        return McnetError(
            f"{node.name} is the only healthy gateway of {gateways.cluster}: {what}",
            f"{_first(gateways, node)}; or the same command with --force",
        )
    if gone:
        return McnetError(
            f"only {node.name} of the gateways of {gateways.cluster} is connected to {', '.join(gone)}",
            f"mcnet diagnose{gateways.at}; or the same command with --force",
        )
    return None


def _first(gateways: Gateways, node: GatewayNode) -> str:
    """What to do before, so that nothing is lost."""
    drained = next((one.name for one in gateways.gateways if one.is_healthy and one.drained and one != node), "")
    if drained:
        return f"take {drained} back first: mcnet gateway undrain {drained}{gateways.at}"
    cordoned = next((one.name for one in gateways.gateways if one.is_healthy and one.cordoned and one != node), "")
    if cordoned:
        return f"let {cordoned} carry traffic first: kubectl{gateways.at} uncordon {cordoned}"
    spares = (one.name for one in gateways.nodes.values() if not one.node.gateway and one.ready and not one.cordoned)
    spare = next(spares, "NODE")
    return f"add another one first: mcnet gateway add {spare}{gateways.at}"

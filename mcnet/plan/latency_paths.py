"""Between which nodes latency is measured: those asked for, else gateways and other nodes of connected clusters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from mcnet.model.cluster import ClusterId
from mcnet.model.errors import McnetError, UsageError
from mcnet.model.latency import Path, Place

CONNECTIONS: Final = "mcnet show connections"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A member as the choice sees it. `nodes` are the Ready ones; `gateways` by rail; `connected` are the
    clusters to which a cable is up."""

    context: str
    cluster: ClusterId
    nodes: tuple[str, ...]
    gateways: tuple[str, ...]
    connected: frozenset[ClusterId]


@dataclass(frozen=True, slots=True)
class End:
    """What `--from` or `--to` names: a context, and a node of it ("" for one gateway and one other node)."""

    context: str
    node: str = ""


def parse_end(text: str, contexts: Iterable[str]) -> End:
    """CONTEXT or CONTEXT/NODE; contexts may hold slashes themselves. Raises UsageError."""
    known = sorted(contexts)
    if text in known:
        return End(text)
    context, _, node = text.rpartition("/")
    if context in known and node:
        return End(context, node)
    raise UsageError(
        f"{text!r} names no context of the kubeconfig, which has {', '.join(known) or 'none'}",
        "write CONTEXT or CONTEXT/NODE",
    )


def choose(sides: Sequence[Side], source: End | None, target: End | None) -> tuple[Path, ...]:
    """The paths, at least one. Raises McnetError or UsageError with what stands against it."""
    by_context = {side.context: side for side in sides}
    for end in (source, target):
        if end is not None and end.context not in by_context:
            raise UsageError(
                f"context {end.context} is no member of a clusterset",
                f"mcnet join broker-info.mcnet --context {end.context}",
            )
    paths = [path for one, other in _pairs(by_context, source, target) for path in _between(one, other, by_context)]
    if not paths:
        raise McnetError("no two clusters of the kubeconfig are connected with each other", CONNECTIONS)
    return tuple(dict.fromkeys(paths))


def _pairs(sides: Mapping[str, Side], source: End | None, target: End | None) -> list[tuple[End, End]]:
    """Which ends belong together. An end that was not asked for is every cluster that the other is connected to."""
    match source, target:
        case End(), End():
            return [(source, target)]
        case End(), None:
            return [(source, End(name)) for name in _connected_to(sides, source, CONNECTIONS)]
        case None, End():
            return [(End(name), target) for name in _connected_to(sides, target, CONNECTIONS)]
        case _:
            return [
                (End(one), End(other))
                for one, other in combinations(sides, 2)
                if sides[other].cluster in sides[one].connected
            ]


def _connected_to(sides: Mapping[str, Side], end: End, hint: str) -> list[str]:
    own = sides[end.context]
    found = [side.context for side in sides.values() if side.cluster in own.connected]
    if not found:
        raise McnetError(f"{own.cluster} is not connected with any other cluster of the kubeconfig", hint)
    return found


def _between(one: End, other: End, sides: Mapping[str, Side]) -> list[Path]:
    here, there = sides[one.context], sides[other.context]
    if here.cluster != there.cluster and there.cluster not in here.connected:
        raise McnetError(f"{here.cluster} and {there.cluster} are not connected", CONNECTIONS)
    sources, targets = _places(here, one), _places(there, other)
    paths = [Path(source, target) for source in sources for target in targets]
    if here.cluster == there.cluster:
        # From a node to itself only if both were named.
        apart = [path for path in paths if path.source.node != path.target.node]
        return apart[:1] if not (one.node or other.node) else apart or paths
    if one.node or other.node:
        return paths
    # Like with like: from gateway to gateway, from other node to other node.
    like = [path for path in paths if path.source.gateway == path.target.gateway]
    return like or paths[:1]


def _places(side: Side, end: End) -> list[Place]:
    """The named node, or one gateway and one other node as far as there are such."""
    names = [end.node] if end.node else _samples(side)
    if not names or names[0] not in side.nodes:
        known = ", ".join(side.nodes) or "none"
        what = f"has no node {end.node} that is Ready" if end.node else "has no node that is Ready"
        raise UsageError(
            f"the cluster {side.cluster} {what} (Ready: {known})", f"kubectl --context {side.context} get nodes"
        )
    return [Place(side.cluster, name, side.context, name in side.gateways) for name in names]


def _samples(side: Side) -> list[str]:
    gateway = [name for name in side.gateways if name in side.nodes][:1]
    other = [name for name in side.nodes if name not in side.gateways][:1]
    return gateway + other

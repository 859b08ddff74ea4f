"""Which node becomes a gateway in place of one that is lost, where the setting `gateways` is auto:N; mcnet_discovery
labels it.

Only a gateway whose node has not been Ready for REPLACE_AFTER loses its label, and not before another one stands in
for it, unless it holds the last rail. Others are left alone, also where there are more than wanted: somebody may have
labelled them by hand.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from mcnet.model.ownership import MAX_RAILS
from mcnet.plan.gateway_choice import choose_gateways, is_ready, labelled_gateways

JsonObject = dict[str, Any]
REPLACE_AFTER: Final = 300.0
"""Seconds that a node is not Ready until it is replaced: as long as Kubernetes waits with its pods (the default
toleration of `not-ready` and `unreachable`, `tolerationSeconds` 300). A reboot is over by then."""
PAUSE: Final = 60.0
"""Seconds between two changes: a new gateway is connected by then, and counts in the next look."""


@dataclass(frozen=True, slots=True)
class Label:
    """`node` becomes a gateway."""

    node: str


@dataclass(frozen=True, slots=True)
class Unlabel:
    """`node` is lost and stops being one."""

    node: str


Action: TypeAlias = Label | Unlabel


def decide(
    nodes: Sequence[JsonObject], wanted: int, selector: Mapping[str, str] | None, now: datetime
) -> Action | None:
    """The next change, None if there is nothing to do. `nodes` are the Node objects; a gateway whose Node is gone is
    one less of them, and replaced at once."""
    labelled = labelled_gateways(nodes)
    down = {_name(node): since for node in nodes if (since := not_ready_since(node, now)) is not None}
    lost = sorted(
        (name for name in labelled if name in down and (now - down[name]).total_seconds() >= REPLACE_AFTER),
        key=lambda name: (down[name], name),
    )
    kept = [name for name in labelled if name not in lost]
    if len(kept) >= wanted:
        return Unlabel(lost[0]) if lost else None
    fresh = _candidate([node for node in nodes if _name(node) not in lost], labelled, len(kept) + 1, selector)
    if not fresh:
        return None
    if len(labelled) >= MAX_RAILS:
        return Unlabel(lost[0]) if lost else None
    return Label(fresh)


def not_ready_since(node: JsonObject, now: datetime) -> datetime | None:
    """Since when a node is not Ready, None if it is; `now` where it does not say since when."""
    if is_ready(node):
        return None
    for condition in (node.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "Ready":
            return min(now, _time(condition.get("lastTransitionTime")) or now)
    return now


def _candidate(
    nodes: Iterable[JsonObject], labelled: Sequence[str], count: int, selector: Mapping[str, str] | None
) -> str:
    """The best node that is Ready, in a zone with few gateways; "" if there is none. Cordoned ones come last."""
    there = [node for node in nodes if _name(node) in labelled or is_ready(node)]
    return next((name for name in choose_gateways(there, count, selector) if name not in labelled), "")


def _time(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _name(node: JsonObject) -> str:
    return str(node["metadata"]["name"])

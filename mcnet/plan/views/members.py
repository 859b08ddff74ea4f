"""The members of the clusterset: what each was approved for, what it still asks for, when it was seen last."""

from typing import Final

from mcnet.model.kernel import Network
from mcnet.plan.cluster_view import Picture, Row, logs
from mcnet.plan.durations import format_duration
from mcnet.plan.views.known import STALE_AFTER, KnownMember, known_members, lacking, overlap

ALIVE: Final = "alive"
STALE: Final = "stale"
UNKNOWN: Final = "unknown"
"""Nobody who could be read tells: no broker's context, no own context, no cable."""


def rows(picture: Picture) -> list[Row]:
    """One row for each member."""
    return [_row(picture, one) for one in known_members(picture)]


def _row(picture: Picture, known: KnownMember) -> Row:
    cluster, request = known.cluster, known.request
    asked = lacking((*request.pod_prefixes, *request.service_prefixes), cluster.prefixes)
    pending = [prefix for prefix in asked if overlap(prefix, known.others) is None]
    state, why, following = _life(picture, known)
    if pending and not why:
        why = f"it asks for {_texts(pending)}, which the broker's admin has not approved"
        following = f"mcnet member approve {cluster.id}{_at_broker(known)}"
    return {
        "cluster": cluster.id,
        "state": state,
        "podPrefixes": _list(cluster.pod_prefixes),
        "servicePrefixes": _list(cluster.service_prefixes),
        "pending": _list(pending),
        "refused": _list([prefix for prefix in asked if prefix not in pending]),
        "version": cluster.version,
        "lastSeen": known.renewed.isoformat() if known.renewed else "",
        "connected": known.connected,
        "gateways": [endpoint.gateway for endpoint in sorted(known.endpoints, key=lambda one: one.rail)],
        "broker": known.broker.context if known.broker else "",
        "context": known.own.context if known.own else "",
        "why": why,
        "next": following,
        "note": _note(picture, known),
    }


def _life(picture: Picture, known: KnownMember) -> tuple[str, str, str]:
    """State, why it is not well, and the next command."""
    if known.connected:
        return ALIVE, "", ""
    if known.broker is None:
        return (ALIVE if known.own else UNKNOWN), "", ""
    if known.renewed and picture.now - known.renewed <= STALE_AFTER:
        return ALIVE, "", ""
    name = known.cluster.id
    following = (
        logs(known.own, "discovery")
        if known.own
        else f"look at that cluster; if it is gone for good: mcnet member remove {name}{_at_broker(known)}"
    )
    if known.renewed is None:
        return STALE, "it has never said to the broker that it is alive, and no cable to it is", following
    silence = format_duration((picture.now - known.renewed).total_seconds())
    return STALE, f"the broker has not heard of it for {silence}, and no cable to it is alive", following


def _note(picture: Picture, known: KnownMember) -> str:
    """A cluster with a living cable is not stale, whatever its Lease says."""
    if known.connected and known.renewed and picture.now - known.renewed > STALE_AFTER:
        silence = format_duration((picture.now - known.renewed).total_seconds())
        return f"connected, but the broker has not heard of it for {silence}: changes of it do not reach the others"
    return ""


def _at_broker(known: KnownMember) -> str:
    return f" --context {known.broker.context}" if known.broker else ", by the broker's admin"


def _list(prefixes: tuple[Network, ...] | list[Network]) -> list[str]:
    return [str(prefix) for prefix in prefixes]


def _texts(prefixes: list[Network]) -> str:
    return ", ".join(map(str, prefixes))

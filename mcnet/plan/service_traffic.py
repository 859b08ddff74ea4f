"""To which clusters the traffic of an imported service goes: kube-proxy spreads it over the endpoints that it is
given, so the choice is which clusters' slices those are. How shares of it are made is mcnet.plan.service_weights'.

The annotation `mcnet.dev/traffic` on an export or import says how:

    prefer-local            the own cluster as long as an endpoint is ready there, else all others
    local-only              the own cluster alone
    remote-only             all but the own cluster
    failover=west,east      the first of these with a ready endpoint; all others only without
    weights=west:80,east:20 so many of a hundred connections; all others, and weight 0, only without
"""

from collections.abc import Iterable, Sequence
from typing import Final

from mcnet.model.cluster import CLUSTER_ID_PATTERN, ClusterId

FAILOVER: Final = "failover="
WEIGHTS: Final = "weights="
WAYS: Final = ("prefer-local", "local-only", "remote-only")
FORMS: Final = (*WAYS, f"{FAILOVER}CLUSTER,…", f"{WEIGHTS}CLUSTER:NUMBER,…")
HEAVIEST: Final = 1000


def fault(traffic: str) -> str:
    """Why the annotation means nothing, "" if it does."""
    if not traffic or traffic in WAYS or weights(traffic):
        return ""
    if traffic.startswith(FAILOVER) and all(map(CLUSTER_ID_PATTERN.fullmatch, _order(traffic))):
        return ""
    shown = traffic if len(traffic) <= 80 else traffic[:79] + "…"
    why = f" with numbers from 0 to {HEAVIEST}, not all 0" if traffic.startswith(WEIGHTS) else ""
    return f"mcnet.dev/traffic says {shown!r}, which is none of {', '.join(FORMS)}{why}"


def weights(traffic: str) -> dict[ClusterId, int]:
    """The clusters' weights, none if the annotation says something else or nothing that makes sense."""
    if not traffic.startswith(WEIGHTS):
        return {}
    found: dict[ClusterId, int] = {}
    for part in traffic.removeprefix(WEIGHTS).split(","):
        name, _, number = (word.strip() for word in part.partition(":"))
        if not CLUSTER_ID_PATTERN.fullmatch(name) or name in found or not _is_weight(number):
            return {}
        found[ClusterId(name)] = int(number)
    return found if any(found.values()) else {}


def named(traffic: str) -> tuple[ClusterId, ...]:
    """The clusters that it names."""
    if traffic.startswith(FAILOVER) and not fault(traffic):
        return tuple(map(ClusterId, _order(traffic)))
    return tuple(weights(traffic))


def _is_weight(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(HEAVIEST)) and int(text) <= HEAVIEST


def chosen(
    traffic: str, *, own: ClusterId, clusters: Sequence[ClusterId], ready: Iterable[ClusterId], local: bool = False
) -> frozenset[ClusterId]:
    """Of `clusters` those that traffic goes to. `ready` are those with a ready endpoint, `local` whether the
    service's internal traffic policy is Local, which between clusters means the own one. An annotation that means
    nothing counts as none, and so do weights here."""
    everywhere, usable = frozenset(clusters), frozenset(ready)
    here = everywhere & {own}
    if local or traffic == "local-only":
        return here
    if traffic == "remote-only":
        return everywhere - {own}
    if traffic == "prefer-local" and own in usable:
        return here
    if traffic.startswith(FAILOVER) and not fault(traffic):
        first = next((one for one in _order(traffic) if one in usable), None)
        return frozenset({ClusterId(first)}) if first else everywhere
    return everywhere


def _order(traffic: str) -> list[str]:
    return [part.strip() for part in traffic.removeprefix(FAILOVER).split(",")]

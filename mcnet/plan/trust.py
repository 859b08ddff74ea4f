"""Which of the broker's Clusters and Endpoints a member believes: by keys pinned at first sight, and by signatures.

Whoever holds the broker can write what he likes there; he can't sign it. What is refused changes nothing: a copy that
was accepted earlier stays as it is. Only other keys for a known cluster stop it (its Endpoints are dropped), until
somebody trusts them here or a farewell, signed by the old ones, says that they come rightly.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, TypeAlias

from mcnet.codec import farewell as farewell_codec
from mcnet.codec import identity as identity_codec
from mcnet.codec.fingerprint import fingerprint
from mcnet.model.cluster import Cluster, ClusterId, Identity
from mcnet.model.trust import Farewell, Pin

JsonObject: TypeAlias = dict[str, Any]

MOST_SEQUENCES: Final = 32
"""Gateways per cluster whose last sequence is kept, the newest: eight at most are there at a time."""


class Refusal(Enum):
    """Why an object is not believed."""

    CHANGED_KEY = "changed-key"
    """A Cluster with other keys than it had, and no farewell of the old ones."""
    STRANGER = "stranger"
    """An Endpoint of a cluster that is no member."""
    KEYLESS = "keyless"
    """An Endpoint of a cluster that has no keys."""
    UNSIGNED = "unsigned"
    FORGED = "forged"
    """Signed, but not by its cluster's key, or not with this content."""
    REPLAYED = "replayed"
    """Rightly signed, but older than one that was here already."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An object that is not believed; `why` is a sentence for the member's admin."""

    kind: str
    name: str
    refusal: Refusal
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is refused, and the pins from now on."""

    pins: Mapping[ClusterId, Pin]
    refused: tuple[Refused, ...] = ()
    dropped: frozenset[str] = frozenset()
    """Names of the Endpoints of which no copy is to stay: nobody vouches for their clusters."""


def is_stopped(pin: Pin | None) -> bool:
    """Whether its cluster is not believed now: the broker names other keys, or the pin is not readable."""
    return pin is not None and (pin.offered is not None or pin.identity is None)


def keys_differ(pin: Pin) -> str:
    """The two keys of a cluster that is stopped, as a clause for its admin."""
    known = (
        f"known here by the key {fingerprint(pin.identity.signing_key)}" if pin.identity else "its pin is unreadable"
    )
    offered = fingerprint(pin.offered.signing_key) if pin.offered else "none"
    return f"{known}, the broker names {offered}"


def changed(clusters: Iterable[Cluster], pins: Mapping[ClusterId, Pin]) -> tuple[ClusterId, ...]:
    """The clusters with other keys than pinned: of these the farewells have to be read."""
    return tuple(one.id for one in clusters if one.id in pins and one.identity != pins[one.id].identity)


def judge(
    clusters: Iterable[Cluster],
    endpoints: Sequence[JsonObject],
    pins: Mapping[ClusterId, Pin],
    farewells: Mapping[ClusterId, Sequence[Farewell]],
) -> Verdict:
    """The verdict over the other members' objects at the broker; all of `endpoints` can be decoded."""
    kept = dict(pins)
    refused: list[Refused] = []
    stopped: set[ClusterId] = set()
    dropped: set[str] = set()
    members = {one.id: one for one in clusters}
    for one in members.values():
        pin = _pin(one, pins.get(one.id), farewells.get(one.id, ()))
        if pin is not None:
            kept[one.id] = pin
        if pin is not None and pin.identity != one.identity:
            stopped.add(one.id)
            why = f"{keys_differ(pin)}: its cables are stopped; if it was rebuilt: mcnet member trust {one.id}"
            refused.append(Refused("Cluster", one.id, Refusal.CHANGED_KEY, why))
    for obj in endpoints:
        name, cluster, gateway = obj["metadata"]["name"], ClusterId(obj["spec"]["cluster"]), obj["spec"]["gateway"]
        if cluster in stopped:
            dropped.add(name)
            continue
        pin = kept.get(cluster)
        fault = _fault(obj, members.get(cluster), pin, gateway)
        if fault is not None:
            refused.append(Refused("Endpoint", name, *fault))
            dropped |= {name} if fault[0] in (Refusal.STRANGER, Refusal.KEYLESS) else set()
        elif pin is not None:
            kept[cluster] = _noted(pin, gateway, int(obj["spec"].get("sequence") or 0))
    return Verdict(kept, tuple(refused), frozenset(dropped))


def _pin(cluster: Cluster, pin: Pin | None, farewells: Sequence[Farewell]) -> Pin | None:
    """The pin of a member from now on; None for one that has no keys and never had any."""
    if pin is None:
        return Pin(cluster.identity) if cluster.identity else None
    if pin.identity == cluster.identity:
        return replace(pin, offered=None)
    if cluster.identity and pin.identity and _given_up(cluster.id, pin.identity, farewells):
        return Pin(cluster.identity)
    return replace(pin, offered=cluster.identity)


def _given_up(cluster: ClusterId, identity: Identity, farewells: Sequence[Farewell]) -> bool:
    """Whether the cluster itself said farewell to these keys. One key in a row of farewells is enough: all later ones
    are the successors' own affair."""
    mine = [one for one in farewells if one.signing_key == identity.signing_key]
    return any(farewell_codec.is_valid(one, cluster) for one in mine)


def _fault(obj: JsonObject, member: Cluster | None, pin: Pin | None, gateway: str) -> tuple[Refusal, str] | None:
    if member is None:
        return Refusal.STRANGER, "its cluster is no member of the clusterset"
    if pin is None or pin.identity is None:
        return Refusal.KEYLESS, "its cluster has no keys by which it could be checked"
    if not obj["spec"].get("signature"):
        return Refusal.UNSIGNED, "it is not signed"
    if not identity_codec.verify(obj, pin.identity):
        return Refusal.FORGED, f"it is not signed by {fingerprint(pin.identity.signing_key)}, the key of its cluster"
    sequence, known = int(obj["spec"].get("sequence") or 0), dict(pin.sequences).get(gateway, 0)
    if sequence < known:
        return Refusal.REPLAYED, (
            f"its sequence {sequence} is older than {known}, which was here already; if its cluster was restored "
            "from a backup: delete the Endpoint there, and its gateway publishes it anew"
        )
    return None


def _noted(pin: Pin, gateway: str, sequence: int) -> Pin:
    sequences = dict(pin.sequences) | {gateway: sequence}
    newest = sorted(sequences.items(), key=lambda item: (-item[1], item[0]))[:MOST_SEQUENCES]
    return replace(pin, sequences=tuple(sorted(newest)))

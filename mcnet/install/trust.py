"""Takes the keys that the broker names for a member now in place of those it was known by, in one cluster.

Each cluster decides that for itself, by its own admin: the broker's can't do it for them.
"""

from dataclasses import dataclass

from mcnet.codec import pins
from mcnet.codec.fingerprint import fingerprint
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.cluster import ClusterId, Identity
from mcnet.model.errors import ConflictError, McnetError, NotFoundError, UsageError
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.model.trust import PINS_NAME, Pin
from mcnet.plan.trust import is_stopped


@dataclass(frozen=True, slots=True)
class Offer:
    """Other keys for a known member, of the pins as they were read."""

    cluster: ClusterId
    known: Identity | None
    """None where what it was known by can't be read any more."""
    offered: Identity
    version: str
    """Resource version of the ConfigMap."""


async def offer(api: Api, cluster: ClusterId, key: str = "") -> Offer | None:
    """What there is to decide; None if the member's keys are those it is known by.

    Raises UsageError if it is not known here, McnetError if a fingerprint `key` is given and the broker names another
    signing key, whether there is something to decide or not.
    """
    obj = await api.find(kinds.CONFIG_MAP, PINS_NAME, SYSTEM_NAMESPACE)
    if obj is None and await api.find(kinds.NAMESPACE, SYSTEM_NAMESPACE) is None:
        raise NotFoundError(f"{api.context or api.server} is no member of a clusterset", "mcnet join", status=404)
    known = pins.decode(obj)
    pin = known.get(cluster)
    if pin is None:
        there = ", ".join(sorted(known)) or "none"
        raise UsageError(f"{cluster} is no member that is known here; there are: {there}", "mcnet show members")
    named = pin.offered or pin.identity
    if key and named and key != fingerprint(named.signing_key):
        raise McnetError(
            f"the broker names {fingerprint(named.signing_key)} as the signing key of {cluster}, not {key}",
            f"ask whoever runs {cluster}; the broker's admin may know: mcnet member show {cluster}",
        )
    if not is_stopped(pin):
        return None
    if pin.offered is None or obj is None:
        raise McnetError(
            f"the broker names no keys for {cluster} now, so there is nothing to trust",
            "mcnet show members",
        )
    return Offer(cluster, pin.identity, pin.offered, str(obj["metadata"]["resourceVersion"]))


async def trust(api: Api, offered: Offer) -> None:
    """Pins the offered keys. Raises ConflictError if the pins have changed since they were read."""
    patch = {
        "metadata": {"resourceVersion": offered.version},
        "data": {offered.cluster: pins.entry(Pin(offered.offered))},
    }
    try:
        await api.merge_patch(kinds.CONFIG_MAP, PINS_NAME, patch, SYSTEM_NAMESPACE)
    except ConflictError as error:
        raise ConflictError(
            f"what is known of the members has changed meanwhile, perhaps the keys of {offered.cluster} once more",
            f"look again: mcnet member trust {offered.cluster}",
            status=409,
        ) from error

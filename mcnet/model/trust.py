"""By which keys a cluster knows the others, and the word by which one gives up its own.

Public keys only. Judging is mcnet.plan.trust's, the objects that hold them mcnet.codec.pins' and .farewell's.
"""

from dataclasses import dataclass
from typing import Final

from mcnet.model.cluster import Identity

PINS_NAME: Final = "mcnet-pins"
"""The ConfigMap in the member's own cluster that holds its pins."""
FAREWELL_ANNOTATION: Final = "mcnet.dev/farewell"
"""On the Lease that bears a cluster's ID at the broker: it stays when the cluster leaves."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The keys of another cluster as they were at first sight, and how far its Endpoints have come.

    `identity` is None where the pin can't be read (somebody edited it): then nothing of that cluster is accepted.
    """

    identity: Identity | None
    sequences: tuple[tuple[str, int], ...] = ()
    """By gateway, sorted: the highest sequence of an Endpoint that was accepted, also of one that is gone."""
    offered: Identity | None = None
    """Other keys that the broker names for this cluster now: not trusted unless somebody says so."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """A cluster's own word that it gives up its keys: what comes after under its ID has others, rightly."""

    signing_key: bytes
    """The public key that is given up, which the signature is by."""
    signature: bytes

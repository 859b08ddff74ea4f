"""Clusters of a clusterset as values, and the clusterset's own options.

What an API object looks like stands in templates/crds; the translation is mcnet.codec's.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final, NewType

from mcnet.model.kernel import Network

ClusterId = NewType("ClusterId", str)
"""DNS label (RFC 1123) of at most 63 characters: it becomes part of object names and, later, of DNS names."""

CLUSTER_ID_PATTERN: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

PROTOCOL_VERSION: Final = 1
"""Version of what clusters say to each other: Endpoint fields, ports, adverts."""


def cluster_number(cluster_id: ClusterId) -> int:
    """The 21-bit number of a cluster: names its next-hop ids and cable addresses.

    A pure function of the ID, so that every node computes the same and nothing has to be remembered; join
    refuses an ID whose number is taken (for 100 clusters that happens once in 400 clustersets).
    """
    return int.from_bytes(hashlib.sha256(cluster_id.encode()).digest()[:4]) >> 11


@dataclass(frozen=True, slots=True)
class Identity:
    """The public half of a cluster's identity: Ed25519 to sign, X25519 to agree keys, each 32 bytes."""

    signing_key: bytes
    agreement_key: bytes


@dataclass(frozen=True, slots=True)
class Cluster:
    """A member as the clusterset knows it. Prefixes are the approved ones: only the broker's admin changes them."""

    id: ClusterId
    pod_prefixes: tuple[Network, ...]
    service_prefixes: tuple[Network, ...]
    identity: Identity | None = None
    version: str = ""
    """mcnet's version as its discovery reported it, "" if it has not yet."""

    @property
    def prefixes(self) -> tuple[Network, ...]:
        return self.pod_prefixes + self.service_prefixes


@dataclass(frozen=True, slots=True)
class Requested:
    """The prefixes that a member has now and would like to have approved."""

    pod_prefixes: tuple[Network, ...] = ()
    service_prefixes: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterSet:
    """Options of the whole clusterset, written by the broker's admin, copied to members."""

    default_driver: str = "vxlan"
    protocol_version: int = PROTOCOL_VERSION
    drivers_for_pairs: dict[frozenset[ClusterId], str] = field(default_factory=dict)

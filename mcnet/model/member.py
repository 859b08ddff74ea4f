"""The settings of a member, given at join, one object per cluster."""

from dataclasses import dataclass

from mcnet.model.cluster import ClusterId
from mcnet.model.kernel import Network
from mcnet.model.ownership import DEFAULT_PORT_BASE

SYSTEM_NAMESPACE = "mcnet-system"
BROKER_NAMESPACE = "mcnet-broker"
MEMBER_NAME = "mcnet"
CLUSTERSET_NAME = "mcnet"
FIELD_MANAGER = "mcnet"

API_GROUP = "mcnet.dev"
API_VERSION = "v1alpha1"

CLUSTER_LABEL = "mcnet.dev/cluster"
"""On every Cluster, Endpoint and Lease at the broker and on the copies: the owner's cluster ID."""
MANAGED_LABEL = "app.kubernetes.io/managed-by"

IDENTITY_SECRET = "mcnet-identity"
"""Data `signing` and `agreement`: the private halves, 32 raw bytes each."""
BROKER_SECRET = "mcnet-broker"
"""Data `server`, `ca.crt`, `token`, `namespace`, `expires`: read by discovery alone."""


def rail_lease_name(rail: int) -> str:
    """Name of the Lease in mcnet-system whose creation claims the rail; holderIdentity is the node's name."""
    return f"rail-{rail}"


@dataclass(frozen=True, slots=True)
class Member:
    """What `join` was told and found out."""

    cluster: ClusterId
    pod_prefixes: tuple[Network, ...]
    service_prefixes: tuple[Network, ...]
    """All service prefixes of the cluster; those at the broker are the advertised ones."""
    port_base: int = DEFAULT_PORT_BASE
    delivery: str = "overlay"
    """"overlay" (symmetric delivery) or "cni"."""
    cni: str = "unknown"
    kube_proxy_mode: str = "unknown"
    distribution: str = "unknown"
    manage_host_firewall: bool = False
    """Whether nodes put accept rules into other programs' chains that would drop our packets."""

"""The settings of a member, given at join, one object per cluster."""

from dataclasses import dataclass
from typing import Any

from mcnet.model.cluster import ClusterId
from mcnet.model.kernel import Network
from mcnet.model.ownership import DEFAULT_PORT_BASE
from mcnet.model.public_address import Source

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
class GatewayCount:
    """How many nodes are gateways; `auto`: discovery replaces those whose nodes are lost. Written "2" or "auto:2"."""

    number: int = 1
    auto: bool = False

    def __str__(self) -> str:
        return f"auto:{self.number}" if self.auto else str(self.number)


@dataclass(frozen=True, slots=True)
class Member:
    """What `join` and `config set` were told, and what `join` found out. Which of it is a setting, its default and
    how it is written stands in mcnet.plan.settings."""

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
    discovery_on_nodes: int = 0
    """How many discovery pods there are in the nodes' network; 0: two in the pod network, as long as pods have an
    address of the broker's family."""
    given: tuple[str, ...] = ()
    """Keys of the settings that the user gave, sorted: a later join keeps these, all others it finds out anew or
    takes from the defaults."""
    image: str = ""
    """Of the daemons; "" before the first join of a version that notes it."""
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    """NAMESPACE/NAME of registry secrets, which join copies."""
    node_selector: tuple[tuple[str, str], ...] = ()
    """Labels of the nodes for gateways and discovery, sorted."""
    tolerations: tuple[dict[str, Any], ...] = ()
    """Of discovery, as pods have them."""
    gateways: GatewayCount = GatewayCount()
    """How many gateway nodes join chooses; labels set by hand count too."""
    underlay_mtu: int = 0
    """Bytes that the way between gateways, and between nodes, carries at most; 0: as their devices say."""
    key_rotation: int = 30
    """Days after which the gateways' keys change by themselves; 0: never."""
    key_epoch: int = 0
    """The lowest epoch that the gateways' keys may have: set to ask for new ones."""
    probe_interval: float = 0.0
    """Seconds between two probes of a path; 0: the daemons' own setting."""
    probe_multiplier: int = 0
    """Lost probes in a row after which a path is down; 0: the daemons' own setting."""
    public_sources: tuple[Source, ...] = ()
    """Where gateways look up their public addresses; (): as others see them."""
    air_gapped: bool = False
    """Whether public addresses are neither looked up nor published."""
    load_balancer: bool = False
    """Whether each gateway gets a Service of type LoadBalancer, by whose address others reach it."""

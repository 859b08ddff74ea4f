"""The nodes of the own cluster as values."""

from dataclasses import dataclass
from enum import Enum

from mcnet.model.kernel import Address, Network
from mcnet.model.public_address import Source

GATEWAY_LABEL = "mcnet.dev/gateway"
"""Label (value "true") of the nodes that are to be gateways; `join` sets it, `leave` removes it."""
NAT_MARK = "mcnet.dev/nat"
"""Node annotation or label: the node is behind NAT, and of which kind ("symmetric", "eim")."""
PRIVATE_ADDRESS_ANNOTATION = "mcnet.dev/private-address"
"""Node annotation: the outer address of cables, where the default route's source is not the right one."""
PUBLIC_ADDRESS_ANNOTATION = "mcnet.dev/public-address"
"""Node annotation: where to look up the gateway's public addresses (mcnet.codec.public_address), whatever the
cluster's setting says."""
PORT_BASE_ANNOTATION = "mcnet.dev/port-base"
"""Node annotation: first UDP port of this gateway's cables, where two gateways share one public address."""
PUBLIC_PORT_BASE_ANNOTATION = "mcnet.dev/public-port-base"
"""Node annotation: the first of the ports that a NAT forwards to the port base of this gateway."""
WEIGHT_ANNOTATION = "mcnet.dev/gateway-weight"
"""Node annotation: the gateway's share of its cluster's flows, against the other gateways' weights."""
DRAIN_ANNOTATION = "mcnet.dev/gateway-drain"
"""Node annotation (value "true"): nobody is to send new flows by this gateway while another one is there."""
WEIGHTS = range(1, 101)
"""A gateway's weight; an Endpoint's may be 0 as well, which says that its gateway drains."""
DEFAULT_WEIGHT = 100


class Drain(Enum):
    """Why a gateway drains."""

    MARKED = "annotation"
    CORDONED = "cordon"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Node:
    """A node: `addresses` are its InternalIPs, primary first (its family is the overlay's underlay family);
    `pod_prefixes` are the prefixes of its own pods as far as known; `created` is the creation time in seconds."""

    name: str
    uid: str
    addresses: tuple[Address, ...]
    pod_prefixes: tuple[Network, ...]
    gateway: bool = False
    created: int = 0
    private_address: Address | None = None
    public_sources: tuple[Source, ...] | None = None
    """Where to look up its public addresses; None leaves that to the cluster's setting."""
    port_base: int = 0
    """First UDP port of its cables; 0: the cluster's."""
    public_port_base: int = 0
    nat: str = ""
    """The kind of NAT that it is marked with."""
    weight: int = DEFAULT_WEIGHT
    """Of WEIGHTS, also while it drains."""
    draining: bool = False
    """As a gateway it is to carry nothing while another one does: marked so, cordoned, or shut down."""
    drained_by: tuple[Drain, ...] = ()
    """Which of these."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a route agent reports of its node."""

    node: str
    overlay_addresses: tuple[Address, ...] = ()
    routable_addresses: tuple[Address, ...] = ()
    """The node's own addresses inside an advertised prefix: what node traffic is translated to."""
    problems: tuple[str, ...] = ()
    original_sysctls: tuple[tuple[str, str], ...] = ()
    version: str = ""
    ready: bool = False

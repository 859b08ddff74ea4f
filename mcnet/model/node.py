"""The nodes of the own cluster as values."""

from dataclasses import dataclass

from mcnet.model.kernel import Address, Network

GATEWAY_LABEL = "mcnet.dev/gateway"
"""Label (value "true") of the nodes that are to be gateways; `join` sets it, `leave` removes it."""
NAT_MARK = "mcnet.dev/nat"
"""Node annotation or label: the node is behind NAT, and of which kind ("symmetric", "eim")."""
PRIVATE_ADDRESS_ANNOTATION = "mcnet.dev/private-address"
"""Node annotation: the outer address of cables, where the default route's source is not the right one."""


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

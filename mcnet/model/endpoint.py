"""A gateway as other clusters see it: the Endpoint."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from mcnet.model.cluster import PROTOCOL_VERSION, ClusterId
from mcnet.model.kernel import Address, Network
from mcnet.model.node import DEFAULT_WEIGHT


@dataclass(frozen=True, slots=True)
class DriverOffer:
    """A cable driver that a gateway offers: `name` ("vxlan"), its key epoch and its public data (never secrets)."""

    name: str
    key_epoch: int = 0
    data: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One gateway of one cluster, identified by (cluster, gateway); its object is named `CLUSTER.GATEWAY`."""

    cluster: ClusterId
    gateway: str
    """The gateway node's name."""
    rail: int
    private_addresses: tuple[Address, ...]
    """Outer addresses of the node itself, preferred first; at most one per family."""
    public_addresses: tuple[Address, ...] = ()
    port_base: int = 4500
    drivers: tuple[DriverOffer, ...] = ()
    """In order of preference."""
    cable_address4: IPv4Address | None = None
    """What a cable probe asks and what VXLAN cables use as next hop; likewise for IPv6."""
    cable_address6: IPv6Address | None = None
    mtu: int = 1500
    """Bytes, of the underlay device that carries the cables."""
    prefixes: tuple[Network, ...] = ()
    sequence: int = 0
    protocol_version: int = PROTOCOL_VERSION
    """What its gateway speaks."""
    signature: str = field(default="", compare=False)
    """Base64 of the Ed25519 signature over the canonical form (mcnet.codec.endpoint)."""
    public_port_base: int = 0
    """First port of its cables at the public address, where a NAT forwards other ones; 0: the same."""
    nat: str = ""
    """The kind of NAT before it, "symmetric" or "eim" (endpoint-independent mapping); "": none, or not known."""
    weight: int = DEFAULT_WEIGHT
    """Its share of the cluster's flows, against its other gateways' weights; 0: it drains."""

    @property
    def name(self) -> str:
        return endpoint_name(self.cluster, self.gateway)


def endpoint_name(cluster: ClusterId, gateway: str) -> str:
    """`CLUSTER.GATEWAY`: unambiguous, since a cluster ID holds no dot; a node's name may."""
    return f"{cluster}.{gateway}"

"""What has to be open for mcnet, and between whom: the one list that the node's firewall rules, preflight, the rules
of `--manage-host-firewall` and `mcnet show ports` are made from.

An `Opening` is a fact about mcnet, not about a cluster: which addresses stand for its sides is for the views to say.
The numbers themselves are mcnet.model.ownership's.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from mcnet.model.ownership import (
    ADVERT_PORT,
    DEFAULT_PORT_BASE,
    GATEWAY_METRICS_PORT,
    MAX_RAILS,
    NAT_DISCOVERY_PORT,
    OVERLAY_PORT,
    ROUTE_AGENT_METRICS_PORT,
    libreswan_port,
    vxlan_cable_port,
    wireguard_port,
)
from mcnet.plan.driver import DRIVERS, LIBRESWAN, VXLAN, WIREGUARD


class Protocol(Enum):
    """What goes over it. ICMP means echo requests, in either family; it has no port."""

    UDP = "udp"
    TCP = "tcp"
    ICMP = "icmp"


class Side(Enum):
    """Who listens, or who has to get there."""

    NODES = "every node of the cluster"
    GATEWAYS = "the cluster's gateways"
    OTHER_GATEWAYS = "gateways of other clusters"
    MONITORING = "your Prometheus"
    """The kubelet asks too, but from the node itself."""
    DISCOVERY = "discovery pods of every member"
    BROKER = "the broker's API server"


class Way(Enum):
    """Over which network the packets come in."""

    UNDERLAY = "underlay"
    """The network of the nodes: firewalls between machines see it."""
    OVERLAY = "overlay"
    """By `mcnet-vx` only: it concerns a firewall on the node itself, no other."""
    CABLE = "cable"
    """By a cable device only: likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One thing to open. Packets go from any source port of `sources` to the ports `first` to `last` (0 for ICMP)
    of `listeners`; no answer comes back from those ports with UDP, so it is to be opened in each direction."""

    name: str
    protocol: Protocol
    first: int
    last: int
    listeners: Side
    sources: Side
    purpose: str
    way: Way = Way.UNDERLAY
    required: bool = True
    """Whether traffic between clusters hangs on it."""

    @property
    def numbers(self) -> str:
        """ "4520", or "4500-4515": as nft writes a port or a range of them; "" for ICMP."""
        if self.protocol is Protocol.ICMP:
            return ""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


OVERLAY: Final = Opening(
    name="overlay",
    protocol=Protocol.UDP,
    first=OVERLAY_PORT,
    last=OVERLAY_PORT,
    listeners=Side.NODES,
    sources=Side.NODES,
    purpose="overlay (VXLAN) between the nodes of a cluster",
)
ADVERTS: Final = Opening(
    name="adverts",
    protocol=Protocol.UDP,
    first=ADVERT_PORT,
    last=ADVERT_PORT,
    listeners=Side.NODES,
    sources=Side.GATEWAYS,
    purpose="which clusters a gateway reaches",
    way=Way.OVERLAY,
)
GATEWAY_PROBES: Final = Opening(
    name="gateway-probes",
    protocol=Protocol.ICMP,
    first=0,
    last=0,
    listeners=Side.GATEWAYS,
    sources=Side.NODES,
    purpose="probes of the gateways by their nodes",
    way=Way.OVERLAY,
)
CABLE_PROBES: Final = Opening(
    name="cable-probes",
    protocol=Protocol.ICMP,
    first=0,
    last=0,
    listeners=Side.GATEWAYS,
    sources=Side.OTHER_GATEWAYS,
    purpose="probes of the cables",
    way=Way.CABLE,
)
NAT_DISCOVERY: Final = Opening(
    name="nat-discovery",
    protocol=Protocol.UDP,
    first=NAT_DISCOVERY_PORT,
    last=NAT_DISCOVERY_PORT,
    listeners=Side.GATEWAYS,
    sources=Side.OTHER_GATEWAYS,
    purpose="by which address gateways reach each other (NAT)",
    required=False,
)
GATEWAY_METRICS: Final = Opening(
    name="gateway-metrics",
    protocol=Protocol.TCP,
    first=GATEWAY_METRICS_PORT,
    last=GATEWAY_METRICS_PORT,
    listeners=Side.GATEWAYS,
    sources=Side.MONITORING,
    purpose="health and metrics of the gateway daemon",
    required=False,
)
ROUTE_AGENT_METRICS: Final = Opening(
    name="route-agent-metrics",
    protocol=Protocol.TCP,
    first=ROUTE_AGENT_METRICS_PORT,
    last=ROUTE_AGENT_METRICS_PORT,
    listeners=Side.NODES,
    sources=Side.MONITORING,
    purpose="health and metrics of the route agent",
    required=False,
)


def _cable(driver: str, first: int, last: int, purpose: str) -> Opening:
    return Opening(
        name=f"{driver}-cable",
        protocol=Protocol.UDP,
        first=first,
        last=last,
        listeners=Side.GATEWAYS,
        sources=Side.OTHER_GATEWAYS,
        purpose=f"{purpose} cables between clusters",
    )


def vxlan_cable(port_base: int) -> Opening:
    """The port of the VXLAN cables of a gateway with that port base."""
    port = vxlan_cable_port(port_base)
    return _cable(VXLAN, port, port, "VXLAN")


def wireguard_cable(port_base: int) -> Opening:
    """The ports of the WireGuard cables of a gateway with that port base: two for each rail of the others'."""
    first, last = wireguard_port(port_base, 0, 0), wireguard_port(port_base, MAX_RAILS - 1, 1)
    return _cable(WIREGUARD, first, last, "WireGuard")


def libreswan_cable(port_base: int) -> Opening:
    """The port of pluto on a gateway with that port base: for IKE and ESP of all its Libreswan cables."""
    port = libreswan_port(port_base)
    return _cable(LIBRESWAN, port, port, "IPsec")


CABLES: Final[Mapping[str, Callable[[int], Opening]]] = {
    WIREGUARD: wireguard_cable,
    VXLAN: vxlan_cable,
    LIBRESWAN: libreswan_cable,
}
"""By cable driver: what its cables need, as a function of the gateway's port base. A new driver is a line here."""


def cables(driver: str, port_base: int) -> tuple[Opening, ...]:
    """What the cables of `driver` need; () for a driver that this version does not know."""
    make = CABLES.get(driver)
    return (make(port_base),) if make else ()


def of_nodes(port_base: int = DEFAULT_PORT_BASE, drivers: Iterable[str] = DRIVERS[:1]) -> tuple[Opening, ...]:
    """All that nodes listen on, the gateways' first: what preflight tries and a firewall on a node must let in.
    `drivers` are those of the cluster's cables."""
    used = tuple(drivers)
    return (
        *(opening for driver in used for opening in cables(driver, port_base)),
        *((NAT_DISCOVERY,) if WIREGUARD in used else ()),
        OVERLAY,
        ADVERTS,
        GATEWAY_PROBES,
        CABLE_PROBES,
        GATEWAY_METRICS,
        ROUTE_AGENT_METRICS,
    )


def broker(server: str) -> Opening:
    """The port of the broker's API server, from its URL; "" gives the API servers' usual 6443."""
    try:
        port = urlsplit(server or "https://:6443").port or 443
    except ValueError:  # not a number: the URL is somebody else's
        port = 443
    return Opening(
        name="broker",
        protocol=Protocol.TCP,
        first=port,
        last=port,
        listeners=Side.BROKER,
        sources=Side.DISCOVERY,
        purpose="objects of the clusterset, to and from the broker",
    )


def outside(
    port_base: int = DEFAULT_PORT_BASE, drivers: Iterable[str] = DRIVERS[:1], *, server: str = ""
) -> tuple[Opening, ...]:
    """All that a firewall between machines must let pass: `of_nodes` on the underlay, and the way to the broker."""
    return (*(one for one in of_nodes(port_base, drivers) if one.way is Way.UNDERLAY), broker(server))

"""Addresses and MACs of overlay and cables, derived so that every node computes the same and nothing is handed out.

Overlay: IPv4 is the low 24 bits of the node's primary IPv4 address inside the overlay range, IPv6 and MAC come
from the node's UID. Should two nodes of a cluster derive the same IPv4 address, the younger one moves to a
hashed one: by age, so that a node that lives keeps its address. Cables: from cluster number and rail.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from itertools import count

from mcnet.model.cluster import ClusterId, cluster_number
from mcnet.model.kernel import Address, Interface
from mcnet.model.node import Node
from mcnet.model.ownership import CABLE_RANGES, OVERLAY_RANGE4, OVERLAY_RANGE6, CableNetwork


@dataclass(frozen=True, slots=True)
class TunnelEnd:
    """What one end of a VXLAN of ours is called inside it: one address per family, and its MAC."""

    address4: IPv4Address
    address6: IPv6Address
    mac: str

    def address(self, family: int) -> Address:
        """The address of `family` 4 or 6."""
        return self.address4 if family == 4 else self.address6


def overlay_ends(nodes: Iterable[Node]) -> Mapping[str, TunnelEnd]:
    """Node name -> its end of the overlay."""
    taken: set[int] = set()
    ends: dict[str, TunnelEnd] = {}
    for node in sorted(nodes, key=lambda node: (node.created, node.uid, node.name)):
        number = next(number for number in _candidates(node) if number not in taken)
        taken.add(number)
        digest = _digest("overlay", node.uid)
        ends[node.name] = TunnelEnd(
            address4=OVERLAY_RANGE4[number],
            address6=OVERLAY_RANGE6[int.from_bytes(digest[:8])],
            mac=_mac(digest[8:13]),
        )
    return ends


def cable_end(cluster: ClusterId, rail: int, network: CableNetwork = CableNetwork.VXLAN_OVER4) -> TunnelEnd:
    """What gateway `rail` of `cluster` is called inside the cables of `network`."""
    range4, range6 = CABLE_RANGES[network]
    digest = _digest(_PURPOSES[network], f"{cluster}/{rail}")
    return TunnelEnd(
        address4=range4[cable_number(cluster, rail)],
        address6=range6[int.from_bytes(digest[:8])],
        mac=_mac(digest[8:13]),
    )


_PURPOSES = {
    CableNetwork.VXLAN_OVER4: "cable",
    CableNetwork.VXLAN_OVER6: "cable-over-6",
    CableNetwork.WIREGUARD_A: "cable-wireguard-a",
    CableNetwork.WIREGUARD_B: "cable-wireguard-b",
    CableNetwork.LIBRESWAN_A: "cable-libreswan-a",
    CableNetwork.LIBRESWAN_B: "cable-libreswan-b",
}
"""What the digests of cable ends are made with: both sides have to use the same."""


def cable_number(cluster: ClusterId, rail: int) -> int:
    """24 bits that name a gateway in the clusterset: 21 of its cluster, 3 of its rail."""
    return cluster_number(cluster) << 3 | rail


def overlay_interfaces(end: TunnelEnd, families: Iterable[int]) -> frozenset[Interface]:
    """What `end` looks like on `mcnet-vx` of its own node, with the prefix length of the range."""
    return _interfaces(end, families, OVERLAY_RANGE4.prefixlen, OVERLAY_RANGE6.prefixlen)


def cable_interfaces(end: TunnelEnd, families: Iterable[int]) -> frozenset[Interface]:
    """What `end` looks like on the VXLAN cable device of its own node."""
    range4, range6 = CABLE_RANGES[CableNetwork.VXLAN_OVER4]
    return _interfaces(end, families, range4.prefixlen, range6.prefixlen)


def single_interfaces(end: TunnelEnd, families: Iterable[int]) -> frozenset[Interface]:
    """What `end` looks like on a device without neighbours: nothing but the address itself."""
    return _interfaces(end, families, 32, 128)


def _interfaces(end: TunnelEnd, families: Iterable[int], length4: int, length6: int) -> frozenset[Interface]:
    return frozenset(
        IPv4Interface((end.address4, length4)) if family == 4 else IPv6Interface((end.address6, length6))
        for family in families
    )


def _candidates(node: Node) -> Iterable[int]:
    """Host numbers inside the overlay range, best first; never the network's or the broadcast address."""
    primary = next((address for address in node.addresses if address.version == 4), None)
    if primary is not None and 0 < int(primary) & 0xFFFFFF < 0xFFFFFF:
        yield int(primary) & 0xFFFFFF
    for salt in count():
        number = int.from_bytes(_digest(f"overlay4/{salt}", node.uid)[:3])
        if 0 < number < 0xFFFFFF:
            yield number


def _digest(purpose: str, text: str) -> bytes:
    return hashlib.sha256(f"mcnet/{purpose}/{text}".encode()).digest()


def _mac(tail: bytes) -> str:
    """A locally administered unicast address (IEEE 802: second-lowest bit of the first octet set, lowest clear)."""
    return ":".join(f"{octet:02x}" for octet in (0x02, *tail))

"""Sizes: what fits into the tunnels. All in bytes of an IP packet."""

from collections.abc import Iterable

VXLAN_OVERHEAD = {4: 50, 6: 70}
"""Outer IP header (20 or 40), UDP 8, VXLAN 8 (RFC 7348), inner Ethernet 14."""
WIREGUARD_OVERHEAD = {4: 60, 6: 80}
"""Outer IP header (20 or 40), UDP 8, message header 16, tag 16 (the WireGuard paper, 5.4.6)."""
LIBRESWAN_OVERHEAD = {4: 65, 6: 85}
"""Outer IP header (20 or 40), UDP 8 (RFC 3948), ESP: header 8, AES-GCM's IV 8, trailer 2, padding of up to 3 to a
multiple of four, tag 16 (RFC 4303 2, RFC 4106 3)."""
CABLE_OVERHEAD = {"vxlan": VXLAN_OVERHEAD, "wireguard": WIREGUARD_OVERHEAD, "libreswan": LIBRESWAN_OVERHEAD}
"""By cable driver, then by the family of the outer addresses."""
MINIMUM = 1280
"""No device of ours goes below: IPv6 needs it (RFC 8200, 5)."""


def underlay_mtu(device: int, limit: int) -> int:
    """What the underlay carries: as its device says, no more than the user's `limit` (0: none)."""
    return min(device, limit) if limit else device


def cable_mtu(driver: str, underlay: int, family: int) -> int:
    """What a cable carries whose outer addresses are of `family`; `underlay` is the smaller of both ends'."""
    return max(MINIMUM, underlay - CABLE_OVERHEAD[driver][family])


def overlay_mtu(underlay: int, family: int, cables: Iterable[int]) -> int:
    """MTU of `mcnet-vx`: what its underlay carries, and no more than any cable does, so that a sender learns at
    its own node what the whole way carries."""
    return max(MINIMUM, min([underlay - VXLAN_OVERHEAD[family], *cables]))

"""A WireGuard device as values: what is wanted and what is there. Keys are 32 bytes; private ones are never printed.

Source: https://www.wireguard.com/papers/wireguard.pdf, and wg(8) for the meaning of each setting.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class WireguardPeer:
    """One remote gateway on a device. `allowed` are the inner prefixes that it may send from and that are sent to it;
    on one device no two peers have the same."""

    public_key: bytes
    preshared_key: bytes = field(repr=False)
    endpoint: tuple[IPv4Address | IPv6Address, int] | None = None
    """Outer address and UDP port; None until it speaks first. What is observed may have roamed."""
    keepalive: int = 0
    """Seconds between keepalives, 0 for none."""
    allowed: frozenset[IPv4Network | IPv6Network] = frozenset()


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """What a device tells of a peer: seconds since the epoch of the last handshake (0 for never), bytes."""

    handshake: int = 0
    received: int = 0
    sent: int = 0


@dataclass(frozen=True, slots=True)
class WireguardDevice:
    """The settings of a WireGuard device: private key, UDP port to listen on, and the peers. That the device is
    there, its MTU and addresses are a Link's (mcnet.model.kernel)."""

    name: str
    private_key: bytes = field(repr=False)
    port: int
    peers: frozenset[WireguardPeer] = frozenset()
    status: Mapping[bytes, PeerStatus] = field(default_factory=dict, compare=False, repr=False)
    """As observed: by public key."""

    @property
    def key(self) -> str:
        return self.name

    def by_key(self) -> dict[bytes, WireguardPeer]:
        """The peers by their public keys."""
        return {peer.public_key: peer for peer in self.peers}

"""The keys of encrypted cables: computed where they are needed, handed out and kept nowhere.

A gateway's own key pair comes by HKDF (RFC 5869) from its cluster's identity, which every gateway has anyway, and the
epoch of the key: so a daemon has it after every restart, and there is no Secret more to guard. Whoever reads the
identity could sign Endpoints with keys of his own just as well.

The preshared key is HKDF over the X25519 exchange (RFC 7748) of the two clusters' identities, bound to both gateways
and to the epochs of their keys. So whoever breaks a gateway's own key pair still lacks the clusters' identities, and
a key of one pair or epoch says nothing of another.
"""

from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mcnet.codec.identity import PrivateIdentity
from mcnet.model.cluster import Identity
from mcnet.model.wireguard import KEY_BYTES

SALT: Final = b"mcnet wireguard preshared key 1"
IKE_SALT: Final = b"mcnet ike preshared key 1"
PRIVATE_SALT: Final = b"mcnet wireguard private key 1"


@lru_cache(maxsize=64)
def gateway_key(own: PrivateIdentity, gateway: str, epoch: int) -> bytes:
    """The private key of the gateway node `gateway`, as WireGuard keeps it."""
    info = b"\0".join((gateway.encode(), str(epoch).encode()))
    return clamped(HKDF(SHA256(), KEY_BYTES, PRIVATE_SALT, info).derive(own.agreement))


def public_key(private: bytes) -> bytes:
    """The public half of a private key."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


@lru_cache(maxsize=4096)
def preshared_key(
    own: PrivateIdentity, other: Identity, *, own_end: tuple[str, int], other_end: tuple[str, int]
) -> bytes:
    """32 bytes, the same on both sides. An end is the Endpoint's name (CLUSTER.GATEWAY) and its key epoch.

    Raises ValueError if the other's public key is none (RFC 7748 6.1: the exchange gives zeros).
    """
    return _between(SALT, own, other, own_end, other_end)


@lru_cache(maxsize=4096)
def ike_key(own: PrivateIdentity, other: Identity, *, own_end: tuple[str, int], other_end: tuple[str, int]) -> bytes:
    """The preshared key by which two gateways know each other in IKE (RFC 7296 2.15): 32 bytes, as `preshared_key`
    and raising the same, but another key, so that one says nothing of the other."""
    return _between(IKE_SALT, own, other, own_end, other_end)


def _between(
    salt: bytes, own: PrivateIdentity, other: Identity, own_end: tuple[str, int], other_end: tuple[str, int]
) -> bytes:
    shared = X25519PrivateKey.from_private_bytes(own.agreement).exchange(
        X25519PublicKey.from_public_bytes(other.agreement_key)
    )
    # Names hold no zero byte, so that no two pairs of ends give the same bytes.
    first, second = sorted((own_end, other_end))
    info = b"\0".join(part for name, epoch in (first, second) for part in (name.encode(), str(epoch).encode()))
    return HKDF(SHA256(), KEY_BYTES, salt, info).derive(shared)


def clamped(key: bytes) -> bytes:
    """A private key as WireGuard keeps it (RFC 7748 5): three bits cleared below, the highest cleared, the next set.

    Devices show it so, whatever they were given: only a clamped one can be compared with what is there.
    """
    return bytes((key[0] & 248, *key[1:31], key[31] & 127 | 64))

"""A cluster's identity: signing Endpoints, checking signatures, and the Secret that holds the private halves.

Making new keys needs chance and belongs to mcnet.install.identity.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from mcnet.codec.endpoint import canonical, signed_form
from mcnet.codec.fields import JsonObject, base64_text, fields_of, octets_of
from mcnet.model.cluster import Identity
from mcnet.model.endpoint import Endpoint
from mcnet.model.member import IDENTITY_SECRET, SYSTEM_NAMESPACE

KEY_BYTES = 32
SIGNATURE_BYTES = 64
"""Of Ed25519 (RFC 8032 5.1.6)."""


@dataclass(frozen=True, slots=True)
class PrivateIdentity:
    """The private halves: Ed25519 seed and X25519 scalar, 32 bytes each. Never printed."""

    signing: bytes = field(repr=False)
    agreement: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.signing) != KEY_BYTES or len(self.agreement) != KEY_BYTES:
            raise ValueError("a private key of the identity does not have 32 bytes")

    @property
    def public(self) -> Identity:
        """The public halves, for Cluster.spec.identity."""
        return Identity(
            signing_key=Ed25519PrivateKey.from_private_bytes(self.signing).public_key().public_bytes_raw(),
            agreement_key=X25519PrivateKey.from_private_bytes(self.agreement).public_key().public_bytes_raw(),
        )


def sign(endpoint: Endpoint, identity: PrivateIdentity) -> Endpoint:
    """The endpoint with its signature. Ed25519 is deterministic: equal endpoints get equal signatures."""
    signature = Ed25519PrivateKey.from_private_bytes(identity.signing).sign(signed_form(endpoint))
    return replace(endpoint, signature=base64_text(signature))


def verify(obj: JsonObject, identity: Identity) -> bool:
    """Whether the signature in an Endpoint object is the identity's over exactly the spec that is there."""
    spec = obj["spec"]
    signature = spec.get("signature")
    try:
        return isinstance(signature, str) and _is_signed(canonical(spec), signature, identity.signing_key)
    except RecursionError:  # fields of newer versions may be nested, but none is as deep as that
        return False


@lru_cache(maxsize=4096)
def _is_signed(message: bytes, signature: str, key: bytes) -> bool:
    # Remembered, since every round looks at every Endpoint: checking one takes a tenth of a millisecond.
    octets = octets_of(signature, SIGNATURE_BYTES)
    # Base64 has more than one text for the same bytes; only the usual one is a signature.
    if octets is None or base64_text(octets) != signature:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(octets, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def encode_secret(identity: PrivateIdentity, *, namespace: str = SYSTEM_NAMESPACE) -> JsonObject:
    """The Secret mcnet-identity."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": IDENTITY_SECRET, "namespace": namespace},
        "type": "Opaque",
        "data": {"signing": base64_text(identity.signing), "agreement": base64_text(identity.agreement)},
    }


def decode_secret(secret: JsonObject) -> PrivateIdentity:
    """The private identity in the Secret; raises DecodeError, without any part of a key."""
    data = fields_of(secret).child("data")
    return PrivateIdentity(data.octets("signing", KEY_BYTES), data.octets("agreement", KEY_BYTES))

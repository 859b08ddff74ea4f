"""Farewells: what a cluster that leaves signs, as they stand in the annotation of its Lease at the broker.

Kept after the cluster has left, so that a member that was away then learns of it too. They hold no secret, and can't
be forged without the key that is given up.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mcnet.codec.errors import DecodeError
from mcnet.codec.fields import Fields, base64_text
from mcnet.codec.identity import KEY_BYTES, SIGNATURE_BYTES, PrivateIdentity
from mcnet.model.cluster import ClusterId
from mcnet.model.trust import FAREWELL_ANNOTATION, Farewell

MOST: Final = 16
"""How many are kept: a member that was away while its peer left more often has to be told (`mcnet member trust`)."""


def sign(cluster: ClusterId, identity: PrivateIdentity) -> Farewell:
    """The farewell of `cluster` to its keys."""
    signing_key = identity.public.signing_key
    signature = Ed25519PrivateKey.from_private_bytes(identity.signing).sign(_message(cluster, signing_key))
    return Farewell(signing_key, signature)


def is_valid(farewell: Farewell, cluster: ClusterId) -> bool:
    """Whether the key that is given up has signed exactly this, for this cluster."""
    try:
        key = Ed25519PublicKey.from_public_bytes(farewell.signing_key)
        key.verify(farewell.signature, _message(cluster, farewell.signing_key))
    except (InvalidSignature, ValueError):
        return False
    return True


def _message(cluster: ClusterId, signing_key: bytes) -> bytes:
    # An Endpoint's canonical form begins with "{", so that neither can pass for the other.
    return b"mcnet farewell 1\n" + cluster.encode() + b"\n" + signing_key


def encode(farewells: Sequence[Farewell]) -> str:
    """The annotation's text: the newest `MOST`, oldest first."""
    return json.dumps(
        [
            {"signingKey": base64_text(one.signing_key), "signature": base64_text(one.signature)}
            for one in farewells[-MOST:]
        ],
        separators=(",", ":"),
    )


def decode(lease: Mapping[str, Any]) -> tuple[Farewell, ...]:
    """The farewells in a Lease, oldest first. What can't be read is left out: it proves nothing."""
    try:
        annotations = Fields(lease, "Lease").child("metadata").child("annotations")
        entries = json.loads(annotations.text(FAREWELL_ANNOTATION, "") or "[]")
    except (ValueError, RecursionError):
        return ()
    found = [_farewell(entry) for entry in entries[-MOST:]] if isinstance(entries, list) else []
    return tuple(one for one in found if one is not None)


def _farewell(entry: object) -> Farewell | None:
    try:
        fields = Fields(entry, "farewell")
        return Farewell(fields.octets("signingKey", KEY_BYTES), fields.octets("signature", SIGNATURE_BYTES))
    except DecodeError:
        return None

"""Identities of test clusters, the same in every test: derived from their names."""

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec.identity import PrivateIdentity, sign
from mcnet.model.endpoint import Endpoint


def identity_of(cluster: str, generation: int = 1) -> PrivateIdentity:
    """Both private keys of a cluster; another generation after it was rebuilt."""
    signing, agreement = (
        hashlib.sha256(f"{cluster} {generation} {use}".encode()).digest() for use in ("signing", "agreement")
    )
    return PrivateIdentity(signing, agreement)


def signed_object(value: Endpoint, namespace: str, generation: int = 1) -> dict[str, Any]:
    """The Endpoint as its gateway publishes it."""
    return endpoint_codec.encode(sign(value, identity_of(value.cluster, generation)), namespace=namespace)


def signature_of(spec: dict[str, Any], identity: PrivateIdentity) -> str:
    """The signature over a spec as it is, with fields that this version does not know."""
    key = Ed25519PrivateKey.from_private_bytes(identity.signing)
    return base64.b64encode(key.sign(endpoint_codec.canonical(spec))).decode()

"""Makes a cluster's identity: the one place where its private keys come from."""

import secrets

from mcnet.codec.identity import KEY_BYTES, PrivateIdentity


def generate() -> PrivateIdentity:
    """A new identity: both private keys are 32 random bytes (RFC 8032 5.1.5, RFC 7748 5)."""
    return PrivateIdentity(signing=secrets.token_bytes(KEY_BYTES), agreement=secrets.token_bytes(KEY_BYTES))

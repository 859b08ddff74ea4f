"""Fingerprints of public keys, as people compare them: SHA-256 in base64, the form of ssh-keygen -l (RFC 4648 4)."""

import base64
import hashlib


def fingerprint(key: bytes) -> str:
    """ "SHA256:…" of a public key."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")

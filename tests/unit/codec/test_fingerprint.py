"""Fingerprints as `ssh-keygen -l` has them."""

import base64
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.fingerprint import fingerprint


def test_a_known_one() -> None:
    """Of 32 zero bytes, by sha256sum and base64."""
    assert fingerprint(bytes(32)) == "SHA256:Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU"


@given(st.binary(max_size=64))
def test_it_is_the_whole_digest(key: bytes) -> None:
    name, _, text = fingerprint(key).partition(":")
    assert (name, len(text)) == ("SHA256", 43)
    assert base64.b64decode(text + "=") == hashlib.sha256(key).digest()

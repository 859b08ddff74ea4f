"""The join token as text: `mcnet1.` and one opaque word, so that a wrong or cut one is recognised as such.

It is a secret: nothing here puts any part of it into an error.
"""

import base64
import binascii
import json
from datetime import datetime

from mcnet.codec.errors import DecodeError
from mcnet.model.broker import JoinToken
from mcnet.model.cluster import CLUSTER_ID_PATTERN, ClusterId

PREFIX = "mcnet1."


def encode(token: JoinToken) -> str:
    """One word that is safe in shells, files and environment variables."""
    document = {
        "cluster": token.cluster,
        "broker": token.broker_id,
        "expires": token.expires.isoformat(),
        "token": token.secret,
    }
    packed = json.dumps(document, separators=(",", ":")).encode()
    return PREFIX + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode(text: str) -> JoinToken:
    """The token in `text`. Raises DecodeError for anything else, without quoting it."""
    text = "".join(text.split())
    if not text.startswith(PREFIX):
        raise DecodeError("join token", "", f"does not start with {PREFIX!r}")
    body = text.removeprefix(PREFIX)
    try:
        document = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        token = JoinToken(
            cluster=ClusterId(str(document["cluster"])),
            broker_id=str(document["broker"]),
            expires=datetime.fromisoformat(document["expires"]),
            secret=str(document["token"]),
        )
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DecodeError("join token", "", "is damaged, perhaps cut while copying") from error
    if not CLUSTER_ID_PATTERN.fullmatch(token.cluster) or token.expires.tzinfo is None or not _is_word(token.secret):
        raise DecodeError("join token", "", "is damaged, perhaps cut while copying")
    return token


def _is_word(secret: str) -> bool:
    """Whether it can be sent as a bearer token (RFC 6750 2.1), roughly: visible ASCII."""
    return bool(secret) and all("!" <= letter <= "~" for letter in secret)

"""What a member knows of its broker: the Secret mcnet-broker, the names of accounts there, and tokens' lives."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mcnet.codec.fields import Fields, JsonObject, base64_text, fields_of
from mcnet.model.cluster import ClusterId
from mcnet.model.member import BROKER_NAMESPACE, BROKER_SECRET, SYSTEM_NAMESPACE


@dataclass(frozen=True, slots=True)
class BrokerCredential:
    """Where the broker is and what opens it. `ca` is PEM, b"" for the system's certificates."""

    server: str
    ca: bytes
    token: str = field(repr=False)
    namespace: str = BROKER_NAMESPACE
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a token was issued and when it ends."""

    issued: datetime
    expires: datetime

    @property
    def renewal(self) -> datetime:
        """When it is due to be renewed: after a third, so that two further tries of that length fit."""
        return self.issued + (self.expires - self.issued) / 3


def member_account(cluster: ClusterId) -> str:
    """Name of the ServiceAccount at the broker by which a member works."""
    return f"member-{cluster}"


def join_account(cluster: ClusterId) -> str:
    """Name of the ServiceAccount at the broker whose token lets a cluster join once."""
    return f"join-{cluster}"


def encode_secret(credential: BrokerCredential, *, namespace: str = SYSTEM_NAMESPACE) -> JsonObject:
    """The Secret mcnet-broker."""
    values = {
        "server": credential.server.encode(),
        "ca.crt": credential.ca,
        "token": credential.token.encode(),
        "namespace": credential.namespace.encode(),
        "expires": rfc3339(credential.expires).encode() if credential.expires else b"",
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": BROKER_SECRET, "namespace": namespace},
        "type": "Opaque",
        "data": {key: base64_text(value) for key, value in values.items()},
    }


def decode_secret(secret: JsonObject) -> BrokerCredential:
    """The credential in the Secret; raises DecodeError, without any part of the token."""
    data = fields_of(secret).child("data")
    expires = _decoded(data, "expires")
    try:
        end = datetime.fromisoformat(expires) if expires else None
    except ValueError as error:
        raise data.wrong("expires", "is not an RFC 3339 time") from error
    if end is not None and end.tzinfo is None:
        raise data.wrong("expires", "has no time zone")
    credential = BrokerCredential(
        server=_decoded(data, "server"),
        ca=_decoded(data, "ca.crt").encode(),
        token=_decoded(data, "token").strip(),
        namespace=_decoded(data, "namespace") or BROKER_NAMESPACE,
        expires=end,
    )
    for key, value in (("server", credential.server), ("token", credential.token)):
        if not value:
            raise data.wrong(key, "is missing")
    return credential


def token_lifetime(token: str) -> Lifetime | None:
    """The life of a ServiceAccount's token by its own claims (RFC 7519 iat, exp); None for another kind of token.

    The signature is not looked at: this is the holder's own token, and only the time of its renewal hangs on it.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        issued, expires = (datetime.fromtimestamp(int(claims[key]), UTC) for key in ("iat", "exp"))
    except (binascii.Error, ValueError, KeyError, TypeError, OverflowError, RecursionError, OSError):
        return None
    return Lifetime(issued, expires)


def rfc3339(moment: datetime) -> str:
    """A time as API objects have it, in seconds: "2026-01-31T12:00:00Z"."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _decoded(data: Fields, key: str) -> str:
    try:
        return base64.b64decode(data.text(key, ""), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise data.wrong(key, "is not base64 of a text") from error

"""Renews the member's own credential at the broker, long before it ends.

A third of the life leaves two more thirds for a broker that is away. After that only the broker's admin can
bring the member back: `mcnet member renew`.
"""

from datetime import UTC, datetime, timedelta

from mcnet.codec.broker import BrokerCredential, member_account, rfc3339, token_lifetime
from mcnet.codec.fields import base64_text
from mcnet.kube.api import Api
from mcnet.kube.kinds import SECRET, JsonObject
from mcnet.model.member import BROKER_SECRET
from mcnet_discovery.session import Session

WANTED = timedelta(days=30)
"""The life that is asked for; API servers may grant less."""
CHECK = 60.0
"""Seconds between two looks, and until another try after a failure."""


def due(credential: BrokerCredential, now: datetime) -> bool:
    """Whether the credential has lived a third of its life; by `expires` alone where its token doesn't tell."""
    if lifetime := token_lifetime(credential.token):
        return now >= lifetime.renewal
    return credential.expires is not None and credential.expires - now < WANTED * 2 / 3


def ends(credential: BrokerCredential) -> datetime | None:
    """When the credential ends, None if nothing tells."""
    lifetime = token_lifetime(credential.token)
    return lifetime.expires if lifetime else credential.expires


async def renew(api: Api, session: Session, secret: JsonObject) -> datetime:
    """Obtain a new credential at the broker and write it into the Secret as it was seen; when the new one ends.

    Raises ConflictError if somebody has changed the Secret meanwhile: then theirs is the newer one.
    """
    account = member_account(session.target.cluster)
    token, expires = await session.api.create_token(account, session.namespace, seconds=int(WANTED.total_seconds()))
    metadata = secret["metadata"]
    patch = {
        "metadata": {"resourceVersion": metadata["resourceVersion"]},
        "data": {
            "token": base64_text(token.encode()),
            "expires": base64_text(rfc3339(expires.astimezone(UTC)).encode()),
        },
    }
    await api.merge_patch(SECRET, BROKER_SECRET, patch, metadata["namespace"])
    return expires

"""Brings a member back whose credential of the broker has ended: as the broker's admin, by a token for its next join
or, where both clusters are at hand, by writing the new credential into the member itself."""

from dataclasses import replace

from mcnet.install import accounts, broker_access
from mcnet.install.apply import Applied, apply_all
from mcnet.install.join_plan import current_member, public_identity
from mcnet.install.members import read_member
from mcnet.kube.api import Api
from mcnet.model.broker import BrokerInfo, JoinToken
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import UsageError


async def renewal_token(admin: Api, cluster: ClusterId, *, seconds: int, info: BrokerInfo) -> JoinToken:
    """A token with which the member joins again; its record stays. Raises UsageError if it is no member."""
    await read_member(admin, cluster, info.namespace)
    return await accounts.create_token(admin, cluster, seconds=seconds, info=info, joined=True)


async def renew_in_place(admin: Api, member: Api, cluster: ClusterId, info: BrokerInfo) -> list[Applied]:
    """Writes a new credential into the member's Secret, which its discovery takes up at once.

    Raises UsageError if the cluster behind `member` is not the one whose record the broker holds.
    """
    record = await read_member(admin, cluster, info.namespace)
    where = member.context or member.server
    settings = await current_member(member)
    if settings is None or settings.cluster != cluster:
        who = f"the member {settings.cluster}" if settings else "no member"
        raise UsageError(f"the cluster {where} is {who}, not {cluster}", "choose its context: --member-context")
    if record.identity and record.identity != await public_identity(member):
        raise UsageError(
            f"the cluster {where} has other keys than the {cluster} that the broker knows",
            "if it was rebuilt: mcnet join --replace",
        )
    stored = await broker_access.stored_credential(member)
    as_known = replace(info, server=stored.server) if stored and stored.ca == info.ca else info
    credential = await accounts.admin_credential(admin, cluster, as_known)
    return await apply_all(member, [broker_access.credential_secret(credential, cluster)])

"""A member's account at the broker, and the join token that is its only way in (the broker's admin acts here).

The account is the ServiceAccount member-ID; everything of it is owned by it, so that deleting that one object
removes the member's rights and its Cluster. Using a token is `broker_access`'s.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mcnet.codec.broker import BrokerCredential, join_account, member_account
from mcnet.install.apply import apply_all
from mcnet.install.broker import broker_info
from mcnet.install.until import until
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import with_token
from mcnet.kube.kinds import JsonObject
from mcnet.model.broker import BrokerInfo, JoinToken
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import ForbiddenError, McnetError, UsageError
from mcnet.model.member import API_GROUP, CLUSTER_LABEL, MANAGED_LABEL
from mcnet.render.engine import render
from mcnet.render.values import AccountValues

EXPIRES_ANNOTATION: Final = f"{API_GROUP}/expires"
"""On join-ID: RFC 3339 time at which its token ends."""
CREDENTIAL_SECONDS: Final = 30 * 86400
"""What a member asks for its own credential; API servers may grant less."""
SHORTEST_TTL: Final = 600
"""Seconds: API servers refuse shorter tokens (TokenRequest)."""
RIGHTS_TIMEOUT = 15.0
"""Seconds until an API server's authorizer has seen a new binding; usually a tenth of one."""


@dataclass(frozen=True, slots=True)
class PendingToken:
    """A join token that has been made and not been used."""

    cluster: str
    expires: datetime | None
    created: str


async def create_token(
    admin: Api, cluster: ClusterId, *, seconds: int, info: BrokerInfo, joined: bool = False
) -> JoinToken:
    """Makes the accounts for `cluster` and a token that lets it in once; an unused older one stops working.

    Raises UsageError if the time is too short or the cluster has joined, unless it is to join again (`joined`).
    """
    if seconds < SHORTEST_TTL:
        raise UsageError(f"a join token of {seconds} s is too short: API servers grant at least {SHORTEST_TTL} s")
    if not joined and await admin.find(kinds.CLUSTER, cluster, info.namespace):
        raise UsageError(
            f"{cluster} has joined this clusterset already",
            f"if its credential has ended: mcnet member renew {cluster}; if it was rebuilt: "
            f"mcnet token create {cluster} --replace; else choose another cluster ID",
        )
    await delete_join_account(admin, cluster, info.namespace)
    await ensure_account(admin, cluster, info.namespace, with_join=True)
    secret, expires = await admin.create_token(join_account(cluster), info.namespace, seconds=seconds)
    mark = {"metadata": {"annotations": {EXPIRES_ANNOTATION: expires.isoformat()}}}
    await admin.merge_patch(kinds.SERVICE_ACCOUNT, join_account(cluster), mark, info.namespace)
    await _in_force(admin, cluster, info.namespace, secret)
    return JoinToken(cluster, info.id, expires, secret)


async def ensure_account(admin: Api, cluster: ClusterId, namespace: str, *, with_join: bool = False) -> None:
    """The ServiceAccount member-CLUSTER with its rights, and join-CLUSTER if asked for."""
    member = await admin.apply(_service_account(member_account(cluster), cluster, namespace))
    join_uid = ""
    if with_join:
        join = await admin.apply(_service_account(join_account(cluster), cluster, namespace))
        join_uid = join["metadata"]["uid"]
    values = AccountValues(
        cluster=cluster, member_uid=member["metadata"]["uid"], join_uid=join_uid, namespace=namespace
    )
    await apply_all(admin, render("broker/account", values))


async def admin_credential(admin: Api, cluster: ClusterId, info: BrokerInfo) -> BrokerCredential:
    """A credential of the member's account, made by the broker's admin instead of a join token."""
    await ensure_account(admin, cluster, info.namespace)
    token, expires = await admin.create_token(member_account(cluster), info.namespace, seconds=CREDENTIAL_SECONDS)
    return BrokerCredential(info.server, info.ca, token, info.namespace, expires)


async def list_tokens(admin: Api) -> list[PendingToken]:
    """Join tokens that nobody has used, also expired ones."""
    info = await broker_info(admin)
    accounts = await admin.list(kinds.SERVICE_ACCOUNT, info.namespace, labels=f"{MANAGED_LABEL}=mcnet")
    return [_pending(account) for account in accounts if account["metadata"]["name"].startswith("join-")]


async def revoke_token(admin: Api, cluster: ClusterId) -> bool:
    """Makes the unused token of `cluster` worthless; whether there was one. A member that has joined stays."""
    info = await broker_info(admin)
    there = await delete_join_account(admin, cluster, info.namespace)
    if not await admin.find(kinds.CLUSTER, cluster, info.namespace):
        await delete_account(admin, cluster, info.namespace)
    return there


async def delete_join_account(admin: Api, cluster: ClusterId, namespace: str) -> bool:
    """Removes join-CLUSTER and its rights now, without waiting for the garbage collector."""
    name = join_account(cluster)
    await admin.delete(kinds.ROLE_BINDING, name, namespace)
    await admin.delete(kinds.ROLE, name, namespace)
    return await admin.delete(kinds.SERVICE_ACCOUNT, name, namespace)


async def delete_account(admin: Api, cluster: ClusterId, namespace: str) -> bool:
    """Removes member-CLUSTER and its rights; whether it was there."""
    name = member_account(cluster)
    for binding in (name, f"{name}.shared"):
        await admin.delete(kinds.ROLE_BINDING, binding, namespace)
    await admin.delete(kinds.ROLE, name, namespace)
    return await admin.delete(kinds.SERVICE_ACCOUNT, name, namespace)


async def _in_force(admin: Api, cluster: ClusterId, namespace: str, secret: str) -> None:
    """Waits until the API server lets the new token do what it is for."""
    async with await with_token(server=admin.server, ca=admin.ca, token=secret) as joining:
        try:
            await until(lambda: _can_obtain(joining, cluster, namespace), timeout=RIGHTS_TIMEOUT)
        except TimeoutError as error:
            raise McnetError(
                f"{admin.server} does not grant {join_account(cluster)} its right after {RIGHTS_TIMEOUT:g} s",
                f"kubectl -n {namespace} get rolebinding {join_account(cluster)} -o yaml",
            ) from error


async def _can_obtain(joining: Api, cluster: ClusterId, namespace: str) -> bool:
    try:
        return await joining.can_i(
            "create", kinds.SERVICE_ACCOUNT, namespace, subresource="token", name=member_account(cluster)
        )
    except ForbiddenError:
        return False  # the account is too new for this server


def _service_account(name: str, cluster: ClusterId, namespace: str) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {MANAGED_LABEL: "mcnet", CLUSTER_LABEL: cluster},
        },
        "automountServiceAccountToken": False,
    }


def _pending(account: JsonObject) -> PendingToken:
    metadata = account["metadata"]
    expires = (metadata.get("annotations") or {}).get(EXPIRES_ANNOTATION)
    return PendingToken(
        cluster=metadata["name"].removeprefix("join-"),
        expires=datetime.fromisoformat(expires) if expires else None,
        created=str(metadata.get("creationTimestamp", "")),
    )

"""Removes a member's records and account at the broker: as the member itself, or as the broker's admin.

Only its Lease stays there, with a farewell: the member's own word that it gives up its keys, by which the others
take those of its next join.
"""

import asyncio
from typing import Final

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import farewell
from mcnet.codec import identity as identity_codec
from mcnet.codec.broker import join_account, member_account
from mcnet.codec.errors import DecodeError
from mcnet.codec.identity import PrivateIdentity
from mcnet.install import accounts
from mcnet.install.broker_access import stored_credential
from mcnet.install.member_records import remove_member_records
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import with_token
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import ForbiddenError, McnetError
from mcnet.model.member import BROKER_NAMESPACE, BROKER_SECRET, CLUSTER_LABEL, IDENTITY_SECRET, SYSTEM_NAMESPACE
from mcnet.model.trust import FAREWELL_ANNOTATION

PAUSES: Final = (1.0, 2.0, 4.0)
"""Seconds between tries at an API server that has just started or is overloaded."""
BUSY: Final = (403, 429, 503, 504)
"""HTTP statuses by which it says so; 403 too, since just after its start a server knows no roles yet."""


async def credential_owner(api: Api) -> str:
    """Cluster ID of the credential in the cluster, for a join that was interrupted; "" if there is none."""
    secret = await api.find(kinds.SECRET, BROKER_SECRET, SYSTEM_NAMESPACE)
    return str(((secret or {}).get("metadata", {}).get("labels") or {}).get(CLUSTER_LABEL, ""))


async def deregister(api: Api, cluster: ClusterId, admin: Api | None) -> str:
    """Removes everything of `cluster` at the broker; why it could not, "" if it could."""
    problem, busy = await _try(api, cluster, admin)
    for pause in PAUSES:
        if not busy:
            break
        await asyncio.sleep(pause)
        problem, busy = await _try(api, cluster, admin)
    return problem


async def _try(api: Api, cluster: ClusterId, admin: Api | None) -> tuple[str, bool]:
    """Why it could not be done, and whether the broker was only busy."""
    try:
        if admin:
            if not await _is_anothers(api, admin, cluster, BROKER_NAMESPACE):
                await _as_admin(api, admin, cluster)
            return "", False
        return await _as_member(api, cluster), False
    except McnetError as error:
        return error.message, getattr(error, "status", 0) in BUSY


async def _as_admin(api: Api, admin: Api, cluster: ClusterId) -> None:
    await remove_member_records(admin, cluster, BROKER_NAMESPACE)
    await _say_farewell(api, admin, cluster, BROKER_NAMESPACE)
    await admin.delete(kinds.CLUSTER, cluster, BROKER_NAMESPACE)
    await accounts.delete_join_account(admin, cluster, BROKER_NAMESPACE)
    await accounts.delete_account(admin, cluster, BROKER_NAMESPACE)


async def _as_member(api: Api, cluster: ClusterId) -> str:
    """With the member's own credential: the account goes last; it owns the Cluster, roles and bindings, which the
    broker's garbage collector removes with it."""
    credential = await stored_credential(api)
    if credential is None:
        return "the cluster holds no credential of the broker"
    async with await with_token(server=credential.server, ca=credential.ca, token=credential.token) as broker:
        try:
            if await _is_anothers(api, broker, cluster, credential.namespace):
                return ""
            await remove_member_records(broker, cluster, credential.namespace)
            await _say_farewell(api, broker, cluster, credential.namespace)
            for name in (join_account(cluster), member_account(cluster)):
                await broker.delete(kinds.SERVICE_ACCOUNT, name, credential.namespace)
        except ForbiddenError as error:
            if error.status == 401:
                return "the broker no longer accepts the member's credential"
            raise
    return ""


async def _is_anothers(api: Api, broker: Api, cluster: ClusterId, namespace: str) -> bool:
    """Whether the record has keys that are not this cluster's: another one has replaced it, and stays."""
    own = await _private_identity(api)
    record = await broker.find(kinds.CLUSTER, cluster, namespace)
    try:
        theirs = cluster_codec.decode(record).identity if record else None
    except DecodeError:
        return False
    return bool(own and theirs and own.public != theirs)


async def _say_farewell(api: Api, broker: Api, cluster: ClusterId, namespace: str) -> None:
    """Signs away the cluster's keys, in the annotation of its Lease. A cluster that never got keys, or has lost them,
    has nothing to give up: its Lease goes."""
    private = await _private_identity(api)
    if private is None:
        await broker.delete(kinds.LEASE, cluster, namespace)
        return
    lease = await broker.find(kinds.LEASE, cluster, namespace)
    said, new = farewell.decode(lease or {}), farewell.sign(cluster, private)
    if new in said:
        return
    annotations = {FAREWELL_ANNOTATION: farewell.encode([*said, new])}
    if lease is not None:
        await broker.merge_patch(kinds.LEASE, cluster, {"metadata": {"annotations": annotations}}, namespace)
        return
    metadata = {"labels": {CLUSTER_LABEL: cluster}, "annotations": annotations}
    made = {"metadata": metadata | {"name": cluster}, "spec": {"holderIdentity": cluster}}
    await broker.create(kinds.LEASE, made, namespace)


async def _private_identity(api: Api) -> PrivateIdentity | None:
    secret = await api.find(kinds.SECRET, IDENTITY_SECRET, SYSTEM_NAMESPACE)
    try:
        return identity_codec.decode_secret(secret) if secret else None
    except DecodeError:
        return None

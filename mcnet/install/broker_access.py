"""How a joining (or leaving) cluster reaches the broker: by the credential it has, by a join token, or as admin.

Making tokens and accounts is `accounts`'.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mcnet.codec.broker import BrokerCredential, decode_secret, encode_secret, join_account, member_account
from mcnet.codec.errors import DecodeError
from mcnet.install import accounts, rights
from mcnet.install.apply import SYSTEM_LABELS
from mcnet.install.broker import broker_info
from mcnet.install.until import until
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import contexts, from_kubeconfig, with_token
from mcnet.kube.kinds import JsonObject
from mcnet.model.broker import BrokerInfo, JoinToken
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import ApiError, ForbiddenError, McnetError, NotFoundError, UsageError
from mcnet.model.member import BROKER_SECRET, CLUSTER_LABEL, CLUSTERSET_NAME, SYSTEM_NAMESPACE

BINDING_TIMEOUT = 15.0
"""Seconds until a new account's rights are in force at the broker."""


@dataclass(frozen=True, slots=True)
class Access:
    """The broker as this cluster may use it: as its member, as the broker's admin, or both.

    Without `credential` the account does not exist yet; `with_account` makes it.
    """

    info: BrokerInfo
    credential: BrokerCredential | None = None
    member: Api | None = None
    admin: Api | None = None
    fresh: bool = True
    """Whether the credential was obtained by this run (else it was in the cluster already)."""

    @property
    def reader(self) -> Api:
        """What can read every member's objects."""
        api = self.member or self.admin
        assert api is not None
        return api

    async def close(self) -> None:
        """Closes the connections."""
        for api in (self.member, self.admin):
            if api:
                await api.close()


async def by_existing(cluster_api: Api, info: BrokerInfo, cluster: ClusterId) -> Access | None:
    """By the credential that an earlier join of `cluster` left; None if there is none, or it no longer works."""
    credential = await stored_credential(cluster_api, cluster)
    if credential is None or (credential.server, credential.ca) != (info.server, info.ca):
        return None
    member = await with_token(server=credential.server, ca=credential.ca, token=credential.token)
    try:
        await member.get(kinds.CLUSTERSET, CLUSTERSET_NAME, credential.namespace)
    except ApiError:
        await member.close()
        return None
    except BaseException:
        await member.close()
        raise
    return Access(info, credential, member, fresh=False)


async def by_token(info: BrokerInfo, token: JoinToken, cluster: ClusterId) -> Access:
    """By a join token: obtains the credential of the member's account. The token is not spent yet (`spend`).

    Raises UsageError for a token of another cluster or broker, or one that has expired; ForbiddenError for one
    that the broker no longer accepts.
    """
    check_token(info, token, cluster)
    if token.expires <= datetime.now(UTC):
        raise UsageError(
            f"the join token of {cluster} expired at {token.expires:%Y-%m-%d %H:%M} UTC", _new_token(cluster)
        )
    async with await with_token(server=info.server, ca=info.ca, token=token.secret) as joining:
        try:
            secret, expires = await joining.create_token(
                member_account(cluster), info.namespace, seconds=accounts.CREDENTIAL_SECONDS
            )
        except (ForbiddenError, NotFoundError) as error:
            raise ForbiddenError(
                f"the broker {info.server} does not accept the join token of {cluster}: "
                "it has been used or revoked, or has expired",
                _new_token(cluster),
                status=error.status,
            ) from error
    credential = BrokerCredential(info.server, info.ca, secret, info.namespace, expires)
    return Access(info, credential, await _member_api(credential))


def check_token(info: BrokerInfo, token: JoinToken, cluster: ClusterId) -> None:
    """Raises UsageError if the token can't be meant for this broker and cluster."""
    if token.broker_id != info.id:
        raise UsageError(
            f"the join token is of another broker than broker-info's {info.server}",
            "take broker-info.mcnet and token from the same broker",
        )
    if token.cluster != cluster:
        raise UsageError(
            f"the join token is for cluster {token.cluster}, not for {cluster}",
            f"join with --cluster-id {token.cluster}, or ask for: mcnet token create {cluster}",
        )


async def by_admin(info: BrokerInfo, admin: Api) -> Access:
    """As the broker's admin. Raises UsageError if `admin`, which is closed then, is not the broker of `info`."""
    try:
        actual = await broker_info(admin)
        if actual.id != info.id:
            raise UsageError(
                f"context {admin.context} is not the broker that broker-info names ({info.server})",
                "choose the broker's context with --broker-context, or join with --token",
            )
        await rights.require(admin, rights.token_rights(info.namespace), "letting a cluster join")
    except BaseException:
        await admin.close()
        raise
    return Access(info, admin=admin)


def both(existing: Access, as_admin: Access) -> Access:
    """The credential that is there already, with the rights of the broker's admin beside it."""
    return replace(existing, admin=as_admin.admin)


async def with_account(access: Access, cluster: ClusterId) -> Access:
    """The same with the member's account, which the broker's admin makes where it is missing."""
    if access.member or not access.admin:
        return access
    credential = await accounts.admin_credential(access.admin, cluster, access.info)
    return replace(access, credential=credential, member=await _member_api(credential))


async def admin_context(info: BrokerInfo, kubeconfig: Path | None) -> Api | None:
    """A context of the kubeconfig that leads to the broker's server, if there is one."""
    for name in contexts(kubeconfig):
        try:
            api = await from_kubeconfig(context=name, kubeconfig=kubeconfig)
        except McnetError:
            continue
        if (api.server, api.ca) == (info.server, info.ca):
            return api
        await api.close()
    return None


async def spend(access: Access, cluster: ClusterId) -> None:
    """Deletes what the join token stands for: from now on it obtains nothing. Safe to repeat."""
    namespace = access.info.namespace
    api = access.admin or access.reader
    await api.delete(kinds.ROLE_BINDING, join_account(cluster), namespace)
    await api.delete(kinds.SERVICE_ACCOUNT, join_account(cluster), namespace)


async def stored_credential(api: Api, cluster: str = "") -> BrokerCredential | None:
    """The credential in the cluster's Secret mcnet-broker (if it is `cluster`'s); None if there is none, or it is
    damaged."""
    secret = await api.find(kinds.SECRET, BROKER_SECRET, SYSTEM_NAMESPACE)
    if secret is None or (cluster and (secret["metadata"].get("labels") or {}).get(CLUSTER_LABEL) != cluster):
        return None
    try:
        return decode_secret(secret)
    except DecodeError:
        return None


def credential_secret(credential: BrokerCredential, cluster: ClusterId) -> JsonObject:
    """The Secret mcnet-broker, which discovery reads and renews."""
    secret = encode_secret(credential)
    secret["metadata"]["labels"] = {**SYSTEM_LABELS, CLUSTER_LABEL: cluster}
    return secret


def _new_token(cluster: ClusterId) -> str:
    return f"ask the broker's admin for a new one: mcnet token create {cluster}"


async def _member_api(credential: BrokerCredential) -> Api:
    """The broker as the member; waits until a new account's rights are in force."""
    api = await with_token(server=credential.server, ca=credential.ca, token=credential.token)
    try:
        await until(lambda: _has_rights(api, credential.namespace), timeout=BINDING_TIMEOUT)
    except TimeoutError as error:
        await api.close()
        raise ForbiddenError(
            f"the broker {credential.server} does not grant the member's account its rights",
            "run `mcnet deploy-broker` again, as the broker's admin",
        ) from error
    except BaseException:
        await api.close()
        raise
    return api


async def _has_rights(api: Api, namespace: str) -> bool:
    try:
        return await api.can_i("create", kinds.CLUSTER, namespace)
    except ForbiddenError:
        return False

"""Join tokens on a real API server: one lets one cluster in, once, and obtains nothing else."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mcnet.install import accounts, broker_access
from mcnet.install.broker import deploy_broker
from mcnet.install.progress import Silent
from mcnet.install.until import until
from mcnet.kube import connect, kinds
from mcnet.kube.api import Api
from mcnet.model.broker import BrokerInfo, JoinToken
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import ForbiddenError, UsageError
from mcnet.model.member import BROKER_NAMESPACE
from tests.apiserver.test_broker import cluster_object

WEST = ClusterId("west")
CACHED = 15.0
"""An API server may accept a deleted account's token for ten seconds more: it caches what it has checked."""


@pytest.fixture
async def info(broker_api: Api) -> AsyncIterator[BrokerInfo]:
    """A broker without members."""
    yield (await deploy_broker(broker_api, progress=Silent())).info
    for cluster in (WEST, ClusterId("east")):
        await accounts.delete_join_account(broker_api, cluster, BROKER_NAMESPACE)
        await accounts.delete_account(broker_api, cluster, BROKER_NAMESPACE)
        await broker_api.delete(kinds.CLUSTER, cluster, BROKER_NAMESPACE)


@pytest.fixture
async def token(broker_api: Api, info: BrokerInfo) -> JoinToken:
    """A token for west, unused; east has an account."""
    await accounts.ensure_account(broker_api, ClusterId("east"), BROKER_NAMESPACE)
    return await accounts.create_token(broker_api, WEST, seconds=3600, info=info)


async def holder(info: BrokerInfo, secret: str) -> Api:
    return await connect.with_token(server=info.server, ca=info.ca, token=secret)


async def test_obtains_the_credential_of_its_member_and_nothing_else(info: BrokerInfo, token: JoinToken) -> None:
    async with await holder(info, token.secret) as joining:
        secret, _ = await joining.create_token("member-west", BROKER_NAMESPACE, seconds=3600)
        assert secret
        for account in ("member-east", "join-west", "default"):
            with pytest.raises(ForbiddenError):
                await joining.create_token(account, BROKER_NAMESPACE, seconds=3600)
        for kind in (kinds.CLUSTER, kinds.ENDPOINT, kinds.CLUSTERSET, kinds.SECRET, kinds.SERVICE_ACCOUNT):
            with pytest.raises(ForbiddenError):
                await joining.list(kind, BROKER_NAMESPACE)
        with pytest.raises(ForbiddenError):
            await joining.create(kinds.CLUSTER, cluster_object(WEST), BROKER_NAMESPACE)
        with pytest.raises(ForbiddenError):
            await joining.delete(kinds.SERVICE_ACCOUNT, "member-east", BROKER_NAMESPACE)


async def test_obtains_nothing_after_it_was_spent(info: BrokerInfo, token: JoinToken) -> None:
    access = await broker_access.by_token(info, token, WEST)
    try:
        await broker_access.spend(access, WEST)
        await broker_access.spend(access, WEST)  # an interrupted join does it again
        async with await holder(info, token.secret) as joining:
            await until(lambda: is_refused(joining), timeout=CACHED)
        assert await access.reader.get(kinds.CLUSTERSET, "mcnet", BROKER_NAMESPACE)
    finally:
        await access.close()
    with pytest.raises(ForbiddenError, match="has been used or revoked, or has expired"):
        await broker_access.by_token(info, token, WEST)


async def is_refused(joining: Api) -> bool:
    try:
        await joining.create_token("member-west", BROKER_NAMESPACE, seconds=3600)
    except ForbiddenError:
        return True
    return False


async def test_a_revoked_token_lets_nobody_in(broker_api: Api, info: BrokerInfo, token: JoinToken) -> None:
    assert [pending.cluster for pending in await accounts.list_tokens(broker_api)] == ["west"]
    assert await accounts.revoke_token(broker_api, WEST)
    assert await accounts.list_tokens(broker_api) == []
    assert await broker_api.find(kinds.SERVICE_ACCOUNT, "member-west", BROKER_NAMESPACE) is None
    async with await holder(info, token.secret) as joining:
        await until(lambda: is_refused(joining), timeout=CACHED)
    assert not await accounts.revoke_token(broker_api, WEST)


async def test_a_newer_token_replaces_the_older(broker_api: Api, info: BrokerInfo, token: JoinToken) -> None:
    newer = await accounts.create_token(broker_api, WEST, seconds=3600, info=info)
    async with await holder(info, token.secret) as joining:
        await until(lambda: is_refused(joining), timeout=CACHED)
    access = await broker_access.by_token(info, newer, WEST)
    await access.close()


async def test_a_member_that_has_joined_gets_no_token(broker_api: Api, info: BrokerInfo) -> None:
    await broker_api.apply(cluster_object(WEST))
    with pytest.raises(UsageError, match="west has joined this clusterset already"):
        await accounts.create_token(broker_api, WEST, seconds=3600, info=info)


async def test_revoking_after_the_join_leaves_the_member(broker_api: Api, info: BrokerInfo, token: JoinToken) -> None:
    await broker_api.apply(cluster_object(WEST))
    await accounts.revoke_token(broker_api, WEST)
    assert await broker_api.find(kinds.SERVICE_ACCOUNT, "member-west", BROKER_NAMESPACE)


async def test_too_short_a_life(broker_api: Api, info: BrokerInfo) -> None:
    with pytest.raises(UsageError, match="at least 600 s"):
        await accounts.create_token(broker_api, WEST, seconds=60, info=info)


async def test_its_end_is_what_the_server_granted(broker_api: Api, token: JoinToken) -> None:
    assert timedelta(minutes=50) < token.expires - datetime.now(UTC) <= timedelta(hours=1)
    (pending,) = await accounts.list_tokens(broker_api)
    assert pending.expires == token.expires


async def test_an_expired_token_is_not_even_tried(info: BrokerInfo, token: JoinToken) -> None:
    old = replace(token, expires=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(UsageError, match="the join token of west expired at"):
        await broker_access.by_token(info, old, WEST)


async def test_another_clusters_token(info: BrokerInfo, token: JoinToken) -> None:
    with pytest.raises(UsageError, match="is for cluster west, not for north"):
        await broker_access.by_token(info, token, ClusterId("north"))


async def test_another_brokers_token(info: BrokerInfo, token: JoinToken) -> None:
    with pytest.raises(UsageError, match="of another broker"):
        await broker_access.by_token(replace(info, id="somebody-else"), token, WEST)


async def test_the_secret_is_in_no_text_about_it(token: JoinToken) -> None:
    assert token.secret not in repr(token)
    assert token.secret not in str(token)

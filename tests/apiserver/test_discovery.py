"""mcnet_discovery between two real API servers, with the rights that its templates give and no others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcnet.codec import broker, clusterset, member
from mcnet.codec.broker import BrokerCredential
from mcnet.kube.api import Api
from mcnet.kube.kinds import CLUSTER, ENDPOINT, LEASE, SECRET
from mcnet.loop.run import Stop
from mcnet.model.cluster import ClusterId, ClusterSet
from mcnet.model.member import Member
from mcnet_discovery.main import Discovery
from mcnet_discovery.settings import Settings
from tests.apiserver.accounts import broker_account, discovery_account
from tests.apiserver.conftest import fresh_namespace
from tests.apiserver.server import ApiServer
from tests.fakes.discovery import cluster_object, endpoint_object, prefix

CONVERGE = 30.0
"""Seconds that the broker's return may take to show: the promise."""


class Joined:
    """West as it is after its join, before its discovery has run."""

    def __init__(self, local: Api, broker: Api, namespace: str, broker_namespace: str) -> None:
        self.local, self.broker = local, broker
        self.namespace, self.broker_namespace = namespace, broker_namespace
        self.account: Api | None = None

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Discovery]:
        assert self.account is not None
        discovery = Discovery(Settings("pod-1", self.namespace, 0), self.account)
        stop = Stop()
        task = asyncio.create_task(discovery.main(stop))
        try:
            yield discovery
        finally:
            stop.set("the test is over")
            await asyncio.wait_for(task, 10)

    async def here(self, name: str, **spec: object) -> dict[str, Any]:
        return await self._awaited(self.local, self.namespace, name, spec)

    async def there(self, name: str, **spec: object) -> dict[str, Any]:
        return await self._awaited(self.broker, self.broker_namespace, name, spec)

    async def _awaited(self, api: Api, namespace: str, name: str, spec: dict[str, object]) -> dict[str, Any]:
        """The Cluster or Endpoint of that name once it is there, with these values in its spec."""

        def right(obj: dict[str, Any] | None) -> bool:
            return obj is not None and obj["spec"] | spec == obj["spec"]

        kind = ENDPOINT if "." in name else CLUSTER
        obj = await api.wait_for(kind, name, namespace, right, CONVERGE)
        assert obj is not None
        return obj

    async def gone(self, name: str) -> None:
        kind = ENDPOINT if "." in name else CLUSTER
        await self.local.wait_for(kind, name, self.namespace, lambda obj: obj is None, CONVERGE)


@pytest.fixture
async def joined(
    member_api: Api, broker_api: Api, member_server: ApiServer, broker_server: ApiServer
) -> AsyncIterator[Joined]:
    west = Joined(
        member_api,
        broker_api,
        await fresh_namespace(member_api, "system"),
        await fresh_namespace(broker_api, "broker"),
    )
    await broker_api.apply(clusterset.encode(ClusterSet(), namespace=west.broker_namespace))
    for name, number in (("east", 1), ("west", 2)):
        await broker_api.apply(cluster_object(name, number, west.broker_namespace))
    await broker_api.apply(endpoint_object("east", "e1", west.broker_namespace))
    await member_api.apply(
        member.encode(Member(ClusterId("west"), (prefix(2),), (prefix(102),)), namespace=west.namespace)
    )
    await member_api.apply(endpoint_object("west", "w1", west.namespace))
    token, expires = await broker_account(broker_api, ClusterId("west"), west.broker_namespace)
    credential = BrokerCredential(broker_server.url, broker_server.ca, token, west.broker_namespace, expires)
    await member_api.apply(broker.encode_secret(credential, namespace=west.namespace))
    async with await discovery_account(member_api, member_server, west.namespace) as account:
        west.account = account
        yield west


async def test_objects_are_mirrored_both_ways(joined: Joined) -> None:
    async with joined.daemon() as daemon:
        copy = await joined.here("east.e1", mtu=1500)
        assert copy["metadata"]["labels"]["mcnet.dev/cluster"] == "east"
        await joined.here("east", podPrefixes=["10.1.0.0/16"])
        await joined.here("west", podPrefixes=["10.2.0.0/16"])
        await joined.there("west.w1", mtu=1500)
        await joined.broker.wait_for(
            CLUSTER,
            "west",
            joined.broker_namespace,
            lambda obj: bool(obj and obj.get("status", {}).get("version")),
            20,
        )
        await joined.broker.wait_for(LEASE, "west", joined.broker_namespace, lambda obj: obj is not None, 20)
        assert daemon._unready() == ""
        assert daemon._writer.refusals == {}


async def test_changes_follow_and_what_was_edited_comes_back(joined: Joined) -> None:
    async with joined.daemon():
        await joined.here("east.e1")
        await joined.there("west.w1")
        await joined.broker.apply(endpoint_object("east", "e1", joined.broker_namespace, mtu=1400, sequence=1))
        await joined.here("east.e1", mtu=1400)
        await joined.local.merge_patch(ENDPOINT, "east.e1", {"spec": {"mtu": 9000}}, joined.namespace)
        await joined.here("east.e1", mtu=1400)
        await joined.local.delete(CLUSTER, "east", joined.namespace)
        await joined.here("east")
        await joined.local.merge_patch(ENDPOINT, "west.w1", {"spec": {"mtu": 1450}}, joined.namespace)
        await joined.there("west.w1", mtu=1450)
        await joined.broker.merge_patch(ENDPOINT, "west.w1", {"spec": {"mtu": 9000}}, joined.broker_namespace)
        await joined.there("west.w1", mtu=1450)
        await joined.broker.delete(ENDPOINT, "west.w1", joined.broker_namespace)
        await joined.there("west.w1", mtu=1450)
        await joined.broker.delete(CLUSTER, "west", joined.broker_namespace)
        restored = await joined.there("west", podPrefixes=["10.2.0.0/16"])
        assert restored["metadata"]["ownerReferences"][0]["name"] == "member-west"
        await joined.broker.delete(ENDPOINT, "east.e1", joined.broker_namespace)
        await joined.gone("east.e1")


async def test_the_broker_goes_and_comes_back(joined: Joined, broker_server: ApiServer) -> None:
    async with joined.daemon():
        await joined.here("east.e1")
        await joined.there("west.w1")
    try:
        broker_server.stop()
        async with joined.daemon() as daemon:  # it even starts without the broker
            await joined.local.merge_patch(ENDPOINT, "west.w1", {"spec": {"mtu": 1450}}, joined.namespace)
            await joined.here("east.e1")
            assert daemon._loop.fault == ""
            await broker_server.start()
            await joined.there("west.w1", mtu=1450)
            await joined.broker.apply(endpoint_object("east", "e1", joined.broker_namespace, mtu=1400, sequence=1))
            await joined.here("east.e1", mtu=1400)
    finally:
        await broker_server.start()


async def test_the_credential_is_renewed(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet_discovery.renewal.CHECK", 0.2)
    first = await joined.local.get(SECRET, "mcnet-broker", joined.namespace)
    monkeypatch.setattr("mcnet_discovery.renewal.due", lambda credential, now: credential.token == token)
    token = broker.decode_secret(first).token
    async with joined.daemon():
        renewed = await joined.local.wait_for(
            SECRET, "mcnet-broker", joined.namespace, lambda obj: obj is not None and obj["data"] != first["data"], 20
        )
        assert renewed is not None
        lifetime = broker.token_lifetime(broker.decode_secret(renewed).token)
        assert lifetime is not None
        await joined.local.delete(CLUSTER, "east", joined.namespace)
        await joined.here("east")

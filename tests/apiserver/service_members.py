"""Two members and a broker on three real API servers, each daemon with the rights of its templates, and what the
clusters' own controllers would make of a Service.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any
from uuid import uuid4

import pytest

from mcnet.codec import broker, clusterset, member
from mcnet.codec.broker import BrokerCredential
from mcnet.kube.api import Api
from mcnet.kube.kinds import (
    ENDPOINT_SLICE,
    EXPORTED_SERVICE,
    NAMESPACE,
    SERVICE,
    SERVICE_EXPORT,
    SERVICE_IMPORT,
    Kind,
)
from mcnet.loop.run import Stop
from mcnet.model.cluster import ClusterId, ClusterSet
from mcnet.model.member import Member
from mcnet.model.service import SERVICE_NAME_LABEL
from mcnet_discovery.main import Discovery
from mcnet_discovery.settings import Settings
from tests.apiserver.accounts import broker_account, discovery_account
from tests.apiserver.conftest import fresh_namespace, start_server
from tests.apiserver.server import ApiServer
from tests.fakes.discovery import cluster_object, prefix

PATIENCE = 30.0
JsonObject = dict[str, Any]


@pytest.fixture(scope="module")
def east_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The API server of a second member."""
    yield from start_server("east", tmp_path_factory)


@dataclass
class Cluster:
    """A member: its admin's Api, its daemon's, and its own namespace."""

    id: str
    number: int
    api: Api
    account: Api
    system: str

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Discovery]:
        discovery = Discovery(Settings("pod-1", self.system, 0), self.account)
        stop = Stop()
        task = asyncio.create_task(discovery.main(stop))
        try:
            yield discovery
        finally:
            stop.set("the test is over")
            await asyncio.wait_for(task, 10)

    def address(self, last: int) -> str:
        return f"10.{self.number}.0.{last}"

    async def serve(
        self, namespace: str, name: str, *, ports: tuple[tuple[str, int], ...] = (("http", 80),),
        addresses: tuple[int, ...] = (1, 2), headless: bool = False, **spec: Any,
    ) -> None:  # fmt: skip
        """A Service with one EndpointSlice, as the cluster's own controllers would make it."""
        made: JsonObject = {
            "ports": [{"name": one, "port": port, "protocol": "TCP"} for one, port in ports],
            "selector": {"app": name},
        }
        made |= {"clusterIP": "None"} if headless else {}
        await self.api.create(SERVICE, {"metadata": {"name": name, "namespace": namespace}, "spec": made | spec})
        await self.endpoints(namespace, name, *addresses, ports=tuple((one, 8000 + port) for one, port in ports))

    async def endpoints(
        self, namespace: str, name: str, *addresses: int, ports: tuple[tuple[str, int], ...] = (("http", 8080),)
    ) -> None:
        slice_name = f"{name}-abc"
        there = await self.api.find(ENDPOINT_SLICE, slice_name, namespace)
        obj: JsonObject = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": slice_name,
                "namespace": namespace,
                "labels": {
                    "kubernetes.io/service-name": name,
                    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                },
            },
            "addressType": "IPv4",
            "endpoints": [
                {
                    "addresses": [self.address(last)],
                    "conditions": {"ready": True},
                    "nodeName": "node-1",
                    "zone": "a",
                    "targetRef": {"kind": "Pod", "namespace": namespace, "name": f"{name}-{last}"},
                }
                for last in addresses
            ],
            "ports": [{"name": one, "port": port, "protocol": "TCP"} for one, port in ports],
        }
        if there is None:
            await self.api.create(ENDPOINT_SLICE, obj)
        else:
            await self.api.replace(ENDPOINT_SLICE, there | {key: obj[key] for key in ("endpoints", "ports")})

    async def export(self, namespace: str, name: str, **more: Any) -> None:
        await self.api.create(SERVICE_EXPORT, {"metadata": {"name": name, "namespace": namespace}} | more)

    async def awaited(
        self, kind: Kind, name: str, namespace: str, right: Callable[[JsonObject], bool] = lambda obj: True
    ) -> JsonObject:
        obj = await self.api.wait_for(kind, name, namespace, lambda obj: obj is not None and right(obj), PATIENCE)
        assert obj is not None
        return obj

    async def gone(self, kind: Kind, name: str, namespace: str) -> None:
        await self.api.wait_for(kind, name, namespace, lambda obj: obj is None, PATIENCE)

    async def imported(self, namespace: str, name: str, addresses: set[str]) -> JsonObject:
        """The import, once these and no other addresses are in its slices."""
        await self.awaited(SERVICE_IMPORT, name, namespace)
        async with asyncio.timeout(PATIENCE):
            while await self.addresses(namespace, name) != addresses:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        return await self.api.get(SERVICE_IMPORT, name, namespace)

    async def slices(self, namespace: str, name: str) -> list[JsonObject]:
        return await self.api.list(ENDPOINT_SLICE, namespace, labels=f"{SERVICE_NAME_LABEL}={name}")

    async def addresses(self, namespace: str, name: str) -> set[str]:
        return {
            address
            for one in await self.slices(namespace, name)
            for end in one.get("endpoints") or ()
            for address in end["addresses"]
        }

    async def condition(self, namespace: str, name: str, kind: str, status: str, reason: str) -> JsonObject:
        """The condition of a ServiceExport, once it is so."""

        def found(obj: JsonObject) -> JsonObject | None:
            conditions = (obj.get("status") or {}).get("conditions") or ()
            wanted = (kind, status, reason)
            return next((one for one in conditions if (one["type"], one["status"], one["reason"]) == wanted), None)

        obj = await self.awaited(SERVICE_EXPORT, name, namespace, lambda obj: found(obj) is not None)
        one = found(obj)
        assert one is not None
        return one


@dataclass
class Clusterset:
    east: Cluster
    west: Cluster
    broker: Api
    broker_namespace: str

    @asynccontextmanager
    async def daemons(self) -> AsyncIterator[tuple[Discovery, Discovery]]:
        async with self.east.daemon() as east, self.west.daemon() as west:
            yield east, west

    async def namespace(self, *clusters: Cluster) -> str:
        name = f"shop-{uuid4().hex[:8]}"
        for one in clusters or (self.east, self.west):
            await one.api.create(NAMESPACE, {"metadata": {"name": name}})
        return name

    async def records(self, namespace: str) -> list[JsonObject]:
        """The records at the broker: of this test's namespace, since members keep those of all tests."""
        found = await self.broker.list(EXPORTED_SERVICE, self.broker_namespace)
        return [one for one in found if one["spec"]["namespace"] == namespace]


@asynccontextmanager
async def clusterset_of(broker_server: ApiServer, east: ApiServer, west: ApiServer) -> AsyncIterator[Clusterset]:
    """Both members as they are after their join, their daemons not running yet."""
    async with AsyncExitStack() as stack:
        broker_api = await stack.enter_async_context(await broker_server.admin())
        broker_namespace = await fresh_namespace(broker_api, "broker")
        await broker_api.apply(clusterset.encode(ClusterSet(), namespace=broker_namespace))
        clusters = []
        for name, number, server in (("east", 1, east), ("west", 2, west)):
            api = await stack.enter_async_context(await server.admin())
            system = await fresh_namespace(api, "system")
            await broker_api.apply(cluster_object(name, number, broker_namespace))
            token, expires = await broker_account(broker_api, ClusterId(name), broker_namespace)
            credential = BrokerCredential(broker_server.url, broker_server.ca, token, broker_namespace, expires)
            networks = (prefix(number),), (IPv4Network("10.96.0.0/16"),)
            await api.apply(member.encode(Member(ClusterId(name), *networks), namespace=system))
            await api.apply(broker.encode_secret(credential, namespace=system))
            account = await stack.enter_async_context(await discovery_account(api, server, system))
            clusters.append(Cluster(name, number, api, account, system))
        yield Clusterset(*clusters, broker_api, broker_namespace)


@pytest.fixture
async def both(
    broker_server: ApiServer, east_server: ApiServer, member_server: ApiServer
) -> AsyncIterator[Clusterset]:
    async with clusterset_of(broker_server, east_server, member_server) as made:
        yield made

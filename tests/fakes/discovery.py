"""A discovery daemon between two API servers in memory: west's own, and the broker with east and north."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from mcnet.codec import broker, cluster, clusterset, member
from mcnet.codec.broker import BrokerCredential
from mcnet.kube.api import Api
from mcnet.kube.kinds import CLUSTER, CLUSTERSET, ENDPOINT
from mcnet.loop.run import Stop
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.errors import ApiError, ConflictError, McnetError, UnreachableError
from mcnet.model.member import Member
from mcnet_discovery.main import Discovery
from mcnet_discovery.settings import Settings
from tests.fakes.api import FakeServer
from tests.fakes.identities import identity_of, signed_object

LOCAL, BROKER = "mcnet-system", "mcnet-broker"
CREDENTIAL = BrokerCredential(server="https://broker", ca=b"", token="first")
FAILURES: list[tuple[McnetError, bool]] = [
    (UnreachableError("cut before"), True),
    (UnreachableError("cut after"), False),
    (ApiError("internal error", status=500), True),
    (ConflictError("conflict", status=409), True),
    (ApiError("too old", status=410), True),
]
"""How a request may fail, and whether before it has done anything."""


def prefix(number: int) -> IPv4Network:
    return IPv4Network(f"10.{number}.0.0/16")


def cluster_object(name: str, number: int, namespace: str, *, generation: int = 1) -> dict[str, Any]:
    identity = identity_of(name, generation).public
    value = Cluster(ClusterId(name), (prefix(number),), (prefix(100 + number),), identity)
    return cluster.encode(value, namespace=namespace)


def endpoint_object(
    name: str, gateway: str, namespace: str, *, mtu: int = 1500, sequence: int = 0, generation: int = 1
) -> dict[str, Any]:
    value = Endpoint(ClusterId(name), gateway, 0, (IPv4Address("192.0.2.1"),), mtu=mtu, sequence=sequence)
    return signed_object(value, namespace, generation)


class Scene:
    """Both servers as they are after west's join, before its discovery has run."""

    def __init__(self) -> None:
        self.local = FakeServer(server="https://local")
        self.broker = FakeServer(server="https://broker")
        self.local.add(
            member.encode(Member(ClusterId("west"), (prefix(2),), (prefix(102),))),
            broker.encode_secret(CREDENTIAL),
            endpoint_object("west", "w1", LOCAL),
        )
        self.broker.add(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "member-west", "namespace": BROKER}},
            clusterset.encode(ClusterSet()),
            cluster_object("east", 1, BROKER) | {"status": {"version": "7"}},
            cluster_object("west", 2, BROKER),
            endpoint_object("east", "e1", BROKER),
            endpoint_object("east", "e2", BROKER),
        )
        self.credentials: list[BrokerCredential] = []

    async def open_broker(self, credential: BrokerCredential) -> Api:
        self.credentials.append(credential)
        return self.broker.api()

    @asynccontextmanager
    async def daemon(self, pod: str = "pod-1") -> AsyncIterator[Discovery]:
        """A replica, stopped in order at the end."""
        discovery = Discovery(Settings(pod, LOCAL, 0), self.local.api(), open_broker=self.open_broker)
        stop = Stop()
        task = asyncio.create_task(discovery.main(stop))
        try:
            yield discovery
        finally:
            stop.set("the test is over")
            with suppress(TimeoutError):
                await asyncio.wait_for(task, 5)
            task.result()

    def names(self, server: FakeServer) -> set[str]:
        """What the server holds of the mirrored kinds."""
        return {
            f"{kind.kind} {obj['metadata']['name']}"
            for kind in (CLUSTERSET, CLUSTER, ENDPOINT)
            for obj in server.all(kind)
        }

    def converged(self) -> bool:
        """Whether both sides are as they should be after any history of this scene."""
        everything = {"ClusterSet mcnet", "Cluster east", "Cluster west", "Endpoint east.e1", "Endpoint east.e2"}
        everything.add("Endpoint west.w1")
        if self.names(self.local) != everything or self.names(self.broker) != everything:
            return False
        for kind in (CLUSTERSET, CLUSTER, ENDPOINT):
            pairs = zip(self.local.all(kind), self.broker.all(kind), strict=True)
            if any(first["spec"] != second["spec"] for first, second in pairs):
                return False
        statuses = [[obj.get("status") for obj in server.all(CLUSTER)] for server in (self.local, self.broker)]
        return statuses[0] == statuses[1] and statuses[0][0] == {"version": "7"} and bool(statuses[0][1])


def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten every pause of the daemon, none of its decisions."""
    monkeypatch.setattr("mcnet.kube.store.BACKOFF_FIRST", 0.01)
    monkeypatch.setattr("mcnet_discovery.write.BACKOFF", (0.02, 0.02))
    monkeypatch.setattr("mcnet_discovery.session.HEARTBEAT", 0.05)
    monkeypatch.setattr("mcnet_discovery.session.HEARTBEAT_RETRY", 0.01)
    monkeypatch.setattr("mcnet_discovery.renewal.CHECK", 0.02)
    monkeypatch.setattr("mcnet.loop.reconcile.BACKOFF", (0.02,))
    monkeypatch.setattr("mcnet.kube.lease.RENEW", 0.1)

"""Ten members of one broker, a real API server: the real discovery of each, over an API server of its own in memory.

Shows what more members cost the broker and each other; the members' own servers cost next to nothing.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Network
from statistics import median
from typing import Any

from mcnet.codec import broker, clusterset, member
from mcnet.codec.broker import BrokerCredential, rfc3339
from mcnet.kube.api import Api
from mcnet.kube.kinds import ENDPOINT_SLICE, SERVICE_IMPORT
from mcnet.loop.run import Stop
from mcnet.model.cluster import ClusterId, ClusterSet
from mcnet.model.member import SYSTEM_NAMESPACE, Member
from mcnet.model.service import SLICE_MANAGER, SLICE_MANAGER_LABEL, ServiceName
from mcnet_discovery.main import Discovery
from mcnet_discovery.settings import Settings
from tests.apiserver.accounts import broker_account
from tests.apiserver.conftest import fresh_namespace
from tests.apiserver.server import ApiServer
from tests.fakes.api import FakeServer
from tests.fakes.discovery import cluster_object, prefix
from tests.fakes.service_objects import MCS, namespace, service

MEMBERS, EACH = 10, int(os.environ.get("MCNET_BENCH_EACH", "50"))
"""How many members, and how many services each of them exports."""
CHANGES = 50
SPACE = "shop"
PATIENCE = 300.0

JsonObject = dict[str, Any]


async def ten(server: ApiServer) -> list[tuple[str, str]]:
    """What was measured, in words and figures."""
    async with await server.admin() as admin, _members(server, admin) as (members, daemons):
        begun, busy = time.monotonic(), time.process_time()
        for number, own in enumerate(members, 1):
            for which in range(EACH):
                own.add(*_exported(number, which))
        async with asyncio.timeout(PATIENCE):
            while not all(_imported(own) == (MEMBERS * EACH,) * 2 for own in members):  # noqa: ASYNC110 - ten servers
                await asyncio.sleep(0.1)
        seconds, busy = time.monotonic() - begun, time.process_time() - busy
        await _idle(daemons)
        again = []
        for last in range(100, 100 + CHANGES):
            again.append(await _one_change(members, last))
            await _idle(daemons)
    return [
        (f"{MEMBERS} members export {EACH} each at once, until all have all {MEMBERS * EACH}", f"{seconds:.1f} s"),
        (
            "processor time of all their daemons, for each import",
            f"{busy / (MEMBERS * MEMBERS * EACH) * 1000:.1f} ms",
        ),
        (
            f"an endpoint changes in one of them, until all {MEMBERS} have it: p50, worst of {CHANGES}",
            f"{median(again) * 1000:.0f}, {max(again) * 1000:.0f} ms",
        ),
    ]


@asynccontextmanager
async def _members(server: ApiServer, admin: Api) -> AsyncIterator[tuple[list[FakeServer], list[Discovery]]]:
    """Their own servers, and their daemons, which run."""
    space = await fresh_namespace(admin, "broker")
    await admin.apply(clusterset.encode(ClusterSet(), namespace=space))
    async with AsyncExitStack() as stack:
        made, daemons = [], []
        for number in range(1, MEMBERS + 1):
            name = f"member-{number}"
            await admin.apply(cluster_object(name, number, space))
            token, expires = await broker_account(admin, ClusterId(name), space)
            own = FakeServer(server=f"https://{name}")
            credential = BrokerCredential(server.url, server.ca, token, space, expires)
            networks = (prefix(number),), (IPv4Network("10.96.0.0/16"),)
            own.add(
                member.encode(Member(ClusterId(name), *networks)), broker.encode_secret(credential), namespace(SPACE)
            )
            daemons.append(await stack.enter_async_context(_daemon(own)))
            made.append(own)
        yield made, daemons


@asynccontextmanager
async def _daemon(own: FakeServer) -> AsyncIterator[Discovery]:
    stop = Stop()
    discovery = Discovery(Settings("pod-1", SYSTEM_NAMESPACE, 0), own.api())
    running = asyncio.create_task(discovery.main(stop))
    try:
        await _idle([discovery])
        yield discovery
    finally:
        stop.set("measured")
        await asyncio.wait_for(running, 10)


async def _idle(daemons: Iterable[Discovery]) -> None:
    """Until they have nothing left to write."""
    async with asyncio.timeout(PATIENCE):
        while not all(one._services.idle for one in daemons):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)


def _exported(number: int, which: int) -> list[JsonObject]:
    name = ServiceName(SPACE, f"s{number}-{which}")
    export = {
        "apiVersion": MCS,
        "kind": "ServiceExport",
        "metadata": {
            "name": name.name, "namespace": SPACE, "uid": name.name,
            "creationTimestamp": rfc3339(datetime.now(UTC)), "generation": 1,
        },
    }  # fmt: skip
    return [service(name), _slice(name.name, number, 1), export]


def _slice(name: str, number: int, last: int) -> JsonObject:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-abc", "namespace": SPACE, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [f"10.{number}.0.{last}"], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def _slices(own: FakeServer) -> list[JsonObject]:
    found = own.all(ENDPOINT_SLICE)
    return [obj for obj in found if obj["metadata"]["labels"].get(SLICE_MANAGER_LABEL) == SLICE_MANAGER]


def _imported(own: FakeServer) -> tuple[int, int]:
    return len(own.all(SERVICE_IMPORT)), len(_slices(own))


async def _one_change(members: list[FakeServer], last: int) -> float:
    """Seconds until the address that ends with `last` is everywhere."""
    begun, wanted = time.monotonic(), f"10.1.0.{last}"
    members[0].add(_slice("s1-0", 1, last))
    async with asyncio.timeout(PATIENCE):
        while not all(  # noqa: ASYNC110 - ten servers
            any(end["addresses"] == [wanted] for obj in _slices(own) for end in obj["endpoints"]) for own in members
        ):
            await asyncio.sleep(0.005)
    return time.monotonic() - begun

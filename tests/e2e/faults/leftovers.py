"""Members, gateways and networks that are gone, asked for, or in each other's way; cables that carry nothing."""

import json
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any, Final

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import endpoint as endpoint_codec
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.diagnosis import Verdict
from mcnet.model.member import BROKER_NAMESPACE, MEMBER_NAME, SYSTEM_NAMESPACE
from mcnet.model.ownership import vxlan_cable_port
from tests.e2e.clusterset import Clusterset, eventually
from tests.e2e.faults.daemons import kubectl
from tests.e2e.faults.fault import Fault

NORTH: Final = ClusterId("north")
ASKED: Final = "10.250.0.0/24"
TABLE: Final = "lab_fault"


@asynccontextmanager
async def north(clusterset: Clusterset, pods: str) -> AsyncIterator[None]:
    """A member north, that the broker holds and nobody has seen, with its account; known to east and west."""
    record = cluster_codec.encode(Cluster(NORTH, (ip_network(pods),), ()), namespace=BROKER_NAMESPACE)
    async with await clusterset.api("east") as broker:
        account = await broker.create(
            kinds.SERVICE_ACCOUNT, {"metadata": {"name": f"member-{NORTH}"}}, BROKER_NAMESPACE
        )
        owner = {"apiVersion": "v1", "kind": "ServiceAccount", "name": f"member-{NORTH}"}
        record["metadata"]["ownerReferences"] = [owner | {"uid": account["metadata"]["uid"]}]
        await broker.apply(record)
        try:
            await eventually(lambda: known(clusterset), 60, "west knows north")
            yield
        finally:
            await broker.delete(kinds.CLUSTER, NORTH, BROKER_NAMESPACE)
            await broker.delete(kinds.SERVICE_ACCOUNT, f"member-{NORTH}", BROKER_NAMESPACE)


async def known(clusterset: Clusterset) -> bool:
    for cluster in ("east", "west"):
        async with await clusterset.api(cluster) as api:
            if await api.find(kinds.CLUSTER, NORTH, SYSTEM_NAMESPACE) is None:
                return False
    return True


@asynccontextmanager
async def member_gone(clusterset: Clusterset) -> AsyncIterator[None]:
    async with north(clusterset, ASKED):
        yield


@asynccontextmanager
async def overlap(clusterset: Clusterset) -> AsyncIterator[None]:
    """North has what west's pods have."""
    async with await clusterset.api("west") as api:
        west = cluster_codec.decode(await api.get(kinds.CLUSTER, "west", SYSTEM_NAMESPACE))
    async with north(clusterset, str(west.pod_prefixes[0])):
        yield


@asynccontextmanager
async def left_endpoint(clusterset: Clusterset) -> AsyncIterator[None]:
    """The Endpoint of a gateway whose node was deleted: a copy of a living one."""
    async with await clusterset.api("west") as api:
        listed = [endpoint_codec.decode(obj) for obj in await api.list(kinds.ENDPOINT, SYSTEM_NAMESPACE)]
        living = next(
            endpoint_codec.encode(one, namespace=SYSTEM_NAMESPACE) for one in listed if one.cluster == "west"
        )
        living["metadata"]["name"] = "west.retired"
        living["spec"] |= {"gateway": "retired", "rail": 6, "privateAddresses": ["192.0.2.66"]}
        await api.create(kinds.ENDPOINT, living, SYSTEM_NAMESPACE)
        try:
            yield
        finally:
            await api.delete(kinds.ENDPOINT, "west.retired", SYSTEM_NAMESPACE)


@asynccontextmanager
async def left_rail(clusterset: Clusterset) -> AsyncIterator[None]:
    lease = {"metadata": {"name": "rail-7"}, "spec": {"holderIdentity": "retired"}}
    async with _made(clusterset, kinds.LEASE, lease):
        yield


@asynccontextmanager
async def left_report(clusterset: Clusterset) -> AsyncIterator[None]:
    async with _made(clusterset, kinds.NODE_STATE, {"metadata": {"name": "retired"}}):
        yield


@asynccontextmanager
async def _made(clusterset: Clusterset, kind: kinds.Kind, obj: JsonObject) -> AsyncIterator[None]:
    async with await clusterset.api("west") as api:
        await api.create(kind, obj, SYSTEM_NAMESPACE)
        try:
            yield
        finally:
            await api.delete(kind, obj["metadata"]["name"], SYSTEM_NAMESPACE)


@asynccontextmanager
async def not_approved(clusterset: Clusterset) -> AsyncIterator[None]:
    """West asks for one more pod network. At the end it asks for what it had, and the broker has that too."""
    async with await clusterset.api("west") as api, await clusterset.api("east") as broker:
        member = await api.get(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
        record = await broker.get(kinds.CLUSTER, "west", BROKER_NAMESPACE)
        before: list[str] = member["spec"]["podPrefixes"]
        await _ask(clusterset, [*before, ASKED])
        try:
            yield
        finally:
            await _ask(clusterset, before)
            spec: dict[str, Any] = {"podPrefixes": record["spec"]["podPrefixes"]}
            await broker.merge_patch(kinds.CLUSTER, "west", {"spec": spec}, BROKER_NAMESPACE)


async def _ask(clusterset: Clusterset, prefixes: list[str]) -> None:
    patch = shlex.quote(json.dumps({"spec": {"podPrefixes": prefixes}}))
    await kubectl(clusterset, "west", f"patch members.mcnet.dev {MEMBER_NAME} --type merge --patch {patch}")


@asynccontextmanager
async def cable_cut(clusterset: Clusterset) -> AsyncIterator[None]:
    """A firewall on west's nodes takes no packet of cables."""
    rules = (
        f"add table inet {TABLE}; add chain inet {TABLE} raw {{ type filter hook prerouting priority -400; }}; "
        f"add rule inet {TABLE} raw udp dport {vxlan_cable_port(4500)} drop"
    )
    places = ("west/n1", "west/n2")
    try:
        for place in places:
            done = await clusterset.node(place, "nft", rules)
            assert done.status == 0, done.errors
        yield
    finally:
        for place in places:
            await clusterset.node(place, "nft", "delete", "table", "inet", TABLE)


FAULTS: Final = (
    Fault(
        check="members",
        title="A member is gone without having left",
        cluster="west",
        about="^member north$",
        said="it has never been seen at the broker, and no cable to it is connected",
        remedy="^mcnet member remove north --context east$",
        verdict=Verdict.WARNING,
        make=member_gone,
    ),
    Fault(
        check="endpoints",
        title="A gateway's node was deleted, its Endpoint is still there",
        cluster="west",
        about="^Endpoint west.retired$",
        said="there is no node retired, but other clusters still make cables to it",
        remedy="delete endpoints.mcnet.dev west.retired",
        make=left_endpoint,
    ),
    Fault(
        check="endpoints",
        title="A rail is kept for a node that was deleted",
        cluster="west",
        about="^Lease rail-7$",
        said="there is no node retired, but the rail is kept for it",
        remedy="delete leases rail-7",
        verdict=Verdict.WARNING,
        make=left_rail,
    ),
    Fault(
        check="endpoints",
        title="A deleted node has left its report",
        cluster="west",
        about="^NodeState retired$",
        said="it is a report of the past: there is no node retired",
        remedy="delete nodestates.mcnet.dev retired",
        verdict=Verdict.WARNING,
        make=left_report,
    ),
    Fault(
        check="cidr-overlap",
        title="Two clusters have the same pod network",
        cluster="west",
        about="^west and north$",
        said="the pod network .* of west and the pod network .* of north overlap",
        remedy="^re-create one of the clusters with another range",
        make=overlap,
        mends=False,
    ),
    Fault(
        check="cidr-overlap",
        title="A cluster got one more pod network, which the broker's admin has not approved",
        cluster="west",
        about="^cluster west$",
        said="10.250.0.0/24 asked for, but not approved",
        remedy="^mcnet member approve west --context east$",
        verdict=Verdict.WARNING,
        make=not_approved,
    ),
    Fault(
        check="connections",
        title="A firewall drops the packets of cables",
        cluster="west",
        about="^west → east",
        said="^error: ",
        remedy="check that UDP 4520 is open both ways",
        make=cable_cut,
        mends=False,
    ),
)

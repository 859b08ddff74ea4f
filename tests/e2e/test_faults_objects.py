"""Thousands of senseless objects, and objects of a version to come: what works goes on, the rest is named."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import gateway, node_state
from mcnet.kube.api import Api
from mcnet.kube.kinds import CLUSTER, CLUSTERSET, CONFIG_MAP, CRD, ENDPOINT, EVENT, GATEWAY, LEASE, NODE_STATE, Kind
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.plan.problems import LISTED
from tests.e2e.aftermath import answered_for, daemons, events, pings, run, whole_again
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually
from tests.fakes.identities import identity_of, signature_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOTH_WAYS = (("west-n2", "east-n2"), ("east-n1", "west-n1"))
JUNK = "example.com/junk"
MEMORY = 100 * 1024
"""KiB that a daemon may take."""
AT_ONCE = 20
UNDERSTOOD = 100
"""How many of each kind of junk Endpoints can be read."""
BAD = "10.1.2.3/8"

Obj = dict[str, Any]


def _obj(kind: Kind, name: str, namespace: str, **content: Any) -> tuple[Kind, Obj]:
    return kind, {"metadata": {"name": name, "namespace": namespace, "labels": {JUNK: "yes"}}, **content}


def _endpoint(namespace: str, cluster: str, node: str, **spec: Any) -> tuple[Kind, Obj]:
    whole = {"protocolVersion": 1, "cluster": cluster, "gateway": node, "rail": 0, "portBase": 4500, "mtu": 1500}
    whole |= {"privateAddresses": ["192.0.2.1"], "drivers": [{"name": "vxlan"}], "sequence": 0}
    return _obj(ENDPOINT, f"{cluster}.{node}", namespace, spec=whole | spec)


def _junk(pods: str) -> Iterator[tuple[Kind, Obj]]:
    """5,000 objects for east, which holds the broker; `pods` is a prefix that is taken."""
    system, broker = "mcnet-system", "mcnet-broker"
    for number in range(500):
        name = f"junk-{number}"
        regarding = {"kind": "Member", "namespace": system, "name": "mcnet"}
        yield _obj(CONFIG_MAP, name, system, data={"x": "y" * 500})
        yield _obj(CONFIG_MAP, name, broker, data={"x": "y" * 500})
        yield _obj(LEASE, f"rail-{number + 8}", system, spec={"holderIdentity": name})
        yield _obj(
            EVENT, name, system, eventTime="2026-01-01T00:00:00.000000Z", reason="Junk", action="Junk", type="Normal",
            note="y" * 500, reportingController="example.com/junk", reportingInstance="junk", regarding=regarding,
        )  # fmt: skip
        yield _obj(GATEWAY, name, system)
        yield _obj(NODE_STATE, name, system)
        # What can't be understood passes the schema, not the decoder, and is copied nowhere.
        understood = number < UNDERSTOOD
        # Of no node and not signed; copied to the broker, and refused by west.
        yield _endpoint(system, "east", name, prefixes=["10.250.0.0/16" if understood else BAD])
        # Of no member.
        yield _endpoint(broker, f"nobody-{number}", "x" * 200, rail=7, prefixes=[pods if understood else BAD])
        yield _endpoint(broker, f"bad-{number}", "gateway", prefixes=[BAD])
        prefix = pods if number % 2 else BAD
        yield _obj(CLUSTER, name, broker, spec={"id": name, "podPrefixes": [prefix]})


async def _create(api: Api, objects: list[tuple[Kind, Obj]]) -> None:
    todo = iter(objects)

    async def work() -> None:
        for kind, obj in todo:
            await api.create(kind, obj, obj["metadata"]["namespace"])

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


async def _delete(clusterset: Clusterset, objects: list[tuple[Kind, Obj]]) -> None:
    async with await clusterset.api("east") as api:
        places = {(kind, obj["metadata"]["namespace"]) for kind, obj in objects}
        await asyncio.gather(*(api.delete_all(kind, namespace, labels=JUNK) for kind, namespace in places))


@pytest.mark.timeout(420)
async def test_five_thousand_junk_objects(clusterset: Clusterset) -> None:
    before = await daemons(clusterset)
    since = time.time()
    east = next(one for one in clusterset.lab.topology.clusters if one.name == "east")
    objects = list(_junk(str(east.pod_cidrs[0])))
    assert len(objects) == 5000
    async with pings(clusterset, *BOTH_WAYS) as running:
        try:
            async with await clusterset.api("east") as api:
                await _create(api, objects)
            await eventually(lambda: _copied(clusterset), 120, "west has the copies")
            await eventually(lambda: _event(clusterset, since, "objects more"), 30, "west tells what it refuses")
            await eventually(lambda: _told(clusterset), 60, "every gateway says that there are problems")
            await answered_for(running, 3)
            for place in ("east/n1", "east/n2", "west/n1", "west/n2"):
                assert max((await _memory(clusterset, place)).values()) < MEMORY, await _memory(clusterset, place)
            shown = await _connections(clusterset)
            assert [row["state"] for row in shown if row["gateway"]] == ["connected"] * 4
        finally:
            await _delete(clusterset, objects)
        await whole_again(clusterset, 120)
    assert [one.lost for one in running] == [0, 0]
    assert await daemons(clusterset) == before


async def _connections(clusterset: Clusterset) -> list[dict[str, Any]]:
    """The rows of `mcnet show connections`, which ends with 1 as some of them are not well."""
    said = await clusterset.mcnet("show", "connections", "-o", "json", status=1)
    # What can't be read is said on the other stream, before or after.
    rows, _ = json.JSONDecoder().raw_decode(said[said.index("[\n  {") :])
    return list(rows)


async def _copied(clusterset: Clusterset) -> bool:
    """Whether west has the Clusters that can be understood, and of the Endpoints only those of members, signed."""
    async with await clusterset.api("west") as api:
        clusters = [one["metadata"]["name"] for one in await api.list(CLUSTER, "mcnet-system")]
        endpoints = [one["spec"]["cluster"] for one in await api.list(ENDPOINT, "mcnet-system")]
    assert sorted(endpoints) == ["east", "west", "west"]
    return len([name for name in clusters if name.startswith("junk-")]) == 250


async def _told(clusterset: Clusterset) -> bool:
    """Whether all gateways report problems; never more than a screen of them."""
    told = []
    for cluster in CLUSTERS:
        async with await clusterset.api(cluster) as api:
            reports = [gateway.decode(one) for one in await api.list(GATEWAY, "mcnet-system")]
            states = [node_state.decode(one) for one in await api.list(NODE_STATE, "mcnet-system")]
        problems = [one.problems for one in (*reports, *states) if one.node.startswith(cluster)]
        assert all(len(one) <= LISTED + 1 for one in problems)
        told += [bool(one) and one[-1].startswith("and over ") for one in problems]
    return all(told)


async def _memory(clusterset: Clusterset, place: str) -> dict[str, int]:
    """Resident KiB of each daemon on a node, by its command."""
    listed = await run(clusterset, place, "ps -eo rss=,args= | grep 'python3 -m mcnet_' | grep -v grep")
    return {line.split(maxsplit=1)[1]: int(line.split()[0]) for line in listed.splitlines()}


FUTURE = {"x-kubernetes-preserve-unknown-fields": True}


@pytest.mark.timeout(300)
async def test_objects_of_a_newer_version(clusterset: Clusterset) -> None:
    """East, which holds the broker, is upgraded before west; a third cluster has joined with the new version."""
    before = await daemons(clusterset)
    since = time.time()
    keys = identity_of("north")
    record = Cluster(ClusterId("north"), (ip_network("10.251.0.0/16"),), (), keys.public)
    spec = cluster_codec.encode(record, namespace="")["spec"]
    north = [
        _obj(CLUSTER, "north", "mcnet-broker", spec=spec | {"mood": 1}),
        _endpoint(
            "mcnet-broker", "north", "n1", protocolVersion=2, drivers=[{"name": "quantum", "entangled": True}],
            prefixes=["10.251.0.0/16"], teleport={"port": 1},
        ),
    ]  # fmt: skip
    north[1][1]["spec"]["signature"] = signature_of(north[1][1]["spec"], keys)
    async with pings(clusterset, *BOTH_WAYS) as running, _newer_crds(clusterset, "east"):
        async with await clusterset.api("east") as api:
            try:
                await _protocol(api, 2)
                await _create(api, north)
                await eventually(lambda: _kept(api, north), 30, "east's API server has begun to keep the new fields")
                await eventually(lambda: _says(clusterset, "protocol version 2"), 30, "gateways name the version")
                await eventually(
                    lambda: _event(clusterset, since, "NewerVersion"), 30, "west tells of the ClusterSet"
                )
                await eventually(lambda: _event(clusterset, since, "CRDs are older"), 30, "west tells of its CRDs")
                shown = await _connections(clusterset)
                rows = [row for row in shown if row["remoteCluster"] == "north" and row["gateway"]]
                assert len(rows) == 3
                assert all("quantum" in row["why"] for row in rows)
                await answered_for(running, 2)
                async with await clusterset.api("west") as west:
                    assert (await west.get(ENDPOINT, "north.n1", "mcnet-system"))["spec"]["protocolVersion"] == 2
                    assert (await west.get(CLUSTERSET, "mcnet", "mcnet-system"))["spec"]["protocolVersion"] == 2
                kept = await api.get(ENDPOINT, "north.n1", "mcnet-broker")
                assert kept["spec"]["teleport"] == {"port": 1}, "nobody takes away what he does not understand"
                assert (await api.get(CLUSTERSET, "mcnet", "mcnet-broker"))["spec"]["protocolVersion"] == 2
            finally:
                await _protocol(api, 1)
                await _delete(clusterset, north)
        await whole_again(clusterset)
    assert [one.lost for one in running] == [0, 0]
    assert await daemons(clusterset) == before


@asynccontextmanager
async def _newer_crds(clusterset: Clusterset, cluster: str) -> AsyncIterator[None]:
    """CRDs with a version v1beta1 beside v1alpha1, and fields that nobody knows yet; put back at the end."""
    async with await clusterset.api(cluster) as api:
        old = {}
        for kind in (CLUSTER, ENDPOINT, GATEWAY):
            found = await api.get(CRD, f"{kind.plural}.mcnet.dev")
            versions = found["spec"]["versions"]
            old[found["metadata"]["name"]] = json.loads(json.dumps(versions))
            spec = versions[0]["schema"]["openAPIV3Schema"]["properties"].get("spec", {})
            spec |= FUTURE
            for part in spec.get("properties", {}).values():
                if "items" in part and part["items"].get("type") == "object":
                    part["items"] |= FUTURE
            newer = {"name": "v1beta1", "served": True, "storage": False}
            newer |= {"schema": {"openAPIV3Schema": {"type": "object"} | FUTURE}}
            newer |= {key: versions[0][key] for key in ("subresources",) if key in versions[0]}
            await api.merge_patch(CRD, found["metadata"]["name"], {"spec": {"versions": [versions[0], newer]}})
        try:
            # A watch that began before goes on to drop the new fields, for up to five minutes.
            await clusterset.lab.stop(f"{cluster}-cp", "kube-apiserver", kill=True)
            await clusterset.lab.start(f"{cluster}-cp", "kube-apiserver")
            await eventually(lambda: api.get(CLUSTERSET, "mcnet", "mcnet-broker"), 60, "the broker is back")
            yield
        finally:
            for name, versions in old.items():
                await api.merge_patch(CRD, name, {"spec": {"versions": versions}})


async def _kept(api: Api, objects: list[tuple[Kind, Obj]]) -> bool:
    """Whether all fields are there; what a changed CRD's old schema dropped is written again."""
    whole = True
    for kind, obj in objects:
        name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
        await api.merge_patch(kind, name, {"spec": obj["spec"]}, namespace)
        whole &= (await api.get(kind, name, namespace))["spec"] == obj["spec"]
    return whole


async def _protocol(api: Api, version: int) -> None:
    await api.merge_patch(CLUSTERSET, "mcnet", {"spec": {"protocolVersion": version}}, "mcnet-broker")


async def _says(clusterset: Clusterset, text: str) -> bool:
    """Whether every gateway's problems hold the text."""
    for cluster in CLUSTERS:
        async with await clusterset.api(cluster) as api:
            for report in map(gateway.decode, await api.list(GATEWAY, "mcnet-system")):
                if not any(text in problem for problem in report.problems):
                    return False
    return True


async def _event(clusterset: Clusterset, since: float, text: str) -> bool:
    """Whether an event of west since then has the text as its reason or in its note."""
    return any(text == one["reason"] or text in one["note"] for one in await events(clusterset, "west", since))

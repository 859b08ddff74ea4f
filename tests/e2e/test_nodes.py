"""Nodes and gateways that come, go, are renamed and re-addressed, under traffic; the ways to hand packets to them.

Each test leaves the lab as it found it: two nodes a cluster, east with one gateway, west with two.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mcnet.kube.kinds import CLUSTER, ENDPOINT, GATEWAY, LEASE, MEMBER, NODE, NODE_STATE
from mcnet.lab import machines
from mcnet.lab.workload import WebPod, Workload
from mcnet.model.errors import McnetError
from mcnet.model.gateway import CableState
from mcnet.model.member import BROKER_NAMESPACE, MEMBER_NAME, SYSTEM_NAMESPACE
from mcnet.model.node import GATEWAY_LABEL
from tests.e2e.clusterset import CLUSTERS, Clusterset, Pings, eventually
from tests.netns.firewalls import FIREWALLD

pytestmark = pytest.mark.asyncio(loop_scope="session")

EAST_JOIN = ("join", "broker-info.mcnet", "--context", "east", "--broker-context", "east")


async def test_delivery_by_the_cni_and_back_without_a_lost_packet(clusterset: Clusterset) -> None:
    async with flowing(clusterset, "west-n2", "east-n2") as pings:
        said = await clusterset.mcnet(*EAST_JOIN, "--delivery", "cni")
        try:
            assert "source/destination check" in said
            await eventually(lambda: comes_by(clusterset, "east/n2", "eth0"), 60, "packets come by the CNI's device")
            loose = await clusterset.node("east/n2", "cat", "/proc/sys/net/ipv4/conf/eth0/rp_filter")
            assert loose.output == "2\n"
            await carried(clusterset, "west-n1", "east-n2")
            await carried(clusterset, "east-n2", "west-n2")
        finally:
            await clusterset.mcnet(*EAST_JOIN, "--delivery", "overlay")
        await eventually(lambda: comes_by(clusterset, "east/n2", "mcnet-vx"), 60, "packets come by the overlay again")
        await eventually(lambda: strict(clusterset, "east/n2"), 20, "the reverse-path check is as strict as before")
    assert pings.lost == 0, f"{pings.lost} of {max(pings.answers)} lost"


async def test_a_host_firewall_that_drops_is_opened_and_closed_again(clusterset: Clusterset) -> None:
    trusted = '"lo", "cni0", "eth0", "wan0"'
    for place in ("east/n1", "east/n2"):
        assert (await clusterset.node(place, "sh", "-c", FIREWALLD.format(trusted=trusted))).status == 0
    try:
        for ends in (("west-n2", "east-n2"), ("east-n2", "west-n1")):
            with pytest.raises(McnetError):
                await carried(clusterset, *ends)
        await clusterset.mcnet(*EAST_JOIN, "--manage-host-firewall")
        await eventually(lambda: all_connected(clusterset), 60, "cables are connected through the firewall")
        for ends in (("west-n2", "east-n2"), ("east-n2", "west-n1"), ("west-n1", "east-n1")):
            await carried(clusterset, *ends)
        async with flowing(clusterset, "west-n2", "east-n2") as pings:
            reload = await clusterset.node("east/n2", "sh", "-c", FIREWALLD.format(trusted=trusted))
            assert reload.status == 0
            since = time.time()
            await eventually(lambda: pings.answered_since(since + 3), 20, "pings go on after the reload")
        assert pings.longest_gap < 5, f"{pings.lost} lost, longest gap {pings.longest_gap:.1f} s"
        # Not by a join, which would wait for cables that the firewall closes.
        await clusterset.mcnet("config", "set", "manage-host-firewall", "false", "--context", "east")
        await eventually(lambda: not_ours(clusterset), 20, "nothing of ours is left in the firewall's chains")
    finally:
        for place in ("east/n1", "east/n2"):
            await clusterset.node(place, "nft", "delete", "table", "inet", "firewalld")
        await clusterset.mcnet(*EAST_JOIN, "--no-manage-host-firewall")
    await eventually(lambda: all_connected(clusterset), 60, "all is connected without the firewall")


async def test_a_node_comes_and_goes(clusterset: Clusterset) -> None:
    lab = clusterset.lab
    async with (
        flowing(clusterset, "west-n2", "east-n2") as pings,
        whole_range(clusterset, "east"),
        added(clusterset, "east") as name,
    ):
        load = await Workload.deploy(lab, "east", clusterset.image)
        try:
            new = load.on(name)
            west = clusterset.pod("west-n2")
            await eventually(lambda: fetched(load, new, west.url), 120, "the new node's pod reaches west")
            await eventually(lambda: fetched(clusterset.loads["west"], west, new.url), 20, "and is reached")
            state = await look(clusterset, "east", NODE_STATE)
            assert name in state
        finally:
            await load.close()
        shown = await clusterset.node("east/n1", "bridge", "fdb", "show", "dev", "mcnet-vx")
        assert len(shown.output.splitlines()) >= 2
        await lab.remove_node(name)
        await eventually(lambda: forgotten(clusterset, "east", name), 60, "nothing is left of the node")
        await eventually(lambda: peers(clusterset, "east/n1", 1), 15, "its peers forget it")
    assert pings.lost == 0, f"{pings.lost} of {max(pings.answers)} lost"


async def test_a_gateway_that_is_added_and_one_that_is_taken_back_under_traffic(clusterset: Clusterset) -> None:
    async with one_gateway(clusterset), flowing(clusterset, "west-n1", "east-n2") as pings:
        await label(clusterset, "east", "east-n2", gateway=True)
        await eventually(lambda: connected(clusterset, 8), 120, "the new gateway's cables are connected")
        # The one that carried all the traffic until now goes, and comes back.
        await label(clusterset, "east", "east-n1", gateway=False)
        await eventually(lambda: gone(clusterset, "east", "east-n1"), 60, "the former gateway is forgotten")
        since = time.time()
        await eventually(lambda: pings.answered_since(since + 3), 20, "pings go on over the new gateway")
        await label(clusterset, "east", "east-n1", gateway=True)
        await eventually(lambda: connected(clusterset, 8), 120, "it is back")
        await label(clusterset, "east", "east-n2", gateway=False)
        await eventually(lambda: all_connected(clusterset), 120, "east has one gateway again")
        since = time.time()
        await eventually(lambda: pings.answered_since(since + 2), 20, "pings go on")
    assert pings.lost == 0, f"{pings.lost} lost, longest gap {pings.longest_gap:.1f} s"


async def test_another_gateway_takes_over_when_the_node_is_deleted(clusterset: Clusterset) -> None:
    lab = clusterset.lab
    async with one_gateway(clusterset), added(clusterset, "east") as name:
        # The new one gets the lowest rail.
        await label(clusterset, "east", "east-n1", gateway=False)
        await eventually(lambda: gone(clusterset, "east", "east-n1"), 60, "the former gateway is forgotten")
        await label(clusterset, "east", name, gateway=True)
        await eventually(lambda: all_connected(clusterset), 120, "the new gateway's cables are connected")
        await label(clusterset, "east", "east-n1", gateway=True)
        await eventually(lambda: connected(clusterset, 8), 120, "two gateways")
        assert await clusterset.gateways("east") == [name, "east-n1"]
        async with flowing(clusterset, "west-n1", "east-n2") as pings:
            await lab.remove_node(name)
            await eventually(lambda: forgotten(clusterset, "east", name), 120, "nothing is left of the gateway")
            await eventually(lambda: all_connected(clusterset), 120, "the others are connected")
            since = time.time()
            await eventually(lambda: pings.answered_since(since + 2), 60, "pings go on over the other gateway")
    assert pings.longest_gap < 30, f"{pings.lost} lost, longest gap {pings.longest_gap:.1f} s"


async def test_a_node_that_is_renamed(clusterset: Clusterset) -> None:
    lab = clusterset.lab
    async with (
        whole_range(clusterset, "east"),
        added(clusterset, "east") as old,
        flowing(clusterset, "west-n1", "east-n2") as pings,
    ):
        await lab.rename_node(old, "east-renamed")
        try:
            await delete_node(clusterset, "east", old)
            await eventually(lambda: forgotten(clusterset, "east", old), 120, "the old name is forgotten")
            await eventually(lambda: ready(clusterset, "east", "east-renamed"), 120, "the new name reports")
            load = await Workload.deploy(lab, "east", clusterset.image)
            try:
                pod, west = load.on("east-renamed"), clusterset.pod("west-n2")
                await eventually(lambda: fetched(load, pod, west.url), 60, "its pods reach west")
                await eventually(lambda: fetched(clusterset.loads["west"], west, pod.url), 60, "and are reached")
            finally:
                await load.close()
        finally:
            await delete_node(clusterset, "east", "east-renamed")
        await eventually(lambda: forgotten(clusterset, "east", "east-renamed"), 120, "so is the new name")
    assert pings.lost == 0, f"{pings.lost} of {max(pings.answers)} lost"


async def test_a_gateway_that_gets_another_address(clusterset: Clusterset) -> None:
    """East's only gateway, on the cluster's network and on the wan."""
    before = {device: await address(clusterset, "east/n1", device) for device in ("eth0", "wan0")}
    cluster, wan = before["eth0"], before["wan0"]
    moved = cluster.rpartition(".")[0] + ".211/24"
    async with flowing(clusterset, "west-n1", "east-n2") as pings:
        await readdress(clusterset, moved)
        try:
            await eventually(lambda: has_address(clusterset, "east-n1", moved), 60, "the API server knows it")
            await eventually(lambda: connected(clusterset, 4), 60, "cables are connected")
            since = time.time()
            await eventually(lambda: pings.answered_since(since + 2), 60, "pings go on with the new address")
        finally:
            await readdress(clusterset, cluster)
        await eventually(lambda: has_address(clusterset, "east-n1", cluster), 60, "the old address is back")
        since = time.time()
        await eventually(lambda: pings.answered_since(since + 2), 60, "pings go on with the old address")
        extra = wan.rpartition(".")[0] + ".201"
        async with sent_from(clusterset, extra):
            await eventually(lambda: published(clusterset, "west", "east.east-n1", extra), 60, "west knows it")
            since = time.time()
            await eventually(lambda: pings.answered_since(since + 2), 60, "pings go on over the moved cable")
        await eventually(lambda: published(clusterset, "west", "east.east-n1", wan.partition("/")[0]), 60, "back")
        await eventually(lambda: all_connected(clusterset), 60, "all is connected")
        since = time.time()
        await eventually(lambda: pings.answered_since(since + 2), 60, "pings go on")
    assert pings.longest_gap < 30, f"{pings.lost} lost, longest gap {pings.longest_gap:.1f} s"


@asynccontextmanager
async def flowing(clusterset: Clusterset, source: str, target: str) -> AsyncIterator[Pings]:
    async with clusterset.pinging(clusterset.pod(source), clusterset.pod(target)) as pings:
        yield pings


@asynccontextmanager
async def added(clusterset: Clusterset, cluster: str) -> AsyncIterator[str]:
    """A node more; removed at the end unless the test has done it."""
    lab = clusterset.lab
    before = {machine.name for machine in lab.topology.machines}
    try:
        machine = await lab.add_node(cluster, images=[await clusterset.archive()])
        yield machine.name
    finally:
        # By the plan: a node that did not become Ready is in it too.
        for machine in lab.topology.machines:
            if machine.name not in before:
                await lab.remove_node(machine.name)


@asynccontextmanager
async def one_gateway(clusterset: Clusterset) -> AsyncIterator[None]:
    """East's n1 is its only gateway at the end, on the lowest rail, whatever the test has made of that."""
    try:
        yield
    finally:
        await label(clusterset, "east", "east-n2", gateway=False)
        await eventually(lambda: gone(clusterset, "east", "east-n2"), 60, "n2 is no gateway")
        async with await clusterset.api("east") as api:
            held = await api.find(LEASE, "rail-0", SYSTEM_NAMESPACE)
        if held is None or held["spec"].get("holderIdentity") != "east-n1":
            await label(clusterset, "east", "east-n1", gateway=False)
            await eventually(lambda: gone(clusterset, "east", "east-n1"), 60, "n1 is no gateway")
            # It would take its old rail again: only another gateway gives up what it held.
            async with await clusterset.api("east") as api:
                for lease in await api.list(LEASE, SYSTEM_NAMESPACE):
                    name = lease["metadata"]["name"]
                    if name.startswith("rail-"):
                        await api.delete(LEASE, name, SYSTEM_NAMESPACE)
        await label(clusterset, "east", "east-n1", gateway=True)
        await eventually(lambda: all_connected(clusterset), 120, "east has its one gateway")


@asynccontextmanager
async def whole_range(clusterset: Clusterset, cluster: str) -> AsyncIterator[None]:
    """The clusterset reaches all that nodes may ever get for their pods. `join` found the prefixes of today's nodes
    and said so: in a cluster without a controller manager's arguments or a CNI's configuration to read, only its
    user knows the range."""
    (place,) = (one for one in clusterset.lab.topology.clusters if one.name == cluster)
    try:
        await allow(clusterset, cluster, ",".join(map(str, place.pod_cidrs)))
        yield
    finally:
        await allow(clusterset, cluster, "--default")


async def allow(clusterset: Clusterset, cluster: str, pods: str) -> None:
    """The cluster asks for these pod prefixes, the broker's admin approves."""
    await clusterset.mcnet("config", "set", "pod-cidr", pods, "--context", cluster)

    async def approved() -> bool:
        # What is asked for takes a moment to come to the broker.
        await clusterset.mcnet("member", "approve", cluster, "--context", "east")
        async with await clusterset.api(cluster) as api, await clusterset.api("east") as broker:
            member = await api.get(MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
            record = await broker.get(CLUSTER, cluster, BROKER_NAMESPACE)
        return bool(member["spec"]["podPrefixes"] == record["spec"]["podPrefixes"])

    await eventually(approved, 30, f"{cluster} has its pod prefixes")


async def carried(clusterset: Clusterset, source: str, target: str) -> None:
    """One request from pod to pod. Raises McnetError."""
    pod = clusterset.pod(source)
    await clusterset.loads[pod.cluster].fetch(pod, clusterset.pod(target).url, timeout=3)


async def fetched(load: Workload, pod: WebPod, url: str) -> bool:
    seen = await load.fetch(pod, url, timeout=3)
    return seen.client == pod.address


async def comes_by(clusterset: Clusterset, place: str, device: str) -> bool:
    """Whether pings of other clusters come into the node by `device`."""
    watch = ("timeout", "3", "tcpdump", "-n", "-c", "1", "-i", device, "-Q", "in", "icmp[icmptype] == icmp-echo")
    return (await clusterset.node(place, *watch)).status == 0


async def strict(clusterset: Clusterset, place: str) -> bool:
    return (await clusterset.node(place, "cat", "/proc/sys/net/ipv4/conf/eth0/rp_filter")).output == "1\n"


async def not_ours(clusterset: Clusterset) -> bool:
    shown = [await clusterset.node(place, "nft", "list", "ruleset") for place in ("east/n1", "east/n2")]
    return not any("mcnet:host:" in one.output for one in shown)


async def look(clusterset: Clusterset, cluster: str, kind: object) -> set[str]:
    async with await clusterset.api(cluster) as api:
        return {str(one["metadata"]["name"]) for one in await api.list(kind, "mcnet-system")}  # type: ignore[arg-type]


async def gone(clusterset: Clusterset, cluster: str, node: str) -> bool:
    """Whether no gateway of this name is known anywhere."""
    everywhere = [await look(clusterset, one, ENDPOINT) for one in CLUSTERS]
    return node not in await look(clusterset, cluster, GATEWAY) and not any(
        f"{cluster}.{node}" in names for names in everywhere
    )


async def forgotten(clusterset: Clusterset, cluster: str, node: str) -> bool:
    """Whether no object speaks of the node."""
    async with await clusterset.api(cluster) as api:
        leases = [lease["spec"].get("holderIdentity") for lease in await api.list(LEASE, "mcnet-system")]
    return (
        await gone(clusterset, cluster, node)
        and node not in await look(clusterset, cluster, NODE_STATE)
        and node not in leases
    )


async def peers(clusterset: Clusterset, place: str, count: int) -> bool:
    shown = await clusterset.node(place, "bridge", "fdb", "show", "dev", "mcnet-vx")
    neighbours = await clusterset.node(place, "ip", "neigh", "show", "dev", "mcnet-vx", "nud", "permanent")
    return len(shown.output.splitlines()) == count == len(neighbours.output.splitlines())


async def connected(clusterset: Clusterset, count: int) -> bool:
    cables = await clusterset.cables()
    return len(cables) == count and all(cable.state is CableState.CONNECTED for cable in cables)


async def all_connected(clusterset: Clusterset) -> bool:
    return await connected(clusterset, 4)


async def label(clusterset: Clusterset, cluster: str, node: str, *, gateway: bool) -> None:
    async with await clusterset.api(cluster) as api:
        await api.merge_patch(NODE, node, {"metadata": {"labels": {GATEWAY_LABEL: "true" if gateway else None}}})


async def delete_node(clusterset: Clusterset, cluster: str, node: str) -> None:
    async with await clusterset.api(cluster) as api:
        await api.delete(NODE, node)


async def ready(clusterset: Clusterset, cluster: str, node: str) -> bool:
    async with await clusterset.api(cluster) as api:
        state = await api.find(NODE_STATE, node, "mcnet-system")
    return bool(state and state.get("status", {}).get("ready"))


async def address(clusterset: Clusterset, place: str, device: str) -> str:
    shown = await clusterset.node(place, "ip", "-4", "-o", "addr", "show", "dev", device)
    return shown.output.split()[3]


async def readdress(clusterset: Clusterset, interface: str) -> None:
    """East's n1 gets another address on the cluster's network, and its kubelet says so."""
    lab = clusterset.lab
    record = await machines.stop(lab.store, "east-n1", "kubelet")
    bare = interface.partition("/")[0]
    old = await address(clusterset, "east/n1", "eth0")
    pods = (await clusterset.node("east/n1", "ip", "-4", "-o", "addr", "show", "dev", "cni0")).output.split()[3]
    network = pods.rpartition(".")[0] + ".0/24"
    # In this order: a second address of a network goes with the first.
    script = f"ip addr del {old} dev eth0 && ip addr add {interface} dev eth0"
    assert (await clusterset.node("east/n1", "sh", "-c", script)).status == 0
    far = f"ip route replace {network} via {bare} dev eth0"
    assert (await clusterset.node("east/n2", "sh", "-c", far)).status == 0
    # Removing the last address of a network takes the routes over it along.
    other = await clusterset.node("east/n2", "ip", "-4", "-o", "addr", "show", "dev", "cni0")
    theirs = other.output.split()[3].rpartition(".")[0] + ".0/24"
    n2 = (await address(clusterset, "east/n2", "eth0")).partition("/")[0]
    assert (await clusterset.node("east/n1", "ip", "route", "replace", theirs, "via", n2, "dev", "eth0")).status == 0
    argv = [f"--node-ip={bare}" if word.startswith("--node-ip=") else word for word in record.argv]
    await machines.start(lab.store, "east-n1", "kubelet", argv)


async def has_address(clusterset: Clusterset, node: str, interface: str) -> bool:
    async with await clusterset.api("east") as api:
        found = await api.get(NODE, node)
    addresses = [one["address"] for one in found["status"]["addresses"] if one["type"] == "InternalIP"]
    return addresses == [interface.partition("/")[0]]


@asynccontextmanager
async def sent_from(clusterset: Clusterset, extra: str) -> AsyncIterator[None]:
    """East's n1 sends by another address on the wan, and the wan routes it there."""
    (machine,) = (one for one in clusterset.lab.topology.machines if one.name == "east-n1")
    near, far = machine.wan.near.device, machine.wan.far.device
    shown = await clusterset.node("east/n1", "ip", "-4", "route", "show", "default")
    before = shown.output.split()
    via = before[before.index("via") + 1]
    moved = f"ip addr add {extra}/32 dev {near} && ip route replace default via {via} dev {near} src {extra}"
    back = f"ip route replace {' '.join(before)}; ip addr del {extra}/32 dev {near}"
    try:
        assert (await clusterset.node("wan", "ip", "route", "add", f"{extra}/32", "dev", far)).status == 0
        assert (await clusterset.node("east/n1", "sh", "-c", moved)).status == 0
        yield
    finally:
        await clusterset.node("east/n1", "sh", "-c", back)
        await clusterset.node("wan", "ip", "route", "del", f"{extra}/32", "dev", far)


async def published(clusterset: Clusterset, cluster: str, endpoint: str, wanted: str) -> bool:
    async with await clusterset.api(cluster) as api:
        found = await api.get(ENDPOINT, endpoint, "mcnet-system")
    return bool(found["spec"]["privateAddresses"] == [wanted])

"""A lab's network without clusters in it: who reaches whom, and what the NAT routers do to ports."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from mcnet.lab import network, resolve
from mcnet.lab.addresses import BLOCKS, Block
from mcnet.lab.hostnet import blocks_in_use
from mcnet.lab.processes import Completed, call
from mcnet.lab.resolve import dns_answers
from mcnet.lab.spec import IpFamily, LabSpec, NatKind
from mcnet.lab.topology import Cluster, Topology, plan
from mcnet.model.errors import McnetError

MARK = f"MCNET_LAB=test-{os.getpid()}"
# Sends one datagram from a fixed port to each address and says that it is done.
SEND = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.bind(("", 4500))
for address in sys.argv[1:]:
    client.sendto(b"x", (address, 4500))
"""
# Prints the port that the first datagram came from; "-" if none comes.
RECEIVE = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 4500))
print("bound", flush=True)
server.settimeout(5)
try:
    print(server.recvfrom(9)[1][1])
except TimeoutError:
    print("-")
"""

# A DNS server that says nothing to the first question, SERVFAIL to the second, and answers the third.
SLOW_DNS = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
print("bound", flush=True)
server.settimeout(20)
for code in (None, 2, 0):
    query, client = server.recvfrom(512)
    if code is not None:
        server.sendto(query[:2] + bytes([0x81, 0x80 | code]) + query[4:], client)
print("asked thrice", flush=True)
"""


@dataclass(frozen=True)
class Network:
    """A built network, and programs run in it."""

    topology: Topology

    async def run(self, place: str, *argv: str) -> Completed:
        name = self.topology.namespaces[place]
        return await call(["nsenter", f"--net=/run/netns/{name}", *argv], mark=MARK)

    async def pings(self, place: str, address: object) -> bool:
        return (await self.run(place, "ping", "-c1", "-W1", str(address))).status == 0

    async def port_seen(self, receiver: str) -> tuple["asyncio.subprocess.Process", asyncio.StreamReader]:
        return await self.serve(receiver, RECEIVE)

    async def serve(
        self, place: str, script: str, *argv: str
    ) -> tuple["asyncio.subprocess.Process", asyncio.StreamReader]:
        name = self.topology.namespaces[place]
        process = await asyncio.create_subprocess_exec(
            *("nsenter", f"--net=/run/netns/{name}", sys.executable, "-c", script, *argv),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"bound\n"
        return process, process.stdout


@pytest.fixture
async def built() -> AsyncIterator[Network]:
    """East with routed addresses; west and north behind a NAT of either kind."""
    spec = LabSpec(
        name=f"n{uuid4().hex[:6]}",
        clusters=("east", "west", "north"),
        ip_family=IpFamily.DUAL,
        nat=(("west", NatKind.EIM), ("north", NatKind.SYMMETRIC)),
    )
    # From the far end, where labs that are up at the same time come last.
    free = sorted(set(range(BLOCKS // 2, BLOCKS)) - await blocks_in_use())
    topology = plan(spec, Block(random.choice(free)))
    try:
        await network.build(topology, MARK)
        yield Network(topology)
    finally:
        await network.remove(topology, MARK)
        assert not [name for name in topology.namespaces.values() if (network.NAMES / name).exists()]


async def test_who_reaches_whom(built: Network) -> None:
    east, west, _ = built.topology.clusters
    for family in (0, 1):
        # Public addresses from everywhere, the host too.
        for place in ("east/n2", "west/n1", "west/cp", "wan"):
            assert await built.pings(place, east.nodes[0].wan_addresses[family]), place
            assert await built.pings(place, west.control_plane.wan_addresses[family]), place
        host = ["ping", "-c1", "-W1", str(west.control_plane.wan_addresses[family])]
        assert (await call(host, mark=MARK)).status == 0
        # A cluster's network and its pods' addresses from inside only.
        for address in (east.nodes[0].cluster_addresses[family], east.nodes[0].pod_cidrs[family][1]):
            assert await built.pings("east/n2", address)
            assert await built.pings("east/cp", address)
            assert not await built.pings("wan", address)
            assert not await built.pings("west/n1", address)


async def test_what_is_behind_a_nat_is_not_reached(built: Network) -> None:
    west = built.topology.clusters[1]
    assert west.router is not None
    for address in (*west.nodes[0].wan_addresses, *(each.ip for each in west.router.uplink.near.addresses)):
        assert not await built.pings("east/n1", address)


@pytest.mark.parametrize(("cluster", "same"), [("west", True), ("north", False)])
async def test_a_nat_maps_ports_by_its_kind(built: Network, cluster: str, same: bool) -> None:
    east = built.topology.clusters[0]
    receivers = [await built.port_seen(f"east/{node.short_name}") for node in east.nodes]
    targets = [str(node.wan_addresses[0]) for node in east.nodes]
    sent = await built.run(f"{cluster}/n1", sys.executable, "-c", SEND, *targets)
    assert sent.status == 0, sent.errors
    ports = [(await output.readline()).decode().strip() for _, output in receivers]
    for process, _ in receivers:
        await process.wait()
    assert "-" not in ports
    assert (ports == ["4500", "4500"]) == same
    assert (ports[0] == ports[1]) == same


async def test_nodes_choose_paths_by_seeds_of_their_own(built: Network) -> None:
    seed = "net.ipv4.fib_multipath_hash_seed"
    said = [await built.run(place, "sysctl", "-n", seed) for place in ("east/n1", "east/n2", "wan")]
    if said[0].status:
        # A kernel before 6.11: no such setting anywhere.
        assert {each.status for each in said} == {said[0].status}
        return
    assert [each.output.strip() for each in said] == [
        *(str(n.hash_seed) for n in built.topology.clusters[0].nodes),
        "0",
    ]


async def test_dns_that_answers_late_is_waited_for_on_every_node(built: Network) -> None:
    east = _with_one_dns_address(built)
    address = str(east.dns_addresses[0])
    servers = []
    for node in east.nodes:
        place = f"east/{node.short_name}"
        assert (await built.run(place, "ip", "addr", "add", f"{address}/32", "dev", "lo")).status == 0
        servers.append(await built.serve(place, SLOW_DNS, address))
    await dns_answers(east, MARK)
    for process, output in servers:
        assert await output.readline() == b"asked thrice\n"
        assert await process.wait() == 0


async def test_a_node_without_dns_is_named(built: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "_SECONDS", 0.5)
    east = _with_one_dns_address(built)
    with pytest.raises(McnetError, match=f"node east-n1 got no answer .* at {east.dns_addresses[0]} in"):
        await dns_answers(east, MARK)


def _with_one_dns_address(built: Network) -> Cluster:
    east = built.topology.clusters[0]
    return replace(east, service_cidrs=east.service_cidrs[:1])

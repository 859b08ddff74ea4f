"""Encrypted cables on real clusters: what is on the wire, keys and drivers that change under traffic, what ends."""

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from mcnet.kube.kinds import NODE
from mcnet.lab.impair import Impairment, LinkName
from mcnet.lab.processes import Completed
from mcnet.model.gateway import CableState
from mcnet.model.node import GATEWAY_LABEL
from mcnet.model.ownership import VXLAN_CABLE_DEVICE, wireguard_port
from tests.e2e.aftermath import CABLES, answered_for, pings, repaired, whole_again
from tests.e2e.clusterset import Clusterset, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

WAYS = (("west-n2", "east-n2"), ("east-n1", "west-n1"))
STRANGER = """
import socket, sys, time
target, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.settimeout(0.2)
    for port in range(first, last + 1):
        for packet in (b"\\1\\0\\0\\0" + bytes(144), b"\\4\\0\\0\\0" + bytes(60), b"hello"):
            sender.sendto(packet, (target, port))
    try:
        sys.exit(f"answered: {sender.recv(100)!r}")
    except TimeoutError:
        pass
"""
"""Speaks to each port as a stranger does, a WireGuard handshake of zeros among it; fails if anything answers."""


WRONG_KEY = """
import socket, sys
with socket.socket(socket.AF_UNIX) as device:
    device.connect(sys.argv[1])
    device.sendall(b"set=1\\nprivate_key=" + b"77" * 32 + b"\\n\\n")
    sys.exit(device.recv(100) != b"errno=0\\n\\n")
"""
"""Gives a wireguard-go a key that nobody else knows of."""
SOCKETS = "/run/mcnet/wireguard"
"""Where the sockets are on a node, in a folder by its name."""


@pytest_asyncio.fixture(loop_scope="session")
async def encrypted(clusterset: Clusterset) -> AsyncIterator[Clusterset]:
    """The shared lab, with WireGuard cables while the test runs."""
    await _switch(clusterset, "wireguard")
    yield clusterset
    await _switch(clusterset, "vxlan")
    await whole_again(clusterset)


async def _switch(clusterset: Clusterset, driver: str) -> None:
    await clusterset.mcnet("config", "set", "default-driver", driver, "--broker-context", "east")
    await eventually(lambda: _all_by(clusterset, driver), 60, f"all cables are {driver}'s")


async def _all_by(clusterset: Clusterset, driver: str) -> bool:
    cables = await clusterset.cables()
    good = [cable for cable in cables if cable.driver == driver and cable.state is CableState.CONNECTED]
    return len(good) == len(cables) == CABLES


async def _no_vxlan(clusterset: Clusterset) -> bool:
    """They stay for half a minute, for what the other side still sends by them."""
    shown = [await clusterset.node(place, "ip", "-o", "link") for place in ("east/n1", "west/n1", "west/n2")]
    return not any(VXLAN_CABLE_DEVICE in one.output for one in shown)


@asynccontextmanager
async def _sniffed(clusterset: Clusterset, *places: str) -> AsyncIterator[list[str]]:
    """What passes the wan links of nodes meanwhile, one line of tcpdump each."""
    found: list[str] = []
    command = [
        "tcpdump",
        "-l",
        "-n",
        "-i",
        "wan0",
        "-s",
        "200",
        "-X",
        "not",
        "arp",
        "and",
        "not",
        "tcp",
        "port",
        "6443",
    ]
    running = [
        await asyncio.create_subprocess_exec(
            *clusterset.lab.entry(place), *command,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )
        for place in places
    ]  # fmt: skip

    async def read(stream: asyncio.StreamReader) -> None:
        async for line in stream:
            found.append(line.decode(errors="replace"))

    readers = [asyncio.create_task(read(process.stdout)) for process in running if process.stdout]
    try:
        yield found
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGTERM)  # what leads there has forked
            await process.wait()
        await asyncio.gather(*readers)


async def test_the_driver_changes_under_traffic_and_nothing_goes_in_the_clear(clusterset: Clusterset) -> None:
    async with pings(clusterset, *WAYS) as running:
        await answered_for(running, 1)
        await _switch(clusterset, "wireguard")
        async with _sniffed(clusterset, "east/n1", "west/n1", "west/n2") as lines:
            await eventually(lambda: _no_vxlan(clusterset), 60, "the old cables have gone")
            lines.clear()
            await answered_for(running, 3)
        assert lines
        seen = " ".join(lines)
        assert not re.search(r"\.4520[: ]", seen), "VXLAN"
        for load in clusterset.loads.values():
            for pod in load.pods:
                assert pod.address not in seen
        assert "ICMP echo" not in seen
        await _switch(clusterset, "vxlan")
        await answered_for(running, 1)
    assert [one.lost for one in running] == [0, 0]
    await whole_again(clusterset)


async def test_new_keys_under_traffic(encrypted: Clusterset) -> None:
    """A hundred pings a second each way: not one is lost."""
    before = {(cable.cluster, cable.gateway): cable.device for cable in await encrypted.cables_of("west")}
    async with pings(encrypted, *WAYS, interval=0.01) as running:
        await answered_for(running, 1)
        for cluster in ("west", "east"):
            said = await encrypted.mcnet("rotate", "keys", "--context", cluster)
            assert "use new keys" in said
            after = {(cable.cluster, cable.gateway): cable.device for cable in await encrypted.cables_of("west")}
            assert all(after[key] != before[key] for key in before)
            before = after
            await answered_for(running, 1)
    assert [one.lost for one in running] == [0, 0]
    await whole_again(encrypted)


async def test_a_gateway_is_replaced_under_traffic(encrypted: Clusterset) -> None:
    """West's first gateway, which carries the traffic, stops being one and comes back with another rail free."""
    first, _ = await encrypted.gateways("west")
    ways = (("west-n2", "east-n2"), ("east-n1", "west-n1"))
    async with pings(encrypted, *ways) as running:
        await answered_for(running, 1)
        await _label(encrypted, first, present=False)
        await eventually(lambda: _cables(encrypted, 2), 60, "the gateway has gone")
        await eventually(lambda: _no_devices(encrypted, first), 60, "its devices have gone")
        await answered_for(running, 1)
        await _label(encrypted, first, present=True)
        await whole_again(encrypted, 90)
        await answered_for(running, 1)
    assert [one.lost for one in running] == [0, 0]


async def _label(clusterset: Clusterset, node: str, *, present: bool) -> None:
    async with await clusterset.api(node.partition("-")[0]) as api:
        labels = {GATEWAY_LABEL: "true" if present else None}
        await api.merge_patch(NODE, node, {"metadata": {"labels": labels}})


async def _cables(clusterset: Clusterset, count: int) -> bool:
    return len(await clusterset.cables()) == count


async def _no_devices(clusterset: Clusterset, node: str) -> bool:
    return "mcnet-cw" not in (await clusterset.node(node.replace("-", "/", 1), "ip", "-o", "link")).output


async def test_a_wrong_key_is_mended_before_it_is_used(encrypted: Clusterset) -> None:
    """By hand, in the device: what has been agreed lasts until the next handshake, two minutes at most."""
    (device,) = {cable.device for cable in await encrypted.cables_of("east") if cable.active}
    target = encrypted.pod("west-n1").address
    async with pings(encrypted, WAYS[1]) as running, _sniffed(encrypted, "east/n1") as lines:
        await answered_for(running, 1)
        spoiled = time.time()
        done = await encrypted.node("east/n1", "python3", "-c", WRONG_KEY, f"{SOCKETS}/east-n1/{device}.sock")
        assert done.status == 0, done.errors

        async def told() -> bool:
            return any(device in event for event in await repaired(encrypted, "east", spoiled))

        await eventually(told, 30, "that somebody changed it is told")
        await eventually(lambda: running[0].answered_since(time.time() - 0.5), 30, "it is carried again")
    assert running[0].lost == 0
    assert lines
    assert not [line for line in lines if target in line]
    await whole_again(encrypted)


async def test_nothing_goes_in_the_clear_whatever_happens(encrypted: Clusterset) -> None:
    """On all wan links, while keys change, daemons restart, devices and gateways go, and a cable is cut: no packet of
    a pod, only WireGuard, NAT discovery and the broker's API."""
    places = ("east/n1", "east/n2", "west/n1", "west/n2")
    (device,) = {cable.device for cable in await encrypted.cables_of("east") if cable.active}
    first, _ = await encrypted.gateways("west")
    async with pings(encrypted, *WAYS) as running, _sniffed(encrypted, *places) as lines:
        await eventually(lambda: _no_vxlan(encrypted), 60, "the old cables have gone")
        lines.clear()
        await encrypted.mcnet("rotate", "keys", "--context", "west")
        await encrypted.delete_daemons("gateway", "route-agent")
        assert (await _kill(encrypted, "east/n1", device)).status == 0
        await _label(encrypted, first, present=False)
        await eventually(lambda: _cables(encrypted, 2), 60, "the gateway has gone")
        await _label(encrypted, first, present=True)
        await whole_again(encrypted, 90)
        await encrypted.lab.impair(first, LinkName.WAN, Impairment(cut=True))
        try:
            await eventually(lambda: _lost(encrypted), 30, "its cable is lost")
            await answered_for(running, 1)
        finally:
            await encrypted.lab.impair(first, LinkName.WAN, Impairment())
        await whole_again(encrypted, 90)
        await answered_for(running, 1)
    assert _strange(lines, encrypted) == []
    assert any(re.search(r"\.450\d: ", line) for line in lines), "the sniffers saw the cables"


def _strange(lines: list[str], clusterset: Clusterset) -> list[str]:
    """Headers of packets that are neither a cable's nor NAT discovery, and any that names a pod."""
    heads = [line for line in lines if re.match(r"\d\d:\d\d:", line)]
    # A port that is closed for a moment is said so, with the head of the encrypted packet.
    known = re.compile(
        r"\.(449\d|45[01]\d)[: ]|UDP-encap|isakmp|ESP|NONESP|ICMP (net|host) \S+ unreachable"
        r"|udp port (449|45[01])\d unreachable|ICMP6, (neighbor|router)|multicast listener"
    )
    pods = [pod.address for load in clusterset.loads.values() for pod in load.pods]
    strange = [line for line in heads if any(pod in line for pod in pods) or not known.search(line)]
    return sorted({re.sub(r"^\S+ |, length \d+|\.\d{4,5}\b", "", line) for line in strange})


async def _lost(clusterset: Clusterset) -> bool:
    return any(cable.state is CableState.ERROR for cable in await clusterset.cables())


async def test_daemons_that_restart_change_nothing(encrypted: Clusterset) -> None:
    async with pings(encrypted, *WAYS) as running:
        await encrypted.delete_daemons("gateway", "route-agent")
        await answered_for(running, 3)
    assert [one.lost for one in running] == [0, 0]
    await whole_again(encrypted)


async def test_a_killed_process_is_back_within_seconds_and_nothing_leaks_meanwhile(encrypted: Clusterset) -> None:
    (device,) = {cable.device for cable in await encrypted.cables_of("east") if cable.active}
    target = encrypted.pod("west-n1").address
    async with pings(encrypted, WAYS[1]) as running, _sniffed(encrypted, "east/n1") as lines:
        await answered_for(running, 1)
        killed = time.time()
        assert (await _kill(encrypted, "east/n1", device)).status == 0
        await eventually(lambda: running[0].answered_since(killed + 3), 30, "it is carried again")
    assert running[0].longest_gap < 8, "a handshake is tried again after five seconds"
    assert lines
    assert not [line for line in lines if target in line]
    await whole_again(encrypted)


async def _kill(clusterset: Clusterset, place: str, device: str) -> Completed:
    script = f"kill -9 $(pgrep --ns $$ --nslist net -f -- '[-]-foreground {device}')"
    return await clusterset.node(place, "bash", "-c", script)


async def test_a_stranger_is_neither_answered_nor_let_in(encrypted: Clusterset) -> None:
    """From another node's wan address: no gateway's, so nobody's peer."""
    target = next(cable.local_address for cable in await encrypted.cables_of("east") if cable.active)
    last = wireguard_port(4500, 7, 1)
    for first, final in ((4500, last), (4520, 4520)):
        done = await encrypted.node("east/n2", "python3", "-c", STRANGER, str(target), str(first), str(final))
        assert done.status == 0, done.errors
    await whole_again(encrypted)


async def test_what_is_shown_and_diagnosed(encrypted: Clusterset) -> None:
    shown = await encrypted.mcnet("show", "connections", "-o", "wide")
    assert shown.count("wireguard (userspace)") == CABLES
    ports = await encrypted.mcnet("show", "ports")
    assert "UDP 4500-4515" in ports
    assert "4520" not in ports
    await encrypted.mcnet("diagnose", "cable-port", "mtu", "connections", "host-ports", "tables", "sysctls")


async def test_a_pair_may_differ(encrypted: Clusterset) -> None:
    pair = ("config", "set", "pair", "east", "west")
    async with pings(encrypted, WAYS[0]) as running:
        said = await encrypted.mcnet(*pair, "--cable-driver", "vxlan", "--broker-context", "east")
        assert "wireguard → vxlan" in said
        await eventually(lambda: _all_by(encrypted, "vxlan"), 60, "the pair has its own driver")
        said = await encrypted.mcnet(*pair, "--cable-driver", "vxlan", "--broker-context", "east")
        assert "Nothing had to be changed" in said
        await encrypted.mcnet(*pair, "--default", "--broker-context", "east")
        await eventually(lambda: _all_by(encrypted, "wireguard"), 60, "and the clusterset's again")
        await answered_for(running, 1)
    assert running[0].lost == 0
    for wrong, why in (
        (("east",), "two cluster IDs are needed"),
        (("east", "nowhere"), "nowhere is no member"),
        (("east", "east"), "no cable to itself"),
    ):
        said = await encrypted.mcnet(
            "config", "set", "pair", *wrong, "--cable-driver", "vxlan", "--broker-context", "east", status=2
        )
        assert why in said


async def test_cable_pods_that_are_deleted_come_back_with_their_cables(encrypted: Clusterset) -> None:
    """As for an update: they are the data path, so traffic waits; then all is as before."""
    target = encrypted.pod("west-n1").address
    async with pings(encrypted, WAYS[1]) as running, _sniffed(encrypted, "east/n1") as lines:
        await answered_for(running, 1)
        await encrypted.delete_daemons("cable")
        await answered_for(running, 2)
    assert lines
    assert not [line for line in lines if target in line]
    await whole_again(encrypted)

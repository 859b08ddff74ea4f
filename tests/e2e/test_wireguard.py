"""Encrypted cables on real clusters: what is on the wire, keys and drivers that change under traffic, what ends."""

import re
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mcnet.codec import nat_discovery
from mcnet.kube.kinds import NODE
from mcnet.lab.impair import Impairment, LinkName
from mcnet.lab.processes import Completed
from mcnet.model.gateway import CableState
from mcnet.model.node import GATEWAY_LABEL
from mcnet.model.ownership import VXLAN_CABLE_DEVICE, wireguard_port
from tests.e2e.aftermath import CABLES, answered_for, pings, repaired, whole_again
from tests.e2e.clusterset import Clusterset, eventually
from tests.e2e.sniffer import sniffed, strange

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

WAYS = (("west-n2", "east-n2"), ("east-n1", "west-n1"))
STRANGER = """
import socket, sys, time
target, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.settimeout(0.2)
    for port in range(first, last + 1):
        asked = bytes.fromhex(sys.argv[4])
        for packet in (b"\\1\\0\\0\\0" + bytes(144), b"\\4\\0\\0\\0" + bytes(60), b"hello", asked):
            sender.sendto(packet, (target, port))
    try:
        sys.exit(f"answered: {sender.recv(100)!r}")
    except TimeoutError:
        pass
"""
"""Speaks to each port as a stranger does, a WireGuard handshake of zeros among it; fails if anything answers."""
ASKING = nat_discovery.encode(
    nat_discovery.Request(
        7, nat_discovery.Party("nowhere", "nowhere.n1"), nat_discovery.Party("east", "east.east-n1")
    )
)
"""A well-formed question of NAT discovery, by one who is no member."""


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


async def test_the_driver_changes_under_traffic_and_nothing_goes_in_the_clear(clusterset: Clusterset) -> None:
    async with pings(clusterset, *WAYS) as running:
        await answered_for(running, 1)
        await _switch(clusterset, "wireguard")
        async with sniffed(clusterset, "east/n1", "west/n1", "west/n2") as lines:
            await eventually(lambda: _no_vxlan(clusterset), 60, "the old cables have gone")
            await answered_for(running, 1)  # what was on its way before has been read too
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
    await whole_again(encrypted)  # a cable that is down, or held down, is not waited for
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
            await whole_again(encrypted)
    assert [one.lost for one in running] == [0, 0]
    await whole_again(encrypted)


async def test_a_gateway_is_replaced_under_traffic(encrypted: Clusterset) -> None:
    """West's first gateway, which carries a part of the traffic, stops being one and comes back."""
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


async def test_a_wrong_key_is_mended_within_seconds(encrypted: Clusterset) -> None:
    """By hand, in all devices of a cluster's only gateway: wireguard-go begins a handshake anew at once, and what it
    can't send until then the probes notice."""
    devices = await _devices(encrypted)
    target = encrypted.pod("west-n1").address
    async with pings(encrypted, WAYS[1]) as running, sniffed(encrypted, "east/n1") as lines:
        await answered_for(running, 1)
        spoiled = time.time()
        for device in devices:
            done = await encrypted.node("east/n1", "python3", "-c", WRONG_KEY, f"{SOCKETS}/east-n1/{device}.sock")
            assert done.status == 0, done.errors

        async def told() -> bool:
            events = await repaired(encrypted, "east", spoiled)
            return all(any(device in event for event in events) for device in devices)

        await eventually(told, 30, "that somebody changed it is told")
        await eventually(lambda: running[0].answered_since(time.time() - 0.5), 30, "it is carried again")
    assert running[0].longest_gap < 5, "it is healed within seconds"
    assert lines
    assert not [line for line in lines if target in line]
    await whole_again(encrypted)


async def test_nothing_goes_in_the_clear_whatever_happens(encrypted: Clusterset) -> None:
    """On all wan links, while keys change, daemons restart, devices and gateways go, and a cable is cut: no packet of
    a pod, only WireGuard, NAT discovery and the broker's API."""
    places = ("east/n1", "east/n2", "west/n1", "west/n2")
    devices = await _devices(encrypted)
    first, _ = await encrypted.gateways("west")
    async with pings(encrypted, *WAYS) as running, sniffed(encrypted, *places) as lines:
        await eventually(lambda: _no_vxlan(encrypted), 60, "the old cables have gone")
        lines.clear()
        await encrypted.mcnet("rotate", "keys", "--context", "west")
        await encrypted.delete_daemons("gateway", "route-agent")
        for device in devices:
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
    assert strange(lines, encrypted) == []
    assert any(re.search(r"\.450\d: ", line) for line in lines), "the sniffers saw the cables"


async def _lost(clusterset: Clusterset) -> bool:
    return any(cable.state is CableState.ERROR for cable in await clusterset.cables())


async def test_daemons_that_restart_change_nothing(encrypted: Clusterset) -> None:
    async with pings(encrypted, *WAYS) as running:
        await encrypted.delete_daemons("gateway", "route-agent")
        await answered_for(running, 3)
    assert [one.lost for one in running] == [0, 0]
    await whole_again(encrypted)


async def test_a_killed_process_is_back_within_seconds_and_nothing_leaks_meanwhile(encrypted: Clusterset) -> None:
    devices = await _devices(encrypted)
    target = encrypted.pod("west-n1").address
    async with pings(encrypted, WAYS[1]) as running, sniffed(encrypted, "east/n1") as lines:
        await answered_for(running, 1)
        killed = time.time()
        for device in devices:
            assert (await _kill(encrypted, "east/n1", device)).status == 0
        await eventually(lambda: running[0].answered_since(killed + 3), 30, "it is carried again")
    assert running[0].longest_gap < 8, "a handshake is tried again after five seconds"
    assert lines
    assert not [line for line in lines if target in line]
    await whole_again(encrypted)


async def _devices(clusterset: Clusterset) -> list[str]:
    """East's, one to each of west's gateways: all carry traffic."""
    found = sorted(cable.device for cable in await clusterset.cables_of("east") if cable.active)
    assert len(found) == 2
    return found


async def _kill(clusterset: Clusterset, place: str, device: str) -> Completed:
    script = f"kill -9 $(pgrep --ns $$ --nslist net -f -- '[-]-foreground {device}')"
    return await clusterset.node(place, "bash", "-c", script)


async def test_a_stranger_is_neither_answered_nor_let_in(encrypted: Clusterset) -> None:
    """From another node's wan address: no gateway's, so nobody's peer."""
    target = next(cable.local_address for cable in await encrypted.cables_of("east") if cable.active)
    last = wireguard_port(4500, 7, 1)
    for first, final in ((4490, 4490), (4500, last), (4520, 4520), (4524, 4524)):
        ports = (str(first), str(final))
        done = await encrypted.node("east/n2", "python3", "-c", STRANGER, str(target), *ports, ASKING.hex())
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
    async with pings(encrypted, WAYS[1]) as running, sniffed(encrypted, "east/n1") as lines:
        await answered_for(running, 1)
        await encrypted.delete_daemons("cable")
        await answered_for(running, 2)
    assert lines
    assert not [line for line in lines if target in line]
    await whole_again(encrypted)

"""A way between gateways that swallows large packets without a word: it is found, and pods are told by ICMP.

The far end of the underlay takes 1400 bytes only and drops what is larger, as a tunnel of somebody else's on the way
does. A cable of VXLAN lets its packets be split, so no error ever comes back from there.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from mcnet.kernel import execute, observe
from mcnet.model.kernel import KernelState, NextHop, NextHopGroup, Route
from mcnet.model.look import Path, Tunnel
from mcnet.model.ownership import CABLES_TABLE, GATEWAY, VXLAN_CABLE_DEVICE, NextHopKind, nexthop_id
from mcnet.plan.diff import diff
from mcnet.probe.path_sizes import PathSizes
from tests.netns.namespaces import Namespace, connect, eventually, shell
from tests.netns.test_ping import ADDRESSES, cable

WIDE, NARROW = 1450, 1354
"""Bytes inside: what the device promises, and what fits into 1404 (a veth takes four more than its MTU)."""
POD = {4: ("10.10.0.1/24", "10.10.0.2"), 6: ("fd10::1/64", "fd10::2")}
"""On the near gateway, and the pod's."""
REMOTE = {4: "10.20.0.1", 6: "fd20::1"}
ECHO = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as server:
    server.bind((sys.argv[1], 7777))
    print("ready", flush=True)
    while True:
        data, sender = server.recvfrom(9000)
        server.sendto(data, sender)
"""
ASK = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as client:
    client.settimeout(0.5)
    client.connect((sys.argv[1], 7777))
    for _ in range(int(sys.argv[2])):
        try:
            client.send(b"x" * 8000)
            if len(client.recv(9000)) == 8000:
                print("answered")
                sys.exit(0)
        except OSError:
            continue
sys.exit(1)
"""


@pytest.fixture
def pod() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made


@pytest.fixture
def gateways(namespace: Namespace, peer: Namespace, pod: Namespace) -> tuple[Namespace, Namespace, Namespace]:
    """The near gateway with a pod, and the far one, which bears the remote pod's addresses itself."""
    connect(namespace, peer, name="wan0", addresses=("192.0.2.1/24", "192.0.2.2/24"))
    for one in (namespace, peer):
        one.run(shell("ip link set wan0 mtu 1500; sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"))
    for side, one in ((1, namespace), (2, peer)):
        one.run(bring(routed(side)))
        one.run(shell(f"ip rule add pref 303 lookup {CABLES_TABLE}; ip -6 rule add pref 303 lookup {CABLES_TABLE}"))
    namespace.run(shell(f"ip link add pod0 type veth peer name eth0 netns {pod.thread_id}; ip link set pod0 up"))
    pod.run(shell("ip link set eth0 up"))
    for family, (gateway, address) in POD.items():
        length = gateway.partition("/")[2]
        namespace.run(shell(f"ip addr add {gateway} dev pod0 {'nodad' if family == 6 else ''}"))
        pod.run(shell(f"ip addr add {address}/{length} dev eth0 {'nodad' if family == 6 else ''}"))
        pod.run(shell(f"ip -{family} route add default via {gateway.partition('/')[0]}"))
        peer.run(shell(f"ip addr add {REMOTE[family]} dev lo"))
    return namespace, peer, pod


def routed(side: int, mtu: int = 0) -> KernelState:
    """The cable of that side, and the routes to the other's pods, which carry `mtu` bytes."""
    state = cable(side)
    (link,) = state.links
    hops, groups, routes = set(), set(), set()
    for family, kinds in (
        (4, (NextHopKind.CABLE_MEMBER4, NextHopKind.CABLE_GROUP4)),
        (6, (NextHopKind.CABLE_MEMBER6, NextHopKind.CABLE_GROUP6)),
    ):
        via = ip_address(ADDRESSES[3 - side][0 if family == 4 else 1])
        hop = NextHop(nexthop_id(kinds[0], 1), VXLAN_CABLE_DEVICE, via, family)
        group = NextHopGroup(nexthop_id(kinds[1], 1), family, ((hop.id, 1),), 0)
        prefix = REMOTE[family] if side == 1 else POD[family][1]
        routes.add(Route(CABLES_TABLE, ip_network(prefix), nexthop=group.id, mtu=mtu))
        hops.add(hop)
        groups.add(group)
    return replace(
        state,
        links=frozenset({replace(link, mtu=WIDE)}),
        nexthops=frozenset(hops),
        groups=frozenset(groups),
        routes=frozenset(routes),
    )


async def bring(desired: KernelState) -> None:
    changes = diff(desired, await observe.read(GATEWAY, sysctls=()))
    assert await execute.apply(changes) == ()


async def measured(family: int) -> int:
    """What the near gateway finds out about its cable; 0 if all passes."""
    sizes = PathSizes()
    here, there = (ip_address(ADDRESSES[side][0 if family == 4 else 1]) for side in (1, 2))
    outer = ip_address("192.0.2.1"), ip_address("192.0.2.2")
    sizes.set({"west.n1": Path(Tunnel.CABLE, "west.n1", VXLAN_CABLE_DEVICE, there, here, *outer, 4520)})
    task = asyncio.create_task(sizes.run())
    try:
        await eventually(lambda: "west.n1" in sizes.carried, patience=30)
        return sizes.carried["west.n1"]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("family", [4, 6])
def test_it_is_found_and_pods_hear_of_it(gateways: tuple[Namespace, Namespace, Namespace], family: int) -> None:
    near, far, pod = gateways
    far.run(shell("ip link set wan0 mtu 1400"))

    async def exchange(tries: int) -> bool:
        process = await asyncio.create_subprocess_exec(
            "python3", "-c", ASK, REMOTE[family], str(tries), stdout=asyncio.subprocess.PIPE
        )
        return (await process.communicate())[0] == b"answered\n"

    async def serve() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            "python3", "-c", ECHO, REMOTE[family], stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        return process

    async def stop(process: asyncio.subprocess.Process) -> None:
        process.terminate()
        await process.wait()

    server = far.run(serve())
    try:
        assert not pod.run(exchange(3)), "8,000 bytes vanish"
        size = near.run(measured(family))
        assert NARROW - 8 <= size <= NARROW
        for side, gateway in ((1, near), (2, far)):
            gateway.run(bring(routed(side, size)))
        assert pod.run(exchange(6)), "8,000 bytes there and back, split to what fits"
        pod.run(shell(f"ping -{family} -c 1 -W 2 -M do -s 1400 {REMOTE[family]} || true"))
        learnt = pod.run(shell(f"ip -{family} route get {REMOTE[family]}"))
        assert f"mtu {size}" in learnt, "the pod was told how large a packet may be"
    finally:
        far.run(stop(server))


def test_a_way_that_carries_all_is_left_alone(gateways: tuple[Namespace, Namespace, Namespace]) -> None:
    near, _, _ = gateways

    async def look() -> dict[str, int]:
        sizes = PathSizes()
        asked: list[int | None] = []
        real = sizes._attempt

        async def attempt(path: Path):  # type: ignore[no-untyped-def]
            tried = await real(path)
            asked.append(tried.largest)
            return tried

        sizes._attempt = attempt
        here, there = (ip_address(ADDRESSES[side][0]) for side in (1, 2))
        outer = ip_address("192.0.2.1"), ip_address("192.0.2.2")
        sizes.set({"west.n1": Path(Tunnel.CABLE, "west.n1", VXLAN_CABLE_DEVICE, there, here, *outer, 4520)})
        task = asyncio.create_task(sizes.run())
        try:
            await eventually(lambda: bool(asked), patience=30)
            assert asked == [WIDE]
            return sizes.carried
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    assert near.run(look()) == {}

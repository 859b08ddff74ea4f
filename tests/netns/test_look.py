"""Looks at both ends of a real VXLAN: answered, not sent, lost in the middle, dropped on arrival, too large.

Between the two nodes lies a router, so that packets can be lost on the way. What the looks mean is judged by the real
judge.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from mcnet.model.look import NodeLook, Path, Tunnel
from mcnet.plan.path_mtu import narrow
from mcnet.plan.tunnel_paths import End, Stage, judge
from mcnet.probe.ports import taken
from mcnet.probe.watch import watch
from tests.netns.namespaces import Namespace, connect, shell

PATIENCE, LISTENING = 4.0, 3.0
PORT = 4800
OUTER = {4: ("192.0.2.1", "198.51.100.2"), 6: ("2001:db8:1::1", "2001:db8:2::2")}
ROUTERS = {4: ("192.0.2.254", "198.51.100.254"), 6: ("2001:db8:1::fe", "2001:db8:2::fe")}
INNER = {4: ("244.0.0.1", "244.0.0.2"), 6: ("fd6d:636e:6574:1::1", "fd6d:636e:6574:1::2")}
OVERHEAD = {4: 50, 6: 70}


class Net:
    """Two nodes with a router between them, and a VXLAN over outer addresses of one family."""

    def __init__(self, near: Namespace, far: Namespace, middle: Namespace, outer: int, inner: int) -> None:
        self.near, self.far, self.middle = near, far, middle
        self.outer, self.inner = outer, inner
        length = 24 if outer == 4 else 64
        for node, index, name in ((near, 0, "wan0"), (far, 1, "wan1")):
            pair = (f"{OUTER[outer][index]}/{length}", f"{ROUTERS[outer][index]}/{length}")
            connect(node, middle, name=name, addresses=pair)
            node.run(shell(f"ip route add default via {ROUTERS[outer][index]}"))
        middle.run(shell("echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"))
        for node, index in ((near, 0), (far, 1)):
            node.run(self._vxlan(index))

    async def _vxlan(self, index: int) -> None:
        macs = [f"02:00:00:00:00:0{number}" for number in (1, 2)]
        checksums = "udp6zerocsumrx" if self.outer == 6 else ""
        await shell(
            f"ip link add mcnet-vx address {macs[index]} mtu {1500 - OVERHEAD[self.outer]} type vxlan id 7 "
            f"dstport {PORT} local {OUTER[self.outer][index]} {checksums}"
        )
        length = 8 if self.inner == 4 else 64
        nodad = "nodad" if self.inner == 6 else ""
        own, other = INNER[self.inner][index], INNER[self.inner][1 - index]
        await shell(f"ip address add {own}/{length} dev mcnet-vx {nodad} && ip link set mcnet-vx up")
        await shell(f"ip neighbour replace {other} lladdr {macs[1 - index]} dev mcnet-vx nud permanent")
        await shell(f"bridge fdb append {macs[1 - index]} dev mcnet-vx dst {OUTER[self.outer][1 - index]}")

    def path(self, index: int) -> Path:
        outer, inner = (tuple(map(ip_address, one)) for one in (OUTER[self.outer], INNER[self.inner]))
        return Path(
            Tunnel.OVERLAY, "ba"[index], "mcnet-vx", inner[1 - index], inner[index], outer[index], outer[1 - index],
            PORT,
        )  # fmt: skip

    def look(self) -> tuple[NodeLook, NodeLook]:
        """Both ends, looked at at the same time."""
        running = [node.start(_look(self.path(index))) for index, node in ((0, self.near), (1, self.far))]
        one, other = (future.result(50) for future in running)
        return one, other

    def judged(self) -> list[tuple[str, str, Stage]]:
        near, far = self.look()
        ends = End("a", replace(near, node="a")), End("b", replace(far, node="b"))
        return [(one.source.name, one.target.name, one.stage) for one in judge(self.path(0), *ends, self.path(1))]


async def _look(path: Path) -> NodeLook:
    began = time.time()
    watched = await watch([path], patience=PATIENCE, at_least=LISTENING)
    assert watched.fault == ""
    return NodeLook("n", began, time.time(), tried=watched.tried, seen=watched.seen)


@pytest.fixture
def middle() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made


@pytest.fixture(params=[(4, 4), (6, 4), (4, 6)], ids=lambda pair: f"IPv{pair[1]} over IPv{pair[0]}")
def net(namespace: Namespace, peer: Namespace, middle: Namespace, request: pytest.FixtureRequest) -> Net:
    return Net(namespace, peer, middle, *request.param)


@pytest.fixture
def net4(namespace: Namespace, peer: Namespace, middle: Namespace) -> Net:
    return Net(namespace, peer, middle, 4, 4)


def test_what_is_well_is_answered_in_full_size(net: Net) -> None:
    near, far = net.look()
    for look in (near, far):
        (tried,) = look.tried
        assert tried.answered >= 3
        assert (tried.largest, tried.refused) == (1500 - OVERHEAD[net.outer], "")
    assert judge(net.path(0), End("a", near), End("b", far), net.path(1)) == ()
    assert narrow(net.path(0), near, far) is None


@pytest.mark.parametrize(
    ("place", "hook", "match", "expected"),
    [
        ("near", "output priority 0", "", ("a", "b", Stage.NOT_SENT)),
        ("near", "postrouting priority 0", "", ("a", "b", Stage.NOT_SENT)),
        ("middle", "forward priority 0", 'iifname "wan0"', ("a", "b", Stage.LOST)),
        ("middle", "forward priority 0", 'iifname "wan1"', ("b", "a", Stage.LOST)),
        ("far", "input priority 0", "", ("a", "b", Stage.DROPPED)),
        ("far", "prerouting priority -300", "", ("a", "b", Stage.DROPPED)),
    ],
)
def test_where_packets_end_is_told(net: Net, place: str, hook: str, match: str, expected: object) -> None:
    node: Namespace = getattr(net, place)
    rule = f"{match} udp dport {PORT} drop"
    node.run(shell(f"nft 'table inet t {{ chain c {{ type filter hook {hook}; {rule}; }}; }}'"))
    assert net.judged()[:1] == [expected]


def test_a_device_that_is_not_there(net4: Net) -> None:
    net4.near.run(shell("ip link del mcnet-vx"))
    assert net4.judged()[:1] == [("a", "b", Stage.NO_DEVICE)]


def test_echoes_dropped_inside_the_tunnel_are_dropped_on_arrival(net4: Net) -> None:
    rule = 'iifname "mcnet-vx" icmp type echo-request drop'
    net4.far.run(shell(f"nft 'table inet t {{ chain c {{ type filter hook input priority 0; {rule}; }}; }}'"))
    assert net4.judged() == [("a", "b", Stage.DROPPED)]


def test_a_router_that_splits_packets_is_seen_by_its_fragments(net4: Net) -> None:
    net4.middle.run(shell("ip link set wan1 mtu 1400"))
    net4.far.run(shell("ip link set wan1 mtu 1400"))
    near, far = net4.look()
    assert near.tried[0].largest == 1450
    found = narrow(net4.path(0), near, far)
    assert found is not None
    assert not found.lost
    assert 1392 < found.underlay <= 1400


def test_a_router_that_loses_large_packets_is_measured(net4: Net) -> None:
    rule = "meta length > 1400 drop"
    net4.middle.run(shell(f"nft 'table inet t {{ chain c {{ type filter hook forward priority 0; {rule}; }}; }}'"))
    near, far = net4.look()
    found = narrow(net4.path(0), near, far)
    assert found is not None
    assert found.lost
    assert 1392 < found.underlay <= 1400


def test_ports_that_programs_hold(namespace: Namespace) -> None:
    async def body() -> tuple[tuple[str, ...], tuple[str, ...]]:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 4520))
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 4582)
        try:
            return await taken([4520, 4800], [4581, 4582]), await taken([4800], [4581])
        finally:
            transport.close()
            server.close()

    assert namespace.run(body()) == (("UDP 4520", "TCP 4582"), ())

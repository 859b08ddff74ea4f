"""The samplers between real namespaces: ICMP and TCP, both families, both ways at once, and a lossy path."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Future
from ipaddress import ip_address

import pytest

from mcnet.codec.latency_samples import Order, Target
from mcnet.model.latency import Series, Way
from mcnet.probe.latency import answering, measure
from mcnet.probe.ping_pong import PingPong, listen, own_addresses
from tests.netns.namespaces import Namespace, connect, shell

NEAR, FAR = ("192.0.2.1", "2001:db8::1"), ("192.0.2.2", "2001:db8::2")


@pytest.fixture
def port(namespace: Namespace, peer: Namespace) -> Iterator[int]:
    """Of a ping-pong server in `peer`, which `namespace` reaches by both families."""
    connect(namespace, peer, name="wan0", addresses=(f"{NEAR[0]}/24", f"{FAR[0]}/24"))
    for one, address in ((namespace, NEAR[1]), (peer, FAR[1])):
        one.run(shell(f"ip address add {address}/64 dev wan0 nodad"))

    async def serve() -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(PingPong, sock=listen())

    async def end(server: asyncio.Server) -> None:
        server.close()

    server = peer.run(serve())
    yield int(server.sockets[0].getsockname()[1])
    peer.run(end(server))


def targets(port: int) -> list[Target]:
    return [Target(family, (ip_address(address),), port) for family, address in zip((4, 6), FAR, strict=True)]


def order(way: Way) -> Order:
    return Order(way=way, duration=0.5, interval=0.01)


def test_both_protocols_and_families_both_ways_at_once(namespace: Namespace, port: int) -> None:
    start = time.monotonic() + 1
    running: list[Future[tuple[Series, ...]]] = [
        namespace.start(measure(order(way), targets(port), start)) for way in Way
    ]
    for way, future in zip(Way, running, strict=True):
        series = future.result(30)
        assert [(one.way, one.protocol, one.family) for one in series] == [
            (way, "icmp", 4), (way, "tcp", 4), (way, "icmp", 6), (way, "tcp", 6),
        ]  # fmt: skip
        for one in series:
            assert len(one.trips) == 50
            assert all(trip is not None and trip > 0 for trip in one.trips)


def test_what_the_path_drops_is_lost(namespace: Namespace, peer: Namespace, port: int) -> None:
    rules = "table inet t { chain c { type filter hook input priority 0; icmp type echo-request drop; }; }"
    peer.run(shell(f"nft '{rules}'"))
    icmp, tcp = namespace.run(measure(order(Way.PODS), targets(port)[:1], time.monotonic() + 1))
    assert icmp.trips == (None,) * 50
    assert None not in tcp.trips


def test_where_tcp_is_closed_the_address_is_found_by_icmp(namespace: Namespace, port: int) -> None:
    unused = ip_address("192.0.2.9")
    asked = Target(4, (unused, ip_address(FAR[0])), 1)
    assert namespace.run(answering(asked)) == Target(4, (ip_address(FAR[0]),), 1)


def test_own_addresses_are_those_of_the_default_routes(namespace: Namespace, port: int) -> None:
    # IPv6 has RFC 3849's range on the link itself; IPv4's documentation range is another network.
    assert namespace.run(_own()) == (ip_address(NEAR[0]), ip_address(NEAR[1]))


async def _own() -> tuple[object, ...]:
    return own_addresses()


def test_without_routes_there_are_no_own_addresses(namespace: Namespace) -> None:
    assert namespace.run(_own()) == ()

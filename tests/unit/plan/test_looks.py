"""What nodes are asked: the paths that carry traffic, from both their ends, in every family."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.model.look import Order, Tunnel
from mcnet.model.member import Member
from mcnet.model.node import Node
from mcnet.plan.looks import MOST_PATHS, orders

WEST, EAST = ClusterId("west"), ClusterId("east")
PODS = {
    4: (ip_network("10.2.0.0/16"), ip_network("10.1.0.0/16")),
    6: (ip_network("fd02::/56"), ip_network("fd01::/56")),
}
OUTER = {4: "192.0.2.{}", 6: "2001:db8::{}"}

OPTIONS = ClusterSet(default_driver="vxlan")


def node(number: int, outer: int, *, gateway: bool = False) -> Node:
    address = ip_address(OUTER[outer].format(number))
    return Node(f"n{number}", f"uid{number}", (address,), (), gateway=gateway, created=number)


def endpoint(cluster: ClusterId, gateway: str, number: int, outer: int, pods: int) -> Endpoint:
    return Endpoint(
        cluster,
        gateway,
        0,
        (ip_address(OUTER[outer].format(number)),),
        drivers=(DriverOffer("vxlan"),),
        prefixes=(PODS[pods][cluster == EAST],),
    )


def asked(outer: int, pods: int) -> dict[str, Order]:
    member = Member(WEST, (PODS[pods][0],), ())
    clusters = [Cluster(WEST, (PODS[pods][0],), ()), Cluster(EAST, (PODS[pods][1],), ())]
    ends = [endpoint(WEST, "n1", 1, outer, pods), endpoint(EAST, "e1", 101, outer, pods)]
    nodes = [node(1, outer, gateway=True), node(2, outer), node(3, outer)]
    return dict(orders(member, nodes, clusters, ends, OPTIONS))


@pytest.mark.parametrize(
    ("used", "public", "expected"),
    [
        ("192.0.2.101", ("198.51.100.7",), "192.0.2.101"),
        ("198.51.100.7", ("198.51.100.7",), "198.51.100.7"),
        ("203.0.113.1", ("198.51.100.7",), "192.0.2.101"),
        (None, ("198.51.100.7",), "192.0.2.101"),
    ],
)
def test_cables_are_tried_by_the_address_that_they_go_by(
    used: str | None, public: tuple[str, ...], expected: str
) -> None:
    keyed = (DriverOffer("wireguard", data=(("publicKey", "k"),)),)
    ends = [
        replace(endpoint(WEST, "n1", 1, 4, 4), drivers=keyed),
        replace(endpoint(EAST, "e1", 101, 4, 4), drivers=keyed, public_addresses=tuple(map(ip_address, public))),
    ]
    report = Gateway(
        "n1", WEST, 0, (Cable(EAST, "e1", 0, CableState.CONNECTED, "wireguard", None, used and ip_address(used)),)
    )
    clusters = [Cluster(WEST, (PODS[4][0],), ()), Cluster(EAST, (PODS[4][1],), ())]
    member = Member(WEST, (PODS[4][0],), ())
    made = orders(member, [node(1, 4, gateway=True)], clusters, ends, ClusterSet("wireguard"), reports=[report])
    assert [str(path.outer_target) for path in made["n1"].paths] == [expected]


@pytest.mark.parametrize(("outer", "pods"), list(product((4, 6), (4, 6))))
def test_gateways_and_nodes_try_each_other_in_every_family(outer: int, pods: int) -> None:
    made = asked(outer, pods)
    assert {name: [(one.tunnel, one.peer) for one in order.paths] for name, order in made.items()} == {
        "n1": [(Tunnel.OVERLAY, "n2"), (Tunnel.OVERLAY, "n3"), (Tunnel.CABLE, "east.e1")],
        "n2": [(Tunnel.OVERLAY, "n1")],
        "n3": [(Tunnel.OVERLAY, "n1")],
    }
    for order in made.values():
        for path in order.paths:
            assert {path.outer_source.version, path.outer_target.version} == {outer}
            assert {path.source.version, path.target.version} == {pods}
            assert path.port == (4800 if path.tunnel is Tunnel.OVERLAY else 4520)
        assert (order.families, order.underlay) == ((pods,), (outer,))
        assert order.remote == (PODS[pods][1],)
    there = made["n1"].paths[0]
    (back,) = made["n2"].paths
    assert (there.source, there.target, there.outer_source) == (back.target, back.source, back.outer_target)


def test_ports_follow_the_node() -> None:
    made = asked(4, 4)
    assert (made["n1"].udp_ports, made["n1"].tcp_ports) == ((4800, 4520), (4582, 4581))
    assert (made["n2"].udp_ports, made["n2"].tcp_ports) == ((4800,), (4582,))


def test_no_endpoint_yet() -> None:
    member = Member(WEST, (PODS[4][0],), ())
    made = orders(member, [node(1, 4, gateway=True), node(2, 4)], [], [], OPTIONS)
    assert [one.tunnel for one in made["n1"].paths] == [Tunnel.OVERLAY]
    assert orders(replace(member, pod_prefixes=()), [node(1, 4)], [], [], OPTIONS) == {}
    assert orders(member, [replace(node(1, 4), addresses=())], [], [], OPTIONS) == {}


def test_a_large_cluster() -> None:
    member = Member(WEST, (PODS[4][0],), ())
    many = [
        Node(f"n{number}", f"uid{number}", (ip_address("10.200.0.1") + number,), (), gateway=number == 0)
        for number in range(700)
    ]
    made = orders(member, many, [], [], OPTIONS)
    assert len(made["n0"].paths) == MOST_PATHS
    assert all(len(made[f"n{number}"].paths) == 1 for number in range(1, 700))


@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from([4, 6]), st.booleans()), max_size=6, unique_by=lambda one: one[0]
    )
)
def test_any_nodes_are_asked_only_of_their_own_family(rows: list[tuple[int, int, bool]]) -> None:
    nodes = [node(number, outer, gateway=gateway) for number, outer, gateway in rows]
    for name, order in orders(Member(WEST, (PODS[4][0],), ()), nodes, [], [], OPTIONS).items():
        for path in order.paths:
            assert path.outer_source.version == path.outer_target.version
            assert path.peer != name

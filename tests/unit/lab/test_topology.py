"""Properties of every lab's plan: nothing overlaps, every name fits, everything is reachable."""

from ipaddress import collapse_addresses, ip_network
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.lab.addresses import BLOCKS, Block, Network
from mcnet.lab.hostnet import overlapping
from mcnet.lab.spec import Families, IpFamily, LabSpec, NatKind
from mcnet.lab.topology import Topology, plan

NAMES = ("east", "west", "a-longname", "b", "c", "d", "e", "f")


@st.composite
def topologies(draw: Any) -> Topology:
    clusters = NAMES[: draw(st.integers(1, 8))]
    spec = LabSpec(
        name=draw(st.sampled_from(["lab", "elevenchars"])),
        clusters=clusters,
        nodes=draw(st.integers(1, 15)),
        ip_family=draw(st.sampled_from(list(IpFamily))),
        underlay_family=draw(st.sampled_from([None, *IpFamily])),
        cluster_families=tuple(
            (name, Families(draw(st.sampled_from(list(IpFamily))), draw(st.sampled_from(list(IpFamily)))))
            for name in draw(st.sets(st.sampled_from(clusters)))
        ),
        overlapping_cidrs=draw(st.booleans()),
        nat=tuple((name, NatKind.EIM) for name in draw(st.sets(st.sampled_from(clusters)))),
    )
    return plan(spec, Block(draw(st.integers(0, BLOCKS - 1))))


def networks(topology: Topology) -> list[Network]:
    """All networks that must be apart: links, cluster networks, and distinct pod and service CIDRs."""
    found: set[Network] = set()
    for link in topology.links:
        found |= {address.network for address in (*link.near.addresses, *link.far.addresses)}
    for cluster in topology.clusters:
        found |= set(cluster.service_cidrs)
        found |= {cidr for node in cluster.nodes for cidr in node.pod_cidrs}
    return sorted(found, key=lambda net: (net.version, int(net.network_address)))


@given(topologies())
def test_nothing_overlaps_and_all_lies_in_the_lab_s_block(topology: Topology) -> None:
    found = networks(topology)
    for version in (4, 6):
        same = [net for net in found if net.version == version]
        for one, other in pairwise(same):
            assert int(one.broadcast_address) < int(other.network_address), (one, other)
        block = topology.block.network(version)
        assert all(
            block.network_address <= net.network_address and net.broadcast_address <= block.broadcast_address
            for net in same
        )


@given(topologies())
def test_names_fit_and_are_unique(topology: Topology) -> None:
    ports = [port for link in topology.links for port in (link.near, link.far)]
    assert all(len(port.device) <= 15 for port in ports)
    places = [(port.namespace, port.device) for port in ports]
    assert len(set(places)) == len(places)
    namespaces = list(topology.namespaces.values())
    assert len(set(namespaces)) == len(namespaces)
    assert all(name.startswith(f"mcnet-{topology.spec.name}-") for name in namespaces)
    assert {port.namespace for port in ports} <= {*namespaces, None}


@given(topologies())
def test_the_host_routes_public_links_and_nothing_else(topology: Topology) -> None:
    for cluster in topology.clusters:
        for machine in cluster.machines:
            public = machine is cluster.control_plane or cluster.router is None
            for address in machine.wan_addresses:
                assert any(address in net for net in topology.host_routes) == public
            private = [*machine.cluster_addresses, *(cidr.network_address for cidr in machine.pod_cidrs)]
            assert not any(address in net for address in private for net in topology.host_routes)


@given(topologies())
def test_pod_cidrs_of_nodes_make_up_part_of_the_cluster_s(topology: Topology) -> None:
    for cluster in topology.clusters:
        for node in cluster.nodes:
            for whole, part in zip(cluster.pod_cidrs, node.pod_cidrs, strict=True):
                assert list(collapse_addresses([whole, part])) == [whole]  # type: ignore[type-var]


@given(topologies())
def test_overlapping_cidrs_are_asked_for_or_absent(topology: Topology) -> None:
    for one, other in combinations(topology.clusters, 2):
        for mine, theirs in ((one.pod_cidrs, other.pod_cidrs), (one.service_cidrs, other.service_cidrs)):
            versions = {cidr.version for cidr in mine} & {cidr.version for cidr in theirs}
            assert len({*mine} & {*theirs}) == (len(versions) if topology.spec.overlapping_cidrs else 0)


def test_labs_never_share_an_address() -> None:
    for family in (4, 6):
        blocks = [Block(index).network(family) for index in range(BLOCKS)]
        for one, other in pairwise(blocks):
            assert int(one.broadcast_address) < int(other.network_address)


def test_paths_are_chosen_differently_on_every_node() -> None:
    seeds = [node.hash_seed for node in plan(LabSpec(nodes=15), Block(0)).nodes]
    assert len(set(seeds)) == len(seeds)
    assert 0 not in seeds


def test_servers_are_inside_addresses_for_nodes_and_wan_addresses_for_others() -> None:
    cluster = plan(LabSpec(), Block(0)).clusters[1]
    assert cluster.internal_server == "https://10.64.65.10:6443"
    assert cluster.public_server == "https://10.64.1.3:6443"
    v6 = plan(LabSpec(ip_family=IpFamily.IPV6), Block(0)).clusters[1]
    assert v6.public_server == "https://[fd6d:636e:6500:1::3]:6443"


@pytest.mark.parametrize(
    ("families", "nodes", "wan", "advertised", "internal"),
    [
        (Families(IpFamily.IPV4, IpFamily.IPV6), [6], [6], 4, "https://[fd6d:636e:6500:200::a]:6443"),
        (Families(IpFamily.IPV6, IpFamily.IPV4), [4], [4], 6, "https://10.64.64.10:6443"),
        (Families(IpFamily.DUAL, IpFamily.IPV6), [6], [6], 4, "https://[fd6d:636e:6500:200::a]:6443"),
        (Families(IpFamily.IPV6, IpFamily.DUAL), [4, 6], [4, 6], 6, "https://10.64.64.10:6443"),
    ],
)
def test_nodes_have_the_underlays_families_and_the_api_server_advertises_the_services(
    families: Families, nodes: list[int], wan: list[int], advertised: int, internal: str
) -> None:
    cluster = plan(LabSpec(cluster_families=(("east", families),)), Block(0)).clusters[0]
    for node in cluster.nodes:
        assert [address.version for address in node.cluster_addresses] == nodes
        assert [address.version for address in node.wan_addresses] == wan
    assert cluster.control_plane.advertise_address.version == advertised
    assert cluster.internal_server == internal
    assert {cidr.version for cidr in cluster.pod_cidrs} == set(families.pods.versions)


def test_blocks_that_the_host_uses_are_left_out() -> None:
    occupied: list[Network] = [
        ip_network("10.64.3.0/24"), ip_network("10.66.0.0/15"), ip_network("192.168.0.0/16"),
        ip_network("fd6d:636e:6505::/64"),
    ]  # fmt: skip
    assert overlapping(occupied) == {0, 2, 3, 5}
    assert overlapping([ip_network("10.0.0.0/8")]) == set(range(BLOCKS))

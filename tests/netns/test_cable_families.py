"""A gateway with both families beside one with IPv4 and one with IPv6: the planner's cables on the real kernel."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from mcnet.kernel import execute, observe
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address, HostFacts, KernelState
from mcnet.model.member import Member
from mcnet.model.ownership import GATEWAY
from mcnet.plan import gateway, own_endpoint
from mcnet.plan.diff import diff
from mcnet.plan.vxlan_cable import CablePath
from tests.fakes.worlds import EAST, NORTH, WEST, node, prefixes
from tests.netns.namespaces import Namespace, connect, shell

PODS = {EAST: ("10.10.0.0/16", "fd10::/48"), WEST: ("10.20.0.0/16",), NORTH: ("fd30::/48",)}
OUTER: dict[ClusterId, tuple[Address, ...]] = {
    EAST: (ip_address("192.0.2.1"), ip_address("fd99::1")),
    WEST: (ip_address("192.0.2.2"),),
    NORTH: (ip_address("fd99::3"),),
}


@dataclass(frozen=True)
class Place:
    """One gateway, and what it decided."""

    namespace: Namespace
    own: Endpoint
    cables: dict[ClusterId, CablePath]


def facts(cluster: ClusterId) -> HostFacts:
    found = {f"private{address.version}": address for address in OUTER[cluster]}
    return HostFacts(links=frozenset(), **found)  # type: ignore[arg-type]


def member(cluster: ClusterId) -> Member:
    return Member(cluster=cluster, pod_prefixes=prefixes(*PODS[cluster]), service_prefixes=())


ENDPOINTS = {
    cluster: own_endpoint.wanted(
        member=member(cluster), node=node(1), rail=0, advertised=(), host=facts(cluster), published=None
    )
    for cluster in PODS
}


async def make(cluster: ClusterId) -> dict[ClusterId, CablePath]:
    """Decide and apply once, inside of the gateway's namespace; a second round changes nothing."""
    decision = gateway.decide(
        gateway.World(
            member=member(cluster),
            own=ENDPOINTS[cluster],
            nodes=(node(1),),
            clusters=tuple(Cluster(one, prefixes(*pods), ()) for one, pods in PODS.items()),
            endpoints=tuple(ENDPOINTS.values()),
            health={},
            host=facts(cluster),
            actual=KernelState(),
        )
    )
    for left in (True, False):
        changes = diff(decision.state, await observe.read(GATEWAY, sysctls=()))
        assert await execute.apply(changes) == ()
        assert bool(changes) == left
    return {standing.path.endpoint.cluster: standing.path for standing in decision.cables}


@pytest.fixture
def places(namespace: Namespace, peer: Namespace) -> Iterator[dict[ClusterId, Place]]:
    found = {}
    with Namespace() as third:
        connect(namespace, peer, name="wan0", addresses=("192.0.2.1/24", "192.0.2.2/24"))
        connect(namespace, third, name="wan1", addresses=("fd99::1/64", "fd99::3/64"))
        for cluster, one in ((EAST, namespace), (WEST, peer), (NORTH, third)):
            found[cluster] = Place(one, ENDPOINTS[cluster], one.run(make(cluster)))
        yield found


@pytest.mark.parametrize(
    ("one", "other", "device", "families"),
    [(EAST, WEST, "mcnet-cv", (4,)), (EAST, NORTH, "mcnet-cv6", (6,))],
)
def test_each_pair_speaks_over_the_family_that_both_have(
    places: dict[ClusterId, Place], one: ClusterId, other: ClusterId, device: str, families: tuple[int, ...]
) -> None:
    for here, there in ((one, other), (other, one)):
        place = places[here]
        path = place.cables[there]
        assert (path.device, path.families) == (device, families)
        for family in families:
            source = gateway.cable_address(place.own, path, family)
            place.namespace.run(shell(f"ping -c 2 -W 5 -I {source} {path.via(family)}"))


def test_gateways_without_a_common_family_name_it(places: dict[ClusterId, Place]) -> None:
    assert "has no IPv4 address, only IPv6" in places[WEST].cables[NORTH].problem
    assert "has no IPv6 address, only IPv4" in places[NORTH].cables[WEST].problem

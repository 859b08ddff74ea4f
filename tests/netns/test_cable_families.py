"""A gateway with both families beside one with IPv4 and one with IPv6: the planner's cables on the real kernel."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from mcnet.kernel import execute, observe
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address, HostFacts, KernelState, Link
from mcnet.model.member import Member
from mcnet.model.ownership import CABLES_TABLE, GATEWAY
from mcnet.model.traffic import Count
from mcnet.plan import gateway, own_endpoint, throughput
from mcnet.plan.cable import CablePath, own_address
from mcnet.plan.diff import diff
from tests.fakes.identities import identity_of
from tests.fakes.worlds import EAST, NORTH, WEST, node, prefixes
from tests.kernel import has_wireguard
from tests.netns.namespaces import Namespace, connect, holders, shell

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
        member=member(cluster),
        node=node(1),
        rail=0,
        advertised=(),
        host=facts(cluster),
        published=None,
        identity=identity_of(cluster),
    )
    for cluster in PODS
}


async def make(cluster: ClusterId, driver: str) -> dict[ClusterId, CablePath]:
    """Decide and apply once, inside of the gateway's namespace; a second round changes nothing."""
    decision = gateway.decide(
        gateway.World(
            member=member(cluster),
            own=ENDPOINTS[cluster],
            nodes=(node(1),),
            clusters=tuple(Cluster(one, prefixes(*pods), (), identity_of(one).public) for one, pods in PODS.items()),
            endpoints=tuple(ENDPOINTS.values()),
            health={},
            host=facts(cluster),
            actual=KernelState(),
            options=ClusterSet(driver),
            identity=identity_of(cluster),
        )
    )
    for left in (True, False):
        changes = diff(decision.state, await observe.read(GATEWAY, sysctls=()))
        assert await execute.apply(changes) == ()
        assert bool(changes) == left
    return {standing.path.endpoint.cluster: standing.path for standing in decision.cables}


@pytest.fixture
def third() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made


@pytest.fixture(params=["vxlan", "wireguard"])
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def places(
    namespace: Namespace, peer: Namespace, third: Namespace, lacking: Path | None, driver: str
) -> Iterator[dict[ClusterId, Place]]:
    connect(namespace, peer, name="wan0", addresses=("192.0.2.1/24", "192.0.2.2/24"))
    connect(namespace, third, name="wan1", addresses=("fd99::1/64", "fd99::3/64"))
    for one in (namespace, peer, third):  # the route agent's part
        one.run(shell("; ".join(f"ip {family} rule add pref 303 lookup {CABLES_TABLE}" for family in ("-4", "-6"))))
    with holders(lacking, namespace, peer, third):
        yield {
            cluster: Place(one, ENDPOINTS[cluster], one.run(make(cluster, driver)))
            for cluster, one in ((EAST, namespace), (WEST, peer), (NORTH, third))
        }


async def device(name: str) -> Link:
    return next(link for link in (await observe.read(GATEWAY, sysctls=())).links if link.name == name)


@pytest.mark.parametrize(
    ("other", "devices", "family"),
    [
        (WEST, {"vxlan": "mcnet-cv", "wireguard": "mcnet-cw0a"}, 4),
        (NORTH, {"vxlan": "mcnet-cv6", "wireguard": "mcnet-cw0a"}, 6),
    ],
)
def test_each_pair_speaks_over_the_family_that_both_have(
    places: dict[ClusterId, Place], driver: str, other: ClusterId, devices: dict[str, str], family: int
) -> None:
    for here, there in ((EAST, other), (other, EAST)):
        place = places[here]
        path = place.cables[there]
        assert (path.device, path.families) == (devices[driver], (family,))
        source = own_address(place.own, path, family)
        made = place.namespace.run(device(path.device))
        assert (made.wireguard, made.userspace) == (
            driver == "wireguard",
            driver == "wireguard" and not has_wireguard(),
        )
        place.namespace.run(shell(f"ping -c 2 -W 5 -I {source} {path.address(family)}"))


def test_what_goes_by_each_cable_is_counted_by_itself(places: dict[ClusterId, Place]) -> None:
    """Twenty packets of 1028 bytes each way to one of two gateways, also where both are on one device."""
    east = places[EAST]
    for cluster in (WEST, NORTH):
        first = east.cables[cluster].address(east.cables[cluster].families[0])
        east.namespace.run(shell(f"timeout 30 sh -c 'until ping -c 1 -W 1 {first}; do :; done'"))
    for busy, idle in ((WEST, NORTH), (NORTH, WEST)):
        before, path = east.namespace.run(counted(east)), east.cables[busy]
        family, source = path.families[0], own_address(east.own, path, path.families[0])
        size = 1000 if family == 4 else 980
        said = east.namespace.run(shell(f"ping -c 20 -i 0.02 -s {size} -W 5 -I {source} {path.address(family)}"))
        answers = int(re.findall(r"(\d+) received", said)[0])
        passed, rest = east.namespace.run(grown_to(east, before, busy, idle, answers * 1028))
        # WireGuard adds its headers, padding and keepalives; discovery of neighbours takes a few packets.
        assert max(passed.received, passed.sent) <= 20 * 1028 * 1.1
        assert max(rest.received, rest.sent) < 1028


async def grown_to(
    place: Place, before: dict[ClusterId, Count], busy: ClusterId, idle: ClusterId, least: int
) -> tuple[Count, Count]:
    """What has passed by two cables once it is `least` by the busy one: wireguard-go delivers a packet before it
    counts it."""
    async with asyncio.timeout(10):
        while True:
            after = await counted(place)
            passed, rest = (throughput.grown(before[one], after[one]) for one in (busy, idle))
            assert passed is not None
            assert rest is not None
            if min(passed.received, passed.sent) >= least:
                return passed, rest
            await asyncio.sleep(0.05)


async def counted(place: Place) -> dict[ClusterId, Count]:
    found = throughput.counts(place.cables.values(), await observe.read(GATEWAY, sysctls=()))
    return {cluster: found[path.endpoint.name] for cluster, path in place.cables.items()}


def test_gateways_without_a_common_family_name_it(places: dict[ClusterId, Place]) -> None:
    assert "has no IPv4 address, only IPv6" in places[WEST].cables[NORTH].problem
    assert "has no IPv6 address, only IPv4" in places[NORTH].cables[WEST].problem

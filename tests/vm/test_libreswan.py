"""The planner's Libreswan cables on real plutos: both families inside and outside, two peers of one gateway, and
kernel WireGuard beside them. A gateway makes rounds as its daemon does, with probes and API servers left out.
"""

import asyncio
import itertools
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from mcnet.kernel import execute, libreswan, observe
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.errors import KernelError
from mcnet.model.kernel import HostFacts
from mcnet.model.ownership import CABLES_TABLE, GATEWAY, LIBRESWAN_FILES
from mcnet.plan import gateway, libreswan_cable, transition, wireguard_cable
from mcnet.plan.cable import CablePath, own_address
from mcnet.plan.choice import Health
from mcnet.plan.diff import diff
from mcnet.plan.gateway import Decision
from mcnet.plan.libreswan_cable import requests
from tests.fakes.identities import identity_of
from tests.fakes.worlds import DUAL_MEMBER, EAST, NORTH, WEST, endpoint, node, prefixes
from tests.netns.namespaces import Namespace, cable_process, connect, shell

SOUTH = ClusterId("south")
OUTER = {
    EAST: ("192.0.2.1", "2001:db8::1"),
    WEST: ("192.0.2.2",),
    NORTH: ("2001:db8::3",),
    SOUTH: ("198.51.100.4",),
}
PODS = {cluster: prefixes(f"10.{number}0.0.0/16", f"fd{number}0::/48") for number, cluster in enumerate(OUTER, 1)}
CLUSTERS = tuple(Cluster(one, pods, (), identity_of(one).public) for one, pods in PODS.items())
OPTIONS = ClusterSet("libreswan", drivers_for_pairs={frozenset({EAST, SOUTH}): "wireguard"})
WITH_PLUTO = (EAST, WEST, NORTH)
NO_PROGRAM = Path("/nonexistent/wireguard-go")
PATIENCE = 100.0
"""Seconds for anything that pluto does: the machine is emulated."""

pytestmark = pytest.mark.timeout(400)


def published(cluster: ClusterId, epoch: int = 0) -> Endpoint:
    """The Endpoint of a cluster's gateway."""
    made = endpoint(cluster, 0, address=OUTER[cluster][0], routed=map(str, PODS[cluster]))
    offers = (libreswan_cable.offer(epoch), wireguard_cable.offer(identity_of(cluster), made.gateway, 0))
    return replace(made, drivers=offers, private_addresses=tuple(map(ip_address, OUTER[cluster])))


@dataclass
class Gateway:
    """The gateway of a cluster, which has heard of some Endpoints, its own among them."""

    namespace: Namespace
    own: Endpoint
    others: tuple[Endpoint, ...] = ()
    health: Mapping[str, Health] = field(default_factory=dict)
    ahead: float = 0.0
    """Seconds by which its clock is ahead."""
    decision: Decision | None = None
    """Of its last round."""

    async def _round(self) -> bool:
        """Observe, decide, apply; whether all is as it should be."""
        actual = await observe.read(GATEWAY, sysctls=())
        self.decision = made = gateway.decide(
            gateway.World(
                member=replace(DUAL_MEMBER, cluster=self.own.cluster, pod_prefixes=PODS[self.own.cluster]),
                own=self.own,
                nodes=(node(1),),
                clusters=tuple(one for one in CLUSTERS if one.id != self.own.cluster),
                endpoints=(self.own, *self.others),
                health=self.health,
                host=HostFacts(links=frozenset()),
                actual=actual,
                options=OPTIONS,
                identity=identity_of(self.own.cluster),
                clock=dict(self.decision.clock) if self.decision else {},
                now=self.ahead,
            )
        )
        assert [standing.path.problem for standing in made.cables] == [""] * len(self.others)
        changes = diff(made.state, actual)
        assert await execute.apply(changes) == ()
        if self.own.cluster not in WITH_PLUTO:
            return not changes
        libreswan.write(made.ike)
        try:
            status = await libreswan.status()
        except KernelError as error:
            if "does not listen yet" not in str(error):
                raise
            return False
        asked = requests(made.ike, status, made.former)
        assert await libreswan.perform(asked) == ()
        return not changes and not asked and {one.name for one in made.ike} <= status.established

    async def settle(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await self._round():  # noqa: ASYNC110  # there is no event to wait for
                await asyncio.sleep(0.2)

    def path_to(self, other: ClusterId) -> CablePath:
        """The cable that is wanted."""
        assert self.decision is not None
        (found,) = [
            path
            for path in self.decision.probed
            if path.endpoint.cluster == other and path not in self.decision.former
        ]
        return found

    def devices(self) -> set[str]:
        assert self.decision is not None
        return {link.name for link in self.decision.state.links}


def settle(*gateways: Gateway) -> None:
    """All of them at once, since one needs the other."""
    for running in [one.namespace.start(one.settle()) for one in gateways]:
        running.result(PATIENCE)


@pytest.fixture(scope="module")
def places() -> Iterator[dict[ClusterId, Namespace]]:
    """East in the middle, joined to each of the others by a network of its own; with a cable process where pluto is
    needed. They stay for all tests: an emulated machine takes long to start them."""
    with ExitStack() as stack:
        made = {cluster: stack.enter_context(Namespace()) for cluster in OUTER}
        connect(made[EAST], made[WEST], name="wan0", addresses=("192.0.2.1/24", "192.0.2.2/24"))
        connect(made[EAST], made[NORTH], name="wan1", addresses=("2001:db8::1/64", "2001:db8::3/64"))
        connect(made[EAST], made[SOUTH], name="wan2", addresses=("198.51.100.1/24", "198.51.100.4/24"))
        made[SOUTH].run(shell("ip route add default via 198.51.100.1"))
        for place in made.values():
            place.run(
                shell(
                    f"mkdir -p {LIBRESWAN_FILES} && mount -t tmpfs -o mode=700 none {LIBRESWAN_FILES};"
                    f"ip rule add pref 303 lookup {CABLES_TABLE}; ip -6 rule add pref 303 lookup {CABLES_TABLE}"
                )
            )
        processes = {made[cluster]: cable_process(NO_PROGRAM) for cluster in WITH_PLUTO}
        starting = {place: place.start(process.__aenter__()) for place, process in processes.items()}
        for place, process in processes.items():
            starting[place].result(PATIENCE)
            stack.callback(lambda one=place, held=process: one.run(held.__aexit__(None, None, None)))
        yield made


@pytest.fixture
def clusters(places: dict[ClusterId, Namespace]) -> Iterator[dict[ClusterId, Gateway]]:
    """Each with its gateway. East knows of west, all others of east; at the end nobody knows of anybody, and so there
    is nothing left."""
    made = {cluster: Gateway(place, published(cluster)) for cluster, place in places.items()}
    for cluster, one in made.items():
        one.others = (published(WEST if cluster == EAST else EAST),)
    yield made
    for one in made.values():
        one.others = ()
    settle(*made.values())
    assert not set().union(*(one.devices() for one in made.values()))


async def answered(source: str, target: str) -> bool:
    process = await asyncio.create_subprocess_exec(
        "ping", "-n", "-q", "-c", "3", "-i", "0.1", "-W", "5", "-I", source, target, stdout=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


def pings(one: Gateway, path: CablePath) -> bool:
    """From end to end of a cable, in both families."""
    return all(
        one.namespace.run(answered(str(own_address(one.own, path, family)), str(path.address(family))))
        for family in (4, 6)
    )


def test_both_families_pass_by_every_cable_beside_wireguard(clusters: dict[ClusterId, Gateway]) -> None:
    east = clusters[EAST]
    east.others = (published(WEST), published(NORTH))
    settle(east, clusters[WEST], clusters[NORTH])
    east.others = (published(WEST), published(NORTH), published(SOUTH))
    settle(east, clusters[SOUTH])
    paths = {cluster: east.path_to(cluster) for cluster in (WEST, NORTH, SOUTH)}
    assert {cluster: (path.driver, path.outer) for cluster, path in paths.items()} == {
        WEST: ("libreswan", 4),
        NORTH: ("libreswan", 6),
        SOUTH: ("wireguard", 4),
    }
    assert east.devices() == {path.device for path in paths.values()}
    for path in paths.values():
        assert pings(east, path), path.device
    sockets = east.namespace.run(shell("ss -Hulnp 'sport = :4500'"))
    assert sockets, "WireGuard's first port"
    assert "pluto" not in sockets


def test_a_new_key_is_a_second_cable_that_is_up_before_the_first_goes(clusters: dict[ClusterId, Gateway]) -> None:
    east, west = clusters[EAST], clusters[WEST]
    settle(east, west)
    old = east.path_to(WEST)
    east.own = published(EAST, epoch=1)
    west.others = (east.own,)
    settle(east, west)
    new = east.path_to(WEST)
    assert east.devices() == {old.device, new.device}
    assert pings(east, old)
    assert pings(east, new)
    for one, other in ((east, WEST), (west, EAST)):
        path = one.path_to(other)
        one.health = {path.probe(family): Health.UP for family in path.families}
    settle(east, west)
    east.ahead = west.ahead = transition.GRACE + 1
    settle(east, west)
    assert east.devices() == {new.device}
    assert pings(east, new)


def spis(one: Gateway) -> set[str]:
    """Of all states that the kernel has."""
    words = one.namespace.run(shell("ip xfrm state")).split()
    return {after for word, after in itertools.pairwise(words) if word == "spi"}


def test_after_a_pluto_was_killed_nothing_of_it_is_left_and_the_cable_comes_back(
    clusters: dict[ClusterId, Gateway],
) -> None:
    east, west = clusters[EAST], clusters[WEST]
    settle(east, west)
    west.namespace.run(
        shell(
            "ip xfrm state add src 203.0.113.1 dst 203.0.113.2 proto esp spi 0x1234 reqid 7 mode tunnel"
            f" aead 'rfc4106(gcm(aes))' 0x{'01' * 20} 128"
        )
    )
    before = spis(west)
    os.kill(int(west.namespace.run(shell(f"cat {LIBRESWAN_FILES}/pluto.pid"))), signal.SIGKILL)
    settle(west, east)
    assert pings(east, east.path_to(WEST))
    assert before & spis(west) == {"0x00001234"}, "somebody else's state stays, and no other from before"

"""A path whose other end goes silent leaves all groups of the real kernel: by the prober's process alone, without an
API server and without a round."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from mcnet.kernel import execute, observe
from mcnet.loop.failover import Failover
from mcnet.model.kernel import Change, FdbEntry, KernelState, Link, Neighbour, NextHop, NextHopGroup, Route, Vxlan
from mcnet.model.ownership import (
    CABLE_VNI,
    CABLES_TABLE,
    GATEWAY,
    RESILIENT_BUCKETS,
    VXLAN_CABLE_DEVICE,
    NextHopKind,
    nexthop_id,
)
from mcnet.model.probe import Target
from mcnet.plan.diff import diff
from mcnet.plan.failover import Lost
from mcnet.probe.supervised import SupervisedProber
from tests.netns.namespaces import Namespace, connect, eventually, shell

INTERVAL = 0.1
FAR = {1: ip_address("245.0.0.2"), 2: ip_address("245.0.0.3")}
"""Inner addresses of two remote gateways: one namespace has both, each with a MAC address of its own."""
MACS = {0: "02:00:00:00:00:01", 1: "02:00:00:00:00:02", 2: "02:00:00:00:00:02"}
HOPS = {
    number: NextHop(nexthop_id(NextHopKind.CABLE_MEMBER4, 8 + number), VXLAN_CABLE_DEVICE, address, 4)
    for number, address in FAR.items()
}


def group(number: int, *members: int) -> NextHopGroup:
    ids = tuple((HOPS[member].id, 1) for member in members)
    return NextHopGroup(nexthop_id(NextHopKind.CABLE_GROUP4, number), 4, ids, RESILIENT_BUCKETS)


GROUPS = frozenset({group(8, 1, 2), group(16, 1, 2), group(24, 1)})
"""The last one leads by the first gateway only."""


def near() -> KernelState:
    local = Vxlan(CABLE_VNI, 4520, ip_address("192.0.2.1"))
    return KernelState(
        links=frozenset(
            {Link(VXLAN_CABLE_DEVICE, 1400, MACS[0], local, addresses=frozenset({ip_interface("245.0.0.1/8")}))}
        ),
        neighbours=frozenset(Neighbour(VXLAN_CABLE_DEVICE, address, MACS[one]) for one, address in FAR.items()),
        fdb=frozenset({FdbEntry(VXLAN_CABLE_DEVICE, MACS[1], ip_address("192.0.2.2"))}),
        nexthops=frozenset(HOPS.values()),
        groups=GROUPS,
        routes=frozenset(
            Route(CABLES_TABLE, ip_network(f"10.{number}.0.0/16"), nexthop=group(number, 1).id)
            for number in (8, 16, 24)
        ),
    )


def far() -> KernelState:
    local = Vxlan(CABLE_VNI, 4520, ip_address("192.0.2.2"))
    addresses = frozenset(ip_interface(f"{address}/8") for address in FAR.values())
    return KernelState(
        links=frozenset({Link(VXLAN_CABLE_DEVICE, 1400, MACS[1], local, addresses=addresses)}),
        neighbours=frozenset({Neighbour(VXLAN_CABLE_DEVICE, ip_address("245.0.0.1"), MACS[0])}),
        fdb=frozenset({FdbEntry(VXLAN_CABLE_DEVICE, MACS[0], ip_address("192.0.2.1"))}),
    )


async def bring(desired: KernelState) -> None:
    changes = diff(desired, await observe.read(GATEWAY, sysctls=()))
    assert await execute.apply(changes) == ()


class Watcher:
    """Prober and failover as a gateway wires them, and what they did."""

    def __init__(self) -> None:
        self.prober = SupervisedProber(interval=INTERVAL)
        self.failover = Failover(execute.apply, partial(observe.read, GATEWAY, sysctls=()), done=self._done)
        self.done: list[Change] = []
        self.refused: list[str] = []
        self.prober.on_change = self._changed

    def states(self) -> dict[str, str]:
        return {key: path.state for key, path in self.prober.snapshot().items()}

    def _changed(self) -> None:
        gone = {int(key) for key, state in self.states().items() if state == "down"}
        self.failover.lost(Lost(frozenset(HOPS[number] for number in gone)))

    def _done(self, changes: Sequence[Change], refused: Sequence[str], _: KernelState, __: KernelState) -> None:
        self.done += changes
        self.refused += refused


@asynccontextmanager
async def watching() -> AsyncIterator[Watcher]:
    await bring(near())
    watcher = Watcher()
    watcher.failover.holds(near())
    watcher.prober.set_targets(
        frozenset(
            Target(str(number), address, VXLAN_CABLE_DEVICE, ip_address("245.0.0.1"))
            for number, address in FAR.items()
        )
    )
    tasks = [asyncio.create_task(watcher.prober.run()), asyncio.create_task(watcher.failover.run())]
    try:
        await eventually(lambda: set(watcher.states().values()) == {"up"})
        yield watcher
        assert watcher.refused == []
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def silence(remote: Namespace, number: int) -> None:
    """What comes for one gateway is dropped without a word, its device and link stay up."""
    rule = f"ip daddr {FAR[number]} drop"
    table = f"nft 'table inet t{number} {{ chain i {{ type filter hook input priority 0; {rule}; }}; }}'"
    await asyncio.to_thread(remote.run, shell(table))


@pytest.fixture
def remote(namespace: Namespace, peer: Namespace) -> Namespace:
    """The remote gateways, connected to the namespace of the near one."""
    connect(namespace, peer, name="wan0", addresses=("192.0.2.1/24", "192.0.2.2/24"))
    peer.run(bring(far()))
    return peer


def test_a_silent_path_leaves_all_groups_and_the_last_of_one_stays(namespace: Namespace, remote: Namespace) -> None:
    async def body() -> None:
        async with watching() as watcher:
            await silence(remote, 1)
            await eventually(lambda: len(watcher.done) == 2)
            found = await observe.read(GATEWAY, sysctls=())
            assert found.groups == {group(8, 2), group(16, 2), group(24, 1)}
            assert found.routes == near().routes
            await silence(remote, 2)
            await eventually(lambda: watcher.states()["2"] == "down")
            assert (await observe.read(GATEWAY, sysctls=())).groups == found.groups, (
                "all are lost: the last set stays"
            )

    namespace.run(body())


def test_one_next_hop_leaves_every_group_in_one_request(namespace: Namespace, remote: Namespace) -> None:
    async def body() -> None:
        async with watching() as watcher:
            await silence(remote, 2)
            await eventually(lambda: len(watcher.done) == 1)
            found = await observe.read(GATEWAY, sysctls=())
            assert found.groups == {group(8, 1), group(16, 1), group(24, 1)}
            assert found.nexthops == {HOPS[1]}
            # The round that follows wants just that, and has nothing left to do.
            wanted = replace(near(), nexthops=frozenset({HOPS[1]}), groups=found.groups)
            assert diff(wanted, found) == ()

    namespace.run(body())


def test_a_killed_prober_changes_no_group(namespace: Namespace, remote: Namespace) -> None:
    async def body() -> None:
        async with watching() as watcher:
            await silence(remote, 2)
            await eventually(lambda: len(watcher.done) == 1)
            before = await observe.read(GATEWAY, sysctls=())
            for _ in range(3):
                process = watcher.prober.process_id
                os.kill(process, signal.SIGKILL)
                await eventually(lambda: watcher.prober.process_id not in (0, process))  # noqa: B023
                counted = watcher.prober.snapshot()
                await eventually(lambda: watcher.prober.snapshot()["1"] != counted["1"])  # noqa: B023
                assert watcher.states() == {"1": "up", "2": "down"}
            assert await observe.read(GATEWAY, sysctls=()) == before
            assert len(watcher.done) == 1

    namespace.run(body())

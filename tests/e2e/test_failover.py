"""All gateways carry traffic, and losing one of them: flows between pods of workers while gateways fail.

Two clusters of two gateways and a worker each; east's API server is the broker. Faults leave one path at least.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mcnet.lab.impair import LinkName
from mcnet.lab.spec import LabSpec
from mcnet.model.gateway import CableState
from tests.e2e import gateway_faults as faults
from tests.e2e.aftermath import picture
from tests.e2e.clusterset import CLUSTERS, Clusterset, brought_up, eventually
from tests.e2e.flows import flowing
from tests.e2e.gateway_faults import Fault

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

GATEWAYS = ("east-n1", "east-n2", "west-n1", "west-n2")
PLACES = tuple(f"{cluster}/n{number}" for cluster in CLUSTERS for number in (1, 2, 3))
SECONDS = float(os.environ.get("MCNET_RANDOM_SECONDS", "60"))
SEED = int(os.environ.get("MCNET_RANDOM_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clusterset]:
    """MCNET_E2E_LAB names a lab of three nodes a cluster that is up: it is used and left up."""
    spec = LabSpec(name=f"f{os.getpid()}", nodes=3)
    existing = os.environ.get("MCNET_E2E_LAB", "")
    async with brought_up(spec, tmp_path_factory.mktemp("failover"), existing=existing) as made:
        await made.mcnet("deploy-broker", "--context", "east")
        for cluster in CLUSTERS:
            by = ("--context", cluster, "--broker-context", "east")
            await made.mcnet("join", "broker-info.mcnet", *by, "--gateways", "2")
        await whole(made)
        yield made


async def test_every_cable_carries_flows(made: Clusterset) -> None:
    """From workers as from gateways. All nodes of a lab share one kernel, hence one secret of its hash, and a packet
    keeps its hash on the way: from a worker only as many cables are used as there are gateways."""
    before = await _sent(made)
    flows, seconds, interval = 64, 4.0, 0.1
    async with (
        flowing(made, made.pod("west-n3"), made.pod("east-n3"), flows=flows, interval=interval),
        flowing(made, made.pod("west-n1"), made.pod("east-n3"), flows=flows, interval=interval, port=7008),
        flowing(made, made.pod("west-n2"), made.pod("east-n3"), flows=flows, interval=interval, port=7009),
    ):
        await asyncio.sleep(seconds)
    after = await _sent(made)
    sent = {one: after[one] - before[one] for one in after}
    # A fifth of an equal share; probes are some forty packets.
    least = 40 + 3 * flows * (seconds / interval) / len(sent) / 5
    assert {one: count for one, count in sent.items() if count < least} == {}, sent


async def _sent(made: Clusterset) -> dict[tuple[str, str], int]:
    """Packets that each of west's gateways has sent over each of its cables, which have a device each."""
    found = {}
    for place in ("west/n1", "west/n2"):
        for link in json.loads((await made.node(place, "ip", "-j", "-s", "link")).output):
            if link["ifname"].startswith("mcnet-cw"):
                found[place, link["ifname"]] = link["stats64"]["tx"]["packets"]
    assert len(found) == 4, found
    return found


@pytest.mark.parametrize(
    "fault",
    [
        faults.killed("west-n1"),
        faults.killed("west-n3", "mcnet_route_agent"),
        faults.deleted("west-n2"),
        faults.updated("west"),
        faults.drained("west-n1"),
        faults.cordoned("east-n2"),
        faults.at_once(faults.stopped("west"), faults.killed("west-n1")),
    ],
    ids=lambda fault: fault.name,
)
async def test_what_costs_no_packet(made: Clusterset, fault: Fault) -> None:
    async with flowing(made, made.pod("west-n3"), made.pod("east-n3")) as flows:
        await asyncio.sleep(1)
        await fault.begin(made)
        try:
            if fault.node:
                await eventually(lambda: _carries_nothing(made, fault.node), 30, f"nothing crosses {fault.node}")
            await asyncio.sleep(5)
        finally:
            await fault.end(made)
        await whole(made)
        await asyncio.sleep(2)
    assert (flows.lost, flows.interrupted) == (0, 0), flows.found


@pytest.mark.parametrize(
    "fault",
    [
        faults.cut("west-n1", LinkName.WAN),
        faults.cut("west-n1", LinkName.CLUSTER),
        faults.gone("west-n2"),
        faults.at_once(faults.stopped("west"), faults.cut("west-n1", LinkName.WAN)),
        faults.at_once(faults.stopped("east"), faults.gone("east-n2")),
        faults.at_once(faults.stopped("east"), faults.cut("west-n2", LinkName.CLUSTER)),
    ],
    ids=lambda fault: fault.name,
)
async def test_what_is_lost_for_a_moment_only(made: Clusterset, fault: Fault) -> None:
    async with flowing(made, made.pod("west-n3"), made.pod("east-n3")) as flows:
        await asyncio.sleep(1)
        began = time.time()
        await fault.begin(made)
        try:
            await asyncio.sleep(5)
        finally:
            await fault.end(made)
            ended = time.time()
        await whole(made)
        await asyncio.sleep(2)
    print(f"{fault.name}: UDP {flows.udp:.3f} s, TCP {flows.tcp:.3f} s, {flows.interrupted} flows interrupted")
    for flow in flows.found:
        print(flow.name, [(f"{start - began:.3f}", f"{seconds:.3f}") for start, seconds in flow.runs], flow.slowest)
    assert flows.udp < fault.bound
    assert flows.tcp < fault.bound + 1
    assert flows.interrupted > 0, "the fault was there"
    late = [run for flow in flows.found if flow.is_udp for run in flow.runs if run[0] > ended]
    assert late == [], f"coming back costs nothing (it began at {began}, ended at {ended})"


async def test_random_faults(made: Clusterset) -> None:
    """In any overlap that leaves a path on each side; by the seed the same ones again."""
    print(f"MCNET_RANDOM_SEED={SEED} MCNET_RANDOM_SECONDS={SECONDS:g}")
    choice = random.Random(SEED)
    before = {place: await picture(made, place) for place in PLACES}
    running: list[tuple[float, Fault]] = []
    told: list[str] = []
    async with flowing(made, made.pod("west-n3"), made.pod("east-n3")) as flows:
        end = time.time() + SECONDS
        try:
            while time.time() < end:
                for until, fault in [one for one in running if one[0] <= time.time()]:
                    await fault.end(made)
                    print(f"{time.time():.1f} over: {fault.name}")
                    running.remove((until, fault))
                for fault in choice.sample(possible := _possible(running, told), min(1, len(possible))):
                    told.append(fault.name)
                    print(f"{time.time():.1f} {fault.name}")
                    running.append((time.time() + choice.uniform(1, 12), fault))
                    await fault.begin(made)
                await asyncio.sleep(choice.uniform(0.2, 4))
        finally:
            for _, fault in reversed(running):
                await fault.end(made)
        await whole(made)
        await asyncio.sleep(2)
    print(f"UDP {flows.udp:.3f} s, TCP {flows.tcp:.3f} s")
    for start, seconds in sorted({run for flow in flows.found for run in flow.runs if run[1] > faults.LOSS / 2}):
        print(f"{start:.1f} interrupted for {seconds:.3f} s")
    assert flows.udp < faults.LOSS
    assert flows.tcp < faults.LOSS + 1
    await eventually(lambda: _as_before(made, before), 120, "every kernel is as at the beginning")


def _possible(running: list[tuple[float, Fault]], told: list[str]) -> list[Fault]:
    """Faults that leave a gateway on each side that nothing else has taken out, each at most once at a time. No link
    goes while a daemon is away, which would not notice, nor an API server, without which it would not come back; and
    each daemon is killed once, else its kubelet takes ever longer to start it."""
    out = {fault.node for _, fault in running if fault.node}
    stopped = {fault.name for _, fault in running}
    free = [
        node
        for node in GATEWAYS
        if node not in out and not any(other.partition("-")[0] == node.partition("-")[0] for other in out)
    ]
    kills = [faults.killed(node) for node in GATEWAYS if node not in out]
    kills.append(faults.killed("west-n3", "mcnet_route_agent"))
    away = {cluster for cluster in CLUSTERS if faults.stopped(cluster).name in stopped}
    made = [fault for fault in kills if fault.name not in told and fault.asks not in away]
    for node in free:
        if not any(fault.process for _, fault in running):
            made += [faults.cut(node, LinkName.WAN), faults.cut(node, LinkName.CLUSTER), faults.gone(node)]
        if node.partition("-")[0] not in away:
            made.append(faults.cordoned(node))
    asked = {fault.asks for _, fault in running}
    made += [faults.stopped(cluster) for cluster in CLUSTERS if cluster not in asked]
    return [fault for fault in made if fault.name not in stopped]


async def whole(made: Clusterset) -> None:
    """Wait until all four cables carry traffic, as both sides see it."""

    async def is_whole() -> bool:
        cables = await made.cables()
        return len(cables) == 8 and all(cable.state is CableState.CONNECTED and cable.active for cable in cables)

    await eventually(is_whole, 180, "all cables carry traffic")


async def _carries_nothing(made: Clusterset, node: str) -> bool:
    other = "east" if node.startswith("west") else "west"
    return not any(cable.active for cable in await made.cables_of(other) if cable.gateway == node)


async def _as_before(made: Clusterset, before: dict[str, list[str]]) -> bool:
    return all([await picture(made, place) == before[place] for place in PLACES])

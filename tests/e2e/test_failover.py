"""All gateways carry traffic, and losing one of them: flows between pods of workers while gateways fail.

Two clusters of two gateways and a worker each; east's API server is the broker. Faults leave one path at least.
"""

import asyncio
import json
import os
import random
import time
from typing import TypeAlias

import pytest
import pytest_asyncio

from mcnet.lab.impair import LinkName
from tests.e2e import gateway_faults as faults
from tests.e2e import load, lookups
from tests.e2e.aftermath import picture
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually
from tests.e2e.flows import Flows, flowing
from tests.e2e.gateway_faults import Fault
from tests.e2e.random_faults import Told, acts

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(900)]

Pictures: TypeAlias = dict[str, list[str]]

PLACES = tuple(f"{cluster}/n{number}" for cluster in CLUSTERS for number in (1, 2, 3))
SECONDS = float(os.environ.get("MCNET_RANDOM_SECONDS", "60"))
AWAY = 20.0
"""Seconds until a daemon that was killed for the first time is back, on a machine with all this to do."""
NOTICED = faults.LOSS + 1
"""Seconds after which a daemon that has just started has noticed what was lost before: a second for what has never
answered, and ten probes."""
SEED = int(os.environ.get("MCNET_RANDOM_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def fresh(made: Clusterset) -> Pictures:
    """What every kernel holds before anything has failed."""
    found = {place: await picture(made, place) for place in PLACES}
    assert all(any("mcnet" in line for line in lines) for lines in found.values())
    return found


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
        faults.without_overlay("west-n1"),
        faults.gone("west-n2"),
        faults.deaf("west-n2"),
        faults.deaf("west-n1", to="east-n2"),
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


async def test_random_faults(made: Clusterset, fresh: Pictures) -> None:
    """In any overlap that leaves a path on each side; by the seed the same ones again. What a daemon that is away
    does not notice may last until it is back, and a moment as if it had happened then."""
    print(f"MCNET_RANDOM_SEED={SEED} MCNET_RANDOM_SECONDS={SECONDS:g}")
    planned = acts(SEED, SECONDS)
    print(*planned, sep="\n")
    told = Told()
    async with lookups.exported(made, "east", "west-n3") as name:
        try:
            async with flowing(made, made.pod("west-n3"), made.pod("east-n3"), name=name) as flows:
                await told.run(made, planned)
                await whole(made)
                await asyncio.sleep(2)
            print(f"UDP {flows.udp:.3f} s, TCP {flows.tcp:.3f} s, look-ups {flows.dns.slowest:.3f} s")
            late = _too_long(flows, told)
            assert not late, "\n".join(late)
            assert [(found, told.during(moment)) for moment, found in flows.dns.wrong] == []
            assert flows.dns.slowest < faults.LOOKUP
            assert all(back - began < AWAY for began, back in told.away), told.away
        except BaseException as error:
            error.add_note(f"MCNET_RANDOM_SEED={SEED} MCNET_RANDOM_SECONDS={SECONDS:g} makes these faults again")
            raise
    await _as_fresh(made, fresh)


def _too_long(flows: Flows, told: Told) -> list[str]:
    """Interruptions and waits that nothing excuses, and during what they were. A look-up stays in its cluster, on one
    node: no fault of a gateway costs it its answer."""
    lost = [
        (flow.name, start, seconds)
        for flow in flows.found
        for start, seconds in flow.runs
        if flow.name == "dns" or (seconds >= faults.LOSS and not told.excused(start, seconds, bound=faults.LOSS))
    ]
    # TCP sends again after twice the time that it waited before (RFC 6298, 5.5).
    slow = [
        (flow.name, sent, wait)
        for flow in flows.found
        for sent, wait in flow.slow
        if flow.name.startswith("tcp")
        and wait >= faults.LOSS + 1
        and not told.excused(sent, wait, bound=faults.LOSS, slower=2.0)
    ]
    return [
        f"{name} interrupted for {seconds:.3f} s from {start:.1f} on, during: {told.during(start)}"
        for name, start, seconds in (*lost, *slow)
    ]


@pytest.mark.parametrize(
    ("node", "program", "fault"),
    [
        ("west-n3", "mcnet_route_agent", faults.gone("west-n1")),
        ("west-n2", "mcnet_gateway", faults.gone("east-n1")),
    ],
    ids=["a gateway, seen by a node", "a cable, seen by a gateway"],
)
async def test_what_fails_while_a_daemon_is_away_is_noticed_when_it_starts(
    made: Clusterset, node: str, program: str, fault: Fault
) -> None:
    """Though no API server tells it anything: of what it finds in use, what does not answer is not used."""
    await faults.replaced(made, node, program.removeprefix("mcnet_").replace("_", "-"))
    await whole(made)
    away = faults.at_once(faults.stopped("west"), faults.killed(node, program))
    async with flowing(made, made.pod("west-n3"), made.pod("east-n3")) as flows:
        await asyncio.sleep(1)
        await away.begin(made)
        await fault.begin(made)
        try:
            await eventually(lambda: faults.says(made, node, program, "healthz"), 60, f"{program} of {node} is back")
            back = time.time()
            await asyncio.sleep(NOTICED + 1)
            assert not await faults.says(made, node, program, "readyz"), "its API server is away"
        finally:
            await fault.end(made)
            await away.end(made)
        await whole(made)
        await asyncio.sleep(2)
    runs = [(flow.name, start - back, start + seconds - back) for flow in flows.found for start, seconds in flow.runs]
    print(f"{flows.interrupted} flows interrupted; until when after it was back: {sorted(run[2] for run in runs)}")
    assert flows.interrupted > 0, "the fault was there"
    assert max(until for _, _, until in runs) < NOTICED, runs


async def test_a_busy_machine_is_no_fault(made: Clusterset) -> None:
    """Every processor has twice more to do than it can: no path is given up for it, not even for a moment."""
    before = await load.seen(made)
    began = time.time()
    async with (
        load.busy(),
        flowing(made, made.pod("west-n3"), made.pod("east-n3")) as flows,
        flowing(made, made.pod("west-n3"), made.pod("west-n2"), port=7008) as inside,
    ):
        await asyncio.sleep(load.SECONDS)
    print(f"UDP {flows.udp:.3f} s, inside of a cluster {inside.udp:.3f} s; TCP {flows.tcp:.3f} s, {inside.tcp:.3f} s")
    assert await load.alarms(made, began) == []
    assert await load.seen(made) == before
    assert flows.udp <= inside.udp, "what a busy machine loses it loses inside of a cluster too"


async def whole(made: Clusterset) -> None:
    """Wait until all four cables carry traffic, as both sides see it."""
    await made.all_carry(8)


async def _carries_nothing(made: Clusterset, node: str) -> bool:
    other = "east" if node.startswith("west") else "west"
    return not any(cable.active for cable in await made.cables_of(other) if cable.gateway == node)


async def _as_fresh(made: Clusterset, fresh: Pictures) -> None:
    """Wait until every kernel holds what it held when all had just started."""
    differs: list[str] = []

    async def equal() -> bool:
        differs[:] = [
            f"{place}: {line}" for place in PLACES for line in set(await picture(made, place)) ^ set(fresh[place])
        ]
        return not differs

    try:
        await eventually(equal, 120, "every kernel is as after a fresh start")
    except AssertionError as error:
        raise AssertionError(f"{error}:\n" + "\n".join(sorted(differs))) from None

"""A machine whose processors are all busy, and what mcnet has taken for a fault meanwhile."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

from mcnet.lab.lab import place_of
from tests.e2e.aftermath import events
from tests.e2e.clusterset import Clusterset

SECONDS = float(os.environ.get("MCNET_LOAD_SECONDS", "30"))
Seen: TypeAlias = dict[str, object]


@asynccontextmanager
async def busy() -> AsyncIterator[None]:
    """Two programs for each processor that want all of it, with the priority that programs have by default."""
    burning = []
    try:
        for _ in range(2 * (os.cpu_count() or 1)):
            burning.append(await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass"))
            os.setpriority(os.PRIO_PROCESS, burning[-1].pid, 0)
        yield
        assert all(one.returncode is None for one in burning), "it was busy until the end"
    finally:
        for one in burning:
            one.kill()
            await one.wait()


async def seen(made: Clusterset) -> Seen:
    """What any verdict about a path would have changed: states of cables and since when, what nodes wrote to their
    kernels for gateways that they left or took, how often daemons started."""
    found: Seen = {}
    for cluster in made.clusters:
        for cable in await made.cables_of(cluster):
            found[f"{cluster} {cable.local_address} to {cable.gateway}"] = (cable.state, cable.since, cable.active)
    for node in made.lab.topology.nodes:
        place = place_of(node)
        for line in (await made.node(place, "curl", "-sf", "http://127.0.0.1:4582/metrics")).output.splitlines():
            if line.startswith(("mcnet_kernel_changes_total", "mcnet_gateway_up", "process_start_time_seconds")):
                name, _, value = line.rpartition(" ")
                found[f"{place} {name}"] = value
    return found


async def alarms(made: Clusterset, since: float) -> list[str]:
    """What was told of cables since then (seconds since the epoch)."""
    return [
        f"{event['regarding']['name']}: {event['reason']}: {event['note']}"
        for cluster in made.clusters
        for event in await events(made, cluster, since)
        if event["reason"].startswith("Cable")
    ]

"""Services between two clusters and a broker: three real API servers on this machine, each daemon its own process.

From exports posted at once until all can be used in the other cluster; from a change of an endpoint until it is in
the other cluster's slice; imports from nothing; what is written for it, and what the daemons need. The baseline is a
bare client that writes the same objects to the same servers.
"""

import asyncio
import itertools
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from statistics import median, quantiles

from mcnet.install.leave_services import remove_services
from mcnet.kube.kinds import ENDPOINT_SLICE, NAMESPACE, SERVICE_IMPORT
from mcnet.model.service import SERVICE_NAME_LABEL
from tests.apiserver.service_members import Cluster
from tests.bench.document import table
from tests.bench.services_bed import Daemon, Servers, at_once, servers

MOST = int(os.environ.get("MCNET_BENCH_SERVICES", "5000"))
CHANGES = int(os.environ.get("MCNET_BENCH_CHANGES", "100"))
POSTED = (200, 1000)
"""How many exports are posted at once, and at how many services an endpoint is changed."""
NAME = "shop"
POSTED_BOUND, ANEW_BOUND, CHANGED_BOUND, CHANGED_WORST, MEMORY_BOUND = 10.0, 60.0, 100.0, 300.0, 250.0
"""Seconds for 1,000 exports and for 5,000 imports; milliseconds, median and 99th percentile; MB."""

Rows = list[list[str]]
_FRESH = itertools.count()
"""Ends of addresses that were not there before."""


async def run() -> str:
    rows: Rows = []
    async with servers() as made:
        east, west = made.clusterset.east, made.clusterset.west
        for cluster in (east, west):
            await cluster.api.create(NAMESPACE, {"metadata": {"name": NAME}})
        await at_once(range(MOST), lambda number: east.serve(NAME, f"s{number}", addresses=(1,)))
        async with made.daemon(east) as exporter:
            async with made.daemon(west) as importer:
                await _grow(made, (exporter, importer), rows)
                _note(rows, await _resources({"exporter": exporter, "importer": importer}))
            await remove_services(west.api)
            async with made.daemon(west) as importer:
                begun = time.monotonic()
                await _usable(west, range(MOST))
                rows.append(
                    [f"{MOST:,} imports from nothing", _seconds(time.monotonic() - begun), _bound(ANEW_BOUND)]
                )
                await importer.settled()
                _note(rows, await _resources({"importer anew": importer}))
    return table(("what", "measured", "aim"), rows)


async def _grow(made: Servers, daemons: tuple[Daemon, Daemon], rows: Rows) -> None:
    """From none to MOST services, measured on the way."""
    there = 0
    for changed, posted in ((100, 200), (1000, 1000), (MOST, 0)):
        if there >= MOST:
            break
        await _export(made, range(there, min(changed, MOST)), daemons)
        there = min(changed, MOST)
        times = [await _change(made, number, there) for number in range(CHANGES)]
        worst = quantiles(times, n=100)[98]
        figures = f"{median(times):.0f}, {worst:.0f} ms"
        rows.append(
            [
                f"an endpoint changes, of {there:,} services: p50, p99",
                figures,
                f"{CHANGED_BOUND:.0f}, {CHANGED_WORST:.0f} ms",
            ]
        )
        print(rows[-1], flush=True)
        for daemon in daemons:
            await daemon.settled()
        if not posted or there + posted > MOST:
            continue
        seconds, writes = await _export(made, range(there, there + posted), daemons)
        there += posted
        rows.append(
            [
                f"{posted:,} exports posted at once, until all are usable",
                _seconds(seconds),
                _bound(POSTED_BOUND) if posted == POSTED[-1] else "–",
            ]
        )
        print(rows[-1], flush=True)
        for what, count in sorted(writes.items()):
            print("   ", what, count / posted)
        rows.append([f"writes of the daemons for each of them", f"{sum(writes.values()) / posted:.1f}", "–"])


async def _export(
    made: Servers, numbers: range, daemons: tuple[Daemon, Daemon]
) -> tuple[float, Counter[tuple[str, ...]]]:
    """Post these exports; seconds until all are usable in west, and what was written until all is done."""
    before = [await one.writes() for one in daemons]
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(_usable(made.clusterset.west, numbers))
        group.create_task(at_once(numbers, lambda number: made.clusterset.east.export(NAME, f"s{number}")))
    seconds = time.monotonic() - begun
    for daemon in daemons:
        await daemon.settled()
    print(f"   all done after {time.monotonic() - begun - 1:.1f} s")
    writes: Counter[tuple[str, ...]] = Counter()
    for side, daemon, earlier in zip(("east", "west"), daemons, before, strict=True):
        for key, count in (await daemon.writes() - earlier).items():
            writes[side, *key] += count
    return seconds, writes


async def _usable(cluster: Cluster, numbers: range) -> None:
    """Until each of these has its clusterset IP and its endpoints."""
    wanted = {f"s{number}" for number in numbers}

    async def seen(kind: object, name_of: Callable[[dict], str | None]) -> None:
        left = set(wanted)
        while left:
            async for what, obj in cluster.api.watch(kind, NAME):
                if what != "DELETED":
                    left.discard(name_of(obj))
                if not left:
                    break

    await asyncio.gather(
        seen(SERVICE_IMPORT, lambda obj: obj["metadata"]["name"] if obj["spec"].get("ips") else None),
        seen(ENDPOINT_SLICE, lambda obj: (obj["metadata"].get("labels") or {}).get(SERVICE_NAME_LABEL)),
    )


async def _change(made: Servers, number: int, count: int) -> float:
    """Milliseconds."""
    east, west = made.clusterset.east, made.clusterset.west
    name, last = f"s{number * 7 % count}", 2 + next(_FRESH) % 250
    (there,) = await west.slices(NAME, name)
    metadata = there["metadata"]
    watching = west.api.watch(
        ENDPOINT_SLICE, NAME, fields=f"metadata.name={metadata['name']}",
        resource_version=metadata["resourceVersion"],
    )  # fmt: skip

    async def arrived() -> float:
        async for _, obj in watching:
            if any(east.address(last) in end["addresses"] for end in obj.get("endpoints") or ()):
                break
        return time.monotonic()

    arriving = asyncio.create_task(arrived())
    await asyncio.sleep(0.05)  # the watch has begun
    begun = time.monotonic()
    await east.endpoints(NAME, name, last)
    return (await asyncio.wait_for(arriving, 60) - begun) * 1000


async def _resources(daemons: dict[str, Daemon]) -> Rows:
    rows = []
    for name, daemon in daemons.items():
        now = daemon.sample
        rows.append([f"memory of the {name}'s discovery", f"{now.resident:.0f} MB", f"{MEMORY_BOUND:.0f} MB"])
        rows.append([f"processor time of the {name}'s discovery", f"{now.seconds:.1f} s", "–"])
    return rows


def _note(rows: Rows, more: Rows) -> None:
    rows += more
    print(more, flush=True)


def _seconds(value: float) -> str:
    return f"{value:.1f} s"


def _bound(value: float) -> str:
    return f"{value:.0f} s"

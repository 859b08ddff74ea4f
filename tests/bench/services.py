"""Services between two clusters and a broker, three real API servers on this machine, both daemons in this process.

From exports posted at once until all are imported in the other cluster; from a change of an endpoint until it is in
the other cluster's slice; imports from nothing. The baseline is what one of these API servers takes of plain writes,
as many at a time as discovery has in hand.
"""

import asyncio
import os
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles

from mcnet.install.leave_services import remove_services
from mcnet.kube.kinds import CONFIG_MAP, ENDPOINT_SLICE, NAMESPACE, SERVICE_IMPORT
from mcnet_discovery.main import Discovery
from mcnet_discovery.services import WORKERS
from tests.apiserver.conftest import install_crds
from tests.apiserver.server import ApiServer
from tests.apiserver.service_members import Cluster, Clusterset, clusterset_of
from tests.bench.document import table

COUNT = int(os.environ.get("MCNET_BENCH_SERVICES", "1000"))
CHANGES = 100
PLAIN = 2000
"""Writes of the baseline."""
NAME = "shop"
POSTED_BOUND, CHANGED_BOUND, CHANGED_WORST = 10.0, 100.0, 300.0
"""Seconds for 1,000 exports; milliseconds, median and 99th percentile."""


async def run() -> str:
    async with servers() as both:
        for cluster in (both.east, both.west):
            await cluster.api.create(NAMESPACE, {"metadata": {"name": NAME}})
        plain = await plain_rate(both.west)
        await at_once(COUNT, lambda number: both.east.serve(NAME, f"s{number}"))
        async with both.daemons() as daemons:
            posted = await all_exported(both, daemons)
            changes = [await one_change(both, number) for number in range(CHANGES)]
        await unimported(both)
        async with both.west.daemon() as west:
            anew = await spent(lambda: idle(west))
    worst = quantiles(changes, n=100)[98]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return table(
        ("what", "measured", "bound"),
        [
            [f"{COUNT} exports posted at once, until all are imported", f"{posted:.1f} s", f"{POSTED_BOUND:.0f} s"],
            [
                "one endpoint changes, until it is in the other cluster, median",
                f"{median(changes):.0f} ms",
                f"{CHANGED_BOUND:.0f} ms",
            ],
            ["the same, 99th percentile", f"{worst:.0f} ms", f"{CHANGED_WORST:.0f} ms"],
            [f"{COUNT} imports from nothing", f"{anew:.1f} s", "–"],
            ["plain writes that one API server takes", f"{plain:.0f} a second", "–"],
            ["memory of this process, with two daemons in it", f"{memory:.0f} MB", "–"],
        ],
    )


@asynccontextmanager
async def servers() -> AsyncIterator[Clusterset]:
    """The clusterset; its servers end with it."""
    with tempfile.TemporaryDirectory() as folder:
        started = {name: ApiServer(name, Path(folder) / name) for name in ("broker", "east", "west")}
        try:
            for server in started.values():
                await server.start()
                async with await server.admin() as api:
                    await install_crds(api)
            async with clusterset_of(started["broker"], started["east"], started["west"]) as made:
                yield made
        finally:
            for server in started.values():
                server.close()


async def at_once(count: int, step: Callable[[int], Awaitable[object]]) -> None:
    """`step` for each number, some at a time."""
    limit = asyncio.Semaphore(WORKERS)

    async def one(number: int) -> None:
        async with limit:
            await step(number)

    await asyncio.gather(*map(one, range(count)))


async def spent(doing: Callable[[], Awaitable[object]]) -> float:
    """Seconds."""
    started = time.monotonic()
    await doing()
    return time.monotonic() - started


async def idle(*daemons: Discovery) -> None:
    """Returns when nothing waits to be looked at."""
    while not all(one._services.idle for one in daemons):  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.05)


async def plain_rate(cluster: Cluster) -> float:
    """Writes a second."""

    async def write(number: int) -> None:
        metadata = {"name": f"plain-{number}", "namespace": cluster.system}
        await cluster.api.create(CONFIG_MAP, {"metadata": metadata, "data": {"a": "b" * 500}})

    return PLAIN / await spent(lambda: at_once(PLAIN, write))


async def all_exported(both: Clusterset, daemons: tuple[Discovery, Discovery]) -> float:
    await idle(*daemons)
    started = time.monotonic()
    await at_once(COUNT, lambda number: both.east.export(NAME, f"s{number}"))
    visible: set[str] = set()
    async for what, obj in both.west.api.watch(SERVICE_IMPORT, NAME):
        if what != "DELETED" and obj["spec"].get("ips"):
            visible.add(obj["metadata"]["name"])
        if len(visible) == COUNT:
            break
    seconds = time.monotonic() - started
    await idle(*daemons)
    return seconds


async def one_change(both: Clusterset, number: int) -> float:
    """Milliseconds."""
    name, last = f"s{number * 7 % COUNT}", 100 + number
    (there,) = await both.west.slices(NAME, name)
    metadata = there["metadata"]
    watching = both.west.api.watch(
        ENDPOINT_SLICE, NAME, fields=f"metadata.name={metadata['name']}",
        resource_version=metadata["resourceVersion"],
    )  # fmt: skip

    async def arrived() -> float:
        async for _, obj in watching:
            if any(both.east.address(last) in end["addresses"] for end in obj.get("endpoints") or ()):
                break
        return time.monotonic()

    arriving = asyncio.create_task(arrived())
    await asyncio.sleep(0.05)  # the watch has begun
    started = time.monotonic()
    await both.east.endpoints(NAME, name, last)
    return (await asyncio.wait_for(arriving, 60) - started) * 1000


async def unimported(both: Clusterset) -> None:
    """Takes west's imports away, as if it had just joined."""
    await remove_services(both.west.api)

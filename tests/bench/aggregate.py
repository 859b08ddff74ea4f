"""Throughput between two clusters with one, two and three gateways each, whose wan links are all shaped to one rate:
what more gateways are worth.

TCP streams from a worker's pod to the other cluster's worker's, counted where they arrive. The number of gateways is
changed by draining, and the cases take turns.
"""

import asyncio
import json
import os
from collections import Counter
from statistics import median

from mcnet.lab.impair import Impairment, LinkName
from tests.bench.document import table
from tests.bench.failover import cabled, lab
from tests.e2e.aftermath import into
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually

RATE = 100
"""Mbit/s of each gateway's wan link, in each direction: three of them are little for two cores."""
STREAMS = (64, 128)
"""At once; iperf3 makes no more."""
SECONDS, PORT = 8, 5298
RUNS = int(os.environ.get("MCNET_BENCH_FEW", "5"))
AIMS = {1: 1.0, 2: 1.9, 3: 2.8}
"""Of so many gateways, times what one carries."""
_OVERLAY, _CABLES = "mcnet-vx", "mcnet-cv"
"""Devices."""
_WORKERS = tuple(f"{cluster}/n4" for cluster in CLUSTERS)
_GATEWAYS = tuple(f"{cluster}/n{number}" for cluster in CLUSTERS for number in AIMS)


async def run() -> str:
    """The table."""
    found: dict[tuple[int, int], list[float]] = {(count, streams): [] for streams in STREAMS for count in AIMS}
    async with lab("vxlan") as made:
        await cabled(made)
        await _shape(made, Impairment(rate=f"{RATE}mbit"))
        try:
            for _ in range(RUNS):
                for count in AIMS:
                    await _carrying(made, count)
                    for streams in STREAMS:
                        speeds = found[count, streams]
                        speeds.append(await _measure(made, streams))
                        print(f"  {count} gateways, {streams} streams: {speeds[-1]:.0f} Mbit/s", flush=True)
        finally:
            await _shape(made, Impairment())
    single = {streams: median(found[1, streams]) for streams in STREAMS}
    links = f"links of {RATE} Mbit/s together"
    return table(
        ("gateways in each cluster", "streams", "ratio", "least", "aim", "median", links, "runs"),
        [
            [
                str(count), str(streams), f"{median(speeds) / single[streams]:.2f}",
                f"{min(speeds) / single[streams]:.2f}", f"{AIMS[count]:.1f}" if count > 1 else "–",
                f"{median(speeds):.0f} Mbit/s", f"{count * RATE} Mbit/s", str(len(speeds)),
            ]
            for (count, streams), speeds in found.items()
        ],
    )  # fmt: skip


async def _shape(made: Clusterset, wanted: Impairment) -> None:
    for place in _GATEWAYS:
        await made.lab.impair(place, LinkName.WAN, wanted)


async def _carrying(made: Clusterset, count: int) -> None:
    """The first `count` gateways of each cluster carry traffic, each as much as the others, and nobody else."""
    for number in AIMS:
        command = "drain" if number > count else "undrain"
        for cluster in CLUSTERS:
            await made.mcnet("gateway", command, f"{cluster}-n{number}", "--context", cluster)

    async def spread() -> bool:
        workers = [await _buckets(made, place, _OVERLAY) for place in _WORKERS]
        cables = [await _buckets(made, place, _CABLES) for place in _GATEWAYS if int(place[-1]) <= count]
        return all(len(groups) == 1 and _is_even(groups[0], count) for groups in (*workers, *cables))

    await eventually(spread, 120, f"{count} gateways carry traffic, in equal shares")


async def _buckets(made: Clusterset, place: str, device: str) -> list[Counter[int]]:
    """Of each resilient group of a node over this device, how many buckets each next hop has. A next hop that joins a
    group gets them only as they fall idle (Linux, Documentation/networking/nexthop-group-resilient.rst)."""
    hops = json.loads((await made.node(place, "ip", "-j", "nexthop", "show")).output)
    over_it = {hop["id"] for hop in hops if hop.get("dev") == device}
    groups: dict[int, Counter[int]] = {}
    for one in json.loads((await made.node(place, "ip", "-j", "nexthop", "bucket", "show")).output):
        if (hop := one["bucket"]["nhid"]) in over_it:
            groups.setdefault(one["id"], Counter())[hop] += 1
    return list(groups.values())


def _is_even(buckets: Counter[int], count: int) -> bool:
    return len(buckets) == count and max(buckets.values()) - min(buckets.values()) <= 1


async def _measure(made: Clusterset, streams: int) -> float:
    """Mbit/s that arrive by so many streams together."""
    source, target = made.pod("east-n4"), made.pod("west-n4")
    server = await asyncio.create_subprocess_exec(
        *await into(made, target), "iperf3", "--server", "--one-off", "--port", str(PORT),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    command = ["iperf3", "--client", target.address, "--port", str(PORT), "--parallel", str(streams), "--json"]
    command += ["--omit", "2", "--time", str(SECONDS)]
    said = {"error": "not tried"}
    for _ in range(20):  # the server may not listen yet
        process = await asyncio.create_subprocess_exec(
            *await into(made, source), *command, stdout=asyncio.subprocess.PIPE
        )
        said = json.loads((await process.communicate())[0])
        if "error" not in said:
            await server.wait()
            return float(said["end"]["sum_received"]["bits_per_second"]) / 1e6
        await asyncio.sleep(0.2)
    server.kill()
    await server.wait()
    raise RuntimeError(f"iperf3: {said['error']}")

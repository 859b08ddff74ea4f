"""Throughput between two clusters with one, two and three gateways each, whose wan links are all shaped to one rate:
what more gateways are worth.

64 TCP streams from a worker's pod to the other cluster's worker's. The number of gateways is changed by draining, and
the three cases take turns.
"""

import asyncio
import json
import os
from statistics import median

from mcnet.lab.impair import Impairment, LinkName
from tests.bench.document import table
from tests.bench.failover import cabled, lab
from tests.e2e.aftermath import into
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually

RATE = 100
"""Mbit/s of each gateway's wan link."""
STREAMS, SECONDS, PORT = 64, 8, 5298
RUNS = int(os.environ.get("MCNET_BENCH_FEW", "5"))
AIMS = {1: 1.0, 2: 1.9, 3: 2.8}


async def run() -> str:
    """The table."""
    found: dict[int, list[float]] = {count: [] for count in AIMS}
    async with lab("vxlan") as made:
        await cabled(made)
        for cluster in CLUSTERS:
            for number in AIMS:
                await made.lab.impair(f"{cluster}-n{number}", LinkName.WAN, Impairment(rate=f"{RATE}mbit"))
        for _ in range(RUNS):
            for count in sorted(AIMS, reverse=True):
                await _carrying(made, count)
                found[count].append(await _measure(made))
                print(f"  {count} gateways: {found[count][-1]:.0f} Mbit/s", flush=True)
            for number in (2, 3):
                await _drained(made, number, drained=False)
    single = median(found[1])
    return table(
        ("gateways in each cluster", "ratio", "least", "aim", "median", f"links of {RATE} Mbit/s together", "runs"),
        [
            [
                str(count), f"{median(speeds) / single:.2f}", f"{min(speeds) / single:.2f}",
                f"{AIMS[count]:.1f}" if count > 1 else "–", f"{median(speeds):.0f} Mbit/s", f"{count * RATE} Mbit/s",
                str(len(speeds)),
            ]
            for count, speeds in found.items()
        ],
    )  # fmt: skip


async def _carrying(made: Clusterset, count: int) -> None:
    """The first `count` gateways of each cluster carry traffic, and nobody else."""
    for number in AIMS:
        if number > count:
            await _drained(made, number, drained=True)

    async def carry() -> bool:
        active = [cable.active for cable in await made.cables()]
        return sum(active) == 2 * 3 * count

    await eventually(carry, 60, f"{count} gateways carry traffic")


async def _drained(made: Clusterset, number: int, *, drained: bool) -> None:
    for cluster in CLUSTERS:
        command = "drain" if drained else "undrain"
        await made.mcnet("gateway", command, f"{cluster}-n{number}", "--context", cluster)


async def _measure(made: Clusterset) -> float:
    """Mbit/s that arrive."""
    source, target = made.pod("east-n4"), made.pod("west-n4")
    server = await asyncio.create_subprocess_exec(
        *await into(made, target), "iperf3", "--server", "--one-off", "--port", str(PORT),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    command = ["iperf3", "--client", target.address, "--port", str(PORT), "--parallel", str(STREAMS), "--json"]
    command += ["--omit", "2", "--time", str(SECONDS)]
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
    raise RuntimeError(f"iperf3: {said['error']}")

"""TCP throughput from a pod on one gateway node to a pod on another cluster's, against a tunnel made by hand.

iperf3 of this machine runs in the pods' networks and sends a fixed amount. Runs of mcnet and of the tunnel take
turns, each pair in the reverse order of the last one; the ratio of each pair is one value. How well the ratio is
known says the interval of Hodges and Lehmann over the pairs, so what else the machine does falls on both and widens
the interval. Pairs are added until the bound is kept or missed for certain, or there are enough.
"""

import asyncio
import json
import os
from dataclasses import dataclass
from math import exp, log
from statistics import median

from mcnet.model.latency import Estimate
from mcnet.plan.estimate import center
from tests.bench.bed import bed
from tests.bench.document import table
from tests.bench.tunnel import End, tunnel

LEAST_PAIRS, MOST_PAIRS = 20, int(os.environ.get("MCNET_BENCH_PAIRS", "200"))
MEGABYTES = int(os.environ.get("MCNET_BENCH_MEGABYTES", "500"))
"""Per run, by all streams together: half a second, else what the scheduler does in between outweighs the rest."""
PORT = 5299
STREAMS = (1, 4)
BOUND = 0.03
"""Largest loss that the upper 95 % bound may reach."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Gbit/s of each pair."""

    streams: int
    mcnet: tuple[float, ...]
    tunnel: tuple[float, ...]

    @property
    def ratio(self) -> Estimate:
        """mcnet to tunnel. The interval is two-sided at 90 %, so that either end is a one-sided 95 % bound."""
        logs = [log(one / other) for one, other in zip(self.mcnet, self.tunnel, strict=True)]
        found = center(logs, 0.9)
        return Estimate(exp(found.value), exp(found.low), exp(found.high))

    @property
    def certain(self) -> bool:
        """Whether more pairs would not change what is said of the bound."""
        return self.ratio.low >= 1 - BOUND or self.ratio.high < 1 - BOUND


async def run() -> str:
    async with bed() as made:
        pods = tuple(made.loads[name].on(f"{name}-n1") for name in ("east", "west"))
        async with tunnel(made.lab, (pods[0], pods[1])) as ends:
            found = [await measure(ends, streams) for streams in STREAMS]
    return table(
        ("streams", "ratio", "95 % interval of a side", "loss at most", "bound", "mcnet", "by hand", "pairs"),
        [_row(one) for one in found],
    )


def _row(one: Throughput) -> list[str]:
    ratio = one.ratio
    return [
        str(one.streams), f"{ratio.value:.3f}", f"{ratio.low:.3f} to {ratio.high:.3f}",
        f"{max(0.0, 1 - ratio.low) * 100:.1f} %", f"{BOUND * 100:.0f} %",
        f"{median(one.mcnet):.2f} Gbit/s", f"{median(one.tunnel):.2f} Gbit/s", str(len(one.mcnet)),
    ]  # fmt: skip


async def measure(ends: tuple[End, End], streams: int) -> Throughput:
    """All pairs."""
    source, target = ends
    server = await asyncio.create_subprocess_exec(
        *target.inside_pod("iperf3", "--server", "--port", str(PORT)),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    ways = {"mcnet": (source.pod.address, target.pod.address), "tunnel": (source.address, target.address)}
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    try:
        for near, far in ways.values():
            await _iperf(source, near, far, streams)  # neighbours are resolved, caches warm
        for pair in range(MOST_PAIRS):
            for name in ("mcnet", "tunnel") if pair % 2 else ("tunnel", "mcnet"):
                speeds[name].append(await _iperf(source, *ways[name], streams))
            found = Throughput(streams, tuple(speeds["mcnet"]), tuple(speeds["tunnel"]))
            if pair % 5 == 4:
                shown = found.ratio
                print(
                    f"  {streams} streams, {pair + 1} pairs: {shown.value:.3f} ({shown.low:.3f}-{shown.high:.3f})",
                    flush=True,
                )
            if pair + 1 >= LEAST_PAIRS and found.certain:
                break
    finally:
        server.terminate()
        await server.wait()
    return found


async def _iperf(source: End, near: str, far: str, streams: int) -> float:
    command = ["iperf3", "--client", far, "--port", str(PORT), "--bind", near, "--parallel", str(streams), "--json"]
    command += ["--bytes", f"{MEGABYTES}M"]
    for _ in range(20):  # the server may not listen yet, or still end the last run
        process = await asyncio.create_subprocess_exec(*source.inside_pod(*command), stdout=asyncio.subprocess.PIPE)
        said = json.loads((await process.communicate())[0])
        if "error" not in said:
            return float(said["end"]["sum_received"]["bits_per_second"]) / 1e9
        await asyncio.sleep(0.2)
    raise RuntimeError(f"iperf3 from {near} to {far}: {said['error']}")

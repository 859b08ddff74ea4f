"""TCP throughput from a pod on one gateway node to a pod on another cluster's, against a tunnel made by hand.

iperf3 of this machine runs in the pods' networks. Runs of mcnet and of the tunnel take turns, each pair's order
the reverse of the last one's; the ratio of each pair is one value. How well the ratio is known says the interval of
Hodges and Lehmann over the pairs, so what else the machine does falls on both and widens the interval.
"""

import asyncio
import json
from dataclasses import dataclass
from math import exp, log

from mcnet.lab.lab import Lab
from mcnet.model.latency import Estimate
from mcnet.plan.estimate import center
from tests.bench.tunnel import End

PAIRS, SECONDS, OMIT = 24, 2.0, 0.5
BOUND = 0.03
"""Largest loss that the upper 95 % bound may reach."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Gbit/s of each pair, and the share that mcnet loses."""

    streams: int
    mcnet: tuple[float, ...]
    tunnel: tuple[float, ...]

    @property
    def ratio(self) -> Estimate:
        """mcnet to tunnel. The interval is two-sided at 90 %, so that its lower end is a one-sided 95 % bound."""
        logs = [log(one / other) for one, other in zip(self.mcnet, self.tunnel, strict=True)]
        found = center(logs, 0.9)
        return Estimate(exp(found.value), exp(found.low), exp(found.high))


async def measure(lab: Lab, ends: tuple[End, End], streams: int, pairs: int = PAIRS) -> Throughput:
    """All pairs."""
    source, target = ends
    server = await asyncio.create_subprocess_exec(
        *target.inside_pod("iperf3", "--server"), stdout=asyncio.subprocess.DEVNULL
    )
    speeds: dict[str, list[float]] = {"mcnet": [], "tunnel": []}
    try:
        for pair in range(pairs):
            ways = {"mcnet": (source.pod.address, target.pod.address), "tunnel": (source.address, target.address)}
            for name in ("mcnet", "tunnel") if pair % 2 else ("tunnel", "mcnet"):
                speeds[name].append(await _iperf(source, *ways[name], streams))
            print(
                f"  {streams} streams, pair {pair + 1}: mcnet {speeds['mcnet'][-1]:.2f}, tunnel {speeds['tunnel'][-1]:.2f} Gbit/s",
                flush=True,
            )
    finally:
        server.terminate()
        await server.wait()
    return Throughput(streams, tuple(speeds["mcnet"]), tuple(speeds["tunnel"]))


async def _iperf(source: End, near: str, far: str, streams: int) -> float:
    command = ["iperf3", "--client", far, "--bind", near, "--parallel", str(streams), "--json"]
    command += ["--time", str(SECONDS), "--omit", str(OMIT)]
    for _ in range(20):  # the server may not listen yet, or still end the last run
        process = await asyncio.create_subprocess_exec(*source.inside_pod(*command), stdout=asyncio.subprocess.PIPE)
        said = json.loads((await process.communicate())[0])
        if "error" not in said:
            return float(said["end"]["sum_received"]["bits_per_second"]) / 1e9
        await asyncio.sleep(0.2)
    raise RuntimeError(f"iperf3 from {near} to {far}: {said['error']}")

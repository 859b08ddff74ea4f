"""TCP throughput from a pod on one gateway node to a pod on another cluster's, against a tunnel of the same kind made
by hand: one benchmark for each cable driver.

iperf3 of this machine runs in the pods' networks and sends a fixed amount. Runs of mcnet and of the tunnel take
turns, each pair in the reverse order of the last one; the ratio of each pair is one value. How well the ratio is
known says the interval of Hodges and Lehmann over the pairs, so what else the machine does falls on both and widens
the interval. Pairs are added until the bound is kept or missed for certain, or there are enough.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from statistics import median

from mcnet.model.latency import Estimate
from mcnet.plan.estimate import center
from tests.bench.bed import bed
from tests.bench.devices import Devices, VxlanDevices, WireguardDevices
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
class Run:
    """One transfer: Gbit/s, and the seconds of processor time that the whole machine was busy for each gigabyte."""

    speed: float
    busy: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """The runs of all pairs."""

    streams: int
    mcnet: tuple[Run, ...]
    tunnel: tuple[Run, ...]

    @property
    def ratio(self) -> Estimate:
        """Speed, mcnet to tunnel. The interval is two-sided at 90 %: either end is a one-sided 95 % bound."""
        return _ratio([one.speed for one in self.mcnet], [one.speed for one in self.tunnel])

    @property
    def cost(self) -> Estimate:
        """Processor time for a gigabyte, mcnet to tunnel; likewise."""
        return _ratio([one.busy for one in self.mcnet], [one.busy for one in self.tunnel])

    @property
    def certain(self) -> bool:
        """Whether more pairs would not change what is said of the bound."""
        return self.ratio.low >= 1 - BOUND or self.ratio.high < 1 - BOUND


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    found = center([log(one / other) for one, other in zip(ours, theirs, strict=True)], 0.9)
    return Estimate(exp(found.value), exp(found.low), exp(found.high))


async def run_vxlan() -> str:
    """Both ends by VXLAN in the kernel."""
    return await run("vxlan", VxlanDevices())


async def run_wireguard() -> str:
    """Both ends by wireguard-go: the kernel's WireGuard is not on every machine that runs this."""
    return await run("wireguard", WireguardDevices(like="mcnet-cw"))


async def run(driver: str, devices: Devices) -> str:
    """The table."""
    async with bed(driver) as made:
        pods = tuple(made.loads[name].on(f"{name}-n1") for name in ("east", "west"))
        async with tunnel(made.lab, (pods[0], pods[1]), devices) as ends:
            found = [await measure(ends, streams) for streams in STREAMS]
    headings = ("streams", "ratio", "95 % interval of a side", "loss at most", "bound", "mcnet", "by hand")
    return table(
        (*headings, "CPU s per GB, ratio", "mcnet", "by hand", "pairs"),
        [_row(one) for one in found],
    )


def _row(one: Throughput) -> list[str]:
    ratio, cost = one.ratio, one.cost
    speeds = [f"{median(run.speed for run in runs):.2f} Gbit/s" for runs in (one.mcnet, one.tunnel)]
    busy = [f"{median(run.busy for run in runs):.2f}" for runs in (one.mcnet, one.tunnel)]
    return [
        str(one.streams), f"{ratio.value:.3f}", f"{ratio.low:.3f} to {ratio.high:.3f}",
        f"{max(0.0, 1 - ratio.low) * 100:.1f} %", f"{BOUND * 100:.0f} %", *speeds,
        f"{cost.value:.3f} ({cost.low:.3f} to {cost.high:.3f})", *busy, str(len(one.mcnet)),
    ]  # fmt: skip


async def measure(ends: tuple[End, End], streams: int) -> Throughput:
    """All pairs."""
    source, target = ends
    server = await asyncio.create_subprocess_exec(
        *target.inside_pod("iperf3", "--server", "--port", str(PORT)),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    ways = {"mcnet": (source.pod.address, target.pod.address), "tunnel": (source.address, target.address)}
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    try:
        for near, far in ways.values():
            await _iperf(source, near, far, streams)  # neighbours are resolved, caches warm
        for pair in range(MOST_PAIRS):
            for name in ("mcnet", "tunnel") if pair % 2 else ("tunnel", "mcnet"):
                runs[name].append(await _iperf(source, *ways[name], streams))
            found = Throughput(streams, tuple(runs["mcnet"]), tuple(runs["tunnel"]))
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


async def _iperf(source: End, near: str, far: str, streams: int) -> Run:
    command = ["iperf3", "--client", far, "--port", str(PORT), "--bind", near, "--parallel", str(streams), "--json"]
    command += ["--bytes", f"{MEGABYTES}M"]
    for _ in range(20):  # the server may not listen yet, or still end the last run
        before = _busy_seconds()
        process = await asyncio.create_subprocess_exec(*source.inside_pod(*command), stdout=asyncio.subprocess.PIPE)
        said = json.loads((await process.communicate())[0])
        if "error" not in said:
            received = said["end"]["sum_received"]
            busy = (_busy_seconds() - before) / (float(received["bytes"]) / 1e9)
            return Run(float(received["bits_per_second"]) / 1e9, busy)
        await asyncio.sleep(0.2)
    raise RuntimeError(f"iperf3 from {near} to {far}: {said['error']}")


def _busy_seconds() -> float:
    """Seconds of all processors in which they did something, since the machine's start (proc(5): /proc/stat)."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")

"""Memory and processor time of each daemon: idle for a while, then with two peers and traffic for ten minutes."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.bed import CLUSTERS, Bed, bed
from tests.bench.document import table

MODULES = ("mcnet_gateway", "mcnet_route_agent", "mcnet_discovery")
IDLE, BUSY, STEP = (float(os.environ.get("MCNET_BENCH_" + name, default)) for name, default in (
    ("IDLE", "60"), ("BUSY", "600"), ("STEP", "10"),
))  # fmt: skip
"""Seconds."""
SIZE = 8_000_000
"""Bytes of one fetch."""
DOWNLOAD = """
import sys, urllib.request
assert len(urllib.request.urlopen(sys.argv[1], timeout=60).read()) == int(sys.argv[2])
"""
MEMORY_BOUND, CPU_BOUND = 100.0, 1.0
"""MB resident, per cent of a core."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A daemon at one moment: MB resident and proportional, seconds of processor time."""

    resident: float
    proportional: float
    seconds: float


def daemons(root: Path) -> dict[int, str]:
    """The lab's daemons by process; other labs of this machine have their own."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            mounts = (process / "mountinfo").read_text()
        except OSError:
            continue
        module = words[2].decode() if words[1:2] == [b"-m"] and len(words) > 2 else ""
        if module in MODULES and f"{root}/" in mounts:
            found[int(process.name)] = module
    return found


def sample(process: int) -> Sample:
    """Raises OSError if it has ended."""
    memory = {
        line.split()[0]: int(line.split()[1]) / 1024
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    }
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return Sample(memory["Rss:"], memory["Pss:"], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))


async def run() -> str:
    async with bed() as made:
        processes = daemons(made.lab.store.directory)
        if sorted(set(processes.values())) != sorted(MODULES):
            raise RuntimeError(f"found only these daemons: {processes}")
        await asyncio.sleep(STEP)  # what joining has set off is done
        idle = await _watched(processes, IDLE)
        async with asyncio.TaskGroup() as group:  # traffic that fails ends the measurement: it would be idle
            traffic = group.create_task(_traffic(made))
            busy = await _watched(processes, BUSY)
            traffic.cancel()
    return _table(processes, idle, busy)


async def _watched(processes: dict[int, str], seconds: float) -> dict[int, list[Sample]]:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    samples: dict[int, list[Sample]] = {process: [sample(process)] for process in processes}
    while loop.time() < end:
        await asyncio.sleep(min(STEP, max(0.0, end - loop.time())))
        for process, taken in samples.items():
            taken.append(sample(process))
    return samples


async def _traffic(made: Bed) -> None:
    """Every pod fetches from every pod of the other cluster, one request after the other per cluster.

    Raises RuntimeError if a fetch fails.
    """

    async def from_cluster(here: str, there: str) -> None:
        while True:
            for client in made.loads[here].pods:
                for server in made.loads[there].pods:
                    url = f"{server.url}bytes/{SIZE}"
                    done = await made.loads[here].run(client, "python3", "-c", DOWNLOAD, url, str(SIZE))
                    if done.status:
                        raise RuntimeError(f"{client.name} in {here} can't fetch {url}: {done.errors}")

    async with asyncio.TaskGroup() as group:
        for here, there in (CLUSTERS, CLUSTERS[::-1]):
            group.create_task(from_cluster(here, there))


def _table(processes: dict[int, str], idle: dict[int, list[Sample]], busy: dict[int, list[Sample]]) -> str:
    rows = []
    for module in MODULES:
        own = [process for process, name in processes.items() if name == module]
        resident = [max(one.resident for one in busy[process]) for process in own]
        proportional = [max(one.proportional for one in busy[process]) for process in own]
        growth = [busy[process][-1].resident - busy[process][0].resident for process in own]
        idle_share, busy_share = (
            [100 * (taken[process][-1].seconds - taken[process][0].seconds) / seconds for process in own]
            for taken, seconds in ((idle, IDLE), (busy, BUSY))
        )
        rows.append([
            f"`{module}`", str(len(own)), f"{max(resident):.0f} MB", f"{MEMORY_BOUND:.0f} MB",
            f"{max(proportional):.0f} MB",
            f"{max(growth):+.1f} MB", f"{median(idle_share):.2f} %, {max(idle_share):.2f} %", f"{CPU_BOUND:.0f} %",
            f"{median(busy_share):.2f} %",
        ])  # fmt: skip
    headings = (
        "daemon", "processes", "most resident", "bound", "most proportional", f"growth in {BUSY / 60:.0f} min",
        "idle CPU, median and most", "bound", "CPU with traffic",
    )  # fmt: skip
    return table(headings, rows)

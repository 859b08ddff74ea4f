"""Processor time and memory of the process that probes, by the number of paths, at the default interval.

The paths lead to addresses of the loopback device, whose answers the kernel makes while the request is sent: the
figures are with the kernel's work at both ends.
"""

import asyncio
from ipaddress import ip_address
from pathlib import Path

from mcnet.model.probe import Target
from mcnet.plan.pace import DEFAULT_INTERVAL
from mcnet.probe.supervised import SupervisedProber
from tests.bench.document import table

PATHS = (1, 9, 30, 40, 100)
SETTLE, MEASURE = 11.0, 20.0
"""Seconds: until the statistics cover a full window, and what is measured."""
BOUND = 2.0
"""Per cent of a core, up to the 40 paths for which this interval is taken (mcnet.plan.pace)."""


async def run() -> str:
    rows = []
    for count in PATHS:
        prober = SupervisedProber(interval=DEFAULT_INTERVAL)
        prober.set_targets(
            frozenset(Target(str(number), ip_address(f"127.1.0.{number + 1}"), "lo") for number in range(count))
        )
        running = asyncio.create_task(prober.run())
        await asyncio.sleep(SETTLE)
        process, before = prober.process_id, _seconds(prober.process_id)
        await asyncio.sleep(MEASURE)
        if prober.process_id != process or any(path.state != "up" for path in prober.snapshot().values()):
            raise RuntimeError("the process ended, or a path was lost: nothing was measured")
        share = 100 * (_seconds(process) - before) / MEASURE
        resident, proportional = _memory(process)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        bound = f"{BOUND:g} %" if count <= 40 else "–"
        rows.append([str(count), f"{share:.2f} %", bound, f"{resident:.0f} MB", f"{proportional:.0f} MB"])
    return table(("paths", "CPU at 100 ms", "bound", "resident", "proportional"), rows)


def _seconds(process: int) -> float:
    """Processor time of the process until now: proc(5) has it in nanoseconds there."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def _memory(process: int) -> tuple[float, float]:
    """MB resident and proportional."""
    found = {
        line.split()[0]: int(line.split()[1]) / 1024
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    }
    return found["Rss:"], found["Pss:"]

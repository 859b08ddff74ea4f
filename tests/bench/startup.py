"""How long the command line takes to start, beside the bare interpreter: medians of runs taken in turns."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from tests.bench.document import table

RUNS = 11
BUDGETS: dict[str, int | None] = {
    "python -c pass": None,
    "mcnet version": 150,
    "mcnet __complete join --": 150,
    "mcnet --help": 300,
}
"""Milliseconds."""


async def run() -> str:
    return await asyncio.to_thread(_measured)


def _measured() -> str:
    spent: dict[str, list[float]] = {command: [] for command in BUDGETS}
    # As a user has it: the byte code that pip made lies beside the sources.
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPYCACHEPREFIX"}
    for _ in range(RUNS):
        # In turns, so that what else the machine does falls on all of them.
        for command, times in spent.items():
            program, *rest = command.split()
            started = time.perf_counter()
            argv = [Path(sys.executable).with_name(program), *rest]
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env=plain)
            times.append((time.perf_counter() - started) * 1000)
    medians = {command: median(times) for command, times in spent.items()}
    base = medians["python -c pass"]
    rows = [
        [
            f"{medians[command] / base:.1f}",
            f"{medians[command]:.0f} ms",
            f"{budget} ms" if budget else "–",
            f"`{command}`",
        ]
        for command, budget in BUDGETS.items()
    ]
    return table(("ratio", "median", "budget", "command"), rows)

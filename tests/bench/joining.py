"""From `mcnet join` to connected: west leaves and joins again, the image present on its nodes."""

import time
from statistics import median

from tests.bench.bed import bed
from tests.bench.document import table

RUNS, BOUND = 5, 20.0


async def run() -> str:
    spent = []
    async with bed() as made:
        for _ in range(RUNS):
            await made.mcnet("leave", "--context", "west", "--broker-context", "east")
            started = time.monotonic()
            # It returns when the first cable's probes are answered.
            await made.join("west")
            spent.append(time.monotonic() - started)
            print(f"  joined and connected after {spent[-1]:.1f} s", flush=True)
    row = [f"{median(spent):.1f} s", f"{BOUND:.0f} s", f"{min(spent):.1f} s", f"{max(spent):.1f} s", str(RUNS)]
    return table(("median", "bound", "least", "most", "runs"), [row])

"""`python -m tests.bench [NAME …]`: runs benchmarks one after the other and writes each one's part of the page."""

import asyncio
import os
import sys
from collections.abc import Sequence

from tests.bench import aggregate, daemons, dns, failover, groups, joining, probing, services, startup, throughput
from tests.bench.document import write
from tests.bench.machine import machine

BENCHMARKS = {
    "startup": startup.run,
    "joining": joining.run,
    "daemons": daemons.run,
    "probing": probing.run,
    "throughput": throughput.run_vxlan,
    "throughput_wireguard": throughput.run_wireguard,
    "failover": failover.run,
    "aggregate": aggregate.run,
    "groups": groups.run,
    "dns": dns.run,
    "services": services.run,
}


async def main(names: Sequence[str]) -> int:
    """Each one's result is kept before the next begins: what was interrupted goes on by name."""
    unknown = set(names) - BENCHMARKS.keys()
    if unknown:
        print(f"there is no benchmark {', '.join(sorted(unknown))}: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        print(f"bench: {name}", flush=True)
        load = os.getloadavg()[0]
        body = await BENCHMARKS[name]()
        write(name, f"{machine(load)}\n\n{body}")
        print(body, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))

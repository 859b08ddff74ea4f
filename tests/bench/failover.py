"""How long flows between pods of workers are interrupted when something of a gateway fails or is taken out.

Two clusters of four nodes, three of them gateways, by VXLAN: where the kernel has no WireGuard, twelve processes of
wireguard-go would take what time two cores have. 24 UDP flows and 8 TCP connections from a worker's pod to another
cluster's worker's, a packet each every 10 ms. A run's figure is that of the flow that suffered most. Runs are kept
in the cache by the image that they measured, so an interrupted benchmark goes on where it was.

MCNET_BENCH_FEW and MCNET_BENCH_MANY are the runs of each case, the latter for the loss of links and nodes.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from mcnet.kube.kinds import POD
from mcnet.lab.cache import cache_directory
from mcnet.lab.image import ensure_image, image_reference
from mcnet.lab.impair import LinkName
from mcnet.lab.lab import Lab
from mcnet.lab.spec import LabSpec
from mcnet.model.gateway import CableState
from tests.bench.document import table
from tests.e2e import gateway_faults as faults
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually, is_ready
from tests.e2e.flows import Flows, flowing
from tests.e2e.gateway_faults import Fault

FEW, MANY = int(os.environ.get("MCNET_BENCH_FEW", "5")), int(os.environ.get("MCNET_BENCH_MANY", "20"))
NAMESPACE = "mcnet-system"
DAEMONS = "app.kubernetes.io/name=mcnet,app.kubernetes.io/component in (gateway, route-agent)"
FLOWS, STREAMS, INTERVAL = 24, 8, 0.01
LOSS, TCP = 0.5, 1.0
"""Seconds: what the loss of a link or node may cost, and a TCP connection."""


@dataclass(frozen=True, slots=True)
class Case:
    """`aim` in seconds, 0 for no packet at all; `submariner`: its figures in such a lab, "–" where there are none."""

    title: str
    fault: Fault
    aim: float
    runs: int
    submariner: str = "–"


CASES = (
    Case("gateway daemon killed", faults.killed("west-n1"), 0.0, FEW, "1.5 s, 1.9 s"),
    Case("its pod deleted", faults.deleted("west-n1"), 0.0, FEW),
    Case("all gateways' pods replaced, one after the other", faults.updated("west"), 0.0, FEW),
    Case("gateway drained and taken back", faults.drained("west-n1"), 0.0, FEW),
    Case("gateway removed and added again", faults.removed("west-n1"), 0.0, FEW),
    Case("node's wan link cut", faults.cut("west-n1", LinkName.WAN), LOSS, MANY, "19.6 s, 26.1 s"),
    Case("node's link to its own cluster cut", faults.cut("west-n1", LinkName.CLUSTER), LOSS, MANY),
    Case("node's overlay cut", faults.without_overlay("west-n1"), LOSS, MANY),
    Case("node gone", faults.gone("west-n1"), LOSS, MANY, "19.6 s, 26.1 s"),
    Case(
        "wan link cut, its API server down",
        faults.at_once(faults.stopped("west"), faults.cut("west-n1", LinkName.WAN)), LOSS, FEW,
    ),
    Case("node gone, the broker down", faults.at_once(faults.stopped("east"), faults.gone("west-n1")), LOSS, FEW),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of the longest interruption of UDP, the longest wait of TCP; packets lost; flows that lost any."""

    udp: float
    tcp: float
    lost: int
    interrupted: int


async def run() -> str:
    """The table."""
    kept = cache_directory() / "failover.json"
    every: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(kept.read_text()) if kept.exists() else {}
    found = every.setdefault(image_reference(), {})
    if any(len(found.get(case.title, [])) < case.runs for case in CASES):
        async with lab("vxlan") as made:
            for case in CASES:
                runs = found.setdefault(case.title, [])
                while len(runs) < case.runs:
                    one = await _run(made, case.fault)
                    print(f"  {case.title}, {len(runs) + 1} of {case.runs}: {one}", flush=True)
                    runs.append(asdict(one))
                    kept.write_text(json.dumps(every))
    headings = (
        "what happens",
        "UDP, median and most",
        "TCP, median and most",
        "aim",
        "packets lost",
        "flows hit",
        "runs",
    )
    return table((*headings, "Submariner"), [_row(case, [Run(**one) for one in found[case.title]]) for case in CASES])


def _row(case: Case, runs: list[Run]) -> list[str]:
    return [
        case.title,
        _both([one.udp for one in runs]),
        _both([one.tcp for one in runs]),
        f"{case.aim * 1000:.0f} ms, TCP {TCP:.0f} s" if case.aim else "none lost",
        f"{median(one.lost for one in runs):.0f}, {max(one.lost for one in runs):.0f}",
        f"{median(one.interrupted for one in runs):.0f} of {FLOWS}",
        str(len(runs)),
        case.submariner,
    ]


def _both(seconds: list[float]) -> str:
    return f"{median(seconds) * 1000:.0f}, {max(seconds) * 1000:.0f} ms"


async def _run(made: Clusterset, fault: Fault) -> Run:
    await cabled(made)
    if fault.bound:
        for cluster in CLUSTERS:
            await _anew(made, cluster)
        await cabled(made)
    async with flowing(
        made, made.pod("east-n4"), made.pod("west-n4"), flows=FLOWS, streams=STREAMS, interval=INTERVAL
    ) as flows:
        await asyncio.sleep(1)
        await fault.begin(made)
        try:
            await asyncio.sleep(4)
        finally:
            await fault.end(made)
        await cabled(made)
        await asyncio.sleep(1)
    return _measured(flows)


async def _anew(made: Clusterset, cluster: str) -> None:
    """The cluster's daemons are replaced, which remembers nothing: a path that was lost again and again would be held
    down for a minute (mcnet.plan.damping) before it carries as much as the others."""
    async with await made.api(cluster) as api:
        old = await api.list(POD, NAMESPACE, labels=DAEMONS)
        for pod in old:
            await api.delete(POD, pod["metadata"]["name"], NAMESPACE)

        async def replaced() -> bool:
            pods = await api.list(POD, NAMESPACE, labels=DAEMONS)
            uids = {pod["metadata"]["uid"] for pod in pods} - {pod["metadata"]["uid"] for pod in old}
            return len(pods) == len(uids) == len(old) and all(map(is_ready, pods))

        await eventually(replaced, 180, f"the daemons of {cluster} are replaced")


def _measured(flows: Flows) -> Run:
    return Run(udp=flows.udp, tcp=flows.tcp, lost=flows.lost, interrupted=flows.interrupted)


async def cabled(made: Clusterset) -> None:
    """Returns once all nine cables carry traffic, as both sides see it."""

    async def is_whole() -> bool:
        cables = await made.cables()
        return len(cables) == 18 and all(cable.state is CableState.CONNECTED and cable.active for cable in cables)

    await eventually(is_whole, 300, "all cables carry traffic")


@asynccontextmanager
async def lab(driver: str) -> AsyncIterator[Clusterset]:
    """Two clusters of three gateways and a worker each, joined by cables of that driver. MCNET_BENCH_LAB names a lab
    of four nodes a cluster that is up: it is used and left up."""
    archive = await ensure_image(print)
    existing = os.environ.get("MCNET_BENCH_LAB")
    place = Lab(existing or f"b{os.getpid()}")
    with tempfile.TemporaryDirectory() as directory:
        made = Clusterset(place, image_reference(), Path(directory))
        try:
            if existing:
                await place.load_image(archive)
            else:
                await place.up(LabSpec(name=place.name, nodes=4), print, [archive])
            await made.deploy_web()
            await made.mcnet("deploy-broker", "--context", "east", "--cable-driver", driver)
            for cluster in CLUSTERS:
                by = ("--context", cluster, "--broker-context", "east")
                await made.mcnet("join", "broker-info.mcnet", *by, "--gateways", "3")
            yield made
        finally:
            for load in made.loads.values():
                await load.close()
            if not existing:
                await place.down()

"""A lab with mcnet on it, for the end-to-end tests: joined by the real command line, looked at from inside."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from mcnet.codec import gateway
from mcnet.kube.api import Api
from mcnet.kube.connect import from_kubeconfig
from mcnet.kube.kinds import GATEWAY, POD
from mcnet.lab.image import ensure_image, image_reference
from mcnet.lab.lab import Lab, place_of
from mcnet.lab.processes import Completed
from mcnet.lab.spec import LabSpec
from mcnet.lab.workload import WebPod, Workload
from mcnet.model.gateway import Cable, CableState

CLUSTERS = ("east", "west")

PICTURE = r"""
ip -o link | cut -d' ' -f2- | grep -v '^veth' | sed 's/ qlen [0-9]*//'
ip -o addr | grep -v veth | sed 's/ *valid_lft.*//' | cut -d' ' -f2-
ip rule; ip -6 rule
ip route show table all | grep -v veth; ip -6 route show table all | grep -v veth
ip nexthop | sed 's/ unbalanced_time [0-9.]*//'
bridge fdb | grep -v veth
for table in $(nft list tables | grep -v kube-proxy | awk '{print $2 "/" $3}'); do
  case $table in */nat|*/filter|*/mangle|*/raw) ;; *) nft list table ${table%%/*} ${table#*/};; esac
done | sed 's/counter packets [0-9]* bytes [0-9]*/counter/'
cd /proc/sys/net
grep . ipv4/ip_forward ipv4/fib_multipath_hash_* ipv6/fib_multipath_hash_policy ipv6/conf/all/forwarding
grep . ipv4/conf/*/rp_filter | grep -v veth
"""
"""Tables nat, filter, mangle and raw are iptables-nft's: kube-proxy's and the CNI's."""
HARDWARE = re.compile(
    r"link/ether \S+|33:33:ff:\S+|fe80::[0-9a-f]+:\S+|@if\d+|link-netnsid \d+|^([0-9a-f]{2}:){5}[0-9a-f]{2}"
)
"""What the machine's own links and the CNI's bridge get anew with each boot."""


@dataclass
class Clusterset:
    """The lab, the image that its nodes have, and the web servers per cluster."""

    lab: Lab
    image: str
    directory: Path
    clusters: tuple[str, ...] = CLUSTERS
    loads: dict[str, Workload] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)
    """By cluster, what its nodes' kernels held before the first join (see `pictures`)."""

    async def mcnet(self, *argv: str, status: int = 0) -> str:
        """Run `mcnet ARGV`; returns what it printed on both streams. Asserts the exit status."""
        ended, output = await self.run(*argv)
        assert ended == status, f"mcnet {' '.join(argv)} ended with {ended}:\n{output}"
        return output

    async def run(self, *argv: str) -> tuple[int, str]:
        """Run `mcnet ARGV`; its exit status and what it printed on both streams. When it began and ended is printed:
        a test that fails says when packets were lost."""
        print(f"{time.time():.3f} begins: mcnet {' '.join(argv)}", flush=True)
        environment = os.environ | {"KUBECONFIG": str(self.lab.kubeconfig), "MCNET_IMAGE": self.image}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mcnet.cli", *argv,
            cwd=self.directory, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output = (await process.communicate())[0].decode()
        assert process.returncode is not None
        print(f"{time.time():.3f} ends with {process.returncode}: mcnet {' '.join(argv)}", flush=True)
        return process.returncode, output

    async def join(self) -> None:
        """East with one gateway, west with two; east's API server is the broker."""
        await self.mcnet("join", "broker-info.mcnet", "--context", "east", "--broker-context", "east")
        west = ("--context", "west", "--broker-context", "east", "--gateways", "2")
        await self.mcnet("join", "broker-info.mcnet", *west)

    async def archive(self) -> Path:
        """The image as a file, for nodes that are added."""
        return await ensure_image(print)

    async def pictures(self, cluster: str) -> list[str]:
        """What the nodes' kernels hold, without what belongs to pods, the CNI and kube-proxy, as lines.

        Equal before and after a reboot too, if nothing but the hardware's addresses has changed.
        """
        places = [place_of(node) for node in self.lab.topology.nodes if node.cluster == cluster]
        texts = [(await self.node(place, "bash", "-c", PICTURE)).output for place in places]
        pairs = zip(places, texts, strict=True)
        return [f"{place}: {line}" for place, text in pairs for line in without_hardware(text.splitlines())]

    async def api(self, cluster: str) -> Api:
        return await from_kubeconfig(context=cluster, kubeconfig=self.lab.kubeconfig)

    async def node(self, place: str, *argv: str) -> Completed:
        """Run a program on a node (`east/n1`)."""
        return await self.lab.exec(place, *argv)

    async def deploy_web(self) -> None:
        for cluster in self.clusters:
            self.loads[cluster] = await Workload.deploy(self.lab, cluster, self.image)

    def pod(self, node: str) -> WebPod:
        """The web server pod on the node `east-n1`."""
        return self.loads[node.partition("-")[0]].on(node)

    async def delete_daemons(self, *components: str) -> None:
        """Delete the daemons' pods in all clusters, without grace, and wait until others have taken their place."""
        for cluster in self.clusters:
            async with await self.api(cluster) as api:
                labels = f"app.kubernetes.io/name=mcnet,app.kubernetes.io/component in ({','.join(components)})"
                old = {pod["metadata"]["uid"] for pod in await api.list(POD, "mcnet-system", labels=labels)}
                assert old
                for pod in await api.list(POD, "mcnet-system", labels=labels):
                    await api.delete(POD, pod["metadata"]["name"], "mcnet-system")

                async def replaced(api: Api = api, labels: str = labels, old: set[str] = old) -> bool:
                    pods = await api.list(POD, "mcnet-system", labels=labels)
                    new = [pod for pod in pods if pod["metadata"]["uid"] not in old]
                    return len(pods) == len(new) == len(old) and all(map(is_ready, new))

                await eventually(replaced, 90, f"daemons of {cluster} are back")

    async def cables(self) -> list[Cable]:
        """The cables of all gateways of all clusters, as they report them."""
        return [cable for cluster in self.clusters for cable in await self.cables_of(cluster)]

    async def cables_of(self, cluster: str) -> list[Cable]:
        """The cables of one cluster's gateways, as they report them."""
        async with await self.api(cluster) as api:
            reports = await api.list(GATEWAY, "mcnet-system")
        return [cable for report in reports for cable in gateway.decode(report).cables]

    async def all_carry(self, count: int, seconds: float = 180) -> None:
        """Wait until there are `count` cables, each as both its ends report it, and all of them carry traffic."""

        async def do() -> bool:
            cables = await self.cables()
            return len(cables) == count and all(one.state is CableState.CONNECTED and one.active for one in cables)

        await eventually(do, seconds, f"{count} cables carry traffic")

    async def gateways(self, cluster: str) -> list[str]:
        """The cluster's gateway nodes in the order of their rails."""
        async with await self.api(cluster) as api:
            reports = [gateway.decode(report) for report in await api.list(GATEWAY, "mcnet-system")]
        return [report.node for report in sorted(reports, key=lambda report: report.rail or 0)]

    @asynccontextmanager
    async def pinging(
        self,
        source: WebPod,
        target: WebPod,
        interval: float = 0.1,
        *,
        entry: list[str] | None = None,
        address: str = "",
    ) -> AsyncIterator["Pings"]:
        """Ping from pod to pod while the block runs; `entry` is the command that leads into the pod (kubectl's),
        `address` which of the target's it is (the first)."""
        pings = Pings(interval)
        command = ("ping", "-D", "-n", "-i", str(interval), "-W", "1", address or target.address)
        started = [*entry, *command] if entry else self.loads[source.cluster].command(source, *command)
        task = asyncio.create_task(self._ping(started, pings))
        await eventually(pings.begun, 20, "the first ping is answered")
        try:
            yield pings
        finally:
            pings.stop.set()
            await task

    async def _ping(self, command: list[str], pings: "Pings") -> None:
        # A session of its own: what leads into the pod may have forked, and ping itself must end too.
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        assert process.stdout is not None
        stop = asyncio.create_task(pings.stop.wait())
        while not stop.done():
            line = asyncio.create_task(process.stdout.readline())
            await asyncio.wait({line, stop}, return_when=asyncio.FIRST_COMPLETED)
            if line.done() and (answered := re.match(r"\[(\d+\.\d+)\].*icmp_seq=(\d+) ttl", line.result().decode())):
                pings.answers[int(answered[2])] = float(answered[1])
            line.cancel()
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()


@asynccontextmanager
async def brought_up(spec: LabSpec, directory: Path, *, existing: str = "") -> AsyncIterator[Clusterset]:
    """A lab of one test alone, with the image and a web server on every node; it goes at the end, unless it is
    `existing`."""
    archive = await ensure_image(print)
    lab = Lab(existing or spec.name)
    made = Clusterset(lab, image_reference(), directory, spec.clusters)
    try:
        if existing:
            await lab.load_image(archive)
        else:
            await lab.up(spec, print, [archive])
        await made.deploy_web()
        made.before = {cluster: await made.pictures(cluster) for cluster in spec.clusters}
        yield made
    finally:
        for load in made.loads.values():
            await load.close()
        if not existing:
            await lab.down()


@dataclass
class Pings:
    """Answers of a running ping: time (seconds since the epoch) by sequence number."""

    interval: float
    answers: dict[int, float] = field(default_factory=dict)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def begun(self) -> bool:
        return bool(self.answers)

    @property
    def lost(self) -> int:
        """How many between the first and the last answer were not answered."""
        return max(self.answers) - min(self.answers) + 1 - len(self.answers)

    @property
    def longest_gap(self) -> float:
        """Seconds between two successive answers, at most."""
        times = sorted(self.answers.values())
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    @property
    def resumed(self) -> float:
        """When the answer after the longest gap came, in seconds since the epoch."""
        return max(pairwise(sorted(self.answers.values())), key=lambda pair: pair[1] - pair[0])[1]

    async def answered_since(self, moment: float) -> bool:
        return any(time > moment for time in self.answers.values())


def without_hardware(picture: list[str]) -> list[str]:
    """The lines sorted; mcnet's own devices are to have the addresses that they had."""
    return sorted(line if "mcnet" in line else HARDWARE.sub("*", line) for line in picture)


def is_ready(pod: Mapping[str, Any]) -> bool:
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in pod.get("status", {}).get("conditions", [])
    )


async def eventually(condition: Any, seconds: float, what: str) -> None:
    """Wait until the coroutine function `condition` returns true; its exceptions count as not yet."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    last: BaseException | None = None
    while loop.time() < end:
        try:
            if await condition():
                return
            last = None
        except Exception as error:  # the world is not yet as awaited
            last = error
        await asyncio.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}" + (f" ({last})" if last else ""))

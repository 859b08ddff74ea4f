"""A tunnel made by hand between two nodes of a lab: what a tunnel costs here with nothing of mcnet in it.

The same two pods, the same two nodes and the same hops as mcnet's cable between gateways: each pod gets a second
address, each node a device with the cable's MTU, two routes and an MSS clamp. A rule ahead of mcnet's keeps its
packets off mcnet's routing tables. Everything bears the name `bench`, and is removed at the end.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mcnet.kube.connect import from_kubeconfig
from mcnet.kube.kinds import POD
from mcnet.lab.lab import Lab
from mcnet.lab.processes import call
from mcnet.lab.workload import WebPod
from tests.bench.devices import DEVICE, Devices, checked

RANGE = "198.18.0.0/15"
"""For benchmarks between networks (RFC 2544)."""

MAKE = """
set -e
ip link set {device} mtu {mtu} up
ip addr add {inside}/30 dev {device}
ip rule add pref 100 to {range} lookup main
ip route add {near}/32 dev cni0
ip route add {far}/32 via {across} dev {device}
nft -f - <<'RULES'
table inet bench {{
  chain forward {{
    type filter hook forward priority mangle
    oifname "{device}" tcp flags syn / syn,rst tcp option maxseg size set rt mtu
  }}
}}
RULES
"""
REMOVE = """
ip rule del pref 100; ip route del {near}/32 dev cni0; nft delete table inet bench
"""


@dataclass(frozen=True, slots=True)
class End:
    """One end: a pod, the network namespace of its node's machine, and its two addresses inside of the tunnel."""

    pod: WebPod
    outer: str
    address: str
    inside: str
    process: int
    """A process in the pod's network, as the machine numbers it."""

    def inside_pod(self, *argv: str) -> list[str]:
        """The command that runs a program of this machine in the pod's network."""
        return ["nsenter", f"--net=/proc/{self.process}/ns/net", "--", *argv]


@asynccontextmanager
async def tunnel(lab: Lab, pods: tuple[WebPod, WebPod], devices: Devices) -> AsyncIterator[tuple[End, End]]:
    """The tunnel between the nodes of two pods while the block runs."""
    ends = [await _end(lab, pod, number) for number, pod in enumerate(pods, 1)]
    mtu = await _mtu(lab, pods[0], devices.like)
    try:
        for near, far in ((ends[0], ends[1]), (ends[1], ends[0])):
            await devices.make(lab, near.pod.node, near.outer, far.outer)
            script = MAKE.format(
                device=DEVICE, mtu=mtu, inside=near.inside, across=far.inside, near=near.address, far=far.address,
                range=RANGE,
            )  # fmt: skip
            await checked(lab, near.pod.node, "bash", "-c", script)
            await _run(near.inside_pod("ip", "addr", "add", f"{near.address}/32", "dev", "eth0"))
        yield ends[0], ends[1]
    finally:
        for end in ends:
            await devices.remove(lab, end.pod.node)
            await lab.exec(end.pod.node, "bash", "-c", REMOVE.format(near=end.address))
            await call(end.inside_pod("ip", "addr", "del", f"{end.address}/32", "dev", "eth0"), mark=lab.store.mark)


async def _end(lab: Lab, pod: WebPod, number: int) -> End:
    machine = next(one for one in lab.topology.machines if one.name == pod.node)
    outer = next(str(address) for address in machine.wan_addresses if address.version == 4)
    return End(pod, outer, f"198.18.{number}.2", f"198.19.0.{number}", await process_of(lab, pod))


async def process_of(lab: Lab, pod: WebPod) -> int:
    """A process of the pod as this machine numbers it, found by its container's control group."""
    async with await from_kubeconfig(context=pod.cluster, kubeconfig=lab.kubeconfig) as api:
        found = await api.get(POD, pod.name, "default")
    container = found["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended meanwhile
            if container in (process / "cgroup").read_text():
                return int(process.name)
    raise RuntimeError(f"no process of {pod.name} runs on this machine")


async def _mtu(lab: Lab, pod: WebPod, like: str) -> int:
    links = json.loads(await checked(lab, pod.node, "ip", "-json", "link", "show"))
    return next(int(link["mtu"]) for link in links if link["ifname"].startswith(like))


async def _run(argv: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    if process.returncode and not output:
        raise RuntimeError(f"{' '.join(argv)}: {errors.decode().strip()}")
    return output.decode()

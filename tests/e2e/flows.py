"""Many flows at once between two pods, and how long each of them was interrupted (the ends: `flow_ends`)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.message

from mcnet.lab.workload import WebPod
from tests.e2e.aftermath import into
from tests.e2e.clusterset import Clusterset

ENDS = (Path(__file__).parent / "flow_ends.py").read_text()
PORT = 7007


@dataclass(frozen=True, slots=True)
class Name:
    """A name, and the one IPv4 address that it has."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Flow:
    """What became of one flow. `runs` are its interruptions: when (seconds since the epoch), and for how many
    seconds; `slowest`: seconds that the slowest answer took; `wrong`: when which answers (hexadecimal) came that were
    not as they should be."""

    name: str
    sent: int
    lost: int
    runs: tuple[tuple[float, float], ...]
    slowest: float
    wrong: tuple[tuple[float, str], ...] = ()
    slow: tuple[tuple[float, float], ...] = ()
    """When what was sent that took longer than a second to be answered, and how long."""

    @property
    def longest(self) -> float:
        """Seconds of the longest interruption: of TCP the longest wait for an answer."""
        return self.slowest if self.name.startswith("tcp") else max((run for _, run in self.runs), default=0.0)

    @property
    def is_udp(self) -> bool:
        return self.name.startswith("udp")


@dataclass
class Flows:
    """The flows from one pod to another; there at the end of the block."""

    found: list[Flow] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return sum(flow.lost for flow in self.found)

    @property
    def udp(self) -> float:
        """Seconds of the longest interruption of any UDP flow."""
        return max(flow.longest for flow in self.found if flow.is_udp)

    @property
    def tcp(self) -> float:
        """Seconds of the longest wait in any TCP connection."""
        return max(flow.longest for flow in self.found if flow.name.startswith("tcp"))

    @property
    def dns(self) -> Flow:
        """The look-ups."""
        return next(flow for flow in self.found if flow.name == "dns")

    @property
    def interrupted(self) -> int:
        """How many flows lost anything."""
        return sum(flow.lost > 0 for flow in self.found)


@asynccontextmanager
async def flowing(
    made: Clusterset, source: WebPod, target: WebPod, *, flows: int = 16, streams: int = 4, interval: float = 0.02,
    port: int = PORT, name: Name | None = None,
) -> AsyncIterator[Flows]:  # fmt: skip
    """`flows` by UDP and `streams` by TCP while the block runs, a packet each every `interval` seconds. They do not
    run by kubectl: whatever happens to API servers and kubelets does not end them. With `name` the source's DNS
    server is asked for its address as often, as a flow `dns`."""
    to = target.address
    result = Flows()
    server = await _started([*await into(made, target), "python3", "-c", ENDS, "serve", to, str(port)])
    try:
        argv = ["send", to, str(port), str(flows), str(streams), str(interval)]
        if name:
            argv += [
                await _server(made, source),
                dns.message.make_query(name.name, "A").to_wire().hex(),
                name.address,
            ]
        client = await _started([*await into(made, source), "python3", "-c", ENDS, *argv])
        try:
            yield result
        finally:
            said = await _ended(client)
        result.found += [
            Flow(**one | {key: tuple(map(tuple, one[key])) for key in ("runs", "wrong", "slow")})
            for one in json.loads(said)
        ]
    finally:
        await _ended(server)


async def _server(made: Clusterset, pod: WebPod) -> str:
    """The pod's DNS server."""
    done = await made.loads[pod.cluster].run(pod, "cat", "/etc/resolv.conf")
    return next(line.split()[1] for line in done.output.splitlines() if line.startswith("nameserver"))


async def _started(argv: list[str]) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True, limit=1 << 24
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        said = await process.stdout.readline()
    assert said in (b"serving\n", b"sending\n"), said
    return process


async def _ended(process: asyncio.subprocess.Process) -> bytes:
    """Ends the program by the end of its input; what it said last."""
    async with asyncio.timeout(60):
        return (await process.communicate(b""))[0]

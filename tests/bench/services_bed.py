"""East, west and a broker on three real API servers, and their discovery daemons, each a process of its own."""

import asyncio
import json
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.apiserver.conftest import install_crds
from tests.apiserver.server import WITH_US, ApiServer
from tests.apiserver.service_members import Cluster, Clusterset, clusterset_of
from tests.bench.daemons import Sample, sample
from tests.fakes.ports import free_port

AT_ONCE = 16
"""Requests that the benchmark itself has in hand."""
STILL = 1.0
"""Seconds without anything in hand after which a daemon counts as done."""
FILES = 8192
"""Open files that a process of many connections may have."""
_WRITES = re.compile(
    r'mcnet_service_writes_total\{kind="(\w+)",place="(\w+)",result="(\w+)",verb="(\w+)"\} ([\d.e+]+)'
)  # fmt: skip
_IN_HAND = re.compile(r"^mcnet_services_waiting ([\d.e+]+)$", re.MULTILINE)


Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Servers:
    """The clusterset, and its API servers by name."""

    clusterset: Clusterset
    by_name: dict[str, ApiServer]

    @property
    def seconds(self) -> float:
        """Processor time of all servers and their etcds until now."""
        processes = [one for server in self.by_name.values() for one in server.processes]
        return sum(sample(process).seconds for process in processes)

    @asynccontextmanager
    async def daemon(self, cluster: Cluster) -> AsyncIterator["Daemon"]:
        """Discovery of that cluster as a process; it has listed everything."""
        server, port = self.by_name[cluster.id], free_port()
        token, _ = await cluster.api.create_token("mcnet-discovery", cluster.system, seconds=7200)
        told = {
            "server": server.url, "ca": server.ca.decode(), "token": token, "namespace": cluster.system, "port": port,
        }  # fmt: skip
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(json.dumps(told))
            file.flush()
            process = await asyncio.create_subprocess_exec(
                *WITH_US, sys.executable, "-m", "tests.bench.services_daemon", file.name,
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            try:
                daemon = Daemon(process, port)
                await daemon.started()
                yield daemon
            finally:
                process.terminate()
                await process.wait()


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running discovery. What it says of itself is read from its metrics."""

    process: asyncio.subprocess.Process
    port: int

    @property
    def sample(self) -> Sample:
        return sample(self.process.pid)

    async def metrics(self) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        text = (await reader.read()).decode()
        writer.close()
        return text

    async def started(self) -> None:
        """Until it holds the Lease and sees the broker."""
        async with asyncio.timeout(120):
            while True:
                try:
                    if "\nmcnet_broker_reachable 1.0" in await self.metrics():
                        return
                except OSError:
                    pass
                await asyncio.sleep(0.1)

    async def writes(self) -> Counter[tuple[str, str, str]]:
        """Those that were done, by place, kind and verb."""
        found: Counter[tuple[str, str, str]] = Counter()
        for kind, place, result, verb, number in _WRITES.findall(await self.metrics()):
            found[place, kind, verb if result == "done" else f"{verb} ({result})"] += int(float(number))
        return found

    async def settled(self) -> float:
        """Until nothing has been in hand for a while; for how many seconds it has not been."""
        before, since = await self.writes(), time.monotonic()
        while time.monotonic() - since < STILL:
            await asyncio.sleep(0.25)
            waiting = _IN_HAND.search(await self.metrics())
            now = await self.writes()
            if now != before or not waiting or float(waiting[1]):
                since = time.monotonic()
            before = now
        return time.monotonic() - since


@asynccontextmanager
async def servers() -> AsyncIterator[Servers]:
    """They end with it."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as folder:
        started = {name: ApiServer(name, Path(folder) / name) for name in ("broker", "east", "west")}
        try:
            for server in started.values():
                await server.start()
                async with await server.admin() as api:
                    await install_crds(api)
            async with clusterset_of(started["broker"], started["east"], started["west"]) as made:
                yield Servers(made, started)
        finally:
            for server in started.values():
                server.close()


async def at_once(items: Iterable[Item], step: Callable[[Item], Awaitable[object]]) -> None:
    """`step` for each item, some at a time."""
    left = iter(items)

    async def work() -> None:
        for item in left:
            await step(item)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))

"""mcnet_dns beside CoreDNS (in-tree `multicluster`, with and without its cache), the same objects of one API server.

dnsperf asks both in turns on the same cores: as fast as they answer, and at one rate that both can do, while a few
queries a second are timed beside it. Before, both are asked for some names and have to say the same.
"""

import asyncio
import random
import re
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from mcnet.codec.dns import encode_query
from mcnet.kube.api import Api
from mcnet.kube.kinds import ENDPOINT_SLICE, NAMESPACE, SERVICE_IMPORT
from mcnet.lab.packages import ensure_packages
from mcnet.model.dns import ZONE, Question, Type
from mcnet.plan import corefile
from tests.apiserver.conftest import install_crds
from tests.apiserver.coredns import coredns
from tests.apiserver.server import WITH_US, ApiServer
from tests.bench.document import table
from tests.fakes.imports import endpoint, headless_object, import_object, slice_object
from tests.fakes.ports import free_port

ROUNDS, SECONDS = 3, 5
RATE = 10_000
"""Queries a second while single ones are timed."""
TIMED = 200
"""Single ones a second."""
MISSING = 0.1
"""The share of names that nobody has."""
HOSTS = 100
CACHED = "    cache 5\n"
NAMESPACES = 20


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked: the file for dnsperf, and the same names as questions."""

    title: str
    file: Path
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers on `port`."""

    title: str
    port: int


@dataclass(slots=True)
class Figures:
    """Of one server under one load."""

    cold: float
    warm: list[float]
    seconds: list[float]


async def run() -> str:
    await ensure_packages(print, extra=["dnsperf"])
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        server = ApiServer("bench", directory / "apiserver")
        try:
            await server.start()
            async with await server.admin() as api:
                loads = await _objects(api, directory)
            return await _measured(server, loads, directory)
        finally:
            server.close()


async def _measured(server: ApiServer, loads: Sequence[Load], directory: Path) -> str:
    rows = []
    for load in loads:
        found: dict[str, Figures] = {}
        async with _servers(server, directory) as servers:
            for one in servers:
                await _until_answered(one, load)
            await _compare(servers, load)
        async with _servers(server, directory) as servers:  # anew: cold
            for one in servers:
                await _until_answered(one, load)
                found[one.title] = Figures(await _speed(one, load), [], [])
            for _ in range(ROUNDS):
                for one in servers:
                    found[one.title].warm.append(await _speed(one, load))
                    found[one.title].seconds += await _latencies(one, load)
        rows += _rows(load, found)
        print(table(HEADINGS, rows), flush=True)
    return table(HEADINGS, rows)


HEADINGS = ("ratio", "warm", "cold", "p50", "p99", "server", "names")


def _rows(load: Load, found: dict[str, Figures]) -> list[list[str]]:
    base = max(median(figures.warm) for title, figures in found.items() if title.startswith("CoreDNS"))
    rows = []
    for title, figures in found.items():
        cuts = quantiles(figures.seconds, n=100)
        rows.append([
            f"{median(figures.warm) / base:.1f}", f"{median(figures.warm):,.0f}/s", f"{figures.cold:,.0f}/s",
            f"{cuts[49] * 1e6:.0f} µs", f"{cuts[98] * 1e6:.0f} µs", title, load.title,
        ])  # fmt: skip
    return rows


async def _objects(api: Api, directory: Path) -> list[Load]:
    """1,000 names by as many services with clusterset IPs, 50,000 more by headless ones."""
    await install_crds(api)
    for number in range(NAMESPACES):
        await api.create(NAMESPACE, {"metadata": {"name": f"n{number}"}})
    made, few, many = [], [], []
    for number in range(1000):
        namespace, address = f"n{number % NAMESPACES}", f"10.90.{number // 250}.{number % 250 + 1}"
        made.append((SERVICE_IMPORT, import_object(f"web-{number}", namespace, ips=[address]), namespace))
        few.append(f"web-{number}.{namespace}.svc")
    for number in range(500):
        namespace, name = f"n{number % NAMESPACES}", f"db-{number}"
        endpoints = [
            endpoint(f"10.{number // 200}.{number % 200}.{each}", hostname=f"pod-{each}") for each in range(HOSTS)
        ]
        made.append((SERVICE_IMPORT, headless_object(name, namespace), namespace))
        made.append((ENDPOINT_SLICE, slice_object(f"{name}-w", namespace, name, "west", endpoints), namespace))
        many += [f"pod-{each}.west.{name}.{namespace}.svc" for each in range(HOSTS)]
    waiting = asyncio.Semaphore(16)

    async def create(kind: object, obj: dict[str, object], namespace: str) -> None:
        async with waiting:
            obj["metadata"].pop("resourceVersion")  # type: ignore[attr-defined]
            await api.create(kind, obj, namespace)  # type: ignore[arg-type]

    await asyncio.gather(*(create(*one) for one in made))
    return [_load(f"{len(names):,}", names, directory) for names in (few, many)]


def _load(title: str, names: Sequence[str], directory: Path) -> Load:
    chance = random.Random(1)
    asked = [f"no-{name}" if chance.random() < MISSING else name for name in names]
    chance.shuffle(asked)
    file = directory / f"names-{title}"
    file.write_text("".join(f"{name}.clusterset.local A\n" for name in asked))
    return Load(title, file, tuple(asked))


@asynccontextmanager
async def _servers(server: ApiServer, directory: Path) -> AsyncIterator[list[Server]]:
    """All of them, started anew."""
    ours, theirs, cached = free_port(), free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        *WITH_US, sys.executable, "-m", "tests.bench.dns_daemon", server.kubeconfig, str(ours),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    plain, caching = directory / "plain", directory / "caching"
    for folder in (plain, caching):
        folder.mkdir(exist_ok=True)
    text = corefile.in_tree(theirs, ("bind 127.0.0.1",))
    text = text.replace("        ttl 5\n", f"        ttl 5\n        kubeconfig {server.kubeconfig}\n")
    with_cache = text.replace(f":{theirs} ", f":{cached} ").replace("    errors\n", f"    errors\n{CACHED}")
    try:
        async with coredns(text, theirs, plain), coredns(with_cache, cached, caching):
            yield [
                Server("mcnet_dns", ours),
                Server("CoreDNS", theirs),
                Server("CoreDNS, cache", cached),
            ]
    finally:
        process.terminate()
        await process.wait()


async def _ask(server: Server, name: str) -> bytes:
    """The answer, without its number."""
    labels = (*name.split("."), *ZONE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", server.port))
        client.send(encode_query(Question(labels, Type.A)))
        async with asyncio.timeout(2):
            return (await asyncio.get_running_loop().sock_recv(client, 4096))[2:]


async def _until_answered(server: Server, load: Load) -> None:
    """Until the first name that is there is answered."""
    name = next(name for name in load.names if not name.startswith("no-"))
    async with asyncio.timeout(120):
        while True:
            try:
                if (await _ask(server, name))[4:6] == b"\0\1":
                    return
            except (TimeoutError, OSError):
                pass
            await asyncio.sleep(0.2)


async def _compare(servers: Sequence[Server], load: Load) -> None:
    """All say the same: outcome, number of answers, and the last bytes of the first one, its address."""
    for name in random.Random(2).sample(load.names, 300):
        answers = {_essence(await _ask(each, name)) for each in servers}
        assert len(answers) == 1, f"{name}: {answers}"


def _essence(answer: bytes) -> tuple[int, bytes, bytes]:
    """Outcome, number of answers, and the address."""
    return answer[1] & 0xF, answer[4:6], answer[-4:] if answer[5] else b""


async def _speed(server: Server, load: Load) -> float:
    """Queries a second, as many as it answers."""
    return await _dnsperf(server, load, "-q", "200", "-c", "8")


async def _dnsperf(server: Server, load: Load, *options: str) -> float:
    process = await asyncio.create_subprocess_exec(
        *WITH_US, "dnsperf", "-s", "127.0.0.1", "-p", str(server.port), "-d", load.file, "-l", str(SECONDS), *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    text = (await process.communicate())[0].decode()
    found = re.search(r"Queries per second:\s+([\d.]+)", text)
    assert found, text
    return float(found[1])


async def _latencies(server: Server, load: Load) -> list[float]:
    """Seconds of single queries, while dnsperf asks at RATE."""
    asking = asyncio.create_task(_dnsperf(server, load, "-Q", str(RATE), "-c", "8"))
    await asyncio.sleep(0.5)
    chance, spent = random.Random(3), []
    while not asking.done():
        begun = time.perf_counter()
        with suppress(TimeoutError):
            await _ask(server, chance.choice(load.names))
        spent.append(time.perf_counter() - begun)
        await asyncio.sleep(1 / TIMED)
    await asking
    return spent

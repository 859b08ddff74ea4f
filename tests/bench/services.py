"""Services between two clusters and a broker: three real API servers on this machine, each daemon its own process.

From exports posted at once until all can be used in the other cluster; from a change of an endpoint until it is in
the other cluster's slice; imports from nothing; what is written for it, and what the daemons need. The baseline is a
bare client for each server that writes the same objects.
"""

import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from mcnet.install.leave_services import remove_services
from mcnet.kube.kinds import (
    ENDPOINT_SLICE,
    EXPORTED_SERVICE,
    NAMESPACE,
    SERVICE,
    SERVICE_EXPORT,
    SERVICE_IMPORT,
    Kind,
)
from mcnet.model.cluster import ClusterId
from mcnet.model.service import (
    SERVICE_NAME_LABEL,
    ServiceName,
    broker_slice_name,
    derived_name,
    record_name,
)
from tests.apiserver.server import WITH_US
from tests.apiserver.service_members import Cluster
from tests.bench.document import table
from tests.bench.services_bed import Daemon, Servers, at_once, servers
from tests.bench.services_members import ten
from tests.bench.services_plain import template

MOST, CHANGES = (int(os.environ.get("MCNET_BENCH_" + name, default)) for name, default in (
    ("SERVICES", "5000"), ("CHANGES", "100"),
))  # fmt: skip
STEPS = ((100, 200), (1000, 1000))
"""At how many services an endpoint is changed, and how many exports are posted at once then."""
NAME = "shop"
POSTED_BOUND, ANEW_BOUND, CHANGED_BOUND, CHANGED_WORST, MEMORY_BOUND = 10, 60, 100, 300, 250
"""Seconds for 1,000 exports and for 5,000 imports; milliseconds, median and 99th percentile; MB."""
HEADINGS = ("what", "measured", "aim")

JsonObject = dict[str, Any]
_FRESH = itertools.count()
"""Ends of addresses that were not there before."""


@dataclass(frozen=True, slots=True)
class Posted:
    """Exports posted at once: seconds until all are usable in the other cluster, and until nothing is left to write;
    the daemons' writes; processor time of the servers and of the daemons, in seconds."""

    count: int
    usable: float
    done: float
    writes: Counter[tuple[str, ...]]
    servers: float
    daemons: float


@dataclass(frozen=True, slots=True)
class Plain:
    """What bare clients need for the objects of as many exports: seconds, and the servers' processor time."""

    seconds: float
    servers: float


async def run() -> str:
    async with servers() as made:
        rows = await _measured(made)
        rows += [[what, figure, "–"] for what, figure in await ten(made.by_name["broker"])]
    return table(HEADINGS, rows)


async def _measured(made: Servers) -> list[list[str]]:
    rows: list[list[str]] = []

    def note(*row: str) -> None:
        rows.append(list(row))
        print(*row, sep=" | ", flush=True)

    east, west = made.clusterset.east, made.clusterset.west
    for cluster in (east, west):
        await cluster.api.create(NAMESPACE, {"metadata": {"name": NAME}})
    exports = sum(STEPS[-1])
    await at_once(range(exports), lambda number: east.serve(NAME, f"s{number}", addresses=(1,)))
    async with made.daemon(east) as exporter, made.daemon(west) as importer:
        there = 0
        for count, more in STEPS:
            await _export(made, range(there, count), exporter, importer)
            _note_changes(note, count, [await _change(made, number, count) for number in range(CHANGES)])
            posted = await _export(made, range(count, count + more), exporter, importer)
            there = count + more
            _note_posted(note, posted)
        note(f"memory of discovery, exporting {there:,}", f"{exporter.sample.resident:.0f} MB", f"{MEMORY_BOUND} MB")
    await _more_records(made, range(there, MOST))
    await remove_services(west.api)
    async with made.daemon(west) as importer:
        begun, before = time.monotonic(), importer.sample.seconds
        await _usable(west, range(MOST))
        note(f"{MOST:,} imports from nothing", f"{time.monotonic() - begun:.1f} s", f"{ANEW_BOUND} s")
        await importer.settled()
        note("processor time for it", f"{importer.sample.seconds - before:.1f} s", "–")
        note(f"memory of discovery, importing {MOST:,}", f"{importer.sample.resident:.0f} MB", f"{MEMORY_BOUND} MB")
        _note_changes(note, MOST, [await _change(made, number, MOST, remote=True) for number in range(CHANGES)])
    plain = await _plain(made, STEPS[-1][1])
    note(f"the objects of {STEPS[-1][1]:,} exports written by bare clients", f"{plain.seconds:.1f} s", "–")
    note("the servers' processor time", f"{plain.servers:.1f} s", "–")
    return rows


def _note_changes(note: Callable[..., None], count: int, times: Sequence[float]) -> None:
    figures = f"{median(times):.0f}, {quantiles(times, n=100)[98]:.0f} ms"
    bound = f"{CHANGED_BOUND}, {CHANGED_WORST} ms"
    note(f"an endpoint changes, of {count:,} services, until it is in the other cluster: p50, p99", figures, bound)


def _note_posted(note: Callable[..., None], posted: Posted) -> None:
    for key, count in sorted(posted.writes.items()):
        print("   ", *key, count / posted.count)
    note(
        f"{posted.count:,} exports posted at once, until all are usable", f"{posted.usable:.1f} s",
        f"{POSTED_BOUND} s" if posted.count == 1000 else "–",
    )  # fmt: skip
    note("until nothing is left to write", f"{posted.done:.1f} s", "–")
    note("the servers' processor time", f"{posted.servers:.1f} s", "–")
    note("the daemons' processor time", f"{posted.daemons:.1f} s", "–")
    note("the daemons' writes for each export", f"{posted.writes.total() / posted.count:.1f}", "–")


async def _export(made: Servers, numbers: range, exporter: Daemon, importer: Daemon) -> Posted:
    """Post these exports, and wait until all is done."""
    daemons = {"east": exporter, "west": importer}
    writes = {name: await one.writes() for name, one in daemons.items()}
    busy, serving = sum(one.sample.seconds for one in daemons.values()), made.seconds
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(_usable(made.clusterset.west, numbers))
        group.create_task(at_once(numbers, lambda number: made.clusterset.east.export(NAME, f"s{number}")))
    usable = time.monotonic() - begun
    still = [await daemon.settled() for daemon in daemons.values()]
    done = time.monotonic() - begun - still[-1]
    made_writes: Counter[tuple[str, ...]] = Counter()
    for name, one in daemons.items():
        for key, count in (await one.writes() - writes[name]).items():
            made_writes[name, *key] += count
    return Posted(
        len(numbers), usable, done, made_writes, made.seconds - serving,
        sum(one.sample.seconds for one in daemons.values()) - busy,
    )  # fmt: skip


async def _usable(cluster: Cluster, numbers: range) -> None:
    """Until each of these has its clusterset IP and its endpoints."""
    wanted = {f"s{number}" for number in numbers}

    async def seen(kind: Kind, name_of: Callable[[JsonObject], object]) -> None:
        left = set(wanted)
        while left:
            async for what, obj in cluster.api.watch(kind, NAME):
                if what != "DELETED":
                    left.discard(str(name_of(obj)))
                if not left:
                    break

    await asyncio.gather(
        seen(SERVICE_IMPORT, lambda obj: obj["metadata"]["name"] if obj["spec"].get("ips") else None),
        seen(ENDPOINT_SLICE, lambda obj: (obj["metadata"].get("labels") or {}).get(SERVICE_NAME_LABEL)),
    )


async def _change(made: Servers, number: int, count: int, *, remote: bool = False) -> float:
    """Milliseconds from the change of an endpoint, or `remote` of its slice at the broker, until the other cluster
    has it."""
    east, west = made.clusterset.east, made.clusterset.west
    name, last = f"s{number * 7 % count}", 2 + next(_FRESH) % 250
    labels = f"{SERVICE_NAME_LABEL}={name}"
    _, version = await west.api.list_at(ENDPOINT_SLICE, NAME, labels=labels)
    watching = west.api.watch(ENDPOINT_SLICE, NAME, labels=labels, resource_version=version)

    async def arrived() -> float:
        async for _, obj in watching:
            if any(east.address(last) in end["addresses"] for end in obj.get("endpoints") or ()):
                break
        return time.monotonic()

    slices = await made.clusterset.broker.list(ENDPOINT_SLICE, made.clusterset.broker_namespace, labels=labels)
    arriving = asyncio.create_task(arrived())
    await asyncio.sleep(0.05)  # the watch has begun
    begun = time.monotonic()
    if remote:
        endpoints = [end | {"addresses": [east.address(last)]} for end in slices[0]["endpoints"]]
        await made.clusterset.broker.replace(ENDPOINT_SLICE, slices[0] | {"endpoints": endpoints})
    else:
        await east.endpoints(NAME, name, last)
    return (await asyncio.wait_for(arriving, 60) - begun) * 1000


async def _more_records(made: Servers, numbers: range) -> None:
    """Records and slices as east's discovery writes them, of services that east does not even have."""
    broker, space, east = made.clusterset.broker, made.clusterset.broker_namespace, ClusterId("east")
    record, one = (template(obj) for obj in (await _objects(made))["broker"])

    async def write(number: int) -> None:
        service = ServiceName(NAME, f"s{number}")
        slice_name = broker_slice_name(east, service, f"{service.name}-abc")
        labels = one["metadata"]["labels"] | {SERVICE_NAME_LABEL: service.name}
        metadata = record["metadata"] | {"name": record_name(east, service)}
        spec = record["spec"] | {"name": service.name}
        await broker.create(EXPORTED_SERVICE, record | {"metadata": metadata, "spec": spec}, space)
        metadata = one["metadata"] | {"name": slice_name, "labels": labels}
        await broker.create(ENDPOINT_SLICE, one | {"metadata": metadata}, space)

    await at_once(numbers, write)


async def _plain(made: Servers, count: int) -> Plain:
    """As many objects as these exports need, written by a bare client for each server, all at once, in a namespace of
    their own; no daemon runs."""
    written = await _objects(made)
    space = f"plain-{next(_FRESH)}"
    for api in (made.clusterset.east.api, made.clusterset.west.api, made.clusterset.broker):
        await api.create(NAMESPACE, {"metadata": {"name": space}})
    serving, begun = made.seconds, time.monotonic()
    await asyncio.gather(*(_written(made, name, objects, space, count) for name, objects in written.items()))
    return Plain(time.monotonic() - begun, made.seconds - serving)


async def _objects(made: Servers) -> dict[str, list[JsonObject]]:
    """What there is of the first service, by server."""
    east, west, broker = made.clusterset.east, made.clusterset.west, made.clusterset.broker
    service, space = ServiceName(NAME, "s0"), made.clusterset.broker_namespace
    found: dict[str, list[JsonObject]] = {
        "broker": [
            await broker.get(EXPORTED_SERVICE, record_name(ClusterId("east"), service), space),
            *await broker.list(ENDPOINT_SLICE, space, labels=f"{SERVICE_NAME_LABEL}=s0"),
        ]
    }  # fmt: skip
    for cluster in (east, west):
        found[cluster.id] = [
            await cluster.api.get(SERVICE, derived_name(service), NAME),
            await cluster.api.get(SERVICE_IMPORT, "s0", NAME),
            *await cluster.slices(NAME, "s0"),
        ]
    found["east"].append(await east.api.get(SERVICE_EXPORT, "s0", NAME))
    return found


async def _written(made: Servers, name: str, objects: list[JsonObject], space: str, count: int) -> None:
    templates = [template(obj) for obj in objects]
    for obj in templates:
        obj["metadata"] |= {"namespace": space, "labels": {}}
    told = {"kubeconfig": str(made.by_name[name].kubeconfig), "count": count, "objects": templates}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(told))
        file.flush()
        process = await asyncio.create_subprocess_exec(
            *WITH_US, sys.executable, "-m", "tests.bench.services_plain", file.name
        )  # fmt: skip
        if await process.wait():
            raise RuntimeError(f"the bare client of {name} has failed")

"""Removes a lab, from its recorded plan alone, however much or little of it exists."""

import asyncio

from mcnet.lab import cgroups, network, processes
from mcnet.lab.hostlimits import restore_inotify
from mcnet.lab.store import Store
from mcnet.lab.topology import Topology
from mcnet.model.errors import McnetError

_SECONDS = 20


async def remove(store: Store, topology: Topology) -> None:
    """Kills the lab's processes, then removes namespaces, control groups and files.

    Only what bears this lab's mark or runs in its namespaces is killed. Can be repeated.
    """
    await kill_all(store, topology)
    await network.remove(topology, store.mark)
    await cgroups.remove(store.directory.glob("machines/*"))
    store.forget(last=restore_inotify)


async def kill_all(store: Store, topology: Topology) -> None:
    """Kills until nothing is left: what a killed starter had just forked appears a moment later."""
    recorded = store.processes()
    seen: set[int] = set()
    try:
        async with asyncio.timeout(_SECONDS):
            while found := _find(store, topology) | {
                record.pid for record in recorded if record.pid and processes.is_running(record.pid, record.started)
            }:
                seen |= found
                processes.kill(found)
                await asyncio.sleep(0.05)
                processes.reap(seen)
    except TimeoutError:
        left = ", ".join(map(str, sorted(_find(store, topology))))
        raise McnetError(
            f"processes of lab {store.name!r} can't be killed: {left}", f"mcnet lab down --name {store.name}"
        ) from None
    processes.reap(seen)


def _find(store: Store, topology: Topology) -> set[int]:
    return processes.find(mark=store.mark, namespaces=topology.namespaces.values())

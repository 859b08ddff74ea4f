"""Removes a lab, from its recorded plan alone, however much or little of it exists."""

import asyncio
import contextlib
from pathlib import Path

from mcnet.lab import network, processes
from mcnet.lab.hostlimits import restore_inotify
from mcnet.lab.store import Store
from mcnet.lab.topology import Topology
from mcnet.model.errors import McnetError

_CGROUPS = Path("/sys/fs/cgroup")
_PARENT = "k8s.io"
_CONTAINERS = (
    "machines/*/lib/containerd/io.containerd.runtime.v2.task/k8s.io/*",
    "machines/*/lib/containerd/io.containerd.grpc.v1.cri/*/*",
)
_SECONDS = 20


async def remove(store: Store, topology: Topology) -> None:
    """Kills the lab's processes, then removes namespaces, control groups and files.

    Only what bears this lab's mark or runs in its namespaces is killed. Can be repeated.
    """
    await kill_all(store, topology)
    await network.remove(topology, store.mark)
    await remove_cgroups(store)
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


async def remove_cgroups(store: Store) -> None:
    """Removes the control groups that killed containers left, from every hierarchy.

    containerd names them k8s.io/CONTAINER; which containers were the lab's is read from its directories.
    """
    ids = {path.name for pattern in _CONTAINERS for path in store.directory.glob(pattern)}
    for hierarchy in [_CGROUPS, *(path for path in _CGROUPS.iterdir() if path.is_dir())]:
        parent = hierarchy / _PARENT
        if not parent.is_dir():
            continue
        for path in [parent / name for name in ids if (parent / name).is_dir()]:
            for nested in sorted((each for each in path.rglob("*") if each.is_dir()), reverse=True):
                await _remove_cgroup(nested)
            await _remove_cgroup(path)
        # Refused while another containerd of this host has groups in it.
        with contextlib.suppress(OSError):
            parent.rmdir()


async def _remove_cgroup(path: Path) -> None:
    """A group stays busy for a moment after its last process has gone."""
    for _ in range(50):
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return
    raise McnetError(f"the control group {path} can't be removed", "mcnet lab down")

"""Nodes that come, go and change their name while a lab is up.

As in a real cluster: the machine is made or removed by its owner, and the API server is told. What the plan says is
written down first, so that `down` finds whatever a killed command has left.
"""

import os
import signal
from collections.abc import Callable

from mcnet.lab import configs, machines, network, processes
from mcnet.lab.bringup import Startup, Supplies
from mcnet.lab.store import LabState, Store
from mcnet.lab.topology import Cluster, Machine
from mcnet.model.errors import UsageError

Progress = Callable[[str], None]


async def add(store: Store, cluster: str, supplies: Supplies, progress: Progress) -> Machine:
    """One node more; returns when it is Ready. Raises UsageError when the cluster is full."""
    state = store.load()
    spec, number = state.spec.with_node(cluster)
    state = store.change(state, spec)
    place, machine = _find(state, f"{cluster}-n{number}")
    progress(f"{cluster}: making {machine.name}")
    await network.attach(state.topology, place, machine, store.mark)
    await Startup(store, state, place, supplies, progress).join(machine)
    return machine


async def remove(store: Store, name: str, supplies: Supplies, progress: Progress) -> None:
    """Drains, deletes and unmakes a node. Can be repeated."""
    state = store.load()
    place, machine = _find(state, name)
    spec = state.spec.without_node(place.name, int(machine.short_name.removeprefix("n")))
    progress(f"{place.name}: draining {machine.name}")
    await Startup(store, state, place, supplies, progress).forget(machine.name)
    await _end(store, machine)
    rest = store.change(state, spec)
    left = next(cluster for cluster in rest.topology.clusters if cluster.name == place.name)
    await network.detach(left, machine, store.mark)
    store.forget_machine(machine.name)


async def rename(store: Store, name: str, new: str, supplies: Supplies, progress: Progress) -> None:
    """The kubelet of a machine registers as `new`; returns when that node is Ready."""
    state = store.load()
    place, machine = _find(state, name)
    started = Startup(store, state, place, supplies, progress)
    await started.register(machine, new)
    record = await machines.stop(store, name, "kubelet")
    pki = store.pki(place.name)
    argv = configs.kubelet(machine, pki, new)
    await machines.start(store, name, "kubelet", [record.argv[0], *argv[1:]])
    await started.node_ready(new)


async def _end(store: Store, machine: Machine) -> None:
    """Kills the machine: its first process takes all others along."""
    pid = machines.init_pid(store, machine.name)
    os.kill(pid, signal.SIGKILL)

    async def ended() -> bool:
        return not processes.is_running(pid)

    await processes.wait_until(ended, seconds=10)


def _find(state: LabState, name: str) -> tuple[Cluster, Machine]:
    for cluster in state.topology.clusters:
        for machine in cluster.nodes:
            if machine.name == name:
                return cluster, machine
    known = ", ".join(machine.name for machine in state.topology.nodes)
    raise UsageError(f"lab {state.spec.name!r} has no node {name!r}", f"use one of {known}")

"""A lab as an object: what the command line and the end-to-end tests use.

Each method is one of the commands; how they do it is in the modules they call.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mcnet.lab import etcd, impair, machines, network, nodes, processes, reboot, teardown
from mcnet.lab.bringup import Supplies, import_image, start_cluster, write_credentials
from mcnet.lab.hostlimits import raise_inotify
from mcnet.lab.hostnet import blocks_in_use
from mcnet.lab.impair import Impairment, LinkName
from mcnet.lab.processes import Completed
from mcnet.lab.spec import LabSpec
from mcnet.lab.status import snapshot
from mcnet.lab.store import STATE_ROOT, LabState, ProcessRecord, Store
from mcnet.lab.supplies import gather
from mcnet.lab.topology import Cluster, Machine, Topology
from mcnet.model.errors import UsageError

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    return None


class Lab:
    """One lab of this host, existing or not."""

    def __init__(self, name: str, root: Path = STATE_ROOT) -> None:
        self.name = name
        self.store = Store(name, root)

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig with a context per cluster."""
        self.store.load()
        return self.store.kubeconfig

    @property
    def topology(self) -> Topology:
        """The plan of the existing lab. Raises UsageError when there is none of this name."""
        return self.store.load().topology

    async def up(self, spec: LabSpec, progress: Progress = _silent, images: Iterable[Path] = ()) -> LabState:
        """Brings the lab up; returns when all nodes are Ready and DNS answers.

        `images` are docker-archives that every node gets besides the lab's own. What a failed or
        interrupted run has made stays, for a look at it; `down` removes it.
        """
        self.require_absent()
        supplies = await gather(progress, tuple(images))
        state = self.store.claim(spec, await blocks_in_use(), raise_inotify)
        with self.store.busy():
            topology = state.topology
            blocks = " and ".join(str(topology.block.network(family)) for family in spec.versions)
            progress(f"lab {self.name!r}: building the network in {blocks}")
            try:
                await self._build(state, supplies, progress)
            except BaseException:
                progress(f"what was made of lab {self.name!r} stays: mcnet lab down --name {self.name}")
                raise
            return self.store.mark_up(state)

    def require_absent(self) -> None:
        """Raises UsageError when a lab of this name exists, or this process is not root."""
        require_root("up")
        self.store.require_absent()

    async def down(self, progress: Progress = _silent) -> None:
        """Removes the lab completely."""
        require_root("down")
        state = self.store.load()
        with self.store.busy():
            progress(f"removing lab {self.name!r}")
            await teardown.remove(self.store, state.topology)

    def status(self) -> dict[str, Any]:
        """Clusters, contexts, machines, addresses and running processes: `mcnet lab status -o json`."""
        return snapshot(self.store)

    async def exec(self, place: str, *argv: str, stdin: str = "") -> Completed:
        """Runs a program at `place` (`east/n1`, `east/cp`, `wan`, ...) to its end."""
        return await processes.call([*self.entry(place), *argv], mark=self.store.mark, stdin=stdin)

    def entry(self, place: str) -> list[str]:
        """The command prefix that runs a program at `place`, in this working directory."""
        topology = self.topology
        machine = next((each for each in topology.machines if place in (place_of(each), each.name)), None)
        if machine:
            return machines.entry(self.store, machine.name)
        if place in topology.namespaces:
            return ["nsenter", f"--net=/run/netns/{topology.namespaces[place]}", "--"]
        known = ", ".join(topology.namespaces)
        raise UsageError(f"lab {self.name!r} has no {place!r}", f"use one of {known}")

    async def load_image(self, archive: Path, clusters: Iterable[str] = ()) -> int:
        """Imports a docker-archive into every node, or the nodes of some clusters; returns into how many."""
        wanted = set(clusters)
        topology = self.topology
        if unknown := wanted - set(topology.spec.clusters):
            raise UsageError(f"lab {self.name!r} has no cluster {', '.join(sorted(unknown))}", "mcnet lab status")
        if not archive.is_file():
            raise UsageError(f"there is no image archive {str(archive)!r}", "buildah push IMAGE docker-archive:FILE")
        nodes = [node for node in topology.nodes if not wanted or node.cluster in wanted]
        await asyncio.gather(*(import_image(self.store, node, archive.resolve()) for node in nodes))
        return len(nodes)

    async def add_node(self, cluster: str, progress: Progress = _silent, images: Iterable[Path] = ()) -> Machine:
        """One node more in a cluster of this lab; returns when it is Ready. `images` as for `up`."""
        require_root("add-node")
        supplies = await gather(progress, tuple(images))
        with self.store.busy():
            return await nodes.add(self.store, cluster, supplies, progress)

    async def remove_node(self, machine: str, progress: Progress = _silent) -> None:
        """Drains a node (`east-n3`), deletes it from its cluster and removes the machine."""
        require_root("remove-node")
        supplies = await gather(progress)
        with self.store.busy():
            await nodes.remove(self.store, machine, supplies, progress)

    async def rename_node(self, machine: str, name: str, progress: Progress = _silent) -> None:
        """Has a machine's kubelet register as `name`, as after a change of the host's name. The Node of before
        stays until somebody deletes it."""
        require_root("rename-node")
        await nodes.rename(self.store, machine, name, await gather(progress), progress)

    async def impair(self, machine: str, link: LinkName, wanted: Impairment) -> None:
        """Gives a machine's link exactly these faults; `Impairment()` makes it whole."""
        require_root("impair")
        await impair.apply(impair.find_link(self.topology, machine, link), wanted, self.store.mark)

    async def stop(self, machine: str, program: str, *, kill: bool = False) -> ProcessRecord:
        """Ends a component (`east-cp`, `kube-apiserver`) until `start` is called."""
        return await machines.stop(self.store, machine, program, kill=kill)

    async def start(self, machine: str, program: str) -> ProcessRecord:
        """Starts a stopped component with the same arguments as before."""
        record = machines.find(self.store, machine, program)
        return await machines.start(self.store, machine, program, list(record.argv))

    async def reboot(self, machine: str) -> None:
        """Loses a machine's power and brings it back; returns once its programs run, before the node is Ready."""
        require_root("reboot")
        topology = self.topology
        found = self._machine(machine)
        await reboot.power_off(self.store, topology, found)
        await reboot.power_on(self.store, topology, found)

    async def save_etcd(self, cluster: str) -> Path:
        """Copies a cluster's etcd, which is stopped for that; returns the copy."""
        return await etcd.save(self.store, self._cluster(cluster))

    async def restore_etcd(self, cluster: str, copy: Path) -> None:
        """Puts back what `save_etcd` returned."""
        await etcd.restore(self.store, self._cluster(cluster), copy)

    def _machine(self, name: str) -> Machine:
        """The machine `east-n1` or `east/n1`. Raises UsageError."""
        known_machines = self.topology.machines
        found = next((each for each in known_machines if name in (place_of(each), each.name)), None)
        if found is None:
            known = ", ".join(each.name for each in known_machines)
            raise UsageError(f"lab {self.name!r} has no machine {name!r}", f"use one of {known}")
        return found

    def _cluster(self, name: str) -> Cluster:
        clusters = self.topology.clusters
        found = next((each for each in clusters if each.name == name), None)
        if found is None:
            known = ", ".join(each.name for each in clusters)
            raise UsageError(f"lab {self.name!r} has no cluster {name!r}", f"use one of {known}")
        return found

    async def _build(self, state: LabState, supplies: Supplies, progress: Progress) -> None:
        topology = state.topology
        await asyncio.gather(
            network.build(topology, self.store.mark),
            asyncio.to_thread(write_credentials, self.store, topology),
        )
        progress("starting " + " and ".join(state.spec.clusters))
        try:
            async with asyncio.TaskGroup() as group:
                for cluster in topology.clusters:
                    group.create_task(start_cluster(self.store, state, cluster, supplies, progress))
        except BaseExceptionGroup as failures:
            raise _cause(failures) from None


def _cause(failure: BaseException) -> BaseException:
    """The first failure of a group of tasks; the others were stopped for it."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


def place_of(machine: Machine) -> str:
    """What `mcnet lab exec` calls a machine."""
    return f"{machine.cluster}/{machine.short_name}"


def require_root(command: str) -> None:
    """Raises UsageError unless this process is root."""
    if os.geteuid() != 0:
        raise UsageError(f"mcnet lab {command} makes network namespaces and needs root", f"sudo mcnet lab {command}")

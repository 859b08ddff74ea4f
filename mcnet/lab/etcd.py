"""A cluster's etcd as files: set aside and put back, as a disaster recovery does it.

Putting back an old copy makes resource versions go backwards under everybody who watches. Kubernetes' own
programs are started anew, as its documentation demands; whether others cope is what tests look at.
"""

import shutil
from pathlib import Path

from mcnet.lab import machines
from mcnet.lab.store import Store
from mcnet.lab.topology import Cluster, Machine
from mcnet.model.errors import UsageError

_SERVER = "kube-apiserver"
_CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
_AGENTS = ("kubelet", "kube-proxy")


async def save(store: Store, cluster: Cluster) -> Path:
    """Copies the cluster's etcd while it is stopped for a moment; returns the copy, which goes with the lab.

    The API server is killed: asked to stop, it takes its address out of the Service `kubernetes`, in the copy too,
    and no pod reaches it until every kube-proxy has heard that it is back.
    """
    copy = store.directory / "snapshots" / cluster.name
    plane = cluster.control_plane
    await _stop(store, plane, (_SERVER, "etcd"))
    try:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(_data(store, cluster), copy)
    finally:
        await _start(store, plane, ("etcd", _SERVER))
    return copy


async def restore(store: Store, cluster: Cluster, copy: Path) -> None:
    """Puts `copy` in place of the cluster's etcd; returns once all programs run again, before they are ready."""
    if not copy.is_dir():
        raise UsageError(f"there is no copy of etcd at {str(copy)!r}", "save one first")
    plane = cluster.control_plane
    for node in cluster.nodes:
        await _stop(store, node, _AGENTS)
    await _stop(store, plane, (*_CONTROLLERS, _SERVER, "etcd"))
    try:
        shutil.rmtree(_data(store, cluster))
        shutil.copytree(copy, _data(store, cluster))
    finally:
        await _start(store, plane, ("etcd", _SERVER, *_CONTROLLERS))
        for node in cluster.nodes:
            await _start(store, node, _AGENTS)


def _data(store: Store, cluster: Cluster) -> Path:
    """/var/lib/etcd of the control plane, as the host sees it."""
    return store.machine(cluster.control_plane.name) / "lib" / "etcd"


async def _stop(store: Store, machine: Machine, programs: tuple[str, ...]) -> None:
    for program in programs:
        await machines.stop(store, machine.name, program, kill=program == _SERVER)


async def _start(store: Store, machine: Machine, programs: tuple[str, ...]) -> None:
    for program in programs:
        record = machines.find(store, machine.name, program)
        await machines.start(store, machine.name, program, list(record.argv))

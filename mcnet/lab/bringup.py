"""Starts the components of one cluster in their order and waits until it can be used.

What each is started with is in configs.py; the network exists already.
"""

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from mcnet.lab import configs, machines, processes
from mcnet.lab.certificates import Authority, context, kubeconfig, service_account_keys, write_secret
from mcnet.lab.imagestore import clone
from mcnet.lab.manifests import initial_objects, node_object
from mcnet.lab.resolve import dns_answers
from mcnet.lab.store import LabState, ProcessRecord, Store
from mcnet.lab.topology import Cluster, Machine, Topology
from mcnet.model.errors import KernelError, McnetError, UnreachableError

Progress = Callable[[str], None]

_API_SECONDS = 120
_NODES_SECONDS = 120
_RUNTIME_SECONDS = 30
_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplies:
    """What a lab needs from outside."""

    binaries: dict[str, Path]
    """By the program's name."""
    images: Path
    """The image store that every node starts from."""


def write_credentials(store: Store, topology: Topology) -> None:
    """Makes all certificates and kubeconfigs of a lab."""
    contexts = [_cluster_credentials(store, cluster) for cluster in topology.clusters]
    write_secret(store.kubeconfig, kubeconfig(contexts))


async def start_cluster(
    store: Store, state: LabState, cluster: Cluster, supplies: Supplies, progress: Progress
) -> None:
    """From booted namespaces to all nodes Ready and DNS that answers on each."""
    started = Startup(store, state, cluster, supplies, progress)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(started.watch())
        await asyncio.gather(started.control_plane(), *(started.runtime(node) for node in cluster.nodes))
        await asyncio.gather(started.controllers(), *(started.agents(node) for node in cluster.nodes))
        await started.ready()
        watching.cancel()


class Startup:
    """The steps of one cluster's start, which share its settings."""

    def __init__(
        self, store: Store, state: LabState, cluster: Cluster, supplies: Supplies, progress: Progress
    ) -> None:
        self._store = store
        self._spec = state.spec
        self._cluster = cluster
        self._supplies = supplies
        self._progress = progress
        self._pki = store.pki(cluster.name)
        self._running: list[ProcessRecord] = []

    async def watch(self) -> None:
        """Raises McnetError as soon as one of the started programs ends, instead of waiting for it in vain."""
        while True:
            for record in self._running:
                if not processes.is_running(record.pid, record.started):
                    raise self._ended(record)
            await asyncio.sleep(_WATCH_SECONDS)

    async def control_plane(self) -> None:
        """etcd and the API server, and then the objects the cluster begins with."""
        machine = self._cluster.control_plane
        await machines.boot(self._store, machine, {})
        await self._start(machine, configs.etcd(self._cluster))
        await self._start(machine, configs.apiserver(self._cluster, self._pki))
        await self._api_ready()
        self._say("API server ready")
        await self._kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(initial_objects(self._cluster)))

    async def controllers(self) -> None:
        """Controller manager and scheduler."""
        machine = self._cluster.control_plane
        await self._start(machine, configs.controller_manager(self._cluster, self._pki))
        await self._start(machine, configs.scheduler(self._pki))

    async def runtime(self, node: Machine) -> None:
        """containerd with the images."""
        await clone(self._supplies.images, self._store.machine(node.name) / "lib" / "containerd")
        files = configs.node_files(self._spec, self._cluster, node, self._pki)
        await machines.boot(self._store, node, files)
        await self._start(node, configs.containerd())
        await runtime_ready(self._store, node)

    async def agents(self, node: Machine) -> None:
        """kubelet and kube-proxy."""
        await self._start(node, configs.kubelet(node, self._pki))
        await self._start(node, configs.kube_proxy())

    async def join(self, node: Machine, name: str = "") -> None:
        """A node of a running cluster: registered (as `name`, if it is not the machine's), started, Ready."""
        name = name or node.name
        await self.register(node, name)
        await self.runtime(node)
        await self.agents(node)
        await self.node_ready(name)

    async def register(self, node: Machine, name: str) -> None:
        """Credentials of the kubelet and the Node object."""
        authority = await asyncio.to_thread(Authority.read, self._cluster.name, self._pki)
        await asyncio.to_thread(write_node_credentials, authority, self._cluster, self._pki, name)
        await self._kubectl(
            "apply", "--server-side", "-f", "-", stdin=json.dumps(node_object(node, self._cluster, name))
        )

    async def node_ready(self, name: str) -> None:
        """Waits for one node."""
        limit = f"--timeout={_NODES_SECONDS}s"
        await self._wait(f"node {name} is not Ready", "wait", "--for=condition=Ready", f"node/{name}", limit)

    async def forget(self, name: str) -> None:
        """Drains a node and deletes it from the API server; nothing to do where it is deleted already."""
        if not await self._kubectl("get", "node", name, "--ignore-not-found", "--output=name"):
            return
        drain = ("--ignore-daemonsets", "--force", "--delete-emptydir-data", "--grace-period=1", "--timeout=60s")
        await self._kubectl("drain", name, *drain)
        await self._kubectl("delete", "node", name)

    async def ready(self) -> None:
        """Waits for the nodes and for DNS."""
        limit = f"--timeout={_NODES_SECONDS}s"
        await self._wait("its nodes are not Ready", "wait", "--for=condition=Ready", "node", "--all", limit)
        self._say(f"{len(self._cluster.nodes)} nodes Ready")
        rollout = ("-n", "kube-system", "rollout", "status", "deployment/coredns", limit)
        await self._wait("its DNS is not ready", *rollout)
        await dns_answers(self._cluster, self._store.mark)
        self._say("DNS answers")

    async def _start(self, machine: Machine, argv: list[str]) -> None:
        program = argv[0]
        path = self._supplies.binaries.get(program, Path(program))
        command = [str(path), *argv[1:]]
        self._running.append(await machines.start(self._store, machine.name, program, command))

    async def _api_ready(self) -> None:
        url = f"{self._cluster.public_server}/readyz"
        trust = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
            ready = await processes.wait_until(lambda: _answers(session, url, trust), seconds=_API_SECONDS, poll=0.2)
        if not ready:
            log = self._store.log(self._cluster.control_plane.name, "kube-apiserver")
            raise UnreachableError(
                f"the API server of cluster {self._cluster.name} was not ready after {_API_SECONDS} s", f"see {log}"
            )

    def _ended(self, record: ProcessRecord) -> McnetError:
        log = self._store.log(record.machine, record.program)
        said = log.read_text(errors="replace").strip().splitlines()[-1:]
        return McnetError(f"{record.program} of {record.machine} ended: {''.join(said)[:300]}", f"see {log}")

    async def _wait(self, otherwise: str, *arguments: str) -> None:
        try:
            await self._kubectl(*arguments)
        except McnetError as error:
            logs = f"look into {self._store.directory}/logs"
            raise McnetError(f"cluster {self._cluster.name}: {otherwise} after {_NODES_SECONDS} s", logs) from error

    async def _kubectl(self, *arguments: str, stdin: str = "") -> str:
        kubectl = [str(self._supplies.binaries["kubectl"]), f"--kubeconfig={self._store.kubeconfig}"]
        command = [*kubectl, f"--context={self._cluster.name}", *arguments]
        try:
            return await processes.check(command, mark=self._store.mark, stdin=stdin)
        except KernelError as error:
            raise McnetError(error.message, f"logs are in {self._store.directory}/logs") from error

    def _say(self, what: str) -> None:
        self._progress(f"{self._cluster.name}: {what}")


async def import_image(store: Store, node: Machine, archive: Path) -> None:
    """Loads a docker-archive into a node's containerd."""
    # By standard input, since a machine does not see the host's /run and /var/lib.
    command = ["ctr", "-n", "k8s.io", "images", "import", "--snapshotter=overlayfs", "-"]
    await machines.check(store, node.name, command, archive)


async def runtime_ready(store: Store, node: Machine) -> None:
    """Waits until a node's containerd answers. Raises McnetError."""

    async def answers() -> bool:
        return (await machines.call(store, node.name, ["ctr", "version"])).status == 0

    if not await processes.wait_until(answers, seconds=_RUNTIME_SECONDS, poll=0.1):
        log = store.log(node.name, "containerd")
        raise McnetError(f"containerd of {node.name} did not answer in {_RUNTIME_SECONDS} s", f"see {log}")


async def _answers(session: aiohttp.ClientSession, url: str, trust: ssl.SSLContext) -> bool:
    try:
        async with session.get(url, ssl=trust) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def write_node_credentials(authority: Authority, cluster: Cluster, pki: Path, name: str) -> None:
    """The kubeconfig of the kubelet that registers as `name`."""
    user = authority.client(f"system:node:{name}", "system:nodes")
    own = kubeconfig([context(cluster.name, cluster.internal_server, authority.certificate, user)])
    write_secret(pki / f"{name}.kubeconfig", own)


def _cluster_credentials(store: Store, cluster: Cluster) -> dict[str, object]:
    """Writes a cluster's identities; returns the administrator's context."""
    pki = store.pki(cluster.name)
    pki.mkdir(parents=True)
    authority = Authority(cluster.name)
    ca = authority.certificate
    (pki / "ca.crt").write_bytes(ca)
    authority.write_key(pki)
    plane = cluster.control_plane
    names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{configs.CLUSTER_DOMAIN}",
        "localhost",
    ]
    addresses = [*plane.cluster_addresses, *plane.wan_addresses, *cluster.api_service_addresses]
    authority.server("kube-apiserver", [*names, *addresses]).write(pki, "apiserver")
    authority.client("kube-apiserver-kubelet-client", "system:masters").write(pki, "apiserver-kubelet")
    private, public = service_account_keys()
    write_secret(pki / "sa.key", private)
    (pki / "sa.pub").write_bytes(public)
    users = {
        "controller-manager": authority.client("system:kube-controller-manager"),
        "scheduler": authority.client("system:kube-scheduler"),
        "kube-proxy": authority.client("system:kube-proxy", "system:node-proxier"),
    }
    for name, user in users.items():
        own = kubeconfig([context(cluster.name, cluster.internal_server, ca, user)])
        write_secret(pki / f"{name}.kubeconfig", own)
    for node in cluster.nodes:
        write_node_credentials(authority, cluster, pki, node.name)
    admin = authority.client("kubernetes-admin", "system:masters")
    return context(cluster.name, cluster.public_server, ca, admin)

"""The node daemons on an API server and a kernel in memory: node n1 of east, a gateway; west is the other cluster."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcnet.codec import cluster, clusterset, endpoint, identity, member
from mcnet.kernel.execute import Failure
from mcnet.kube.api import Api
from mcnet.kube.kinds import ENDPOINT
from mcnet.loop.run import Stop
from mcnet.model.endpoint import endpoint_name
from mcnet.model.foreign import ForeignChain
from mcnet.model.kernel import (
    Address,
    Change,
    Event,
    HostFacts,
    KernelState,
    NextHop,
    NextHopGroup,
    NftTable,
    Replace,
    Sysctl,
)
from mcnet.model.look import Path as LookPath
from mcnet.model.ownership import GATEWAY, ROUTE_AGENT, Partition, nexthop_kind
from mcnet.model.probe import Mark, PathHealth, State, Target
from mcnet.plan.nat_discovery import Own, Peer
from mcnet.plan.nat_discovery import Path as NatPath
from mcnet.probe.adverts import AdvertListener, AdvertSender
from mcnet.probe.nat_discovery import NatDiscovery
from mcnet.probe.path_sizes import PathSizes
from mcnet.probe.ping import Prober
from mcnet_gateway.main import Gateway
from mcnet_gateway.settings import Settings as GatewaySettings
from mcnet_route_agent.main import RouteAgent
from mcnet_route_agent.settings import Settings as RouteAgentSettings
from tests.fakes.api import FakeServer
from tests.fakes.kernel import FakeKernel
from tests.fakes.worlds import CLUSTER_WEST, EAST, MEMBER, SYSCTLS, VXLAN_OPTIONS, WEST_0, host, prefixes

NAMESPACE = "mcnet-system"
KEYS = identity.PrivateIdentity(signing=b"s" * 32, agreement=b"a" * 32)


def node_object(number: int, *, gateway: bool) -> dict[str, Any]:
    """A Node as the API server has it, equal to tests.fakes.worlds.node(number)."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": f"n{number}",
            "uid": f"uid-{number}",
            "creationTimestamp": f"2026-01-0{number}T00:00:00Z",
            "labels": {"mcnet.dev/gateway": "true"} if gateway else {},
        },
        "spec": {"podCIDRs": [f"10.10.{number - 1}.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": f"172.30.1.{number + 1}"}]},
    }


class MemoryKernel:
    """A FakeKernel for each partition, the host's facts, and events when told."""

    def __init__(self) -> None:
        foreign = {interface.ip for link in host().links for interface in link.addresses}
        self.parts = {
            ROUTE_AGENT: FakeKernel([Sysctl(path, value) for path, value in SYSCTLS.items()], foreign),
            GATEWAY: FakeKernel(foreign=foreign),
        }
        self.chains: tuple[ForeignChain, ...] = ()
        self._changed = asyncio.Event()
        self._current = ROUTE_AGENT

    async def read(self, partition: Partition, *, sysctls: Collection[str] = ()) -> KernelState:
        self._current = partition
        return self.parts[partition].read(sysctls)

    async def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        """The changes are of the partition that was read last: a round reads, then applies. Next hops alone are of
        their own, and so are marks: they may change beside a round."""
        beside = [one for one in changes if isinstance(one, Replace) and isinstance(one.old, NftTable)]
        if beside:
            assert not await self.parts[GATEWAY].apply(beside)
            changes = [one for one in changes if one not in beside]
        kinds = {nexthop_kind(one.item.id) for one in changes if isinstance(one.item, NextHop | NextHopGroup)}
        alone = all(isinstance(one.item, NextHop | NextHopGroup) for one in changes)
        owner = next((part for part in self.parts if alone and kinds & set(part.nexthops)), self._current)
        return await self.parts[owner].apply(changes)

    async def host_facts(self, *, sysctls: Collection[str] = ()) -> HostFacts:
        live = {sysctl.path: sysctl.value for sysctl in self.parts[ROUTE_AGENT].read(sysctls).sysctls}
        return replace(host(), sysctls=live)

    async def foreign(self) -> tuple[ForeignChain, ...]:
        return self.chains

    async def watch(self, *, sysctls: Collection[str] = ()) -> AsyncIterator[Event]:
        while True:
            yield Event.CHANGED
            await self._changed.wait()
            self._changed.clear()

    def tell(self) -> None:
        """Somebody changed something."""
        self._changed.set()


class SilentProber(Prober):
    """Sends nothing; health is what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: frozenset[Target] = frozenset()
        self.health: dict[str, PathHealth] = {}

    def set_targets(self, targets: frozenset[Target]) -> None:
        former = {target.key: target for target in self.targets}
        for target in targets:
            if target.formerly in former and target.is_formerly(former[target.formerly]):
                self.health[target.key] = self.health.pop(target.formerly, PathHealth())
        for gone in set(former) - {target.key for target in targets}:
            self.health.pop(gone, None)
        self.targets = targets

    def snapshot(self) -> dict[str, PathHealth]:
        return self.health

    async def run(self) -> None:
        await asyncio.Event().wait()

    def say(self, key: str, state: State, *, held_until: float = 0.0, mark: Mark = Mark.NONE) -> None:
        """The path `key` is "up" or "down" from now on."""
        self.health[key] = PathHealth(state=state, rtt_last=0.001, sent=10, held_until=held_until, mark=mark)
        if self.on_change is not None:
            self.on_change()


class SilentDiscovery(NatDiscovery):
    """Asks nobody; what was found is what the test says."""

    def __init__(self) -> None:
        super().__init__(port=0)
        self.asked: dict[str, Peer] = {}
        self.given: list[str] = []
        """Paths that were said to have died."""

    def set(self, own: Mapping[int, Own], peers: Mapping[str, Peer]) -> None:
        super().set(own, peers)
        self.asked = dict(peers)

    def lost(self, name: str) -> None:
        self.given.append(name)

    async def run(self) -> None:
        await asyncio.Event().wait()

    def say(self, name: str, path: NatPath) -> None:
        """The path to a peer from now on."""
        self._note(name, path)


class SilentSizes(PathSizes):
    """Measures nothing; what paths carry is what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: dict[str, LookPath] = {}
        self.said: dict[str, int] = {}

    def set(self, paths: Mapping[str, LookPath]) -> None:
        self.wanted = dict(paths)

    @property
    def carried(self) -> dict[str, int]:
        return {name: size for name, size in self.said.items() if name in self.wanted}

    async def run(self) -> None:
        await asyncio.Event().wait()

    def say(self, name: str, size: int) -> None:
        """The path carries `size` bytes from now on, 0 for all that its device takes."""
        self.said = {**self.said, name: size} if size else {key: one for key, one in self.said.items() if key != name}
        self.on_change()


class SilentSender(AdvertSender):
    """Keeps what would be sent."""

    datagram = b""
    targets: tuple[Address, ...] = ()

    def say(self, datagram: bytes) -> None:
        self.datagram = datagram

    def set(self, datagram: bytes, targets: Collection[Address]) -> None:
        self.datagram, self.targets = datagram, tuple(targets)

    async def run(self) -> None:
        await asyncio.Event().wait()


class SilentListener(AdvertListener):
    """Hears only what `received` is called with."""

    async def run(self) -> None:
        await asyncio.Event().wait()


class Scene:
    """Server, kernel and surroundings; `gateway()` and `route_agent()` run a daemon on them."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mcnet.kube.store.BACKOFF_FIRST", 0.01)
        monkeypatch.setattr("mcnet.loop.reconcile.BACKOFF", (0.02,))
        (directory / "signing").write_bytes(KEYS.signing)
        (directory / "agreement").write_bytes(KEYS.agreement)
        self._directory = directory
        self.server = FakeServer()
        self.kernel = MemoryKernel()
        self.prober = SilentProber()
        self.sender = SilentSender()
        self.nat = SilentDiscovery()
        self.sizes = SilentSizes()
        self.listener = SilentListener()
        self.server.add(
            member.encode(MEMBER),
            node_object(1, gateway=True),
            node_object(2, gateway=False),
            cluster.encode(
                replace(
                    CLUSTER_WEST, id=EAST, pod_prefixes=MEMBER.pod_prefixes, service_prefixes=prefixes("10.11.0.0/16")
                ),
                namespace=NAMESPACE,
            ),
            cluster.encode(CLUSTER_WEST, namespace=NAMESPACE),
            endpoint.encode(WEST_0, namespace=NAMESPACE),
            clusterset.encode(VXLAN_OPTIONS, namespace=NAMESPACE),
        )

    async def _open(self) -> Api:
        return self.server.api()

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Gateway]:
        settings = GatewaySettings("n1", "pod-1", NAMESPACE, Path("/nowhere"), self._directory, 0, 1.0, 3)
        daemon = Gateway(
            settings,
            kernel=self.kernel,
            open_api=self._open,
            prober=self.prober,
            sender=self.sender,
            nat=self.nat,
            sizes=self.sizes,
        )
        async with _running(daemon, self.prober):
            yield daemon

    @asynccontextmanager
    async def route_agent(self) -> AsyncIterator[RouteAgent]:
        settings = RouteAgentSettings("n1", "pod-1", NAMESPACE, Path("/nowhere"), 0, 1.0, 3)
        daemon = RouteAgent(
            settings, kernel=self.kernel, open_api=self._open, prober=self.prober, listener=self.listener
        )
        async with _running(daemon, self.prober):
            yield daemon

    def own_endpoint(self) -> dict[str, Any] | None:
        name = endpoint_name(EAST, "n1")
        return next((one for one in self.server.all(ENDPOINT) if one["metadata"]["name"] == name), None)


@asynccontextmanager
async def _running(daemon: Gateway | RouteAgent, prober: SilentProber) -> AsyncIterator[None]:
    stop = Stop()
    prober.targets = frozenset()
    task = asyncio.create_task(daemon.main(stop))
    try:
        yield
    finally:
        stop.set("the test is over")
        with suppress(TimeoutError):
            await asyncio.wait_for(task, 5)
        task.result()

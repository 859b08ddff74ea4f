"""Two gateways as their daemons run them, each in a namespace: rounds of observe, decide and apply beside a prober.

Only the API servers are missing: a test hands one gateway's Endpoint to the other, when it wants.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address
from time import monotonic
from typing import Any

from mcnet.codec.identity import PrivateIdentity
from mcnet.kernel import execute, observe
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import HostFacts, KernelState
from mcnet.model.member import Member
from mcnet.model.ownership import CABLES_TABLE, GATEWAY
from mcnet.model.probe import Target
from mcnet.plan import gateway, gateway_report, own_endpoint, wireguard_cable
from mcnet.plan.cable import CablePath, own_address
from mcnet.plan.diff import diff
from mcnet.probe.ping import Prober
from tests.fakes.identities import identity_of
from tests.fakes.worlds import EAST, WEST, node, prefixes
from tests.netns.namespaces import Namespace, eventually, shell

PODS = {EAST: "10.10.0.0/16", WEST: "10.20.0.0/16"}
POD = {EAST: "10.10.0.1", WEST: "10.20.0.1"}
"""An address of a pod, which the gateway itself bears here."""
INTERVAL = 0.5
"""Seconds between two probes, and the longest between two rounds."""
CLUSTERS = tuple(Cluster(one, prefixes(pods), (), identity_of(one).public) for one, pods in PODS.items())


class Gateway:
    """The gateway of `cluster`, which has the address `outer` outside."""

    def __init__(self, cluster: ClusterId, namespace: Namespace, outer: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.state = KernelState()
        """What it found at the beginning of its last round."""
        self.path: CablePath | None = None
        """The cable to the other one that counts."""
        self.known: dict[ClusterId, Endpoint] = {}
        """The Endpoints that it has heard of."""
        self.ahead = 0.0
        """Seconds by which its clock is ahead."""
        self._member = Member(cluster=cluster, pod_prefixes=prefixes(PODS[cluster]), service_prefixes=())
        self._identity: PrivateIdentity = identity_of(cluster)
        address = ip_address(outer)
        self._host = HostFacts(links=frozenset(), **{f"private{address.version}": address})  # type: ignore[arg-type]
        self._prober = Prober(interval=INTERVAL)
        self._clock: dict[str, float] = {}
        self._busy = asyncio.Lock()
        self._settled = False
        self.own = own_endpoint.wanted(
            member=self._member,
            node=node(1),
            rail=0,
            advertised=(),
            host=self._host,
            published=None,
            identity=self._identity,
        )

    def new_key(self) -> None:
        """Of the next epoch; the others have yet to hear of it, and so has its daemon."""
        (offer, *others) = self.own.drivers
        made = wireguard_cable.offer(self._identity, self.own.gateway, offer.key_epoch + 1)
        self.own = replace(self.own, drivers=(made, *others))

    def is_settled(self) -> bool:
        """Whether the wanted cable is up and carries, and the last round found nothing to do."""
        return self._settled

    def devices(self) -> dict[str, bool]:
        """The WireGuard devices that it has, and whether a process holds them."""
        return {link.name: link.userspace for link in self.state.links if link.wireguard}

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until `condition` holds; fails after a while."""
        self.namespace.run(eventually(condition))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The daemon runs. What it could not do fails the test at the end."""
        self.namespace.run(
            shell(f"ip address add {POD[self.cluster]}/32 dev lo; ip rule add pref 303 lookup {CABLES_TABLE}")
        )
        with beside(self.namespace, self._work()):
            yield

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The daemon begins no round."""
        self.namespace.run(self._busy.acquire())
        try:
            yield
        finally:
            self.namespace.run(self._go_on())

    async def _go_on(self) -> None:
        self._busy.release()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._prober.run())
            while True:
                async with self._busy:
                    await self._round()
                self._prober.changed.clear()
                await asyncio.wait([tasks.create_task(self._prober.changed.wait())], timeout=INTERVAL)

    async def _round(self) -> None:
        self.state = await observe.read(GATEWAY, sysctls=())
        decision = gateway.decide(self._world())
        changes = diff(decision.state, self.state)
        assert await execute.apply(changes) == ()
        self._clock = dict(decision.clock)
        self._prober.set_targets(frozenset(map(self._target, decision.probed)))
        (standing,) = decision.cables
        self.path = standing.path
        up = gateway_report.health_of(self._prober.snapshot().get(standing.path.probe(4))) is gateway.Health.UP
        wanted = standing.path.port == standing.path.endpoint.port_base + self._slot()
        self._settled = up and wanted and standing.active and not changes

    def _slot(self) -> int:
        """Of the wanted cable."""
        return sum(endpoint.drivers[0].key_epoch for endpoint in self.known.values()) % 2

    def _world(self) -> gateway.World:
        return gateway.World(
            member=self._member,
            own=self.known[self.cluster],
            nodes=(node(1),),
            clusters=CLUSTERS,
            endpoints=tuple(self.known.values()),
            health={name: gateway_report.health_of(path) for name, path in self._prober.snapshot().items()},
            host=self._host,
            actual=self.state,
            options=ClusterSet("wireguard"),
            identity=self._identity,
            clock=self._clock,
            now=monotonic() + self.ahead,
        )

    def _target(self, path: CablePath) -> Target:
        source = own_address(self.known[self.cluster], path, 4)
        return Target(path.probe(4), path.address(4), path.device, source)


@contextmanager
def beside(namespace: Namespace, work: Coroutine[Any, Any, None]) -> Iterator[None]:
    """`work` runs in the namespace meanwhile, and has ended afterwards. What it raises is raised."""

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(work)

    async def end(task: asyncio.Task[None]) -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    task = namespace.run(begin())
    try:
        yield
    finally:
        namespace.run(end(task))


def introduce(one: Gateway, *, to: Gateway) -> None:
    """`to` hears of the Endpoint that `one` has now."""
    to.known = {**to.known, one.cluster: one.own}

"""Both node daemons' rounds on a kernel, without an API server: World to wanted state, difference, apply."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace

from mcnet.kernel.execute import Failure
from mcnet.model import ownership
from mcnet.model.cluster import ClusterId
from mcnet.model.kernel import Change, KernelState
from mcnet.model.ownership import GATEWAY, ROUTE_AGENT, Partition
from mcnet.plan import delivery, gateway, route_agent
from mcnet.plan.choice import Health
from mcnet.plan.diff import diff
from mcnet.plan.sysctls import GLOBAL_PATHS
from tests.fakes.worlds import SYSCTLS, Situation

Read = Callable[[Partition, Collection[str]], Awaitable[KernelState]]
Apply = Callable[[Partition, Sequence[Change]], Awaitable[tuple[Failure, ...]]]


@dataclass(frozen=True)
class NodeUnderTest:
    """A node's kernel behind `read` and `apply`, each given the partition."""

    read: Read
    apply: Apply

    async def round(self, situation: Situation, *, over: bool = False) -> tuple[int, tuple[Failure, ...]]:
        """One round of each daemon: how many changes, and which failed. With `over` all cables that are no longer
        wanted have waited long enough, and no peer is anywhere but where it says."""
        count, failures = 0, []
        for partition in (ROUTE_AGENT, GATEWAY):
            paths = GLOBAL_PATHS | delivery.observed(["eth0"], ()) if partition.sysctls else frozenset[str]()
            actual = await self.read(partition, paths)
            known = replace(actual, wireguard=frozenset(), fdb=frozenset()) if over else actual
            changes = diff(wanted(situation, partition, known), actual)
            failures += await self.apply(partition, changes)
            count += len(changes)
        return count, tuple(failures)

    async def state(self) -> tuple[KernelState, KernelState]:
        """What the kernel holds of both daemons' parts."""
        return await self.read(ROUTE_AGENT, SYSCTLS), await self.read(GATEWAY, ())


def wanted(situation: Situation, partition: Partition, actual: KernelState) -> KernelState:
    """What the daemon of `partition` wants; sysctls are read live, as the daemon does."""
    if partition is GATEWAY:
        return gateway.decide(situation.for_gateway(actual)).state
    live = {sysctl.path: sysctl.value for sysctl in actual.sysctls}
    facts = replace(situation.facts, sysctls=live)
    return route_agent.decide(replace(situation, facts=facts).for_route_agent(actual)).state


def judged(situation: Situation) -> Situation:
    """Without paths that nobody has judged yet, and without clusters that a node's own probes alone deny: those are
    left as they are, so they depend on what was before."""
    reached = frozenset[ClusterId]().union(
        *(view.reach for view in situation.gateways if view.health is Health.UP and view.reach is not None)
    )
    return replace(
        situation,
        health={
            name: Health.UP if situation.health.get(name) is Health.UP else Health.DOWN
            for endpoint in situation.endpoints
            for device in ("", *(f" {ownership.wireguard_device(endpoint.rail, slot)}" for slot in (0, 1)))
            for turn in ("", " 1")
            for name in (f"{endpoint.name}{device}{turn}",)
        },
        gateways=tuple(
            replace(
                view,
                health=Health.UP if view.health is Health.UP else Health.DOWN,
                reach=(view.reach or frozenset()) & reached,
            )
            for view in situation.gateways
        ),
    )


def comparable(state: KernelState) -> KernelState:
    """A state without what is remembered of the time before, which depends on the way: sysctls that only a
    situation in between needed are put back by leave, not before, and originals are noted when the node has
    settled."""
    tables = frozenset(replace(table, notes=()) for table in state.tables)
    return replace(state, sysctls=frozenset(), tables=tables)

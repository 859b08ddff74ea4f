"""The route agent's wiring: observe, mcnet.plan.route_agent, apply, report; prober and adverts beside it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic

from prometheus_client import CollectorRegistry

import mcnet
from mcnet.kernel.node import Kernel, NodeKernel
from mcnet.kube.api import Api
from mcnet.kube.connect import in_cluster
from mcnet.loop.failover import Failover, noting
from mcnet.loop.inheritance import Inheritance
from mcnet.loop.log import Log
from mcnet.loop.reconcile import Reconciler
from mcnet.loop.repairs import Repairs
from mcnet.loop.run import Stop
from mcnet.loop.wiring import Journal, run_daemon, unready
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.errors import KernelError
from mcnet.model.foreign import ForeignChain
from mcnet.model.kernel import KernelState
from mcnet.model.member import Member
from mcnet.model.node import Node, NodeState
from mcnet.model.ownership import GATEWAY, OVERLAY_DEVICE, ROUTE_AGENT
from mcnet.model.probe import Target
from mcnet.plan import (
    delivery,
    departed,
    failover,
    gateway_views,
    host_firewall,
    inherited,
    node_paths,
    pace,
    route_agent,
)
from mcnet.plan.addresses import TunnelEnd, overlay_ends
from mcnet.plan.choice import GatewayView, Health
from mcnet.plan.diff import diff
from mcnet.plan.gateway_events import Told
from mcnet.plan.problems import bounded
from mcnet.plan.remote import families
from mcnet.plan.sysctls import DEVICE_PATHS, GLOBAL_PATHS, named_paths
from mcnet.plan.withdrawn import RETIREMENT
from mcnet.probe.adverts import AdvertListener
from mcnet.probe.ping import Prober
from mcnet.probe.supervised import SupervisedProber
from mcnet_route_agent.metrics import RouteAgentMetrics
from mcnet_route_agent.observe import Stores, View
from mcnet_route_agent.publish import Publisher
from mcnet_route_agent.settings import Settings

DELIVERY_GRACE = 5.0
"""Seconds in which the old way of delivery stays open after a change, until all nodes have heard of it."""
UNTOLD = 20
"""Events about gateways that are kept while the API server is away, the newest."""

log = Log("route-agent")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the last round came to."""

    decision: route_agent.Decision
    problems: tuple[str, ...]


class RouteAgent:
    """One per process."""

    def __init__(
        self,
        settings: Settings,
        *,
        kernel: Kernel | None = None,
        open_api: Callable[[], Awaitable[Api]] = in_cluster,
        prober: Prober | SupervisedProber | None = None,
        listener: AdvertListener | None = None,
    ) -> None:
        """The keyword arguments are the daemon's surroundings; what is not given is the real one."""
        self._settings = settings
        self._kernel = kernel or NodeKernel(settings.proc_sys_net)
        self._open_api = open_api
        self._registry = CollectorRegistry()
        self._metrics = RouteAgentMetrics(self._registry)
        self._loop = Reconciler(self._round, name="route-agent", metrics=self._metrics.loop)
        self._prober = prober or _prober(settings)
        self._prober.on_change = self._probes_changed
        self._gateways: dict[str, TunnelEnd] = {}
        self._listener = listener or AdvertListener()
        self._listener.on_change = self._advert_changed
        self._view: View | None = None
        """What the last round saw, None before it."""
        # A loop of its own: an API server that is away or slow must not hold up the data path.
        self._publishing = Reconciler(self._publish, name="publish", longest_backoff=5.0)
        self._outcome: _Outcome | None = None
        self._paths: dict[str, Health] = {}
        """What the last round made of the probes of each gateway."""
        self._untold: deque[Told] = deque(maxlen=UNTOLD)
        self._delivery = ""
        self._delivery_since = 0.0
        self._retired: float | None = None
        """Since when the node is no gateway any more, None while it is one or is not known."""
        self._clusters: departed.Memory = {}
        self._clusters_here: set[ClusterId] = set()
        self._host_rules = True
        """Whether rules of ours may stand in other programs' chains: unknown at first."""
        self._journal = Journal(log, changes=self._metrics.changes, failures=self._metrics.failures)
        self._repairs = Repairs(self._metrics.repairs)
        done = noting(self._journal, self._repairs)
        self._failover = Failover(self._kernel.apply, partial(self._kernel.read, ROUTE_AGENT), done=done)
        self._inheritance = Inheritance(self._failover, self._prober, settings)

    async def main(self, stop: Stop) -> None:
        """Run until stopped. Nothing in the kernel is undone at the end."""
        async with await self._open_api() as api:
            self._stores = Stores(api, self._settings.namespace, self._settings.node, self._loop.trigger)
            self._publisher = Publisher(api, namespace=self._settings.namespace, instance=self._settings.pod)
            await run_daemon(
                stop,
                port=self._settings.metrics_port,
                registry=self._registry,
                stores=self._stores.all,
                loops=(self._loop, self._publishing),
                others=(
                    self._inheritance.run(),
                    self._watch_kernel(),
                    self._prober.run(),
                    self._failover.run(),
                    self._listener.run(),
                ),
            )

    def _unready(self) -> str:
        return unready(self._stores.all, (self._loop, self._publishing))

    async def _watch_kernel(self) -> None:
        async for _ in self._kernel.watch(sysctls=GLOBAL_PATHS | {delivery.ALL}):
            await asyncio.sleep(self._repairs.pause)
            self._failover.look()
            self._loop.trigger("the kernel changed")

    def _probes_changed(self) -> None:
        self._forget()
        self._loop.trigger("a gateway's probes", urgent=not self._fail_over())

    def _forget(self) -> None:
        """What a gateway said before it was lost it has to say again."""
        health = self._health()
        lost = [end for name, end in self._gateways.items() if health.get(name) is Health.DOWN]
        for source in [end.address(family) for end in lost for family in (4, 6)]:
            self._listener.forget(source)
        for hop, target in self._inheritance.found.paths.items():
            if health.get(target.key) is Health.DOWN and hop.via is not None:
                self._listener.forget(hop.via)

    def _advert_changed(self) -> None:
        self._loop.trigger("a gateway's advert", urgent=not self._fail_over())

    def _fail_over(self, state: KernelState | None = None) -> bool:
        """Stop using gateways that are lost: without a round, and again after one (`state` is what it left behind),
        since it may have begun before. Whether anything is to be done for it now."""
        if self._view is None:
            return self._failover.lost(
                inherited.lost(self._inheritance.found, self._prober.snapshot(), self._listener.heard)
            )
        ends = overlay_ends(self._view.nodes)
        gateways = self._gateway_views(self._view)
        acts = self._failover.lost(failover.lost_gateways(gateways, ends, self._view.clusters))
        if state is not None:
            self._failover.holds(state)
        return acts

    def _health(self) -> dict[str, Health]:
        paths = self._prober.snapshot()
        return failover.judged(paths, [list(paths)])

    def _gateway_views(self, view: View) -> tuple[GatewayView, ...]:
        return gateway_views.views(
            view.own_endpoints,
            overlay_ends(view.nodes),
            self._health(),
            self._listener.heard,
            view.clusters,
            nodes=view.nodes,
        )

    async def _round(self, reason: str) -> bool:
        if not self._stores.synced:
            return False
        view = self._stores.view(self._settings.node)
        if view is None:
            self._repairs.lose_track()
            if self._view is None:
                self._inheritance.refuse()
            return False  # not joined (any more): leaving is what removes, not this daemon
        self._repairs.reading()
        world = await self._world(view)
        decision = route_agent.decide(world)
        changes = diff(decision.state, world.actual)
        if self._view is None:
            self._inheritance.end(world.actual)
        failures = await self._kernel.apply(changes)
        self._journal.kernel(changes, [failure.error.message for failure in failures], reason)
        self._repairs.round(decision.state, changes, [failure.change for failure in failures])
        self._metrics.show(world.gateways)
        self._follow(view, world)
        self._heed(world.gateways)
        if self._view is None and self._inheritance.found.targets:
            self._forget()
            self._loop.trigger("what was found out before the first round")
        self._view = view
        self._fail_over(decision.state)
        if not world.retiring:
            await self._clear_gateway(view)
        refused = (failure.error.message for failure in failures)
        found_out = filter(None, (self._prober.problem,))
        problems = bounded((*refused, *found_out, *decision.problems, *view.problems))
        self._outcome = _Outcome(decision, problems)
        self._publishing.trigger(reason)
        if failures:
            raise KernelError(failures[0].error.message)
        return bool(changes)

    def _heed(self, gateways: Sequence[GatewayView]) -> None:
        """Count and log what has become of the gateways since the last round, and keep it to be told."""
        now = {gateway.node: gateway.health for gateway in gateways if gateway.node != self._settings.node}
        told = node_paths.changes(self._paths, now)
        self._paths = now
        for gateway, what in told:
            log.info("gateway", gateway=gateway, what=what.reason, cause=what.cause)
            self._metrics.transitions.labels(gateway, what.reason, what.cause).inc()
            self._untold.append(what)

    async def _publish(self, _: str) -> bool:
        """Tell the API server of the last round: what it says of this node is read anew each time."""
        view = self._stores.view(self._settings.node) if self._stores.synced else None
        if self._outcome is None or view is None:
            return False
        me = next((node for node in view.nodes if node.name == self._settings.node), None)
        if me is not None and self._stores.leaves_behind(me, view.own_endpoints):
            await self._publisher.retire_gateway(view.member.cluster, me.name)
        await self._report(view, self._outcome.decision, self._outcome.problems)
        await self._repairs.tell(self._say_repaired)
        await self._tell(view)
        return False

    async def _tell(self, view: View) -> None:
        """Write what is untold; what the API server does not take is tried again with the next round."""
        state = self._stores.state_object(self._settings.node)
        speaks = node_paths.speaks(self._settings.node, [node.name for node in view.nodes])
        while self._untold and state is not None:
            if speaks and not await self._publisher.told(state, self._untold[0]):
                return
            self._untold.popleft()

    async def _say_repaired(self, note: str) -> bool:
        return await self._publisher.repaired(self._stores.state_object(self._settings.node), note)

    async def _world(self, view: View) -> route_agent.World:
        host = await self._kernel.host_facts(sysctls=GLOBAL_PATHS | {delivery.ALL})
        me = next((node for node in view.nodes if node.name == self._settings.node), None)
        retiring = await self._retiring(me)
        devices = delivery.incoming(host, me, view.nodes) if me is not None else ()
        reported = dict(view.report.original_sysctls) if view.report is not None else {}
        ours = DEVICE_PATHS | named_paths(link.name for link in host.links)
        paths = GLOBAL_PATHS | ours | delivery.observed(devices, reported)
        actual = await self._kernel.read(ROUTE_AGENT, sysctls=paths)
        noted = frozenset(filter(delivery.is_noted, route_agent.notes(actual)))
        if not noted <= paths:
            # Of a device that is not looked at any more: what it had is still to be put back.
            actual = await self._kernel.read(ROUTE_AGENT, sysctls=paths | noted)
        foreign = await self._foreign(view.member)
        gone = self._departed(view)
        left = {cluster.id for cluster in gone}
        return route_agent.World(
            node=self._settings.node,
            member=view.member,
            nodes=view.nodes,
            clusters=(*view.clusters, *gone),
            endpoints=tuple(one for one in view.endpoints if one.cluster not in left),
            options=view.options,
            gateways=self._gateway_views(view),  # as late as can be: after all that takes time
            host=host,
            actual=replace(actual, host_rules=host_firewall.present(foreign)),
            reported_sysctls=reported,
            foreign=foreign,
            settled=self._settled(view.member),
            retiring=retiring,
        )

    def _departed(self, view: View) -> tuple[Cluster, ...]:
        """The clusters that have just left; when their time is over, there is another round."""
        here = {cluster.id for cluster in view.clusters}
        if self._clusters_here - here:
            asyncio.get_running_loop().call_later(
                departed.REJECTED + 0.1, self._loop.trigger, "a cluster's addresses are nobody's by now"
            )
        self._clusters_here = here
        self._clusters = departed.remember(self._clusters, view.clusters, monotonic())
        return departed.departed(self._clusters, view.clusters, view.member)

    async def _foreign(self, member: Member) -> tuple[ForeignChain, ...]:
        """Other programs' chains, looked at only where rules of ours are wanted or may be left."""
        if not member.manage_host_firewall and not self._host_rules:
            return ()
        chains = await self._kernel.foreign()
        self._host_rules = bool(host_firewall.present(chains))
        return chains

    def _settled(self, member: Member) -> bool:
        """Whether the way of delivery is old news; when it becomes so, there is another round."""
        now = monotonic()
        if member.delivery != self._delivery:
            self._delivery, self._delivery_since = member.delivery, now
            asyncio.get_running_loop().call_later(
                DELIVERY_GRACE + 0.1, self._loop.trigger, "all nodes know the way of delivery"
            )
        return now - self._delivery_since >= DELIVERY_GRACE

    def _follow(self, view: View, world: route_agent.World) -> None:
        """Tell the prober which gateways to watch: all but this node itself."""
        used = [family for family in families(view.member) if family == 4 or world.host.ipv6]
        ends = overlay_ends(view.nodes)
        self._gateways = {gateway.node: ends[gateway.node] for gateway in world.gateways}
        targets = frozenset(
            Target(
                key=gateway.node,
                address=ends[gateway.node].address(used[0]),
                device=OVERLAY_DEVICE,
                source=ends[self._settings.node].address(used[0]),
            )
            for gateway in world.gateways
            if used and gateway.node != self._settings.node and self._settings.node in ends
        )
        self._prober.set_pace(
            interval=pace.interval(
                view.member.probe_interval or self._settings.probe_interval,
                paths=len(targets),
                nodes=len(view.nodes),
            ),
            multiplier=view.member.probe_multiplier or self._settings.probe_multiplier,
        )
        self._prober.set_targets(self._inheritance.found.taken_over(targets))

    async def _retiring(self, me: Node | None) -> bool:
        """Whether the node was a gateway until a moment ago; when that is over, there is another round."""
        if me is None:
            return False
        if me.gateway:
            self._retired = None
            return False
        if self._retired is None:
            was_gateway = bool(diff(KernelState(), await self._kernel.read(GATEWAY)))
            self._retired = monotonic() if was_gateway else float("-inf")
            if was_gateway:
                asyncio.get_running_loop().call_later(
                    RETIREMENT + 0.1, self._loop.trigger, "nobody takes the node for a gateway any more"
                )
        return monotonic() - self._retired < RETIREMENT

    async def _clear_gateway(self, view: View) -> None:
        """Clear the gateway's part on a node that stopped being one: its daemon is no longer here to do it."""
        me = next((node for node in view.nodes if node.name == self._settings.node), None)
        if me is None or me.gateway:
            return
        changes = diff(KernelState(), await self._kernel.read(GATEWAY))
        failures = await self._kernel.apply(changes)
        self._journal.kernel(
            changes, [failure.error.message for failure in failures], "the node is no gateway any more"
        )

    async def _report(self, view: View, decision: route_agent.Decision, problems: tuple[str, ...]) -> None:
        self._metrics.problems.set(len(problems))
        self._journal.problems(problems)
        wanted = NodeState(
            node=self._settings.node,
            overlay_addresses=decision.overlay,
            routable_addresses=decision.routable,
            problems=problems,
            original_sysctls=decision.originals,
            version=mcnet.__version__,
            ready=True,
        )
        node = self._stores.node_object(self._settings.node)
        if wanted != view.report and node is not None:
            await self._publisher.report(wanted, node)


def _prober(settings: Settings) -> SupervisedProber:
    made = SupervisedProber(interval=settings.probe_interval, multiplier=settings.probe_multiplier)
    made.on_end = lambda reason: log.warning("the process that probes is started anew", because=reason)
    return made

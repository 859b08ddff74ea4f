"""The gateway daemon's wiring: observe, mcnet.plan.gateway, apply, publish; prober and adverts beside it."""

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic, time

from prometheus_client import CollectorRegistry

import mcnet
from mcnet.codec import advert, load_balancer
from mcnet.codec.identity import PrivateIdentity
from mcnet.kernel import libreswan
from mcnet.kernel.execute import Failure
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
from mcnet.model.cluster import ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.errors import KernelError
from mcnet.model.gateway import Cable
from mcnet.model.gateway import Gateway as Report
from mcnet.model.kernel import Address, KernelState
from mcnet.model.ownership import GATEWAY, NAT_DISCOVERY_PORT
from mcnet.model.probe import Mark, PathHealth, Standing, Target
from mcnet.model.public_address import Kind, Source
from mcnet.plan import (
    cable_events,
    failover,
    gateway,
    gateway_events,
    gateway_report,
    inherited,
    libreswan_cable,
    nat_discovery,
    own_endpoint,
    pace,
    soft_mark,
    throughput,
    withdrawn,
)
from mcnet.plan.addresses import overlay_ends
from mcnet.plan.cable import own_address
from mcnet.plan.choice import Health
from mcnet.plan.diff import diff
from mcnet.plan.driver import WIREGUARD
from mcnet.plan.looks import cable_path
from mcnet.plan.problems import bounded
from mcnet.plan.remote import families
from mcnet.probe.adverts import AdvertSender
from mcnet.probe.nat_discovery import NatDiscovery
from mcnet.probe.path_sizes import PathSizes
from mcnet.probe.ping import Prober
from mcnet.probe.public_address import PublicAddresses
from mcnet.probe.supervised import SupervisedProber
from mcnet_gateway.metrics import GatewayMetrics
from mcnet_gateway.observe import Stores, View
from mcnet_gateway.publish import Publisher, utc_now
from mcnet_gateway.settings import Settings

AGREE_INTERVAL = 2.0
"""Seconds between two looks at pluto, which tells of nothing by itself."""
REPORT_INTERVAL = 10.0
"""Seconds between two reports in which only measurements changed; a change of state is reported at once."""

OTHER_NODES = 1.0
"""Seconds after which other nodes are asked in place of one that does not answer (mcnet.plan.soft_mark)."""

UNTOLD = 100
"""Events kept for an API server that is away, the latest."""

log = Log("gateway")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the last round came to."""

    own: Endpoint
    decision: gateway.Decision
    failures: tuple[Failure, ...]


class Gateway:
    """One per process."""

    def __init__(
        self,
        settings: Settings,
        *,
        kernel: Kernel | None = None,
        open_api: Callable[[], Awaitable[Api]] = in_cluster,
        prober: Prober | SupervisedProber | None = None,
        sender: AdvertSender | None = None,
        nat: NatDiscovery | None = None,
        sizes: PathSizes | None = None,
    ) -> None:
        """The keyword arguments are the daemon's surroundings; what is not given is the real one."""
        self._settings = settings
        self._kernel = kernel or NodeKernel(settings.proc_sys_net)
        self._open_api = open_api
        self._registry = CollectorRegistry()
        self._metrics = GatewayMetrics(self._registry)
        self._loop = Reconciler(self._round, name="gateway", metrics=self._metrics.loop, resync=REPORT_INTERVAL)
        self._prober = prober or _prober(settings)
        self._prober.on_change = self._probes_changed
        # A loop of its own: an API server that is away or slow must not hold up the data path.
        self._publishing = Reconciler(self._publish, name="publish", resync=REPORT_INTERVAL, longest_backoff=5.0)
        # pluto may take seconds to answer, which must not hold up a round.
        self._agreeing = Reconciler(self._agree, name="ike", resync=AGREE_INTERVAL)
        self._refused_by_pluto = ""
        """Why pluto has not all that it should, in a sentence."""
        self._sender = sender or AdvertSender()
        self._nat = nat or NatDiscovery(port=NAT_DISCOVERY_PORT)
        self._nat.on_change = lambda: self._loop.trigger("NAT discovery")
        self._public = PublicAddresses(self._load_balancer)
        self._public.on_change = lambda: self._loop.trigger("public addresses")
        self._sizes = sizes or PathSizes()
        self._sizes.on_change = lambda: self._loop.trigger("what a cable carries")
        self._token = secrets.randbits(62)
        """Where the numbers of NAT discovery begin: nobody beside the way can guess them."""
        self._outcome: _Outcome | None = None
        self._reported = float("-inf")
        self._sequence = 0
        """Of the Endpoint that this process published last."""
        self._journal = Journal(log, changes=self._metrics.changes, failures=self._metrics.failures)
        self._repairs = Repairs(self._metrics.repairs)
        done = noting(self._journal, self._repairs)
        self._failover = Failover(self._kernel.apply, partial(self._kernel.read, GATEWAY), done=done)
        self._inheritance = Inheritance(self._failover, self._prober, settings)
        self._options: ClusterSet | None = None
        self._identity: PrivateIdentity | None = None
        self._standings: dict[str, Standing] = {}
        """Of the cables' paths, when probes told of a change last."""
        self._clock: dict[str, float] = {}
        self._seen: dict[str, tuple[Endpoint, float]] = {}
        self._meter = throughput.Meter()
        self._written: Report | None = None
        self._cables: tuple[Cable, ...] | None = None
        """As the last round left them; None before the first."""
        self._untold: deque[gateway_events.Told] = deque(maxlen=UNTOLD)

    async def main(self, stop: Stop) -> None:
        """Run until stopped. Nothing in the kernel is undone at the end."""
        async with await self._open_api() as api:
            self._stores = Stores(api, self._settings.namespace, self._settings.node, self._loop.trigger)
            self._publisher = Publisher(
                api,
                node=self._settings.node,
                namespace=self._settings.namespace,
                keys=self._settings.identity,
                instance=self._settings.pod,
            )
            await run_daemon(
                stop,
                port=self._settings.metrics_port,
                registry=self._registry,
                stores=self._stores.all,
                loops=(self._loop, self._publishing, self._agreeing),
                others=(
                    self._inheritance.run(),
                    self._watch_kernel(),
                    self._prober.run(),
                    self._failover.run(),
                    self._sender.run(),
                    self._nat.run(),
                    self._public.run(),
                    self._sizes.run(),
                ),
            )

    def _unready(self) -> str:
        return unready(self._stores.all, (self._loop, self._publishing))

    async def _watch_kernel(self) -> None:
        async for _ in self._kernel.watch():
            await asyncio.sleep(self._repairs.pause)
            self._failover.look()
            self._loop.trigger("the kernel changed")

    async def _round(self, reason: str) -> bool:
        if not self._stores.synced:
            return False
        view = self._stores.view(self._settings.node)
        node = self._stores.node_object(self._settings.node)
        if view is None or node is None:
            self._repairs.lose_track()
            if self._outcome is None:
                self._inheritance.refuse()
            return False  # not joined (any more): leaving is what removes, not this daemon
        if not any(one.gateway for one in view.nodes if one.name == self._settings.node):
            self._resign()
            return False  # no gateway any more: the route agent clears, and this daemon must not undo that
        gateways = frozenset(one.name for one in view.nodes if one.gateway)
        rail = await self._publisher.rail(view.rails, gateways, node)
        if rail is None:
            return True  # look again soon
        self._repairs.reading()
        world = await self._world(view, rail)
        decision = gateway.decide(world)
        changes = diff(decision.state, world.actual)
        if self._outcome is None:
            self._inheritance.end(world.actual)
        failures = await self._kernel.apply(changes)
        self._journal.kernel(changes, [failure.error.message for failure in failures], reason)
        self._repairs.round(decision.state, changes, [failure.change for failure in failures])
        self._follow(view, world, decision)
        self._clock = dict(decision.clock)
        self._measure(world, decision)
        self._count(view, decision)
        if self._outcome is None and self._inheritance.found.targets:
            self._loop.trigger("what was found out before the first round")
        self._outcome = _Outcome(world.own, decision, failures)
        self._fail_over(decision.state)
        self._publishing.trigger(reason)
        self._agreeing.trigger(reason)
        if failures:
            raise KernelError(failures[0].error.message)
        return bool(changes)

    def _probes_changed(self) -> None:
        acts = self._fail_over()
        before, self._standings = self._standings, soft_mark.cables(self._prober.snapshot())
        if acts or before != self._standings:
            self._loop.trigger("a cable's probes", urgent=not acts)
        else:
            # Only to ask other nodes: of a lost one all gateways of the cluster hear at the same moment.
            asyncio.get_running_loop().call_later(OTHER_NODES, self._loop.trigger, "a node's probes")

    def _fail_over(self, state: KernelState | None = None) -> bool:
        """Stop using what is lost, and tell the nodes: without a round, and again after one (`state` is what it left
        behind), since it may have begun before. Whether anything is to be done for it now."""
        if self._outcome is None:
            return self._failover.lost(inherited.lost(self._inheritance.found, self._prober.snapshot(), {}))
        decision, health = self._outcome.decision, self._health()
        reach = failover.reach(decision.cables, health, decision.reach)
        narrow = {cluster: size for cluster, size in decision.narrow.items() if cluster in reach}
        self._sender.say(advert.encode(self._settings.node, self._outcome.own.rail, reach, narrow))
        mark = soft_mark.wanted(self._prober.snapshot(), drains=self._outcome.own.weight == 0)
        acts = self._failover.lost(failover.lost_cables(decision.cables, health, self._marks(), mark=mark))
        if state is not None:
            self._failover.holds(state)
        return acts

    def _health(self) -> dict[str, Health]:
        cables = self._outcome.decision.cables if self._outcome is not None else ()
        return failover.judged(self._prober.snapshot(), failover.cable_alternatives(cables))

    def _marks(self) -> dict[str, Mark]:
        return {name: path.mark for name, path in self._prober.snapshot().items() if path.mark}

    def _measure(self, world: gateway.World, decision: gateway.Decision) -> None:
        counts = throughput.counts([standing.path for standing in decision.cables], world.actual)
        self._meter = throughput.look(self._meter, throughput.Reading(world.now, counts))
        self._metrics.count(self._meter.grown)

    async def _tell_of_cables(self) -> None:
        """What the API server does not take is tried again with the next round."""
        member = self._stores.member_object
        while self._untold and member is not None and await self._publisher.told(member, self._untold[0]):
            self._untold.popleft()

    def _count(self, view: View, decision: gateway.Decision) -> None:
        """Cables that are lost or come: counted now, and told when there is an API server to be told."""
        published = view.report.cables if view.report is not None else ()
        cables = gateway_report.cables(decision.cables, self._prober.snapshot(), (), utc_now())
        before = published if self._cables is None else self._cables
        for cable, what in cable_events.changes(before, cables):
            name = f"{cable.cluster}.{cable.gateway}"
            log.info("cable", cable=name, what=what.reason, cause=what.cause, because=cable.reason)
            self._metrics.transitions.labels(name, what.reason, what.cause).inc()
            self._untold.append(what)
        self._cables = cables

    def _resign(self) -> None:
        """A node that is a gateway again later begins anew: what its cables' probes and its adverts said until now no
        longer holds then, since the other side has dropped the cables too."""
        if self._outcome is not None:
            self._sender.say(advert.encode(self._settings.node, self._outcome.own.rail, frozenset()))
        self._inheritance.refuse()
        self._outcome = self._written = self._cables = None
        self._repairs.forget()

    async def _agree(self, _: str) -> bool:
        """Have pluto begin, keep and end what the last round wants of it; it is not started where that is nothing."""
        decision = self._outcome.decision if self._outcome is not None else None
        if decision is None or not (decision.ike or libreswan.runs()):
            return False
        try:
            libreswan.write(decision.ike)
            status = await libreswan.status()
            asked = libreswan_cable.requests(decision.ike, status, decision.former)
            for failure in await libreswan.perform(asked):
                raise failure
        except KernelError as error:
            self._pluto_says(error.message)
            raise
        self._pluto_says("")
        return bool(asked)

    def _pluto_says(self, problem: str) -> None:
        if problem != self._refused_by_pluto:
            self._refused_by_pluto = problem
            self._publishing.trigger("pluto")

    async def _publish(self, _: str) -> bool:
        """Tell the API server of the last round: what it says of this gateway is read anew each time."""
        view = self._stores.view(self._settings.node) if self._stores.synced else None
        node = self._stores.node_object(self._settings.node)
        outcome = self._outcome
        if outcome is None or view is None or node is None:
            return False
        if own_endpoint.must_publish(outcome.own, view.own, self._sequence):
            sequence = max(own_endpoint.next_sequence(view.own, int(time())), self._sequence + 1)
            await self._publisher.endpoint(replace(outcome.own, sequence=sequence), node)
            self._sequence = sequence
        await self._report(view, outcome)
        await self._tell_of_cables()
        await self._repairs.tell(self._say_repaired)
        await self._publisher.load_balancer(outcome.own, node, wanted=view.member.load_balancer)
        return False

    async def _say_repaired(self, note: str) -> bool:
        return await self._publisher.repaired(self._stores.report_object(self._settings.node), note)

    async def _world(self, view: View, rail: int) -> gateway.World:
        # Objects may be away for a moment: discovery brings the options back, and cables stay as they are.
        self._options = view.options or self._options
        host = await self._kernel.host_facts()
        self._identity = self._publisher.identity() or self._identity
        node = next(one for one in view.nodes if one.name == self._settings.node)
        self._seen = withdrawn.remember(self._seen, view.endpoints, monotonic())
        approved = next((one.prefixes for one in view.clusters if one.id == view.member.cluster), ())
        own = own_endpoint.wanted(
            member=view.member,
            node=node,
            rail=rail,
            advertised=approved,
            host=host,
            published=view.own,
            identity=self._identity,
            now=int(time()),
            found=self._public.found,
            seen={name: path.seen for name, path in self._nat.paths.items() if path.seen.address is not None},
        )
        actual = await self._kernel.read(GATEWAY)
        return gateway.World(
            member=view.member,
            own=own,
            nodes=view.nodes,
            clusters=view.clusters,
            endpoints=view.endpoints,
            health=self._health(),  # as late as can be: after all that takes time
            marks=self._marks(),
            mark=soft_mark.wanted(self._prober.snapshot(), drains=own.weight == 0),
            host=host,
            actual=actual,
            options=self._options,
            identity=self._identity,
            clock=self._clock,
            carried=self._sizes.carried,
            ways={name: path.way for name, path in self._nat.paths.items()},
            seen=self._seen,
            now=monotonic(),
        )

    def _follow(self, view: View, world: gateway.World, decision: gateway.Decision) -> None:
        """Tell prober and advert sender what to do from now on."""
        used = [family for family in families(view.member) if family == 4 or world.host.ipv6]
        targets = frozenset(
            Target(
                key=path.probe(family),
                address=path.address(family),
                device=path.device,
                source=own_address(world.own, path, family),
            )
            for path in decision.probed
            for family in path.families
        )
        multiplier = view.member.probe_multiplier or self._settings.probe_multiplier
        # The few probes of nodes have no part in the pace, which is promised by the number of cables.
        self._prober.set_pace(
            interval=pace.interval(view.member.probe_interval or self._settings.probe_interval, paths=len(targets)),
            multiplier=multiplier,
        )
        self._prober.set_targets(
            self._inheritance.found.taken_over(targets) | self._witnesses(view, used, multiplier)
        )
        self._discover(view, world, decision)
        self._sizes.set(
            {
                path.probe(family): cable_path(world.own, path, family)
                for path in decision.probed
                for family in path.families
                if world.health.get(path.probe(family)) is Health.UP
            }
        )
        self._sender.set(
            advert.encode(self._settings.node, world.own.rail, decision.reach, decision.narrow),
            _overlay_targets(view, used),
        )

    def _witnesses(self, view: View, used: Sequence[int], multiplier: int) -> set[Target]:
        """Nodes to probe, by the family that they probe their gateways by."""
        me, paths = self._settings.node, self._prober.snapshot()
        return soft_mark.targets(view.nodes, me, paths, used[0], multiplier) if used else set()

    def _discover(self, view: View, world: gateway.World, decision: gateway.Decision) -> None:
        """Tell NAT discovery whom to ask, and which of the paths it found have died."""
        node = next(one for one in view.nodes if one.name == self._settings.node)
        sources = view.member.public_sources if node.public_sources is None else node.public_sources
        if not sources and view.member.load_balancer:
            sources = (Source(Kind.LOAD_BALANCER, load_balancer.name_of(world.own.rail)),)
        self._public.ask(() if view.member.air_gapped else sources)
        asked = [one.path.endpoint for one in decision.cables if one.path.driver == WIREGUARD]
        self._nat.set(*nat_discovery.parties(world.own, asked, port=NAT_DISCOVERY_PORT, first=self._token))
        for standing in decision.cables:
            probes = [world.health.get(standing.path.probe(family)) for family in standing.path.families]
            if probes and all(health is Health.DOWN for health in probes):
                self._nat.lost(standing.path.endpoint.name)

    async def _load_balancer(self, service: str) -> list[str]:
        return await self._stores.load_balancer(service)

    async def _report(self, view: View, outcome: _Outcome) -> None:
        decision, failures = outcome.decision, outcome.failures
        # What this process wrote may not have come back by the watch yet.
        known = self._written or view.report
        published = known.cables if known is not None else ()
        paths: Mapping[str, PathHealth] = self._prober.snapshot()
        cables = gateway_report.cables(decision.cables, paths, published, utc_now(), self._meter.rates)
        refused = (failure.error.message for failure in failures)
        ours = (self._prober.problem, self._refused_by_pluto, self._nat.problem, *self._public.problems)
        found_out = filter(None, ours)
        isolated = (soft_mark.ISOLATED,) if decision.mark is Mark.ISOLATED else ()
        problems = bounded((*refused, *isolated, *decision.problems, *found_out, *view.problems))
        self._journal.problems(problems)
        me = next(one for one in view.nodes if one.name == self._settings.node)
        report = Report(
            node=self._settings.node,
            cluster=view.member.cluster,
            rail=outcome.own.rail,
            cables=cables,
            problems=problems,
            version=mcnet.__version__,
            weight=me.weight,
            draining=outcome.own.weight == 0,
            drained_by=me.drained_by if outcome.own.weight == 0 else (),
        )
        self._metrics.show(report)
        due = monotonic() - self._reported >= REPORT_INTERVAL
        news = view.report is None or gateway_report.differ(report, view.report)
        if not news and not due:
            return
        node = self._stores.node_object(self._settings.node)
        if node is not None:
            await self._publisher.report(report, node)
            self._reported = monotonic()
        self._written = report
        await self._tell(gateway_events.changes(known, report))

    async def _tell(self, news: Sequence[gateway_events.Told]) -> None:
        for what in news:
            log.info("gateway", what=what.reason, cause=what.cause)
            self._metrics.gateway_changes.labels(what.reason, what.cause).inc()
            regarding = self._stores.report_object(self._settings.node) or self._stores.member_object
            if regarding is not None:
                await self._publisher.told(regarding, what)


def _overlay_targets(view: View, used: list[int]) -> list[Address]:
    """Where adverts go: every node's overlay address, by one family."""
    return [end.address(used[0]) for end in overlay_ends(view.nodes).values()] if used else []


def _prober(settings: Settings) -> SupervisedProber:
    made = SupervisedProber(interval=settings.probe_interval, multiplier=settings.probe_multiplier)
    made.on_end = lambda reason: log.warning("the process that probes is started anew", because=reason)
    return made

"""The MCS controllers: each service that changes anywhere is planned (mcnet.plan.services) and written by itself.

Beside the mirror's rounds, since of thousands of services one that changes must not wait for the others. Who may
write, with which session, the daemon's round says; without its word nothing is done.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from typing import assert_never

from mcnet.codec.broker import rfc3339
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, kind_of
from mcnet.kube.mcs import McsKinds, served_kinds
from mcnet.loop.log import Log
from mcnet.model.errors import McnetError
from mcnet.model.service import MCS_GROUP, ServiceName
from mcnet.plan import services
from mcnet.plan.mirror import Place, Verb, Write
from mcnet.plan.service_import import Importer
from mcnet.plan.services import Setting
from mcnet_discovery.metrics import DiscoveryMetrics
from mcnet_discovery.service_queue import ServiceQueue
from mcnet_discovery.service_view import LocalServices
from mcnet_discovery.service_write import ServiceWriter
from mcnet_discovery.session import Session

WORKERS = 48
"""Services in hand at a time; how many writes of them are on their way says mcnet_discovery.service_write."""
KEPT = 8
"""Workers beside them for services in use alone: a change in these waits for no thousands of new ones."""
STEPS = 12
"""Plans for one service in a row; one that is not through by then lets others go first."""
RESYNC = 600.0
"""Seconds until all services are looked at again although nothing has changed."""
ASK_AGAIN = 10.0
"""Seconds until an API server without the kinds of the MCS API is asked again."""

log = Log("services")


@dataclass(frozen=True, slots=True)
class Order:
    """What the daemon's round says: with which session to write, and as which importer."""

    session: Session
    importer: Importer

    def only_reach_differs(self, other: "Order") -> bool:
        """Whether all that differs is which clusters are lost."""
        return self.session is other.session and replace(self.importer, lost=other.importer.lost) == other.importer


class Turn(Enum):
    """How a service's turn has ended."""

    DONE = "nothing is left to write"
    FAILED = "to be tried again after a while"
    NEXT = "others go first"
    LATER = "only what tells of it is left to write"


class Services:
    """`may_write` is asked before each write; `on_problems` is called when what `problems` says has changed."""

    def __init__(
        self, api: Api, *, metrics: DiscoveryMetrics, may_write: Callable[[], bool], on_problems: Callable[[], None]
    ) -> None:
        self._api = api
        self._metrics = metrics
        self._may_write = may_write
        self._on_problems = on_problems
        self._queue = ServiceQueue(self._is_in_use)
        metrics.services_waiting.set_function(lambda: len(self._queue))
        self._local: LocalServices | None = None
        self._order: Order | None = None
        self._was_ready = False
        self._was_reachable = False
        self._owing: set[ServiceName] = set()
        self._refused: dict[ServiceName, Mapping[Place, str]] = {}
        self._problems: dict[ServiceName, tuple[str, ...]] = {}
        self._writer = ServiceWriter(metrics=metrics, keep=self._keep)
        self._feeding = False

    @property
    def problems(self) -> dict[str, str]:
        """By service, what is left out or refused, and why."""
        found = {f"service {service}": "; ".join(why) for service, why in self._problems.items()}
        error = self._order.session.services.error if self._order else ""
        return found | ({"services at the broker": error} if error else {})

    @property
    def idle(self) -> bool:
        """Whether all is listed and nothing waits to be looked at."""
        return self._ready() and not len(self._queue)

    def order(self, order: Order | None) -> None:
        """Take the round's word; None: nothing may be done now. Where it says anything new, everything is looked at
        again; where only clusters have been lost or found, their services."""
        before, self._order = self._order, order
        if order and before and order.only_reach_differs(before):
            for service in order.session.services.of(order.importer.lost ^ before.importer.lost):
                self._queue.add(service)
        elif order != before:
            self._was_ready = False
        self.changed()

    def changed(self) -> None:
        """A store has been listed, or has lost or found its API server."""
        if self._ready() and not self._was_ready:
            self._all()
        self._was_ready = self._ready()
        reachable = self._order is not None and self._order.session.services.reachable
        if reachable and not self._was_reachable:
            owing, self._owing = self._owing, set()
            for service in owing:
                self._queue.add(service)
        self._was_reachable = reachable

    def told(self, service: ServiceName) -> None:
        """Something of this service has changed; without a name, its whole namespace."""
        if self._feeding or not self._was_ready:
            return  # who writes looks again by itself; when ready, all are looked at
        for one in [service] if service.name else [one for one in self._names() if one[0] == service.namespace]:
            self._queue.add(one)

    async def run(self) -> None:
        """Until cancelled."""
        local = LocalServices(self._api, await self._kinds(), told=self.told, changed=self.changed)
        local.exported_elsewhere(self._is_exported_elsewhere)
        self._local = local
        async with asyncio.TaskGroup() as tasks:
            workers = [
                *(self._work() for _ in range(WORKERS)),
                *(self._work(only_in_use=True) for _ in range(KEPT)),
            ]
            for coroutine in (*local.coroutines(), *workers, self._resync()):
                tasks.create_task(coroutine)

    async def _kinds(self) -> McsKinds:
        """Those of the MCS API in the best version that is served; waits until any is."""
        said = ""
        while True:
            why = f"the API server has no kinds of {MCS_GROUP}: `mcnet join` installs them"
            try:
                if served := await served_kinds(self._api):
                    return served
            except McnetError as error:
                why = error.message
            if why != said:
                log.warning("services are not served", reason=why)
            said = why
            await asyncio.sleep(ASK_AGAIN)

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(RESYNC)
            self._all()

    async def _work(self, *, only_in_use: bool = False) -> None:
        while True:
            service = await self._queue.get(only_in_use=only_in_use)
            try:
                turn = await self._bring(service)
            except Exception as error:  # one service's fault must not stop the others
                log.error("service not handled", error=error, service=service)
                turn = Turn.FAILED
            match turn:
                case Turn.DONE:
                    self._queue.done(service)
                case Turn.FAILED:
                    self._queue.failed(service)
                case Turn.NEXT | Turn.LATER:
                    self._queue.put_back(service, later=turn is Turn.LATER)
                case _:
                    assert_never(turn)
            await asyncio.sleep(0)  # a service that needs no write must not hold up the loop's other tasks

    async def _bring(self, service: ServiceName) -> Turn:
        """Plan and write until there is nothing left to write. A place that refuses something is left alone until it
        is tried again, the other one is not. Where other services wait, they get the turn after what is urgent."""
        refused: dict[Place, str] = {}
        for step in range(STEPS):
            order, local = self._order, self._local
            if order is None or local is None or not self._ready():
                return Turn.DONE  # everything is looked at when that changes
            setting = self._setting(order, local)
            before = self._refused.get(service, {})
            plan = services.plan(
                local.seen(service, order.session.services), setting,
                failed=before.get(Place.BROKER, ""), stuck=Place.LOCAL in before,
            )  # fmt: skip
            if not setting.reachable and any(write.place is Place.BROKER for write in plan.writes):
                self._owing.add(service)
            apis = {Place.LOCAL: self._api} | ({Place.BROKER: order.session.api} if setting.reachable else {})
            apis = {place: api for place, api in apis.items() if place not in refused}
            writes = [write for write in plan.writes if write.place in apis]
            urgent = most_urgent(writes) if self._queue.is_waited_for else writes
            if step and not urgent and writes and not refused:
                return Turn.LATER
            perform = partial(self._writer.perform, apis=apis, may_write=partial(self._holds, order), now=setting.now)
            outcome = await perform(urgent or writes)
            if 0 < len(urgent) < len(writes) and (outcome.again or not outcome.changed):
                outcome |= await perform([write for write in writes if write not in urgent])
            refused |= outcome.refused
            self._note(service, plan.problems, refused)
            if outcome.again or not outcome.changed:
                return Turn.FAILED if outcome.again or refused else Turn.DONE
            if 0 < len(urgent) < len(writes) and not refused and urgent[0].place is Place.BROKER:
                return Turn.NEXT
        return Turn.FAILED if refused else Turn.NEXT

    def _holds(self, order: Order) -> bool:
        """Whether writes of a plan made under `order` are still right."""
        return self._may_write() and self._order is not None and self._order.session is order.session

    def _note(self, service: ServiceName, problems: tuple[str, ...], refused: Mapping[Place, str]) -> None:
        """Remember what is wrong with a service, and tell if that is new."""
        if refused:
            self._refused[service] = dict(refused)
        else:
            self._refused.pop(service, None)
        found = (*problems, *refused.values())
        if found == self._problems.get(service, ()):
            return
        if found:
            self._problems[service] = found
        else:
            del self._problems[service]
        self._metrics.service_problems.set(len(self._problems))
        self._on_problems()

    def _setting(self, order: Order, local: LocalServices) -> Setting:
        return Setting(
            importer=order.importer,
            broker_namespace=order.session.namespace,
            version=local.version,
            now=rfc3339(datetime.now(UTC)),
            reachable=order.session.services.reachable,
        )

    def _ready(self) -> bool:
        """Whether all that a plan is made of has been listed."""
        return bool(self._local and self._local.synced and self._order and self._order.session.services.known)

    def _is_exported_elsewhere(self, service: ServiceName) -> bool:
        return self._order is not None and self._order.session.services.has(service)

    def _names(self) -> set[ServiceName]:
        """All services of which there is anything to look at."""
        local = self._local.names if self._local else set()
        return local | (self._order.session.services.names if self._order else set())

    def _all(self) -> None:
        names = self._names()
        self._metrics.services.set(len(names))
        for service in sorted(names):
            self._queue.add(service, later=True)

    def _is_in_use(self, service: ServiceName) -> bool:
        """Whether it is imported already."""
        return self._local is not None and self._local.imports.store.get(service.name, service.namespace) is not None

    def _keep(self, place: Place, obj: JsonObject, *, there: bool) -> None:
        """Take over what a write has answered into the store of its kind, or that a deletion has succeeded."""
        local = self._local.stores if self._local else ()
        broker = self._order.session.services.stores if self._order else ()
        kind = kind_of(obj)
        self._feeding = True
        try:
            for store in local if place is Place.LOCAL else broker:
                if store.kind == kind:
                    (store.saw if there else store.forget)(obj)
        finally:
            self._feeding = False


def most_urgent(writes: Sequence[Write]) -> list[Write]:
    """Of a service's writes those that do not let other services go first: what other clusters wait for, or else what
    is used in this one; not what only tells of it."""
    broker = [write for write in writes if write.place is Place.BROKER]
    return broker or [write for write in writes if write.verb is not Verb.REPLACE_STATUS]

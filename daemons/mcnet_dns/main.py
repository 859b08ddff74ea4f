"""The DNS daemon's wiring: observe, mcnet.plan.dns_zone, answer."""

import asyncio
import gc
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from mcnet.dns import sockets
from mcnet.dns.answers import Answers
from mcnet.dns.counts import Counts
from mcnet.dns.tcp import TcpServer
from mcnet.dns.udp import UdpServer
from mcnet.kube.api import Api
from mcnet.kube.connect import in_cluster
from mcnet.kube.kinds import SERVICE_IMPORT, SERVICE_IMPORT_ALPHA, Kind
from mcnet.loop.log import Log
from mcnet.loop.reconcile import Reconciler
from mcnet.loop.run import Stop, supervise
from mcnet.loop.serve import HealthServer
from mcnet.model.errors import McnetError, NotFoundError
from mcnet.plan.problems import bounded
from mcnet_dns.metrics import DnsMetrics, State
from mcnet_dns.observe import Watched
from mcnet_dns.settings import Settings

SETTLE = 0.01
"""Seconds in which changes are gathered: an endpoint that is lost should be out of the answers at once."""
ASK_AGAIN = 2.0
"""Seconds until an API server that has no ServiceImports, or does not answer, is asked again."""

log = Log("dns")


async def start(settings: Settings, stop: Stop) -> None:
    """Run in a pod until stopped."""
    async with await in_cluster() as api:
        await Dns(settings, api).main(stop)


class Dns:
    """One replica; all of them do the same and know nothing of each other. `hosts` are the addresses it serves on."""

    def __init__(self, settings: Settings, api: Api, *, hosts: sockets.Hosts = sockets.ANY) -> None:
        self._settings = settings
        self._api = api
        self._hosts = hosts
        self._registry = CollectorRegistry()
        self._counts = Counts()
        self._metrics = DnsMetrics(self._registry, self._counts, self._state)
        self._answers = Answers(self._counts)
        self._tcp = TcpServer(self._answers, self._counts)
        self._loop = Reconciler(self._round, name="dns", metrics=self._metrics.loop, settle=SETTLE)
        self._watched: Watched | None = None
        self._lost: float | None = time.monotonic()
        """Since when changes may be missed; None while none is."""
        self._problems: tuple[str, ...] = ()
        self.server = HealthServer(
            port=settings.metrics_port, registry=self._registry, live=lambda: self._loop.fault, ready=self._unready
        )
        self.port = settings.port
        """Where it answers, once `serving`: any free one if the setting is 0."""
        self.serving = asyncio.Event()

    async def main(self, stop: Stop) -> None:
        """Run until stopped. It answers SERVFAIL until all objects have been listed once."""
        await supervise(stop, self.server.run(), self._serve(), self._watch())

    async def _serve(self) -> None:
        datagrams, listening = sockets.both(self.port, self._hosts)
        self.port = datagrams[0].getsockname()[1]
        udp = UdpServer(datagrams, self._answers, self._counts)
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(self._tcp.connection, sock=one) for one in listening]
        self.serving.set()
        try:
            await asyncio.gather(*(server.serve_forever() for server in servers))
        finally:
            udp.close()
            for server in servers:
                server.close()
            self._tcp.close()

    async def _watch(self) -> None:
        kind = await self._kind()
        self._watched = Watched(self._api, kind, self._settings.options, self._changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._loop.run())
            for store in self._watched.stores:
                group.create_task(store.run())

    async def _kind(self) -> Kind:
        """By which version the API server has ServiceImports; waits until it has them."""
        told = ""
        while True:
            for kind in (SERVICE_IMPORT, SERVICE_IMPORT_ALPHA):
                try:
                    await self._api.list(kind, "default")
                except NotFoundError:
                    said = "the API server has no ServiceImports yet"
                except McnetError as error:
                    said = error.message
                else:
                    return kind
            if said != told:
                log.warning("waiting", reason=said)
            told = said
            await asyncio.sleep(ASK_AGAIN)

    def _changed(self, reason: str) -> None:
        if self._watched and self._watched.reachable:
            self._lost = None
        elif self._lost is None:
            self._lost = time.monotonic()
        self._loop.trigger(reason)

    @property
    def age(self) -> float:
        """Seconds since all was known to be as the API server has it; 0 while it is."""
        return 0.0 if self._lost is None else time.monotonic() - self._lost

    def _unready(self) -> str:
        if not self._watched:
            return "the API server has no ServiceImports yet"
        if self._watched.waiting:
            return f"not listed yet: {', '.join(self._watched.waiting)}"
        return "" if self._answers.zone else "no round has succeeded yet"

    async def _round(self, reason: str) -> bool:
        watched = self._watched
        if not watched or watched.waiting:
            return False
        first = self._answers.zone is None
        self._answers.change(watched.changes(), watched.namespaces())
        if first:
            # What has been listed stays: later collections of garbage must not go through it while queries wait.
            gc.freeze()
            log.info("answering", imports=self._state().imports, port=self.port)
        self._say(watched.problems())
        return False

    def _say(self, problems: Iterable[str]) -> None:
        """Each problem when it is new."""
        found = bounded(problems)
        for problem in found:
            if problem not in self._problems:
                log.warning("left out", what=problem)
        self._problems = found

    def _state(self) -> State:
        zone, watched = self._answers.zone, self._watched
        return State(
            kept=len(self._answers.known),
            connections=self._tcp.connections,
            imports=len(zone.services) if zone else 0,
            endpoints=sum(service.endpoints for service in zone.services.values()) if zone else 0,
            problems=sum(1 for _ in watched.problems()) if watched else 0,
            age=self.age,
        )

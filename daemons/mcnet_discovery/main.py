"""The discovery daemon's wiring: observe, mcnet.plan.mirror, write; leadership, session, services and renewal beside
it."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from mcnet.kube.api import Api
from mcnet.kube.connect import in_cluster
from mcnet.kube.lease import Leadership
from mcnet.loop.log import Log
from mcnet.loop.reconcile import Reconciler
from mcnet.loop.run import Stop, supervise
from mcnet.loop.serve import HealthServer
from mcnet.model.errors import ConflictError, McnetError
from mcnet.model.member import Member
from mcnet.plan import mirror
from mcnet.plan.mirror import Place
from mcnet_discovery import renewal
from mcnet_discovery.gateways import Replacement
from mcnet_discovery.health import Health
from mcnet_discovery.metrics import DiscoveryMetrics
from mcnet_discovery.observe import Local, importer, newer, world
from mcnet_discovery.report import Reporter
from mcnet_discovery.services import Order, Services
from mcnet_discovery.session import Connect, Link, OfServices, Session, Target, by_token
from mcnet_discovery.settings import Settings
from mcnet_discovery.write import Writer

LEASE = "mcnet-discovery"
"""The Lease by which the replicas choose the one that writes."""

log = Log("discovery")


async def start(settings: Settings, stop: Stop) -> None:
    """Run in a pod until stopped."""
    async with await in_cluster() as api:
        await Discovery(settings, api).main(stop)


class Discovery:
    """One replica. `api` is the own API server's."""

    def __init__(self, settings: Settings, api: Api, *, open_broker: Connect = by_token) -> None:
        self._api = api
        self._registry = CollectorRegistry()
        self._metrics = DiscoveryMetrics(self._registry)
        self._loop = Reconciler(self._round, name="discovery", metrics=self._metrics.loop)
        self._local = Local(api, settings.namespace, self._loop.trigger)
        self._health = Health(api, settings.namespace, on_change=lambda: self._loop.trigger("health"))
        self._leadership = Leadership(
            api, name=LEASE, namespace=settings.namespace, identity=settings.pod, on_change=self._led
        )
        self._services = Services(
            api, metrics=self._metrics, may_write=lambda: self._leadership.held,
            on_problems=lambda: self._loop.trigger("services"),
        )  # fmt: skip
        self._link = Link(
            on_change=lambda: self._loop.trigger("broker"), metrics=self._metrics, open_api=open_broker,
            of_services=OfServices(self._services.told, self._services.changed),
        )  # fmt: skip
        self._writer = Writer(metrics=self._metrics, retry_in=self._retry_in)
        self._reporter = Reporter(api, metrics=self._metrics, instance=settings.pod)
        self._replacement = Replacement(
            api, member=lambda: self._local.member()[0], is_leader=lambda: self._leadership.held, told=self._tell
        )
        self.server = HealthServer(
            port=settings.metrics_port, registry=self._registry, live=lambda: self._loop.fault, ready=self._unready
        )

    async def main(self, stop: Stop) -> None:
        """Run until stopped; then only the leadership is given up, all objects stay."""
        await supervise(
            stop,
            self.server.run(),
            self._loop.run(),
            self._leadership.run(),
            self._link.run(),
            self._services.run(),
            self._health.store.run(),
            self._renew(),
            self._replacement.run(),
            *(store.run() for store in self._local.stores),
        )

    def _unready(self) -> str:
        """A broker that is away is no reason: local copies are served by the API server, not from here."""
        if self._local.waiting:
            return f"not listed yet: {', '.join(self._local.waiting)}"
        return "" if self._leadership.synced else f"the Lease {LEASE} has not been read yet"

    def _led(self) -> None:
        held = self._leadership.held
        self._metrics.leader.set(held)
        log.info("leader" if held else "not the leader", lease=LEASE)
        self._loop.trigger("leadership")

    def _retry_in(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._loop.trigger, "retry")

    async def _round(self, reason: str) -> bool:
        if not self._leadership.held:
            self._link.want(None)
            self._services.order(None)
            return False
        if self._local.waiting:
            return False
        member_object = self._local.member_object or {}
        (member, no_member), (credential, no_credential) = self._local.member(), self._local.credential()
        self._link.want(Target(credential, member.cluster) if member and credential else None)
        session = self._link.current
        fault = no_member or no_credential or self._link.fault
        self._services.order(self._order(session, member))
        if member is None or session is None:
            if fault:
                await self._reporter.broker(member_object, fault)
            return False
        if session.error or session.reachable:
            await self._reporter.broker(member_object, session.error)
        if not session.known:
            return False
        plan = mirror.plan(await world(self._local, session, member))
        changed = await self._writer.perform(
            plan.writes,
            {Place.LOCAL: self._api} | ({Place.BROKER: session.api} if session.reachable else {}),
            lambda: self._leadership.held and self._link.current is session,
        )
        left_out = {f"{one.name} ({one.place.value})": one.why for one in plan.problems}
        self._metrics.show_refused(plan.refused)
        await self._reporter.problems(member_object, left_out | self._writer.refusals)
        await self._reporter.services(member_object, self._services.problems)
        await self._reporter.newer(member_object, newer(session))
        return changed

    def _order(self, session: Session | None, member: Member | None) -> Order | None:
        """What the services' controllers may do: nothing before the broker is known to be one."""
        if (
            session is None
            or member is None
            or not session.known
            or not mirror.is_broker(session.clustersets.objects)
        ):
            return None
        made = importer(self._local, member)
        lost = self._health.lost(made.prefixes, self._retry_in)
        return None if lost is None else Order(session, replace(made, lost=lost))

    async def _tell(self, reason: str, note: str) -> None:
        if member := self._local.member_object:
            await self._reporter.event(member, reason, note, warning=True)

    async def _renew(self) -> None:
        """Renew the credential when it is due, for ever."""
        while True:
            await asyncio.sleep(renewal.CHECK * random.uniform(0.5, 1.0))
            await self._renew_if_due()

    async def _renew_if_due(self) -> None:
        session, secret, member = self._link.current, self._local.secret_object, self._local.member_object
        if session is None or secret is None or member is None or not self._leadership.held:
            return
        credential, _ = self._local.credential()
        if credential != session.target.credential:
            return  # a newer one is there already
        if end := renewal.ends(credential):
            self._metrics.expiry.set(end.timestamp())
        if not renewal.due(credential, datetime.now(UTC)):
            return
        try:
            expires = await renewal.renew(self._api, session, secret)
        except ConflictError:
            return
        except McnetError as error:
            hint = "the broker's admin can do it: mcnet member renew"
            log.warning("credential not renewed", reason=error.message, ends=end, hint=hint)
            await self._reporter.event(member, "CredentialNotRenewed", f"{error.message}; {hint}", warning=True)
        else:
            log.info("credential renewed", expires=expires)
            await self._reporter.event(member, "CredentialRenewed", f"the broker's credential ends {expires}")

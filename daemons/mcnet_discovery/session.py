"""A session with the broker: one credential, the watched kinds, and the Lease that says this member is alive.

The credential comes and changes at any time; a session never outlives the one it was made with. What is done
with the objects belongs to `main`.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from mcnet.codec import farewell
from mcnet.codec.broker import BrokerCredential, member_account
from mcnet.kube import connect, lease
from mcnet.kube.api import Api
from mcnet.kube.kinds import CLUSTER, CLUSTERSET, ENDPOINT, LEASE, SERVICE_ACCOUNT, JsonObject
from mcnet.kube.store import Store
from mcnet.loop.log import Log
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import McnetError, UnreachableError
from mcnet.model.member import CLUSTER_LABEL
from mcnet.model.service import ServiceName
from mcnet.model.trust import Farewell
from mcnet_discovery.metrics import DiscoveryMetrics
from mcnet_discovery.service_view import BrokerServices

HEARTBEAT = 20.0
"""Seconds between two renewals of the Lease at the broker."""
HEARTBEAT_RETRY = 5.0
"""Seconds until the next try after a failure."""
LAST_SEEN_DURATION = 60
"""leaseDurationSeconds of that Lease: three missed renewals."""

log = Log("broker")

Connect = Callable[[BrokerCredential], Awaitable[Api]]


@dataclass(frozen=True, slots=True)
class Target:
    """What a session is for."""

    credential: BrokerCredential
    cluster: ClusterId


async def by_token(credential: BrokerCredential) -> Api:
    """The broker's Api."""
    return await connect.with_token(server=credential.server, ca=credential.ca, token=credential.token)


@dataclass(frozen=True, slots=True)
class OfServices:
    """Who is told of what changes in services at the broker (mcnet_discovery.services)."""

    told: Callable[[ServiceName], None] = lambda service: None
    changed: Callable[[], None] = lambda: None


class Session:
    """The broker as one Target reaches it."""

    def __init__(
        self,
        api: Api,
        target: Target,
        *,
        on_change: Callable[[], None],
        metrics: DiscoveryMetrics,
        of_services: OfServices = OfServices(),
    ) -> None:
        self.api = api
        self.target = target
        self._metrics = metrics
        self._owner: JsonObject | None = None
        self._farewells: dict[ClusterId, tuple[Farewell, ...]] = {}
        self.clustersets, self.clusters, self.endpoints = (
            Store(api, kind, namespace=self.namespace, on_change=on_change)
            for kind in (CLUSTERSET, CLUSTER, ENDPOINT)
        )
        self.services = BrokerServices(
            api, self.namespace, told=of_services.told, changed=of_services.changed
        )  # fmt: skip

    @property
    def namespace(self) -> str:
        return self.target.credential.namespace

    @property
    def stores(self) -> tuple[Store, ...]:
        return self.clustersets, self.clusters, self.endpoints

    @property
    def known(self) -> bool:
        """Whether all that the broker holds has been listed in this session. It stays known while it is away."""
        return all(store.synced for store in self.stores)

    @property
    def reachable(self) -> bool:
        """Whether all of it is being watched now."""
        return all(store.reachable for store in self.stores)

    @property
    def error(self) -> str:
        """Why it is not reachable, "" as long as nothing has failed."""
        return next((store.error for store in self.stores if store.error), "")

    async def owner(self) -> JsonObject | None:
        """An owner reference to the own ServiceAccount, None if that can't be had now."""
        if self._owner is None:
            name = member_account(self.target.cluster)
            try:
                account = await self.api.get(SERVICE_ACCOUNT, name, self.namespace)
            except McnetError as error:
                log.warning("own account not readable", reason=error.message)
                return None
            uid = account["metadata"]["uid"]
            self._owner = {"apiVersion": "v1", "kind": "ServiceAccount", "name": name, "uid": uid}
        return self._owner

    async def farewells(self, cluster: ClusterId) -> tuple[Farewell, ...]:
        """What that cluster has signed when it left, if it ever did, as of when that could be read last. Raises
        UnreachableError if it never could."""
        try:
            self._farewells[cluster] = farewell.decode(await self.api.find(LEASE, cluster, self.namespace) or {})
        except UnreachableError:
            if cluster not in self._farewells:
                raise
        except McnetError as error:
            log.warning("farewells not readable", cluster=cluster, reason=error.message)
            return ()
        return self._farewells[cluster]

    def coroutines(self) -> list[Coroutine[Any, Any, None]]:
        """What has to run for the session to live."""
        stores = (*self.stores, *self.services.stores)
        return [*(store.run() for store in stores), self._heartbeat()]

    async def _heartbeat(self) -> None:
        """Renew the Lease named by the own ID for ever; a failure is logged once."""
        failing = ""
        while True:
            try:
                await lease.renew(
                    self.api, name=self.target.cluster, namespace=self.namespace, holder=self.target.cluster,
                    seconds=LAST_SEEN_DURATION, labels={CLUSTER_LABEL: self.target.cluster},
                )  # fmt: skip
            except McnetError as error:
                if error.message != failing:
                    log.warning("sign of life not written", reason=error.message)
                failing = error.message
            else:
                if failing:
                    log.info("sign of life written again")
                failing = ""
                self._metrics.last_seen.set(time.time())
            pause = HEARTBEAT_RETRY if failing else HEARTBEAT
            await asyncio.sleep(pause * random.uniform(0.9, 1.0))


class Link:
    """Keeps one session for the wanted target, none without one."""

    def __init__(
        self,
        *,
        on_change: Callable[[], None],
        metrics: DiscoveryMetrics,
        open_api: Connect = by_token,
        of_services: OfServices = OfServices(),
    ) -> None:
        self.session: Session | None = None
        self.fault = ""
        """Why there is no session although one is wanted."""
        self._open_api = open_api
        self._of_services = of_services
        self._on_change = on_change
        self._metrics = metrics
        self._wanted: Target | None = None
        self._news = asyncio.Event()

    def want(self, target: Target | None) -> None:
        """Ask for a session with `target`; the same one again changes nothing."""
        if target != self._wanted:
            self._wanted = target
            self._news.set()

    @property
    def current(self) -> Session | None:
        """The session, if it is the wanted one and not one about to end."""
        return self.session if self.session and self.session.target == self._wanted else None

    async def run(self) -> None:
        """Open and close sessions as wanted, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._wanted:
                await self._hold(self._wanted)

    async def _hold(self, target: Target) -> None:
        """One session, until another target is wanted."""
        try:
            api = await self._open_api(target.credential)
        except McnetError as error:
            self.fault = error.message
            log.error("no session with the broker", reason=error.message, hint=error.hint)
            self._on_change()
            return
        self.fault = ""
        async with api:
            session = Session(
                api, target, on_change=self._on_change, metrics=self._metrics, of_services=self._of_services
            )
            tasks = [asyncio.create_task(coroutine) for coroutine in session.coroutines()]
            self.session = session
            self._metrics.reconnects.inc()
            log.info("session with the broker", server=target.credential.server)
            changed = asyncio.create_task(self._news.wait())
            try:
                done, _ = await asyncio.wait((changed, *tasks), return_when=asyncio.FIRST_COMPLETED)
                for task in done - {changed}:
                    task.result()  # they never return; what they raise is a fault of ours
            finally:
                self.session = None
                for task in (changed, *tasks):
                    task.cancel()
                await asyncio.gather(changed, *tasks, return_exceptions=True)
                self._on_change()

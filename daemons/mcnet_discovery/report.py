"""Says what has changed: one log line and one event for each new problem and for each one that is over."""

from typing import NamedTuple

from mcnet.kube.api import Api
from mcnet.kube.events import emit
from mcnet.kube.kinds import JsonObject
from mcnet.loop.log import Log
from mcnet_discovery.metrics import DiscoveryMetrics

SAID = 10
"""Problems of one round that are told each; of more only the number."""

log = Log("discovery")


class _Words(NamedTuple):
    """How problems of one sort are told: an event's reason, what the objects are not, and what they are."""

    reason: str
    said: str
    things: str


class Reporter:
    """Remembers what has been said, nothing else."""

    def __init__(self, api: Api, *, metrics: DiscoveryMetrics, instance: str) -> None:
        self._api = api
        self._metrics = metrics
        self._instance = instance
        self._problems: dict[str, str] = {}
        self._services: dict[str, str] = {}
        self._newer: dict[str, str] = {}
        self._broker: str | None = None

    async def problems(self, member: JsonObject, problems: dict[str, str]) -> None:
        """`problems`: by object, why it is left alone or refused."""
        self._metrics.problems.set(len(problems))
        before, self._problems = self._problems, problems
        await self._told(member, before, problems, _Words("NotMirrored", "not mirrored", "objects"))

    async def services(self, member: JsonObject, problems: dict[str, str]) -> None:
        """`problems`: by service, what of it is left out or refused."""
        before, self._services = self._services, problems
        await self._told(member, before, problems, _Words("ServiceNotWhole", "not whole", "services"))

    async def _told(
        self, member: JsonObject, before: dict[str, str], problems: dict[str, str], words: "_Words"
    ) -> None:
        news = [(name, why) for name, why in problems.items() if before.get(name) != why]
        for name, why in news[:SAID]:
            log.warning(words.said, object=name, reason=why)
            await self.event(member, words.reason, f"{name}: {why}", warning=True)
        if len(news) > SAID:
            log.warning(f"more {words.things} are {words.said}", count=len(news) - SAID)
            await self.event(member, words.reason, f"and {len(news) - SAID} {words.things} more", warning=True)
        gone = sorted(before.keys() - problems.keys())
        for name in gone[:SAID]:
            log.info("no longer a problem", object=name)
        if len(gone) > SAID:
            log.info("no longer problems", count=len(gone) - SAID)

    async def newer(self, member: JsonObject, found: dict[str, str]) -> None:
        """`found`: by object, what it asks for that this version does not know."""
        before, self._newer = self._newer, found
        for name, what in found.items():
            if before.get(name) != what:
                log.warning("newer than this version", object=name, reason=what)
                await self.event(member, "NewerVersion", f"{name}: {what}", warning=True)

    async def broker(self, member: JsonObject, fault: str) -> None:
        """`fault`: why the broker can't be used now, "" if it can."""
        self._metrics.reachable.set(not fault)
        before, self._broker = self._broker, fault
        if fault == before:
            return
        if fault:
            log.warning("broker not usable: local copies stay", reason=fault)
            await self.event(member, "BrokerUnusable", fault, warning=True)
        else:
            log.info("broker is usable")
            await self.event(member, "BrokerUsable", "the broker's objects are watched")

    async def event(self, member: JsonObject, reason: str, message: str, *, warning: bool = False) -> None:
        """An event about the Member."""
        await emit(
            self._api, regarding=member, reason=reason, message=message, type="Warning" if warning else "Normal",
            component="discovery", instance=self._instance,
        )  # fmt: skip

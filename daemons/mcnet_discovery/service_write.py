"""Performs the writes of one service, and feeds what they answer back into the stores.

What to write is mcnet.plan.services'; when to try again the queue's.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, Kind, kind_of
from mcnet.kube.store import Store
from mcnet.loop.log import Log
from mcnet.model.errors import ConflictError, McnetError, NotFoundError, UnreachableError
from mcnet.plan.mirror import Place, Verb, Write
from mcnet_discovery.metrics import DiscoveryMetrics

log = Log("services")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a service's writes: whether something was written, whether all has to be looked at again later
    since it was outrun or a server is away, and why something was refused, by place."""

    changed: bool = False
    again: bool = False
    refused: Mapping[Place, str] = field(default_factory=dict)


class ServiceWriter:
    """`store` gives the Store that holds a kind at a place."""

    def __init__(self, *, metrics: DiscoveryMetrics, store: Callable[[Place, Kind], Store | None]) -> None:
        self._metrics = metrics
        self._store = store
        self._dropped: dict[tuple[Place, str, str, str, Verb], str] = {}

    async def perform(
        self, writes: Iterable[Write], apis: Mapping[Place, Api], may_write: Callable[[], bool], *, now: str
    ) -> Outcome:
        """The writes, in order. One that fails stops no other; an API server that can't be reached ends those to it.
        `now` is the time that the plan was made with."""
        changed = again = False
        refused: dict[Place, str] = {}
        away: set[Place] = set()
        for write in writes:
            if not may_write():
                return Outcome(changed, again, refused)
            if write.place in away or write.place not in apis or self._is_dropped(write, now):
                continue
            try:
                changed |= await self._do(apis[write.place], write, now)
            except (ConflictError, NotFoundError):
                self._count(write, "outrun")  # what was seen is no longer so
                again = True
            except UnreachableError as error:
                self._count(write, "unreachable")
                log.warning("not written", place=write.place.value, kind=write.kind, reason=error.message)
                again = True
                away.add(write.place)
            except McnetError as error:
                self._count(write, "refused")
                refused[write.place] = f"{write.kind} {write.name} is refused: {error.message}"
        return Outcome(changed, again, refused)

    async def _do(self, api: Api, write: Write, now: str) -> bool:
        """Perform it; whether it changed anything."""
        kind, metadata = kind_of(write.obj), write.obj["metadata"]
        namespace = metadata["namespace"]
        store = self._store(write.place, kind)
        written: JsonObject | None = None
        match write.verb:
            case Verb.CREATE:
                written = await api.create(kind, write.obj, namespace)
            case Verb.REPLACE | Verb.REPLACE_STATUS:
                part = "status" if write.verb is Verb.REPLACE_STATUS else ""
                written = await api.replace(kind, write.obj, namespace, subresource=part)
            case Verb.DELETE:
                await api.delete(kind, write.name, namespace, uid=metadata.get("uid", ""))
            case _:
                assert_never(write.verb)
        if written is not None and _version(written) == _version(write.obj):
            # A server that does not keep what was written, since its CRD is older.
            self._dropped[_key(write)] = _fingerprint(write.obj, now)
            self._count(write, "dropped")
            return False
        if store is not None and written is None:
            store.forget(write.obj)
        elif store is not None and written is not None:
            store.saw(written)
        self._count(write, "done")
        log.debug(write.verb.value, kind=kind.kind, name=write.name, namespace=namespace, place=write.place.value)
        return True

    def _is_dropped(self, write: Write, now: str) -> bool:
        """Whether the server has dropped exactly this before."""
        return bool(self._dropped) and self._dropped.get(_key(write)) == _fingerprint(write.obj, now)

    def _count(self, write: Write, result: str) -> None:
        self._metrics.service_writes.labels(write.place.value, write.kind, write.verb.name.lower(), result).inc()


def _key(write: Write) -> tuple[Place, str, str, str, Verb]:
    return write.place, write.kind, write.obj["metadata"]["namespace"], write.name, write.verb


def _version(obj: JsonObject) -> object:
    return obj["metadata"].get("resourceVersion")


def _fingerprint(obj: JsonObject, now: str) -> str:
    """The object without the time of the plan, which alone makes no difference."""
    return json.dumps(obj, sort_keys=True).replace(now, "")

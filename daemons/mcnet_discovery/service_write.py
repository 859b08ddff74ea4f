"""Performs the writes of one service, so many at a time that API servers keep up, and hands on what they answer.

What to write is mcnet.plan.services'; when to try again the queue's.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, kind_of
from mcnet.loop.log import Log
from mcnet.model.errors import ConflictError, McnetError, NotFoundError, UnreachableError
from mcnet.plan.mirror import Place, Verb, Write
from mcnet_discovery.metrics import DiscoveryMetrics

AT_ONCE = 24
"""Writes on their way to one API server: more make it no faster, and all of them slower."""
ALLOCATIONS = 8
"""Of them new Services: API servers give out ClusterIPs one by one (Kubernetes 1.37, MetaAllocator), and a user's new
Service waits behind ours."""

log = Log("services")


class Keep(Protocol):
    """Takes over an object as a write at `place` has answered it, or, not `there`, that it is gone."""

    def __call__(self, place: Place, obj: JsonObject, *, there: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a service's writes: whether something was written, whether all has to be looked at again later
    since it was outrun or a server is away, and why something was refused, by place."""

    changed: bool = False
    again: bool = False
    refused: Mapping[Place, str] = field(default_factory=dict)

    def __or__(self, other: "Outcome") -> "Outcome":
        """Of the writes of both."""
        return Outcome(
            self.changed or other.changed, self.again or other.again, {**self.refused, **other.refused}
        )  # fmt: skip


class ServiceWriter:
    """One for all services."""

    def __init__(self, *, metrics: DiscoveryMetrics, keep: Keep) -> None:
        self._metrics = metrics
        self._keep = keep
        self._on_their_way = {place: asyncio.Semaphore(AT_ONCE) for place in Place}
        self._allocating = asyncio.Semaphore(ALLOCATIONS)
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
        allocates = write.verb is Verb.CREATE and write.kind == "Service"
        async with self._allocating if allocates else self._on_their_way[write.place]:
            written = await _sent(api, write)
        if written is not None and _version(written) == _version(write.obj):
            # A server that does not keep what was written, since its CRD is older.
            self._dropped[_key(write)] = _fingerprint(write.obj, now)
            self._count(write, "dropped")
            return False
        self._keep(write.place, written or write.obj, there=written is not None)
        self._count(write, "done")
        log.debug(
            write.verb.value, kind=write.kind, name=write.name, namespace=write.obj["metadata"]["namespace"],
            place=write.place.value,
        )  # fmt: skip
        return True

    def _is_dropped(self, write: Write, now: str) -> bool:
        """Whether the server has dropped exactly this before."""
        return bool(self._dropped) and self._dropped.get(_key(write)) == _fingerprint(write.obj, now)

    def _count(self, write: Write, result: str) -> None:
        self._metrics.service_writes.labels(write.place.value, write.kind, write.verb.name.lower(), result).inc()


async def _sent(api: Api, write: Write) -> JsonObject | None:
    """The object as the server has it now, None once it is deleted."""
    kind, metadata = kind_of(write.obj), write.obj["metadata"]
    namespace = metadata["namespace"]
    match write.verb:
        case Verb.CREATE:
            return await api.create(kind, write.obj, namespace)
        case Verb.REPLACE | Verb.REPLACE_STATUS:
            part = "status" if write.verb is Verb.REPLACE_STATUS else ""
            return await api.replace(kind, write.obj, namespace, subresource=part)
        case Verb.DELETE:
            await api.delete(kind, write.name, namespace, uid=metadata.get("uid", ""))
            return None
        case _:
            assert_never(write.verb)


def _key(write: Write) -> tuple[Place, str, str, str, Verb]:
    return write.place, write.kind, write.obj["metadata"]["namespace"], write.name, write.verb


def _version(obj: JsonObject) -> object:
    return obj["metadata"].get("resourceVersion")


def _fingerprint(obj: JsonObject, now: str) -> str:
    """The object without the time of the plan, which alone makes no difference."""
    return json.dumps(obj, sort_keys=True).replace(now, "")

"""Carries out a mirror plan. An object that is refused waits longer each time and stops no other.

What to write is mcnet.plan.mirror's.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import assert_never

from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, kind_of
from mcnet.loop.log import Log
from mcnet.model.errors import ConflictError, McnetError, NotFoundError, UnreachableError
from mcnet.plan.mirror import Place, Verb, Write
from mcnet_discovery.metrics import DiscoveryMetrics

BACKOFF = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds until an object that was refused once, twice, … is tried again."""

AT_ONCE = 100
"""Writes that are tried at one place in one round; then all is looked at again, so that what changes in an object in
use waits for no thousands of others."""

DROPPED = "its API server does not keep all that was written: its CRDs are older; upgrade mcnet there"

log = Log("mirror")


class Writer:
    """Performs writes at both places. `retry_in` is called with the seconds after which to look again."""

    def __init__(self, *, metrics: DiscoveryMetrics, retry_in: Callable[[float], None]) -> None:
        self._metrics = metrics
        self._retry_in = retry_in
        self._refused: dict[tuple[Place, str, str], tuple[int, float, str]] = {}

    @property
    def refusals(self) -> dict[str, str]:
        """Objects that can't be written, as "Kind NAME (place)", and why."""
        return {f"{kind} {name} ({place.value})": why for (place, kind, name), (_, _, why) in self._refused.items()}

    async def perform(self, writes: Iterable[Write], apis: dict[Place, Api], may_write: Callable[[], bool]) -> bool:
        """Do the writes, in order within each place; whether any changed something."""
        writes = tuple(writes)
        wanted = {_key(write) for write in writes}
        self._refused = {key: value for key, value in self._refused.items() if key in wanted}
        results = await asyncio.gather(
            *(
                self._at(api, [write for write in writes if write.place is place], may_write)
                for place, api in apis.items()
            )
        )
        return any(results)

    async def _at(self, api: Api, writes: list[Write], may_write: Callable[[], bool]) -> bool:
        changed = False
        tried = 0
        for write in writes:
            if not may_write():
                return changed
            if self._waiting(write):
                continue
            if tried == AT_ONCE:
                self._retry_in(0.0)
                return changed
            tried += 1
            try:
                if not await _do(api, write):
                    raise McnetError(DROPPED)
            except (ConflictError, NotFoundError):
                self._count(write, "outrun")  # what was seen is no longer so
                self._retry_in(BACKOFF[0])
            except UnreachableError as error:
                self._count(write, "unreachable")
                log.warning("not written", place=write.place.value, reason=error.message)
                self._retry_in(BACKOFF[1])
                return changed
            except McnetError as error:
                self._refuse(write, error)
            else:
                changed = True
                self._done(write)
        return changed

    def _waiting(self, write: Write) -> bool:
        refused = self._refused.get(_key(write))
        return refused is not None and time.monotonic() < refused[1]

    def _refuse(self, write: Write, error: McnetError) -> None:
        times, _, why = self._refused.get(_key(write), (0, 0.0, ""))
        delay = BACKOFF[min(times, len(BACKOFF) - 1)]
        self._refused[_key(write)] = times + 1, time.monotonic() + delay, error.message
        self._count(write, "refused")
        self._retry_in(delay)
        if error.message != why:
            log.error(f"{write.verb.value} refused", kind=write.kind, name=write.name, reason=error.message)

    def _done(self, write: Write) -> None:
        self._refused.pop(_key(write), None)
        self._count(write, "done")
        log.info(
            write.verb.value, kind=write.kind, name=write.name, place=write.place.value, reason=write.reason
        )  # fmt: skip

    def _count(self, write: Write, result: str) -> None:
        self._metrics.writes.labels(write.place.value, write.kind, write.verb.name.lower(), result).inc()


async def _do(api: Api, write: Write) -> bool:
    """Perform the write. False if it left the object as it was: the server dropped all that differed."""
    kind, namespace = kind_of(write.obj), write.obj["metadata"]["namespace"]
    match write.verb:
        case Verb.CREATE:
            await api.create(kind, write.obj, namespace)
        case Verb.REPLACE | Verb.REPLACE_STATUS:
            part = "status" if write.verb is Verb.REPLACE_STATUS else ""
            written = await api.replace(kind, write.obj, namespace, subresource=part)
            return _version(written) != _version(write.obj)
        case Verb.DELETE:
            await api.delete(kind, write.name, namespace)
        case _:
            assert_never(write.verb)
    return True


def _version(obj: JsonObject) -> object:
    return obj["metadata"].get("resourceVersion")


def _key(write: Write) -> tuple[Place, str, str]:
    return write.place, write.kind, write.name

"""A list of objects kept up to date by watch: the daemons' eyes. It only says "look again", never what to do."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from sys import intern
from typing import Any

from mcnet.kube.api import Api
from mcnet.kube.errors import GONE
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.errors import ApiError, McnetError

BACKOFF_FIRST = 0.5
BACKOFF_LAST = 10.0
"""Seconds until the first and the later tries to come back, doubling, each with 50 % jitter."""

LONGEST_SHARED = 63
"""Characters of texts that are kept once for all objects that say them: names, and words of the API."""
_OWN = frozenset({"uid", "resourceVersion"})
"""What each object has for itself."""

SILENT = 90.0
"""Seconds without a message after which a watch that ends is not trusted: bookmarks come each minute."""


class Store:
    """The objects of one kind (of one namespace, by selectors), as far as the server's watch has told.

    Objects stay when the server goes away: `reachable` says so. `on_change` is called after every change of
    the objects, of `synced` or of `reachable`; `on_object` before it for each object that changed, as it was and as
    it is (None: not there).
    """

    def __init__(
        self,
        api: Api,
        kind: Kind,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        on_change: Callable[[], None],
        on_object: Callable[[JsonObject | None, JsonObject | None], None] | None = None,
    ) -> None:
        self.kind = kind
        self._api = api
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._on_change = on_change
        self._on_object = on_object
        self._objects: dict[tuple[str, str], JsonObject] = {}
        self.synced = False
        """Whether a complete list has been seen since the start."""
        self.reachable = False
        """Whether the last list or watch went well."""
        self.error = ""
        """Why it is not reachable."""
        self.reconnects = 0

    @property
    def objects(self) -> list[JsonObject]:
        """The objects, sorted by namespace and name. Not to be changed by the caller."""
        return [self._objects[key] for key in sorted(self._objects)]

    @property
    def by_key(self) -> Mapping[tuple[str, str], JsonObject]:
        """The objects by namespace and name, in no order; for who looks at thousands of them often. It goes on
        changing, and is not to be changed by the caller."""
        return self._objects

    def get(self, name: str, namespace: str | None = None) -> JsonObject | None:
        """One of the objects, or None."""
        return self._objects.get((namespace or self._namespace or "", name))

    def saw(self, obj: JsonObject) -> None:
        """Take over what a write answered, unless something newer is known: so nobody acts on what was before it."""
        there = self._objects.get(_key(obj))
        if there is None or not (_is_older(obj, there) or _is_same(obj, there)):
            self._put(_key(obj), _slim(obj))

    def forget(self, obj: JsonObject) -> None:
        """Take over that a deletion has succeeded. One that waits for a finalizer comes back by the watch."""
        self._put(_key(obj), None)

    async def run(self) -> None:
        """List and watch until cancelled; comes back by itself after any failure."""
        delay = BACKOFF_FIRST
        while True:
            try:
                version = await self._list()
                delay = BACKOFF_FIRST
                while version:
                    version = await self._watch(version)
                continue
            except McnetError as error:
                if isinstance(error, ApiError) and error.status == GONE:
                    continue  # the changes since are no longer kept: list again, nothing is wrong
                self._lost(error)
            self.reconnects += 1
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, BACKOFF_LAST)

    async def _list(self) -> str:
        items, version = await self._api.list_at(self.kind, self._namespace, labels=self._labels, fields=self._fields)
        objects = {_key(item): _slim(item) for item in items}
        news = objects != self._objects or not self.synced or not self.reachable
        before, self._objects = self._objects, objects
        self.synced, self.reachable, self.error = True, True, ""
        if self._on_object:
            for key in before.keys() | objects.keys():
                if before.get(key) != objects.get(key):
                    self._on_object(before.get(key), objects.get(key))
        if news:
            self._on_change()
        return version

    async def _watch(self, version: str) -> str:
        """Follow changes until the server ends the watch; the resource version to go on from, "" if it is doubtful.

        A server whose etcd was put back to an earlier state waits silently for the version of before: it sends
        nothing, not even the bookmark that comes each minute. So a long silent watch is followed by a new list.
        """
        begun, heard = time.monotonic(), False
        async for event, obj in self._api.watch(
            self.kind, self._namespace, labels=self._labels, fields=self._fields,
            resource_version=version, bookmarks=True,
        ):  # fmt: skip
            heard = True
            version = obj["metadata"]["resourceVersion"]
            if event == "BOOKMARK":
                continue
            there = self._objects.get(_key(obj))
            if there is not None and (_is_older(obj, there) or (event != "DELETED" and _is_same(obj, there))):
                continue  # a write's answer was faster (see `saw`)
            self._put(_key(obj), None if event == "DELETED" else _slim(obj))
            self._on_change()
        silent = not heard and time.monotonic() - begun >= SILENT
        return "" if silent else version

    def _put(self, key: tuple[str, str], obj: JsonObject | None) -> None:
        before = self._objects.pop(key, None)
        if obj is not None:
            self._objects[key] = obj
        if self._on_object and before is not obj:
            self._on_object(before, obj)

    def _lost(self, error: McnetError) -> None:
        news = self.reachable or not self.error
        self.reachable, self.error = False, error.message
        if news:
            self._on_change()


def _slim(obj: JsonObject) -> JsonObject:
    """Without who wrote which field when: more than half of a small object, and nobody's concern here. What many
    objects say alike is in memory once, which halves the rest."""
    obj["metadata"].pop("managedFields", None)
    return {intern(key): _shared(key, value) for key, value in obj.items()}


def _shared(key: str, value: Any) -> Any:
    match value:
        case str():
            return intern(value) if len(value) <= LONGEST_SHARED and key not in _OWN else value
        case dict():
            return {intern(name): _shared(name, one) for name, one in value.items()}
        case list():
            return [_shared(key, one) for one in value]
        case _:
            return value


def _is_older(obj: JsonObject, there: JsonObject) -> bool:
    """By resource versions, which grow (KEP-5504); what is no number can't be compared and counts as newer."""
    versions = [str(one["metadata"].get("resourceVersion", "")) for one in (obj, there)]
    return all(one.isdecimal() for one in versions) and int(versions[0]) < int(versions[1])


def _is_same(obj: JsonObject, there: JsonObject) -> bool:
    """Whether nothing has happened to it between."""
    versions = [one["metadata"].get("resourceVersion") for one in (obj, there)]
    return versions[0] == versions[1] and bool(versions[0]) and _uid(obj) == _uid(there)


def _uid(obj: JsonObject) -> object:
    return obj["metadata"].get("uid")


def _key(obj: JsonObject) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]

"""A list of objects kept up to date by watch: the daemons' eyes. It only says "look again", never what to do."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping

from mcnet.kube.api import Api
from mcnet.kube.errors import GONE
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.errors import ApiError, McnetError

BACKOFF_FIRST = 0.5
BACKOFF_LAST = 10.0
"""Seconds until the first and the later tries to come back, doubling, each with 50 % jitter."""

SILENT = 90.0
"""Seconds without a message after which a watch that ends is not trusted: bookmarks come each minute."""


class Store:
    """The objects of one kind (of one namespace, by selectors), as far as the server's watch has told.

    Objects stay when the server goes away: `reachable` says so. `on_change` is called after every change of
    the objects, of `synced` or of `reachable`.
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
    ) -> None:
        self.kind = kind
        self._api = api
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._on_change = on_change
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
        self._objects, self.synced, self.reachable, self.error = objects, True, True, ""
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
            if event == "DELETED":
                self._objects.pop(_key(obj), None)
            else:
                self._objects[_key(obj)] = _slim(obj)
            self._on_change()
        silent = not heard and time.monotonic() - begun >= SILENT
        return "" if silent else version

    def _lost(self, error: McnetError) -> None:
        news = self.reachable or not self.error
        self.reachable, self.error = False, error.message
        if news:
            self._on_change()


def _slim(obj: JsonObject) -> JsonObject:
    """Without who wrote which field when: more than half of a small object, and nobody's concern here."""
    obj["metadata"].pop("managedFields", None)
    return obj


def _key(obj: JsonObject) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]

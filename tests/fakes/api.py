"""An API server in memory: objects, resource versions, watches, server-side apply, and failures on demand.

It stands below `Api`, so that everything of `mcnet.kube` but the connection is the real code. What it does not
know: schemas, admission, access rights, garbage collection.
"""

import asyncio
import copy
import json
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from mcnet.kube.api import APPLY_PATCH, Api
from mcnet.kube.errors import api_error
from mcnet.kube.kinds import ACCESS_REVIEW, KINDS, SUBJECT_ACCESS_REVIEW, JsonObject, Kind
from mcnet.kube.transport import Request
from mcnet.model.errors import McnetError
from mcnet.model.service import MCS_GROUP

WITH_STATUS = {
    "Cluster", "Gateway", "NodeState", "Deployment", "DaemonSet", "CustomResourceDefinition", "ServiceExport",
    "ServiceImport",
}  # fmt: skip
"""Kinds whose status is a subresource."""


@dataclass
class Failure:
    """An answer to give instead of the right one; `hits` counts how often it was given."""

    matches: Callable[[Request], bool]
    error: McnetError
    times: int = 1
    before: bool = True
    """Whether it fails before anything is done; else the answer is lost after the deed."""
    hits: int = 0


@dataclass(frozen=True)
class Key:
    kind: Kind
    namespace: str
    name: str


@dataclass
class FakeServer:
    """The state; `api()` gives an Api that works on it."""

    server: str = "https://fake"
    ca: bytes = b""
    context: str = "fake"
    objects: dict[Key, JsonObject] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    down: McnetError | None = None
    allowed: Callable[[dict[str, str]], bool] = lambda attributes: True
    allowed_to: Callable[[str, dict[str, str]], bool] = lambda user, attributes: True
    """Likewise for another user."""
    token_seconds: int = 0
    """Cap on the life of tokens, 0 for none."""
    drop: Callable[[JsonObject], object] = lambda _: None
    """Takes away from an object what the schema does not know, before it is kept."""
    mcs_versions: tuple[str, ...] = ("v1beta1", "v1alpha1")
    """Of the Multi-Cluster Services API, as the server serves it."""
    version: int = 1
    _events: list[tuple[int, str, Key, JsonObject]] = field(default_factory=list)
    clock: str = ""
    """The Date header of its answers."""
    _owned: dict[tuple[Key, str], set[tuple[str, ...]]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _epoch: int = 0
    _tokens: int = 0

    def api(self) -> Api:
        return Api(self)

    def add(self, *objects: JsonObject) -> None:
        """Put objects there as somebody else would, status included."""
        for obj in objects:
            kind = next(k for k in KINDS if (k.api_version, k.kind) == (obj["apiVersion"], obj["kind"]))
            key = Key(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            self._store(key, copy.deepcopy(obj), "MODIFIED" if key in self.objects else "ADDED")

    def remove(self, kind: Kind, name: str, namespace: str = "") -> None:
        """Take an object away as somebody else would."""
        self._drop(Key(kind, namespace, name))

    def all(self, kind: Kind) -> list[JsonObject]:
        return [obj for key, obj in sorted(self.objects.items(), key=lambda item: item[0].name) if key.kind == kind]

    def fail(
        self, matches: Callable[[Request], bool], error: McnetError, *, times: int = 1, before: bool = True
    ) -> Failure:
        """Let the next `times` matching requests fail."""
        failure = Failure(matches, error, times, before)
        self.failures.append(failure)
        return failure

    def go_down(self, error: McnetError) -> None:
        """Refuse everything with `error`, and break all watches."""
        self.down = error
        self.break_watches()

    def come_up(self) -> None:
        self.down = None

    def break_watches(self) -> None:
        """End all watches now."""
        self._epoch += 1
        self._wake()

    async def date(self, request: Request) -> str:
        await self.send(request)
        return self.clock

    async def close(self) -> None:
        pass

    async def send(self, request: Request) -> bytes:
        await asyncio.sleep(0)
        self.requests.append(request)
        failure = self._failure(request)
        if failure and failure.before:
            raise failure.error
        answer = self._answer(request)
        if failure:
            raise failure.error
        return json.dumps(answer).encode()

    async def stream(self, request: Request) -> AsyncIterator[bytes]:
        await asyncio.sleep(0)
        self.requests.append(request)
        if failure := self._failure(request):
            raise failure.error
        kind, namespace, _, _ = _parse(request.path)
        query = dict(request.query or {})
        seen, epoch = int(query.get("resourceVersion", 0)), self._epoch
        while epoch == self._epoch:
            for version, event, key, obj in self._events[bisect_right(self._events, seen, key=itemgetter(0)) :]:
                if key.kind == kind and namespace in {"", key.namespace} and _selected(obj, query):
                    yield json.dumps({"type": event, "object": obj}).encode()
                    seen = version
            news = self._news
            if not any(version > seen for version, *_ in self._events[-1:]):
                await news.wait()
            else:
                seen = self._events[-1][0]
        if self.down:
            raise self.down

    def _failure(self, request: Request) -> Failure | None:
        if self.down:
            raise self.down
        for failure in self.failures:
            if failure.hits < failure.times and failure.matches(request):
                failure.hits += 1
                return failure
        return None

    def _answer(self, request: Request) -> JsonObject:
        if request.path in {"/version", "/readyz", f"/apis/{MCS_GROUP}"}:
            return {"gitVersion": "v1.37.2", "versions": [{"version": one} for one in self.mcs_versions]}
        kind, namespace, name, subresource = _parse(request.path)
        key = Key(kind, namespace, name)
        body: Any = copy.deepcopy(request.body)
        if request.method == "GET":
            return self._read(request, key)
        if request.method == "POST":
            return self._post(request, key, subresource, body)
        if request.method == "DELETE":
            self._present(request, key)
            return self._drop(key)
        if request.method == "PUT":
            return self._replace(request, key, subresource, body)
        merging = self._apply if request.content_type == APPLY_PATCH else self._patch
        return merging(request, key, subresource, body)

    def _post(self, request: Request, key: Key, subresource: str, body: JsonObject) -> JsonObject:
        if subresource == "token":
            return self._token(body)
        if key.kind == ACCESS_REVIEW:
            return {"status": {"allowed": self.allowed(body["spec"]["resourceAttributes"])}}
        if key.kind == SUBJECT_ACCESS_REVIEW:
            spec = body["spec"]
            return {"status": {"allowed": self.allowed_to(spec["user"], spec["resourceAttributes"])}}
        return self._create(request, key.kind, key.namespace, body)

    def _read(self, request: Request, key: Key) -> JsonObject:
        if key.name:
            return self._present(request, key)
        query = dict(request.query or {})
        items = [
            obj
            for there, obj in sorted(self.objects.items(), key=lambda item: (item[0].namespace, item[0].name))
            if there.kind == key.kind and key.namespace in {"", there.namespace} and _selected(obj, query)
        ]
        return {"items": items, "metadata": {"resourceVersion": str(self.version)}}

    def _create(self, request: Request, kind: Kind, namespace: str, body: JsonObject) -> JsonObject:
        key = Key(kind, namespace, body["metadata"]["name"])
        if key in self.objects:
            raise self._error(request, 409, "already exists")
        if kind.kind in WITH_STATUS:
            body.pop("status", None)
        return self._store(key, body, "ADDED", dry_run=_dry(request))

    def _replace(self, request: Request, key: Key, subresource: str, body: JsonObject) -> JsonObject:
        there = self._present(request, key)
        version = body["metadata"].get("resourceVersion")
        if version is None:
            raise self._error(request, 422, "metadata.resourceVersion: must be specified for an update")
        if version != there["metadata"]["resourceVersion"]:
            raise self._error(request, 409, "the object has been modified")
        return self._store(key, _with_status(key, there, body, subresource), "MODIFIED")

    def _patch(self, request: Request, key: Key, subresource: str, body: JsonObject) -> JsonObject:
        there = self._present(request, key)
        version = body.get("metadata", {}).get("resourceVersion")
        if version and version != there["metadata"]["resourceVersion"]:
            raise self._error(request, 409, "the object has been modified")
        merged = _merge(copy.deepcopy(there), body)
        return self._store(key, _with_status(key, there, merged, subresource), "MODIFIED")

    def _apply(self, request: Request, key: Key, subresource: str, body: JsonObject) -> JsonObject:
        there = self.objects.get(key)
        if there is None and subresource:
            raise self._error(request, 404, "not found")
        if not subresource and key.kind.kind in WITH_STATUS:
            body.pop("status", None)
        paths = set(_paths(body))
        result = copy.deepcopy(there) if there else {}
        for path in self._owned.get((key, subresource), set()) - paths:
            _remove(result, path)
        result = _merge(result, body)
        if there is not None:
            result = _with_status(key, there, result, subresource)
        if not _dry(request):
            self._owned[key, subresource] = paths
        return self._store(key, result, "MODIFIED" if there else "ADDED", dry_run=_dry(request))

    def _token(self, body: JsonObject) -> JsonObject:
        seconds = body["spec"]["expirationSeconds"]
        seconds = min(seconds, self.token_seconds) if self.token_seconds else seconds
        self._tokens += 1
        expires = datetime.now(UTC) + timedelta(seconds=seconds)
        return {"status": {"token": f"token-{self._tokens}", "expirationTimestamp": expires.isoformat()}}

    def _present(self, request: Request, key: Key) -> JsonObject:
        if key not in self.objects:
            raise self._error(request, 404, "not found")
        return self.objects[key]

    def _store(self, key: Key, obj: JsonObject, event: str, *, dry_run: bool = False) -> JsonObject:
        there = self.objects.get(key)
        self.drop(obj)
        metadata = obj.setdefault("metadata", {})
        if there is not None and _same(there, obj):
            return there
        if dry_run:
            return obj
        self.version += 1
        metadata.setdefault("uid", f"uid-{self.version}")
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        metadata["resourceVersion"] = str(self.version)
        self.objects[key] = obj
        self._tell(event, key, obj)
        return obj

    def _drop(self, key: Key) -> JsonObject:
        obj = self.objects.pop(key)
        for manager in ("", "status"):
            self._owned.pop((key, manager), None)
        self.version += 1
        gone = copy.deepcopy(obj)
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell("DELETED", key, gone)
        return gone

    def _tell(self, event: str, key: Key, obj: JsonObject) -> None:
        self._events.append((self.version, event, key, copy.deepcopy(obj)))
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _error(self, request: Request, status: int, message: str) -> McnetError:
        return api_error(status, json.dumps({"message": message}), attempt=request.attempt, server=self.server)


def _parse(path: str) -> tuple[Kind, str, str, str]:
    """Kind, namespace, name and subresource of a URL path."""
    parts = path.strip("/").split("/")
    group, rest = ("", parts[1:]) if parts[0] == "api" else (parts[1], parts[2:])
    version, rest = rest[0], rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    kind = next(k for k in KINDS if (k.group, k.version, k.plural) == (group, version, rest[0]))
    name, subresource = (*rest[1:], "", "")[:2]
    return kind, namespace, name, subresource


def _dry(request: Request) -> bool:
    return "dryRun" in (request.query or {})


def _selected(obj: JsonObject, query: dict[str, str]) -> bool:
    labels = obj["metadata"].get("labels") or {}
    for term in filter(None, query.get("labelSelector", "").split(",")):
        key, _, value = term.partition("=")
        if key not in labels or (value and labels[key] != value.lstrip("=")):
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, value = term.partition("=")
        found: Any = obj
        for part in path.split("."):
            found = (found or {}).get(part)
        if found != value:
            return False
    return True


def _with_status(key: Key, there: JsonObject, new: JsonObject, subresource: str) -> JsonObject:
    """A write to `status` changes nothing else, and another write does not change `status`."""
    if key.kind.kind not in WITH_STATUS:
        return new
    base, other = (there, new) if subresource == "status" else (new, there)
    result = {name: value for name, value in copy.deepcopy(base).items() if name != "status"}
    if "status" in other:
        result["status"] = copy.deepcopy(other["status"])
    return result


def _merge(base: JsonObject, patch: JsonObject) -> JsonObject:
    for name, value in patch.items():
        if value is None:
            base.pop(name, None)
        elif isinstance(value, dict):
            base[name] = _merge(base.get(name) if isinstance(base.get(name), dict) else {}, value)
        else:
            base[name] = value
    return base


def _paths(obj: JsonObject, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in obj.items():
        if isinstance(value, dict) and value:
            yield from _paths(value, (*prefix, name))
        else:
            yield (*prefix, name)


def _remove(obj: JsonObject, path: tuple[str, ...]) -> None:
    for part in path[:-1]:
        obj = obj.get(part, {})
    obj.pop(path[-1], None)


def _same(first: JsonObject, second: JsonObject) -> bool:
    def plain(obj: JsonObject) -> JsonObject:
        metadata = {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}
        return obj | {"metadata": metadata}

    return plain(first) == plain(second)

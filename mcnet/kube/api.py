"""One API server, as operations on plain JSON objects. Everything above talks to a cluster through this.

What a request travels on belongs to `transport`, keeping a list up to date to `store`, waiting to `wait`.
"""

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self, TypeAlias

from mcnet.kube import kinds, wait
from mcnet.kube.errors import GONE, status_error
from mcnet.kube.kinds import JsonObject, Kind, kind_of
from mcnet.kube.transport import REQUEST_TIMEOUT, Request, Transport, as_json
from mcnet.model.errors import ApiError, NotFoundError
from mcnet.model.member import FIELD_MANAGER

PAGE = 500
"""Objects per request of a list."""
_EVENTS = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"})
"""What a watch may say (k8s.io/apimachinery/pkg/watch)."""
COLLECTION_TIMEOUT = 60.0
"""Seconds to delete many objects in one request: as long as API servers work on it."""
WATCH_SECONDS = 300
"""How long a watch lasts before the server ends it, less up to a third: so they don't all end together."""
WATCH_SLACK = 15
"""Seconds over the above after which a silent connection is given up."""
APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"

JsonObjects: TypeAlias = list[JsonObject]


@dataclass(frozen=True, slots=True)
class _Target:
    """What a request is about."""

    kind: Kind
    name: str = ""
    namespace: str | None = None
    subresource: str = ""

    @property
    def path(self) -> str:
        return self.kind.path(self.name, self.namespace, subresource=self.subresource)

    def attempt(self, verb: str) -> str:
        """The request in words: "get Secret mcnet-system/mcnet-broker"."""
        place = "/".join(part for part in (self.namespace, self.name) if part)
        return " ".join(part for part in (verb, self.kind.kind, place) if part)


class Api:
    """Operations on the objects of one API server; every one has a time limit.

    Raises NotFoundError (404), ConflictError (409), ForbiddenError (401, 403), ApiError (others) and
    UnreachableError, each naming what was attempted and the server.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def server(self) -> str:
        """Base URL, without a slash at the end."""
        return self._transport.server

    @property
    def ca(self) -> bytes:
        """PEM of the certificates that the server's is checked against; b"" for the system's."""
        return self._transport.ca

    @property
    def context(self) -> str:
        """Name of the kubeconfig's context; "" without one."""
        return self._transport.context

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; to be called once nothing uses the Api any more."""
        await self._transport.close()

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> JsonObject:
        """The object; raises NotFoundError."""
        return await self._send("GET", _Target(kind, name, namespace), "get")

    async def find(self, kind: Kind, name: str, namespace: str | None = None) -> JsonObject | None:
        """The object, or None if it (or its kind) is not there."""
        try:
            return await self.get(kind, name, namespace)
        except NotFoundError:
            return None

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> JsonObjects:
        """All objects, of all namespaces without one, narrowed by label and field selectors."""
        return (await self.list_at(kind, namespace, labels=labels, fields=fields))[0]

    async def list_at(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> tuple[JsonObjects, str]:
        """As `list`, and the resource version from which a watch goes on."""
        items: JsonObjects = []
        query = _selectors(labels, fields) | {"limit": str(PAGE)}
        while True:
            try:
                page = await self._send("GET", _Target(kind, "", namespace), "list", query=query)
            except ApiError as error:
                if error.status != GONE or "continue" not in query:
                    raise
                items, query = [], _selectors(labels, fields)  # the pages have expired: all at once then
                continue
            items += [_typed(item, kind) for item in page.get("items") or ()]
            position = page.get("metadata", {})
            if not position.get("continue"):
                return items, str(position.get("resourceVersion", ""))
            query["continue"] = position["continue"]

    async def create(
        self, kind: Kind, obj: JsonObject, namespace: str | None = None, *, dry_run: bool = False
    ) -> JsonObject:
        """Create the object and return it as the server keeps it; ConflictError if it is there."""
        named = _Target(kind, _meta(obj).get("name", ""), namespace or _meta(obj).get("namespace"))
        path = kind.path("", named.namespace)
        request = Request("POST", path, named.attempt("create"), _writing(dry_run), _typed(obj, kind))
        return await self._json(request)

    async def apply(
        self, obj: JsonObject, *, force: bool = True, dry_run: bool = False, subresource: str = ""
    ) -> JsonObject:
        """Server-side apply as field manager "mcnet": created or changed; fields no longer named are given up."""
        target = _Target(kind_of(obj), str(_meta(obj)["name"]), _meta(obj).get("namespace"), subresource)
        return await self._send(
            "PATCH", target, "apply",
            query=_writing(dry_run) | {"force": "true" if force else "false"},
            body=obj, content_type=APPLY_PATCH,
        )  # fmt: skip

    async def merge_patch(
        self, kind: Kind, name: str, patch: JsonObject, namespace: str | None = None, *, subresource: str = ""
    ) -> JsonObject:
        """JSON merge patch; with metadata.resourceVersion in it, ConflictError if the object is not at that one."""
        return await self._send(
            "PATCH", _Target(kind, name, namespace, subresource), "patch",
            query=_writing(False), body=patch, content_type=MERGE_PATCH,
        )  # fmt: skip

    async def replace(
        self, kind: Kind, obj: JsonObject, namespace: str | None = None, *, subresource: str = ""
    ) -> JsonObject:
        """Replace the object whole; its metadata.resourceVersion must be the current one, else ConflictError."""
        target = _Target(kind, str(_meta(obj)["name"]), namespace or _meta(obj).get("namespace"), subresource)
        return await self._send("PUT", target, "replace", query=_writing(False), body=_typed(obj, kind))

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        missing_ok: bool = True,
        propagation: str = "Background",
        uid: str = "",
    ) -> bool:
        """Delete; whether it was there. Finalizers may keep the object for a while. With `uid` ConflictError if it is
        another object of that name."""
        body: JsonObject = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self._send("DELETE", _Target(kind, name, namespace), "delete", body=body)
        except NotFoundError:
            if missing_ok:
                return False
            raise
        return True

    async def delete_all(self, kind: Kind, namespace: str, *, labels: str) -> None:
        """Delete all objects with these labels in one request."""
        target = _Target(kind, "", namespace)
        query = _selectors(labels, "")
        await self._send("DELETE", target, "delete", query=query, timeout=COLLECTION_TIMEOUT)

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        bookmarks: bool = False,
    ) -> AsyncIterator[tuple[str, JsonObject]]:
        """Changes as ("ADDED" | "MODIFIED" | "DELETED", object), until the server ends the watch (some minutes).

        Without `resource_version` it begins with what is there. With `bookmarks` also ("BOOKMARK", object with a
        resource version only). Raises ApiError with status 410 when the resource version is too old.
        """
        seconds = int(WATCH_SECONDS * random.uniform(0.67, 1.0))
        query = _selectors(labels, fields) | {"watch": "true", "timeoutSeconds": str(seconds)}
        query |= {"allowWatchBookmarks": "true"} if bookmarks else {}
        query |= {"resourceVersion": resource_version} if resource_version else {}
        target = _Target(kind, "", namespace)
        attempt = target.attempt("watch")
        request = Request("GET", target.path, attempt, query, timeout=seconds + WATCH_SLACK)
        async for line in self._transport.stream(request):
            event = as_json(line, attempt=attempt, server=self.server)
            what, obj = event.get("type"), event.get("object")
            if what not in _EVENTS or not isinstance(obj, dict):
                continue  # of a later version: what it means is told by another event, or by the next list
            if what == "ERROR":
                code = obj.get("code")
                raise status_error(
                    code if isinstance(code, int) else 500, str(obj.get("message", "")),
                    attempt=attempt, server=self.server,
                )  # fmt: skip
            if what != "BOOKMARK" or bookmarks:
                yield what, _typed(obj, kind)

    async def wait_for(
        self,
        kind: Kind,
        name: str,
        namespace: str | None,
        predicate: Callable[[JsonObject | None], bool],
        timeout: float,
    ) -> JsonObject | None:
        """Wait until `predicate` holds for the object (None: not there) and return it; TimeoutError else."""
        return await wait.wait_for(self, kind, name, namespace, predicate, timeout=timeout)

    async def version(self) -> str:
        """The server's version, "v1.37.2"."""
        answer = await self._json(Request("GET", "/version", "ask for the version"))
        return str(answer.get("gitVersion", ""))

    async def served_versions(self, group: str) -> tuple[str, ...]:
        """The versions of an API group that the server has, () if it has none."""
        try:
            answer = await self._json(Request("GET", f"/apis/{group}", f"ask for the versions of {group}"))
        except NotFoundError:
            return ()
        return tuple(str(one.get("version", "")) for one in answer.get("versions") or ())

    async def date(self) -> datetime | None:
        """The server's clock, to the second; None if its answer bears no usable Date header."""
        text = await self._transport.date(Request("GET", "/version", "ask for the time"))
        try:
            return parsedate_to_datetime(text)
        except ValueError:
            return None

    async def readyz(self) -> None:
        """Returns if the server says that it is ready; raises else."""
        await self._transport.send(Request("GET", "/readyz", "ask whether it is ready"))

    async def can_i(
        self, verb: str, kind: Kind, namespace: str | None = None, *, subresource: str = "", name: str = ""
    ) -> bool:
        """Whether this credential may do that."""
        attributes = {
            "verb": verb, "group": kind.group, "version": kind.version, "resource": kind.plural,
            "subresource": subresource, "namespace": namespace or "", "name": name,
        }  # fmt: skip
        review = await self.create(kinds.ACCESS_REVIEW, {"spec": {"resourceAttributes": attributes}})
        return bool(review.get("status", {}).get("allowed"))

    async def may(self, account: str, place: str, attributes: JsonObject) -> bool:
        """Whether the ServiceAccount `account` of the namespace `place` may do what `attributes`, the
        resourceAttributes of a SubjectAccessReview, say."""
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{place}", "system:authenticated"]
        spec = {
            "user": f"system:serviceaccount:{place}:{account}", "groups": groups, "resourceAttributes": attributes,
        }  # fmt: skip
        review = await self.create(kinds.SUBJECT_ACCESS_REVIEW, {"spec": spec})
        return bool(review.get("status", {}).get("allowed"))

    async def create_token(self, service_account: str, namespace: str, *, seconds: int) -> tuple[str, datetime]:
        """A token of the ServiceAccount for about `seconds`, and when it really ends: servers may cap it."""
        answer = await self._send(
            "POST", _Target(kinds.SERVICE_ACCOUNT, service_account, namespace, "token"), "create a token of",
            body={
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": {"expirationSeconds": seconds},
            },
        )  # fmt: skip
        status = answer["status"]
        return str(status["token"]), datetime.fromisoformat(status["expirationTimestamp"])

    async def logs(self, pod: str, namespace: str, *, container: str = "", tail: int = 0) -> str:
        """What a pod's container has written, the last `tail` lines if given."""
        query = ({"container": container} if container else {}) | ({"tailLines": str(tail)} if tail else {})
        target = _Target(kinds.POD, pod, namespace, "log")
        request = Request("GET", target.path, target.attempt("read the log of"), query)
        return (await self._transport.send(request)).decode(errors="replace")

    async def _send(
        self,
        method: str,
        target: _Target,
        verb: str,
        *,
        query: dict[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        timeout: float = REQUEST_TIMEOUT,
    ) -> JsonObject:
        request = Request(method, target.path, target.attempt(verb), query, body, content_type, timeout)
        return await self._json(request)

    async def _json(self, request: Request) -> JsonObject:
        return as_json(await self._transport.send(request), attempt=request.attempt, server=self.server)


def _typed(obj: JsonObject, kind: Kind) -> JsonObject:
    """With apiVersion and kind, which the items of a list lack."""
    return {"apiVersion": kind.api_version, "kind": kind.kind} | obj


def _meta(obj: JsonObject) -> dict[str, Any]:
    return obj.get("metadata") or {}


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return ({"labelSelector": labels} if labels else {}) | ({"fieldSelector": fields} if fields else {})


def _writing(dry_run: bool) -> dict[str, str]:
    return {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})

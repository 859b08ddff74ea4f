"""Stores through everything that an API server may do to a watch."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from mcnet.kube.kinds import CONFIG_MAP
from mcnet.kube.store import Store
from mcnet.kube.transport import Request
from mcnet.model.errors import ApiError, ForbiddenError, UnreachableError
from tests.fakes.api import FakeServer, Key
from tests.fakes.eventually import eventually


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet.kube.store.BACKOFF_FIRST", 0.01)


def config_map(name: str, namespace: str = "n", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def is_watch(request: Request) -> bool:
    return "watch" in (request.query or {})


def lists(server: FakeServer) -> int:
    return sum(1 for request in server.requests if not is_watch(request))


@asynccontextmanager
async def running(server: FakeServer, **arguments: Any) -> AsyncIterator[tuple[Store, list[tuple[bool, bool]]]]:
    """A running store, and what was seen at each call of on_change."""
    seen: list[tuple[bool, bool]] = []
    store = Store(
        server.api(), CONFIG_MAP, on_change=lambda: seen.append((store.synced, store.reachable)), **arguments
    )
    task = asyncio.create_task(store.run())
    try:
        yield store, seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def names(store: Store) -> list[str]:
    return [obj["metadata"]["name"] for obj in store.objects]


async def test_changes_arrive() -> None:
    server = FakeServer()
    server.add(config_map("b"), config_map("a"), config_map("x", "elsewhere"))
    async with running(server, namespace="n") as (store, seen):
        await eventually(lambda: names(store) == ["a", "b"])
        assert seen == [(True, True)]
        server.add(config_map("c"))
        server.remove(CONFIG_MAP, "a", "n")
        await eventually(lambda: names(store) == ["b", "c"])
        server.add(config_map("b", k="v"))
        await eventually(lambda: (store.get("b") or {})["data"] == {"k": "v"})
    assert lists(server) == 1


async def test_of_all_namespaces() -> None:
    server = FakeServer()
    server.add(config_map("same", "one"), config_map("same", "two"))
    async with running(server) as (store, _):
        await eventually(lambda: len(store.objects) == 2)
        assert store.get("same", "two") is not None
        assert store.get("same") is None


async def test_a_watch_that_ends_goes_on_without_a_list() -> None:
    server = FakeServer()
    async with running(server, namespace="n") as (store, seen):
        await eventually(lambda: store.synced)
        server.break_watches()
        server.add(config_map("a"))
        await eventually(lambda: names(store) == ["a"])
    assert lists(server) == 1
    assert (True, False) not in seen


async def test_a_watch_in_which_nothing_was_heard_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet.kube.store.SILENT", 0)
    server = FakeServer()
    server.add(config_map("b"))
    async with running(server, namespace="n") as (store, seen):
        await eventually(lambda: store.synced)
        server.break_watches()
        await eventually(lambda: lists(server) == 2)
        server.add(config_map("a"))
        await eventually(lambda: names(store) == ["a", "b"])
    assert (True, False) not in seen


async def test_who_wrote_what_is_not_kept() -> None:
    server = FakeServer()
    written = config_map("a")
    written["metadata"]["managedFields"] = [{"manager": "x"}]
    server.add(written)
    async with running(server, namespace="n") as (store, _):
        await eventually(lambda: names(store) == ["a"])
        server.add(written | {"data": {"k": "v"}})
        await eventually(lambda: "data" in store.objects[0] and bool(store.objects[0]["data"]))
        assert "managedFields" not in store.objects[0]["metadata"]


async def test_the_server_goes_and_comes_back() -> None:
    server = FakeServer()
    server.add(config_map("a"), config_map("b"))
    async with running(server, namespace="n") as (store, seen):
        await eventually(lambda: store.synced)
        server.go_down(UnreachableError("gone"))
        await eventually(lambda: not store.reachable)
        assert (names(store), store.synced, store.error) == (["a", "b"], True, "gone")
        server.remove(CONFIG_MAP, "a", "n")
        server.come_up()
        await eventually(lambda: names(store) == ["b"])
        assert (store.reachable, store.error) == (True, "")
        assert seen[-2:] == [(True, False), (True, True)]


async def test_it_starts_without_a_server() -> None:
    server = FakeServer()
    server.go_down(ForbiddenError("not allowed", status=403))
    async with running(server, namespace="n") as (store, seen):
        await eventually(lambda: store.error == "not allowed")
        assert (store.synced, store.reachable) == (False, False)
        await eventually(lambda: store.reconnects > 2)
        assert seen == [(False, False)]
        server.come_up()
        await eventually(lambda: store.synced)


@pytest.mark.parametrize("as_event", [True, False])
async def test_too_old_a_version_means_a_new_list(as_event: bool) -> None:
    server = FakeServer()
    original = server.stream
    refused = []

    async def stream(request: Request) -> AsyncIterator[bytes]:
        if not refused:
            refused.append(request)
            server.add(config_map("missed"))
            if not as_event:
                raise ApiError("too old", status=410)
            yield json.dumps({"type": "ERROR", "object": {"code": 410, "message": "too old"}}).encode()
        async for line in original(request):
            yield line

    server.stream = stream  # type: ignore[method-assign]
    async with running(server, namespace="n") as (store, seen):
        await eventually(lambda: names(store) == ["missed"])
        await asyncio.sleep(0)
    assert lists(server) == 2
    assert (True, False) not in seen  # nothing is wrong with the server


async def test_bookmarks_move_the_version_on() -> None:
    server = FakeServer()
    original = server.stream
    asked = []

    async def stream(request: Request) -> AsyncIterator[bytes]:
        asked.append(request.query["resourceVersion"])  # type: ignore[index]
        if len(asked) == 1:
            bookmark = {"metadata": {"resourceVersion": "77"}}
            yield json.dumps({"type": "BOOKMARK", "object": bookmark}).encode()
            return
        async for line in original(request):
            yield line

    server.stream = stream  # type: ignore[method-assign]
    async with running(server, namespace="n") as (store, _):
        await eventually(lambda: len(asked) == 2)
        assert store.objects == []
    assert asked[1] == "77"


async def test_a_faulty_event_is_a_failure_of_the_server() -> None:
    server = FakeServer()
    failure = server.fail(is_watch, ApiError("internal error", status=500))
    async with running(server, namespace="n") as (store, seen):
        await eventually(lambda: failure.hits == 1 and store.reachable)
    assert (True, False) in seen
    assert lists(server) == 2


Moves = list[tuple[str | None, str | None]]


def told(moves: Moves) -> Any:
    """An `on_object` that keeps what the values of `k` were and are."""

    def on_object(before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        moves.append(tuple(obj["data"].get("k", "") if obj else None for obj in (before, after)))  # type: ignore[arg-type]

    return on_object


async def test_each_object_that_changes_is_told_with_what_it_was() -> None:
    server = FakeServer()
    server.add(config_map("a", k="1"))
    moves: Moves = []
    async with running(server, namespace="n", on_object=told(moves)):
        await eventually(lambda: moves == [(None, "1")])
        server.add(config_map("a", k="2"))
        server.remove(CONFIG_MAP, "a", "n")
        await eventually(lambda: moves[1:] == [("1", "2"), ("2", None)])


async def test_a_new_list_tells_what_differs() -> None:
    server = FakeServer()
    server.add(config_map("a", k="1"), config_map("b", k="2"))
    moves: Moves = []
    async with running(server, namespace="n", on_object=told(moves)) as (store, _):
        await eventually(lambda: len(moves) == 2)
        server.go_down(UnreachableError("away"))
        await eventually(lambda: not store.reachable)
        server.remove(CONFIG_MAP, "a", "n")
        server.add(config_map("c", k="3"))
        server._events.clear()
        server.come_up()
        await eventually(lambda: sorted(moves[2:], key=str) == [("1", None), (None, "3")])


async def test_what_a_write_has_answered_is_not_undone_by_an_older_event() -> None:
    server = FakeServer()
    server.add(config_map("a", k="1"))
    moves: Moves = []
    async with running(server, namespace="n", on_object=told(moves)) as (store, _):
        await eventually(lambda: store.synced)
        server.add(config_map("a", k="2"))
        newest = json.loads(json.dumps(server.all(CONFIG_MAP)[0])) | {"data": {"k": "3"}}
        newest["metadata"]["resourceVersion"] = str(server.version + 1)
        store.saw(newest)
        server.add(config_map("b"))
        await eventually(lambda: names(store) == ["a", "b"])
        assert moves[:2] == [(None, "1"), ("1", "3")]
        assert (store.get("a") or {})["data"] == {"k": "3"}
        older = json.loads(json.dumps(newest)) | {"data": {"k": "0"}}
        older["metadata"]["resourceVersion"] = "1"
        store.saw(older)
        assert (store.get("a") or {})["data"] == {"k": "3"}
        store.forget(newest)
        assert names(store) == ["b"]


async def test_what_a_write_has_answered_is_told_once() -> None:
    server = FakeServer()
    moves: Moves = []
    async with running(server, namespace="n", on_object=told(moves)) as (store, _):
        await eventually(lambda: store.synced)
        server.add(config_map("a", k="1"))
        store.saw(json.loads(json.dumps(server.all(CONFIG_MAP)[0])))
        server.add(config_map("b", k="2"))
        await eventually(lambda: names(store) == ["a", "b"])
        store.saw(json.loads(json.dumps(server.all(CONFIG_MAP)[0])))
        assert moves == [(None, "1"), (None, "2")]
        gone = server.objects.pop(Key(CONFIG_MAP, "n", "a"))
        server.version += 1
        server._tell("DELETED", Key(CONFIG_MAP, "n", "a"), gone)  # with the version that it had
        await eventually(lambda: names(store) == ["b"])


async def test_what_objects_say_alike_is_in_memory_once() -> None:
    server = FakeServer()
    server.add(config_map("a", k="the same"))
    async with running(server, namespace="n") as (store, _):
        await eventually(lambda: store.synced)
        server.add(config_map("b", k="the same"))
        await eventually(lambda: names(store) == ["a", "b"])
        one, other = ((store.get(name) or {})["data"] for name in ("a", "b"))
        assert one == other == {"k": "the same"}
        assert one is not other
        assert one["k"] is other["k"]

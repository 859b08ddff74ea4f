"""Stores against a real API server that ends, restarts and forgets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from mcnet.kube import api as api_module
from mcnet.kube.api import Api
from mcnet.kube.connect import with_token
from mcnet.kube.kinds import CONFIG_MAP, GATEWAY
from mcnet.kube.store import Store
from mcnet.model.errors import UnreachableError
from tests.apiserver.server import ApiServer
from tests.fakes.eventually import eventually
from tests.fakes.streams import listening


@asynccontextmanager
async def running(store: Store) -> AsyncIterator[Store]:
    task = asyncio.create_task(store.run())
    try:
        yield store
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def put(api: Api, namespace: str, name: str) -> None:
    await api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}})


def names(store: Store) -> list[str]:
    return [obj["metadata"]["name"] for obj in store.objects if obj["metadata"]["name"] != "kube-root-ca.crt"]


async def test_a_store_follows(member_api: Api, member_namespace: str) -> None:
    changes = []
    await put(member_api, member_namespace, "one")
    store = Store(member_api, CONFIG_MAP, namespace=member_namespace, on_change=lambda: changes.append(1))
    assert (store.synced, store.reachable) == (False, False)
    async with running(store):
        await eventually(lambda: names(store) == ["one"])
        await put(member_api, member_namespace, "two")
        await eventually(lambda: names(store) == ["one", "two"])
        assert {name for _, name in store.by_key} - {"kube-root-ca.crt"} == {"one", "two"}
        await member_api.delete(CONFIG_MAP, "one", member_namespace)
        await eventually(lambda: names(store) == ["two"])
    assert len(changes) >= 3
    assert (store.synced, store.reachable) == (True, True)


async def test_a_store_survives_a_restart(member_server: ApiServer, member_api: Api, member_namespace: str) -> None:
    store = Store(member_api, CONFIG_MAP, namespace=member_namespace, on_change=lambda: None)
    async with running(store):
        await put(member_api, member_namespace, "before")
        await eventually(lambda: names(store) == ["before"])
        try:
            member_server.stop()
            await eventually(lambda: not store.reachable)
            assert names(store) == ["before"]
            with pytest.raises(UnreachableError):
                await member_api.version()
        finally:
            await member_server.start()
        await put(member_api, member_namespace, "after")
        await eventually(lambda: names(store) == ["after", "before"] and store.reachable, timeout=20)


async def test_watches_end_and_go_on(member_api: Api, member_namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends each watch after a second here; nothing is missed and nothing is listed again."""
    monkeypatch.setattr(api_module, "WATCH_SECONDS", 1.5)
    lists = []
    original = Api.list_at

    async def counted(self: Api, *args: object, **kwargs: object) -> object:
        lists.append(args)
        return await original(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Api, "list_at", counted)
    store = Store(member_api, CONFIG_MAP, namespace=member_namespace, on_change=lambda: None)
    async with running(store):
        await eventually(lambda: store.synced)
        for number in range(5):
            await put(member_api, member_namespace, f"map-{number}")
            await asyncio.sleep(0.7)  # a watch that ends between two changes is what this is about
        await eventually(lambda: len(names(store)) == 5)
    assert len(lists) == 1
    assert store.reconnects == 0


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts and stays silent: a request ends after its limit, a connection without TLS after five seconds."""
    monkeypatch.setattr("mcnet.kube.transport.CONNECT_TIMEOUT", 0.5)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    url = "https://127.0.0.1"
    async with listening(silent) as port, await with_token(server=f"{url}:{port}", ca=b"", token="t") as api:
        with pytest.raises(UnreachableError, match="get Gateway"):
            await api.get(GATEWAY, "x", "y")

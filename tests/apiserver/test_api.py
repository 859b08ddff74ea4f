"""The operations of Api against a real API server."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mcnet.kube import connect
from mcnet.kube.api import Api
from mcnet.kube.events import emit
from mcnet.kube.kinds import CONFIG_MAP, EVENT, NODE, POD, SECRET, SERVICE_ACCOUNT
from mcnet.model.errors import ConflictError, ForbiddenError, NotFoundError, UnreachableError
from tests.apiserver.server import ApiServer


def config_map(name: str, namespace: str, **data: str) -> dict[str, object]:
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data,
    }  # fmt: skip


async def test_create_get_replace_delete(member_api: Api, member_namespace: str) -> None:
    created = await member_api.create(CONFIG_MAP, config_map("one", member_namespace, a="1"))
    assert (await member_api.get(CONFIG_MAP, "one", member_namespace))["data"] == {"a": "1"}
    with pytest.raises(ConflictError, match=f"create ConfigMap {member_namespace}/one at .*context west"):
        await member_api.create(CONFIG_MAP, config_map("one", member_namespace))
    await member_api.replace(CONFIG_MAP, created | {"data": {"b": "2"}})
    with pytest.raises(ConflictError):
        await member_api.replace(CONFIG_MAP, created | {"data": {"b": "3"}})
    assert await member_api.delete(CONFIG_MAP, "one", member_namespace)
    assert not await member_api.delete(CONFIG_MAP, "one", member_namespace)
    with pytest.raises(NotFoundError):
        await member_api.delete(CONFIG_MAP, "one", member_namespace, missing_ok=False)
    assert await member_api.find(CONFIG_MAP, "one", member_namespace) is None


async def test_dry_run_writes_nothing(member_api: Api, member_namespace: str) -> None:
    applied = await member_api.apply(config_map("dry", member_namespace, a="1"), dry_run=True)
    assert applied["data"] == {"a": "1"}
    assert await member_api.find(CONFIG_MAP, "dry", member_namespace) is None


async def test_apply_gives_up_fields_no_longer_named(member_api: Api, member_namespace: str) -> None:
    await member_api.apply(config_map("applied", member_namespace, a="1", b="2"))
    await member_api.merge_patch(CONFIG_MAP, "applied", {"data": {"c": "3"}}, member_namespace)
    applied = await member_api.apply(config_map("applied", member_namespace, a="4"))
    assert applied["data"] == {"a": "4", "c": "3"}
    managers = {entry["manager"] for entry in applied["metadata"]["managedFields"]}
    assert managers == {"mcnet"}


async def test_list_goes_through_pages(
    member_api: Api, member_namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcnet.kube.api.PAGE", 2)
    for number in range(5):
        obj = config_map(f"page-{number}", member_namespace)
        obj["metadata"]["labels"] = {"half": str(number % 2)}  # type: ignore[index]
        await member_api.create(CONFIG_MAP, obj)
    names = [item["metadata"]["name"] for item in await member_api.list(CONFIG_MAP, member_namespace)]
    assert [name for name in names if name.startswith("page-")] == [f"page-{number}" for number in range(5)]
    half = await member_api.list(CONFIG_MAP, member_namespace, labels="half=1")
    assert [(item["kind"], item["metadata"]["name"]) for item in half] == [
        ("ConfigMap", "page-1"),
        ("ConfigMap", "page-3"),
    ]


async def test_watch_tells_changes(member_api: Api, member_namespace: str) -> None:
    _, version = await member_api.list_at(CONFIG_MAP, member_namespace)
    await member_api.create(CONFIG_MAP, config_map("seen", member_namespace, a="1"))
    await member_api.merge_patch(CONFIG_MAP, "seen", {"data": {"a": "2"}}, member_namespace)
    await member_api.delete(CONFIG_MAP, "seen", member_namespace)
    events = []
    async for event, obj in member_api.watch(CONFIG_MAP, member_namespace, resource_version=version):
        events.append((event, obj["data"]["a"]))
        if event == "DELETED":
            break
    assert events == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


async def test_wait_for(member_api: Api, member_namespace: str) -> None:
    waiting = asyncio.create_task(
        member_api.wait_for(CONFIG_MAP, "late", member_namespace, lambda obj: obj is not None, 10)
    )
    await member_api.create(CONFIG_MAP, config_map("late", member_namespace, a="1"))
    found = await waiting
    assert found is not None
    assert found["data"] == {"a": "1"}
    assert await member_api.wait_for(CONFIG_MAP, "none", member_namespace, lambda obj: obj is None, 1) is None
    with pytest.raises(TimeoutError, match=r"ConfigMap late did not become as awaited within 0\.3 s"):
        await member_api.wait_for(CONFIG_MAP, "late", member_namespace, lambda obj: obj is None, 0.3)


async def test_version_and_readiness(member_api: Api) -> None:
    assert re.match(r"v\d+\.\d+\.\d+", await member_api.version())
    await member_api.readyz()


async def test_a_service_account_may_do_what_roles_say(
    member_server: ApiServer, member_api: Api, member_namespace: str
) -> None:
    await member_api.create(SERVICE_ACCOUNT, {"metadata": {"name": "reader"}}, member_namespace)
    token, expires = await member_api.create_token("reader", member_namespace, seconds=600)
    assert timedelta(minutes=9) < expires - datetime.now(UTC) < timedelta(minutes=11)
    async with await connect.with_token(server=member_server.url, ca=member_server.ca, token=token) as reader:
        assert not await reader.can_i("get", SECRET, member_namespace)
        assert await member_api.can_i("get", SECRET, member_namespace)
        with pytest.raises(ForbiddenError, match=f"get Secret {member_namespace}/x at .*reader"):
            await reader.get(SECRET, "x", member_namespace)
    async with await connect.with_token(server=member_server.url, ca=member_server.ca, token="wrong") as stranger:
        with pytest.raises(ForbiddenError, match="the credential is not accepted"):
            await stranger.list(NODE)


async def test_another_servers_certificate_is_refused(member_server: ApiServer, broker_server: ApiServer) -> None:
    async with await connect.with_token(server=member_server.url, ca=broker_server.ca, token="x") as api:
        with pytest.raises(UnreachableError, match=r"(?i)certificate"):
            await api.version()


async def test_events_are_written_and_never_fail(
    member_api: Api, member_server: ApiServer, member_namespace: str
) -> None:
    regarding = await member_api.create(CONFIG_MAP, config_map("subject", member_namespace))
    await emit(member_api, regarding=regarding, reason="Tried", message="as a test", type="Warning")
    (event,) = await member_api.list(EVENT, member_namespace)
    assert (event["reason"], event["note"], event["type"]) == ("Tried", "as a test", "Warning")
    async with await connect.with_token(server=member_server.url, ca=member_server.ca, token="wrong") as stranger:
        await emit(stranger, regarding=regarding, reason="Refused", message="not written")


async def test_a_refusal_ends_waiting_at_once(member_server: ApiServer, member_namespace: str) -> None:
    async with await connect.from_kubeconfig(kubeconfig=member_server.issue("nobody")) as nobody:
        with pytest.raises(ForbiddenError):
            await nobody.wait_for(POD, "x", member_namespace, lambda obj: obj is not None, 10)


async def test_two_kubeconfigs_at_once(
    member_server: ApiServer, broker_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{member_server.kubeconfig}:{broker_server.kubeconfig}")
    assert connect.contexts() == ["broker", "west"]
    async with await connect.from_kubeconfig() as first, await connect.from_kubeconfig(context="broker") as second:
        assert (first.context, first.server) == ("west", member_server.url)
        assert (second.context, second.server) == ("broker", broker_server.url)
        assert second.ca == broker_server.ca
        await asyncio.gather(first.readyz(), second.readyz())


def test_kubeconfig_files(member_server: ApiServer) -> None:
    assert connect.contexts(Path(member_server.kubeconfig)) == ["west"]

"""Waiting goes on while the server is away, and ends at a refusal."""

import asyncio

import pytest

from mcnet.kube.kinds import CONFIG_MAP, JsonObject
from mcnet.model.errors import ApiError, ForbiddenError, UnreachableError
from tests.fakes.api import FakeServer


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet.kube.wait.RETRY", 0.01)


def config_map(**data: str) -> JsonObject:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}, "data": data}


async def ready(server: FakeServer, timeout: float = 5.0) -> JsonObject | None:
    return await server.api().wait_for(
        CONFIG_MAP, "a", "n", lambda obj: obj is not None and obj["data"].get("ready") == "yes", timeout
    )


async def test_until_it_is_so() -> None:
    server = FakeServer()
    waiting = asyncio.create_task(ready(server))
    server.add(config_map())
    await asyncio.sleep(0)
    server.add(config_map(ready="yes"))
    found = await waiting
    assert found is not None
    assert found["data"] == {"ready": "yes"}


async def test_until_it_is_gone() -> None:
    server = FakeServer()
    server.add(config_map())
    waiting = asyncio.create_task(server.api().wait_for(CONFIG_MAP, "a", "n", lambda obj: obj is None, 5))
    while not any("watch" in (request.query or {}) for request in server.requests):  # noqa: ASYNC110
        await asyncio.sleep(0)
    server.remove(CONFIG_MAP, "a", "n")
    assert await waiting is None


@pytest.mark.parametrize("error", [UnreachableError("away"), ApiError("busy", status=500)])
async def test_failures_of_the_server_are_waited_out(error: UnreachableError | ApiError) -> None:
    server = FakeServer()
    failures = [server.fail(lambda request: True, error, times=2)]
    failures.append(server.fail(lambda request: "watch" in (request.query or {}), error))
    waiting = asyncio.create_task(ready(server))
    while sum(failure.hits for failure in failures) < 3:  # noqa: ASYNC110
        await asyncio.sleep(0)
    server.add(config_map(ready="yes"))
    assert await waiting is not None


async def test_a_refusal_is_final() -> None:
    server = FakeServer()
    server.fail(lambda request: True, ForbiddenError("no", status=403))
    with pytest.raises(ForbiddenError):
        await ready(server)


async def test_not_for_ever() -> None:
    with pytest.raises(TimeoutError, match="ConfigMap a did not become as awaited within"):
        await ready(FakeServer(), 0.05)

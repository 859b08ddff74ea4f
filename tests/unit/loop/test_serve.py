"""The daemons' HTTP server: three paths, and clients that misbehave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from prometheus_client import CollectorRegistry, Counter

from mcnet.loop import serve
from mcnet.loop.serve import HealthServer


@asynccontextmanager
async def serving(live: str = "", ready: str = "") -> AsyncIterator[HealthServer]:
    registry = CollectorRegistry()
    Counter("mcnet_tried", "Tries", registry=registry).inc()
    server = HealthServer(port=0, host="127.0.0.1", registry=registry, live=lambda: live, ready=lambda: ready)
    task = asyncio.create_task(server.run())
    await server.started.wait()
    try:
        yield server
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ask(server: HealthServer, request: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer.decode()


async def get(server: HealthServer, path: str) -> tuple[str, str]:
    """Status line and body."""
    head, _, body = (await ask(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())).partition("\r\n\r\n")
    return head.splitlines()[0], body


async def test_all_is_well() -> None:
    async with serving() as server:
        assert await get(server, "/healthz") == ("HTTP/1.1 200 OK", "ok\n")
        assert await get(server, "/readyz?verbose") == ("HTTP/1.1 200 OK", "ok\n")
        status, body = await get(server, "/metrics")
        assert status == "HTTP/1.1 200 OK"
        assert "mcnet_tried_total 1.0" in body


async def test_it_says_why_not() -> None:
    async with serving(live="stuck", ready="not listed yet") as server:
        assert await get(server, "/healthz") == ("HTTP/1.1 503 Service Unavailable", "stuck\n")
        assert await get(server, "/readyz") == ("HTTP/1.1 503 Service Unavailable", "not listed yet\n")


async def test_nothing_else() -> None:
    async with serving() as server:
        assert (await get(server, "/"))[0] == "HTTP/1.1 404 Not Found"
        assert (await ask(server, b"POST /metrics HTTP/1.1\r\n\r\n")).startswith("HTTP/1.1 405 ")
        assert (await ask(server, b"\r\n\r\n")).startswith("HTTP/1.1 405 ")


async def test_clients_that_misbehave_harm_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "REQUEST_TIMEOUT", 0.05)
    async with serving() as server:
        assert await ask(server, b"GET /healthz") == ""  # never ends its line
        with suppress(ConnectionResetError):
            assert await ask(server, b"x" * 200_000) == ""
        assert await get(server, "/healthz") == ("HTTP/1.1 200 OK", "ok\n")

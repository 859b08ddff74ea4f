"""The DNS daemon's wiring: it waits for what it needs, answers, and says what it leaves out."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.asyncquery
import dns.message
import dns.rcode
import pytest

from mcnet.dns.sockets import LOOPBACK
from mcnet.kube.kinds import SERVICE_IMPORT, SERVICE_IMPORT_ALPHA
from mcnet.loop.run import Stop
from mcnet.model.errors import NotFoundError, UnreachableError
from mcnet_dns import main
from mcnet_dns.main import Dns
from mcnet_dns.settings import Settings
from tests.fakes.api import FakeServer, Request
from tests.fakes.imports import import_object
from tests.fakes.ports import free_port

OLDER = SERVICE_IMPORT_ALPHA.api_version


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "ASK_AGAIN", 0.01)


@asynccontextmanager
async def running(server: FakeServer) -> AsyncIterator[Dns]:
    stop = Stop()
    settings = Settings(port=0, metrics_port=free_port(), hosts=100, cluster_names=False)
    made = Dns(settings, server.api(), hosts=LOOPBACK)
    task = asyncio.create_task(made.main(stop))
    try:
        async with asyncio.timeout(5):
            await made.serving.wait()
            await made.server.started.wait()
        yield made
    finally:
        stop.set("the test ends")
        await task


async def address(server: Dns) -> str:
    """What is said of web: its address or the rcode."""
    query = dns.message.make_query("web.shop.svc.clusterset.local", "A")
    answer = await dns.asyncquery.udp(query, "127.0.0.1", port=server.port, timeout=5)
    return str(answer.answer[0][0]) if answer.answer else dns.rcode.to_text(answer.rcode())


async def until(server: Dns, wanted: str) -> None:
    async with asyncio.timeout(5):
        while True:
            if await address(server) == wanted:
                return
            await asyncio.sleep(0.005)


async def ready(server: Dns) -> str:
    """What /readyz says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
    writer.write(b"GET /readyz HTTP/1.1\r\n\r\n")
    try:
        return (await reader.read()).decode().rpartition("\r\n\r\n")[2].strip()
    finally:
        writer.close()


def lacks(server: FakeServer, *versions: str, times: int = 10_000) -> None:
    """The server does not serve these versions of ServiceImport."""

    def asked(request: Request) -> bool:
        return any(f"/{SERVICE_IMPORT_ALPHA.group}/{version}/" in request.path for version in versions)

    server.fail(asked, NotFoundError("no such kind", status=404), times=times)


async def test_an_older_server_is_asked_by_the_older_version() -> None:
    server = FakeServer()
    lacks(server, SERVICE_IMPORT.version)
    server.add(import_object("web", "shop", ips=["10.1.2.3"], version=OLDER))
    async with running(server) as made:
        await until(made, "10.1.2.3")
        assert await ready(made) == "ok"


async def test_it_waits_for_the_kind_and_is_not_ready_before() -> None:
    server = FakeServer()
    lacks(server, SERVICE_IMPORT_ALPHA.version, SERVICE_IMPORT.version)
    server.add(import_object("web", "shop", ips=["10.1.2.3"], version=OLDER))
    async with running(server) as made:
        assert await address(made) == "SERVFAIL"
        assert await ready(made) == "the API server has no ServiceImports yet"
        server.failures.clear()
        lacks(server, SERVICE_IMPORT.version)
        await until(made, "10.1.2.3")


async def test_a_server_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    server = FakeServer()
    lacks(server, SERVICE_IMPORT.version)
    server.go_down(UnreachableError("nobody answers"))
    with caplog.at_level(logging.WARNING):
        async with running(server) as made:
            assert await address(made) == "SERVFAIL"
            server.come_up()
            await until(made, "NXDOMAIN")
    assert [record.getMessage() for record in caplog.records].count("waiting") == 1, "said once, not at each try"


async def test_what_is_left_out_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    server = FakeServer()
    server.add(import_object("a.b", "shop"), import_object("web", "shop", ips=["10.1.2.3"]))
    with caplog.at_level(logging.WARNING):
        async with running(server) as made:
            await until(made, "10.1.2.3")
            server.add(import_object("web", "shop", ips=["10.1.2.4"]))
            await until(made, "10.1.2.4")
    assert [record.getMessage() for record in caplog.records] == ["left out"]

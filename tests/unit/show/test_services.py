"""Services of an API server as they are read: all of them, or why none, and never in the way of everything else."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mcnet.kube.api import Api
from mcnet.model.errors import ForbiddenError, UnreachableError
from mcnet.plan.cluster_view import ServicesView
from mcnet.show.gather import Contexts, Seen
from mcnet.show.services import read_services
from tests.fakes import service_objects as fakes
from tests.fakes.api import FakeServer
from tests.fakes.service_objects import EXPORTED


@pytest.fixture
def server() -> FakeServer:
    made = FakeServer(context="west")
    made.add(
        fakes.member_object(), fakes.namespace(), fakes.service(), fakes.derived(), fakes.export(*EXPORTED),
        fakes.service_import("east"), fakes.imported_slice("east", "10.1.0.1"),
    )  # fmt: skip
    return made


def own_slice() -> dict[str, Any]:
    """Of a Service of the cluster's own."""
    made = fakes.imported_slice("east", "10.2.0.1")
    made["metadata"] |= {"name": "web-x", "labels": {"kubernetes.io/service-name": "web"}}
    return made


async def test_what_there_is(server: FakeServer) -> None:
    server.add(own_slice())
    problems: list[str] = []
    found = await read_services(server.api(), problems)
    assert [len(one) for one in (found.exports, found.imports, found.endpoints)] == [1, 1, 1]
    assert (found.namespaces, found.installed, found.unread, problems) == ({"shop"}, True, "", [])
    assert {one.method for one in server.requests} == {"GET"}


async def test_one_object_that_can_t_be_understood_is_named_and_the_others_count(server: FakeServer) -> None:
    damaged = fakes.service_import("east", name=fakes.WEB._replace(name="other"))
    damaged["spec"]["ports"] = "all"
    server.add(damaged)
    problems: list[str] = []
    assert len((await read_services(server.api(), problems)).imports) == 1
    assert len(problems) == 1
    assert "other" in problems[0]


async def test_without_the_kinds_and_without_the_right(server: FakeServer) -> None:
    server.fail(lambda one: "serviceimports" in one.path, ForbiddenError("viewer may not", status=403))
    assert await read_services(server.api(), []) == ServicesView(unread="viewer may not")
    server.mcs_versions = ()
    assert await read_services(server.api(), []) == ServicesView(installed=False)


@pytest.fixture
def contexts(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    async def open_context(name: str, kubeconfig: Path | None, timeout: float) -> Api:
        return server.api()

    monkeypatch.setattr("mcnet.show.gather.open_context", open_context)
    return server


async def read(*, services: bool, timeout: float = 5.0) -> Any:
    async with Contexts("west", None, timeout=timeout, services=services) as opened:
        (reading,) = await opened.read()
        return reading


async def test_they_are_read_only_where_they_are_wanted(contexts: FakeServer) -> None:
    reading = await read(services=False)
    assert isinstance(reading, Seen)
    assert reading.member is not None
    assert reading.member.services is None
    assert not any("serviceexports" in one.path for one in contexts.requests)
    wanted = (await read(services=True)).member.services
    assert [one.service for one in wanted.exports] == [fakes.WEB]


async def test_services_that_take_too_long_cost_nothing_else(
    contexts: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(*_: Any) -> ServicesView:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr("mcnet.show.gather.read_services", silent)
    reading = await read(services=True, timeout=0.2)
    assert isinstance(reading, Seen)
    assert reading.member is not None
    assert reading.member.services == ServicesView(unread="https://fake did not list them within 0.2 s", late=True)


async def test_a_server_that_goes_away_meanwhile(contexts: FakeServer) -> None:
    contexts.fail(lambda one: "serviceimports" in one.path, UnreachableError("no answer"))
    reading = await read(services=True)
    assert not isinstance(reading, Seen)
    assert reading.error.message == "no answer"

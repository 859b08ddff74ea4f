"""What the DNS daemon makes of the objects that it watches: only what changed, whatever is wrong with others."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mcnet.kube.kinds import ENDPOINT_SLICE, NAMESPACE, SERVICE_IMPORT
from mcnet.plan.dns_zone import Options, Zone
from mcnet_dns.observe import Watched
from tests.fakes.api import FakeServer
from tests.fakes.dns_zones import said
from tests.fakes.eventually import eventually
from tests.fakes.imports import endpoint, headless_object, import_object, slice_object

WEB = import_object("web", "shop", ips=["10.1.2.3"])
DB = headless_object("db", "shop")
WEST = slice_object("db-w", "shop", "db", "west", [endpoint("10.9.0.1", hostname="db-0")])


class Scene:
    """A server in memory, and what is watched of it."""

    def __init__(self) -> None:
        self.server = FakeServer(server="https://local")
        self.server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        self.changes = 0
        self.watched = Watched(self.server.api(), SERVICE_IMPORT, Options(), self._changed)
        self.zone = Zone()

    def _changed(self, reason: str) -> None:
        self.changes += 1

    async def put(self, *objects: dict[str, Any]) -> None:
        """The objects are there, and have been seen."""
        before = self.changes
        self.server.add(*objects)
        await eventually(lambda: self.changes >= before + len(objects))

    async def remove(self, *target: Any) -> None:
        before = self.changes
        self.server.remove(*target)
        await eventually(lambda: self.changes > before)

    def look(self) -> set[str]:
        """The names of the services that have changed."""
        changes = self.watched.changes()
        self.zone = self.zone.changed(changes, self.watched.namespaces())
        return {name for _, name in changes}


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    tasks = [asyncio.create_task(store.run()) for store in made.watched.stores]
    await eventually(lambda: not made.watched.waiting)
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_service_changes_with_its_import_and_with_its_slices(scene: Scene) -> None:
    await scene.put(WEB, DB, WEST)
    assert scene.look() == {"web", "db"}
    assert (said(scene.zone, "web.shop.svc"), said(scene.zone, "db.shop.svc")) == (["10.1.2.3"], ["10.9.0.1"])
    assert scene.look() == set()
    await scene.put(slice_object("db-e", "shop", "db", "east", [endpoint("10.8.0.1")]))
    assert scene.look() == {"db"}
    assert said(scene.zone, "db.shop.svc") == ["10.8.0.1", "10.9.0.1"]
    await scene.remove(ENDPOINT_SLICE, "db-w", "shop")
    assert scene.look() == {"db"}
    assert said(scene.zone, "db.shop.svc") == ["10.8.0.1"]
    await scene.remove(SERVICE_IMPORT, "db", "shop")
    assert scene.look() == {"db"}
    assert said(scene.zone, "db.shop.svc") == "NXDOMAIN"


async def test_slices_may_come_before_their_import(scene: Scene) -> None:
    await scene.put(WEST)
    assert scene.look() == {"db"}
    assert said(scene.zone, "db.shop.svc") == "NXDOMAIN"
    await scene.put(DB)
    assert scene.look() == {"db"}
    assert said(scene.zone, "db.shop.svc") == ["10.9.0.1"]


async def test_a_slice_that_goes_to_another_service_changes_both(scene: Scene) -> None:
    await scene.put(DB, headless_object("cache", "shop"), WEST)
    scene.look()
    await scene.put(slice_object("db-w", "shop", "cache", "west", [endpoint("10.9.0.1")]))
    assert scene.look() == {"db", "cache"}
    assert (said(scene.zone, "db.shop.svc"), said(scene.zone, "cache.shop.svc")) == ("NXDOMAIN", ["10.9.0.1"])


async def test_only_slices_of_imports_are_watched(scene: Scene) -> None:
    foreign = slice_object("own", "shop", "x", "west", [endpoint("10.9.0.1")])
    foreign["metadata"]["labels"] = {"kubernetes.io/service-name": "web"}
    scene.server.add(foreign)
    await scene.put(WEB)
    assert scene.look() == {"web"}
    assert not list(scene.watched.problems())


async def test_namespaces_are_those_of_the_cluster(scene: Scene) -> None:
    assert list(scene.watched.namespaces()) == ["shop"]
    await scene.remove(NAMESPACE, "shop")
    assert list(scene.watched.namespaces()) == []


async def test_an_object_that_is_wrong_is_named_and_costs_nobody_else(scene: Scene) -> None:
    bad = slice_object("db-bad", "shop", "db", "not a label", [endpoint("10.9.0.9")])
    half = slice_object("db-half", "shop", "db", "east", [endpoint("x"), endpoint("10.8.0.1")])
    await scene.put(WEB, DB, WEST, bad, half, import_object("a.b", "shop"))
    assert scene.look() == {"web", "db"}
    assert said(scene.zone, "db.shop.svc") == ["10.8.0.1", "10.9.0.1"]
    problems = list(scene.watched.problems())
    assert [problem.partition(":")[0] for problem in problems] == [
        "ServiceImport shop/a.b", "EndpointSlice shop/db-bad", "EndpointSlice shop/db-half",
    ]  # fmt: skip
    await scene.put(slice_object("db-bad", "shop", "db", "north", [endpoint("10.7.0.1")]))
    await scene.remove(ENDPOINT_SLICE, "db-half", "shop")
    await scene.remove(SERVICE_IMPORT, "a.b", "shop")
    assert scene.look() == {"db"}
    assert said(scene.zone, "db.shop.svc") == ["10.7.0.1", "10.9.0.1"]
    assert not list(scene.watched.problems())


async def test_an_import_that_becomes_wrong_is_not_served_on(scene: Scene) -> None:
    await scene.put(WEB)
    scene.look()
    await scene.put(import_object("web", "shop", kind="Unknown"))
    assert scene.look() == {"web"}
    assert said(scene.zone, "web.shop.svc") == "NXDOMAIN"


async def test_names_that_are_too_long_are_named_while_they_are(scene: Scene) -> None:
    long = "x" * 63
    await scene.put(
        headless_object(long, long),
        slice_object("s", long, long, long, [endpoint("fd00::1", hostname=long)], family=6),
    )
    scene.look()
    assert any("longer than names in DNS" in problem for problem in scene.watched.problems())
    await scene.remove(SERVICE_IMPORT, long, long)
    scene.look()
    assert not list(scene.watched.problems())

"""The services' controllers within the daemon, between two API servers in memory."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mcnet.kube.kinds import (
    ENDPOINT_SLICE,
    EVENT,
    EXPORTED_SERVICE,
    NAMESPACE,
    SERVICE,
    SERVICE_EXPORT,
    SERVICE_EXPORT_ALPHA,
    SERVICE_IMPORT,
    SERVICE_IMPORT_ALPHA,
)
from mcnet.kube.transport import Request
from mcnet.model.errors import ForbiddenError, McnetError, NotFoundError, UnreachableError
from mcnet.model.service import derived_name
from mcnet_discovery.service_queue import ServiceQueue
from tests.fakes.api import FakeServer
from tests.fakes.discovery import FAILURES, Scene, quickly
from tests.fakes.eventually import eventually
from tests.fakes.services import (
    EAST,
    WEB,
    WEST,
    export_object,
    exported,
    pod_slice_object,
    record_object,
    service_object,
    slice_object,
    sliced,
)

SERVICE_KINDS = {SERVICE_EXPORT, SERVICE_IMPORT, EXPORTED_SERVICE, ENDPOINT_SLICE}
SHOP = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return serving(monkeypatch)


def serving(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """West exports "web", and east another service of that name."""
    quickly(monkeypatch)
    monkeypatch.setattr("mcnet_discovery.service_queue.BACKOFF", (0.02, 0.02))
    monkeypatch.setattr("mcnet_discovery.services.ASK_AGAIN", 0.02)
    scene = Scene()
    scene.local.add(SHOP, export_object(), service_object(), pod_slice_object(WEST, 1, 2))
    scene.broker.add(record_object(exported(EAST, 5)), slice_object(EAST, sliced(EAST, 1)))
    return scene


def addresses(server: FakeServer, beginning: str) -> set[str]:
    return {
        address
        for obj in server.all(ENDPOINT_SLICE)
        if obj["metadata"]["name"].startswith(beginning)
        for end in obj["endpoints"]
        for address in end["addresses"]
    }


def converged(scene: Scene) -> bool:
    records = [obj["metadata"]["name"][:5] for obj in scene.broker.all(EXPORTED_SERVICE)]
    imports = scene.local.all(SERVICE_IMPORT)
    (export,) = scene.local.all(SERVICE_EXPORT)
    conditions = {one["type"]: one["reason"] for one in (export.get("status") or {}).get("conditions", ())}
    return (
        records == ["east.", "west."]
        and addresses(scene.broker, "west.") == {"10.2.0.1", "10.2.0.2"}
        and addresses(scene.local, "mcnet-") == {"10.1.0.1", "10.2.0.1", "10.2.0.2"}
        and [len((obj.get("status") or {}).get("clusters", ())) for obj in imports] == [2]
        and conditions == {"Valid": "Valid", "Ready": "Exported", "Conflict": "NoConflicts"}
    )


def writes(server: FakeServer) -> list[str]:
    kinds = ("Service", "EndpointSlice", "ServiceImport", "ServiceExport", "ExportedService")
    return [one.attempt for one in server.requests if one.method != "GET" and one.attempt.split()[1] in kinds]


async def test_a_second_daemon_changes_nothing(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(lambda: converged(scene))
    for server in (scene.local, scene.broker):
        server.requests.clear()
    async with scene.daemon("pod-2") as second:
        await eventually(lambda: second._services.idle)
    assert (writes(scene.local), writes(scene.broker)) == ([], [])


async def test_one_change_is_one_write_at_each_place(scene: Scene) -> None:
    async with scene.daemon() as daemon:
        await eventually(lambda: converged(scene) and daemon._services.idle)
        for server in (scene.local, scene.broker):
            server.requests.clear()
        scene.local.add(pod_slice_object(WEST, 7))
        await eventually(lambda: addresses(scene.broker, "west.") == {"10.2.0.7"} and daemon._services.idle)
        assert (len(writes(scene.local)), len(writes(scene.broker))) == (1, 1)
        assert addresses(scene.local, "mcnet-") == {"10.1.0.1", "10.2.0.7"}


async def test_services_that_nobody_exports_cost_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene.daemon() as daemon:
        await eventually(lambda: converged(scene) and daemon._services.idle)
        looks: list[Any] = []
        monkeypatch.setattr(daemon._services._queue, "add", looks.append)
        scene.local.add(service_object("other"), pod_slice_object(WEST, 1, name="other-1", service="other"))
        scene.local.add(pod_slice_object(WEST, 1))
        await eventually(lambda: bool(looks))
        assert {service.name for service in looks} == {"web"}


async def test_a_namespace_that_goes_and_comes_back(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(lambda: converged(scene))
        scene.local.remove(NAMESPACE, "shop")
        await eventually(lambda: addresses(scene.broker, "west.") == set())
        scene.local.add(SHOP)
        await eventually(lambda: converged(scene))


async def test_what_a_broker_in_the_own_cluster_holds_is_none_of_its_imports(scene: Scene) -> None:
    theirs = slice_object(EAST, sliced(EAST, 9))
    theirs["metadata"]["namespace"] = "brokers"
    scene.local.add(SHOP | {"metadata": {"name": "brokers"}}, theirs)
    async with scene.daemon() as daemon:
        await eventually(lambda: converged(scene) and daemon._services.idle)
        assert addresses(scene.local, "east.") == {"10.1.0.9"}


async def test_only_the_leader_writes(scene: Scene) -> None:
    async with scene.daemon("pod-1"):
        await eventually(lambda: converged(scene))
        async with scene.daemon("pod-2") as second:
            await eventually(lambda: second._leadership.synced)
            rounds = second._loop.rounds
            second._loop.trigger("look again")
            await eventually(lambda: second._loop.rounds > rounds)
            assert second._services._order is None


async def test_where_only_the_older_version_is_served_that_is_used(scene: Scene) -> None:
    scene.local.mcs_versions = ("v1alpha1",)
    scene.local.add(export_object() | {"apiVersion": SERVICE_EXPORT_ALPHA.api_version})
    async with scene.daemon():
        await eventually(lambda: len(scene.local.all(SERVICE_IMPORT_ALPHA)) == 1)
        assert scene.local.all(SERVICE_IMPORT) == []


async def test_without_the_kinds_all_else_goes_on_and_they_may_come_later(scene: Scene) -> None:
    scene.local.mcs_versions = ()
    async with scene.daemon() as daemon:
        await eventually(scene.converged)
        assert daemon._unready() == ""
        scene.local.mcs_versions = ("v1beta1",)
        await eventually(lambda: converged(scene))


async def test_a_broker_without_the_kind_stops_nothing_else_and_is_told(scene: Scene) -> None:
    missing = scene.broker.fail(
        lambda request: "/exportedservices" in request.path, NotFoundError("no such kind", status=404), times=10**6
    )
    async with scene.daemon():
        await eventually(scene.converged)
        await eventually(
            lambda: any(
                event["reason"] == "ServiceNotWhole" and "no such kind" in event["note"]
                for event in scene.local.all(EVENT)
            )
        )
        assert scene.local.all(SERVICE_IMPORT) == []
        missing.times = 0
        await eventually(lambda: converged(scene))


async def test_an_emptied_broker_takes_no_import_away(scene: Scene) -> None:
    async with scene.daemon() as daemon:
        await eventually(lambda: converged(scene) and daemon._services.idle)
    for key in list(scene.broker.objects):
        del scene.broker.objects[key]
    async with scene.daemon("pod-2"):
        await eventually(lambda: any(event["reason"] == "NotMirrored" for event in scene.local.all(EVENT)))
        assert addresses(scene.local, "mcnet-") == {"10.1.0.1", "10.2.0.1", "10.2.0.2"}


async def test_what_the_broker_refuses_is_told_and_stops_nothing_else(scene: Scene) -> None:
    refusal = scene.broker.fail(
        lambda request: request.method == "POST" and request.attempt.startswith("create ExportedService"),
        ForbiddenError("no quota", status=403),
        times=10**6,
    )

    def failed() -> bool:
        (export,) = scene.local.all(SERVICE_EXPORT)
        return any(one["reason"] == "Failed" for one in (export.get("status") or {}).get("conditions", ()))

    async with scene.daemon():
        await eventually(failed)
        everything = {"10.1.0.1", "10.2.0.1", "10.2.0.2"}
        await eventually(lambda: addresses(scene.local, "mcnet-") == everything)
        await eventually(lambda: any("no quota" in event["note"] for event in scene.local.all(EVENT)))
        refusal.times = 0
        await eventually(lambda: converged(scene))


async def test_where_the_derived_service_is_refused_the_import_says_so(scene: Scene) -> None:
    refusal = scene.local.fail(
        lambda request: request.attempt.startswith("create Service shop/mcnet-"),
        ForbiddenError("quota", status=403),
        times=10**6,
    )

    def pending() -> bool:
        (made,) = scene.local.all(SERVICE_IMPORT) or [{}]
        return [one["reason"] for one in (made.get("status") or {}).get("conditions", ())] == ["Pending"]

    async with scene.daemon():
        await eventually(pending)
        await eventually(lambda: addresses(scene.local, "mcnet-") == {"10.1.0.1", "10.2.0.1", "10.2.0.2"})
        refusal.times = 0
        await eventually(lambda: converged(scene))


async def test_what_a_server_does_not_keep_is_not_written_for_ever(scene: Scene) -> None:
    def without_conditions(obj: dict[str, Any]) -> None:
        if obj.get("kind") == "ServiceImport":
            (obj.get("status") or {}).pop("conditions", None)

    scene.local.drop = without_conditions
    async with scene.daemon() as daemon:
        await eventually(lambda: converged(scene) and daemon._services.idle)
        scene.local.requests.clear()
        for _ in range(3):
            daemon._services._all()
            await eventually(lambda: daemon._services.idle)
        assert len([one for one in writes(scene.local) if "ServiceImport" in one]) <= 1


async def test_a_fault_in_one_service_stops_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcnet.plan import services

    plan = services.plan

    def faulty(seen: Any, *arguments: Any, **more: Any) -> Any:
        if seen.service.name == "bad":
            raise ZeroDivisionError
        return plan(seen, *arguments, **more)

    monkeypatch.setattr("mcnet_discovery.services.services.plan", faulty)
    scene.local.add(export_object("bad"), service_object("bad"))
    async with scene.daemon() as daemon:
        await eventually(
            lambda: addresses(scene.local, "mcnet-") == {"10.1.0.1", "10.2.0.1", "10.2.0.2"}
        )  # fmt: skip
        assert daemon._loop.fault == ""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("last", range(11))
async def test_killed_after_any_write_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    scene = serving(monkeypatch)
    done: list[str] = []

    def no_more(request: Request) -> bool:
        if request.method == "GET" or ("/namespaces/shop/" not in request.path and "services" not in request.path):
            return False
        if len(done) < last:
            done.append(request.attempt)
            return False
        return True

    cut = [
        server.fail(no_more, UnreachableError("killed"), times=10**6) for server in (scene.local, scene.broker)
    ]  # fmt: skip
    async with scene.daemon():
        await eventually(lambda: any(one.hits for one in cut) or converged(scene))
    for one in cut:
        one.times = 0
    async with scene.daemon("pod-2") as second:
        await eventually(lambda: converged(scene) and second._services.idle)
    assert len(scene.local.all(SERVICE_IMPORT)) == 1


async def test_a_derived_service_that_was_left_alone_goes_at_the_start(scene: Scene) -> None:
    async with scene.daemon():
        await eventually(lambda: converged(scene))
    for server in (scene.local, scene.broker):
        for key in list(server.objects):
            mine = key.kind in {SERVICE_EXPORT, SERVICE_IMPORT, EXPORTED_SERVICE} or key.name.startswith(
                ("mcnet-", "east.", "west.")
            )
            if mine and key.namespace in {"shop", "mcnet-broker"} and key.kind in SERVICE_KINDS:
                server.remove(key.kind, key.name, key.namespace)
    assert [obj["metadata"]["name"] for obj in scene.local.all(SERVICE)] == [derived_name(WEB), "web"]
    async with scene.daemon():
        await eventually(lambda: [obj["metadata"]["name"] for obj in scene.local.all(SERVICE)] == ["web"])


async def test_where_others_wait_each_tells_of_itself_last(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet_discovery.services.WORKERS", 1)
    names = [f"web-{number}" for number in range(5)]
    for name in names:
        scene.local.add(
            export_object(name), service_object(name), pod_slice_object(WEST, 1, name=f"{name}-1", service=name)
        )
    async with scene.daemon():
        await eventually(
            lambda: all((obj.get("status") or {}).get("conditions") for obj in scene.local.all(SERVICE_EXPORT))
        )
        await eventually(lambda: len(scene.local.all(SERVICE_IMPORT)) == 6)
    attempts = writes(scene.broker)
    assert len([one for one in attempts if one.startswith("create ExportedService")]) == 6
    here = [
        request for request in scene.local.requests if request.method in {"POST", "PUT"} and "/shop/" in request.path
    ]
    imported = max(number for number, one in enumerate(here) if one.attempt.startswith("create ServiceImport"))
    told = min(number for number, one in enumerate(here) if one.path.endswith("/status"))
    assert imported < told


async def test_what_the_broker_refuses_stops_nothing_else_where_others_wait_either(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ServiceQueue, "is_waited_for", property(lambda queue: True))
    refusal = scene.broker.fail(
        lambda request: request.method == "POST" and "mcnet-broker" in request.path and "west." in request.attempt,
        ForbiddenError("no quota", status=403),
        times=10**6,
    )

    def told() -> bool:
        (export,) = scene.local.all(SERVICE_EXPORT)
        return any(one["reason"] == "Failed" for one in (export.get("status") or {}).get("conditions", ()))

    async with scene.daemon():
        await eventually(told)
        everything = {"10.1.0.1", "10.2.0.1", "10.2.0.2"}
        await eventually(lambda: addresses(scene.local, "mcnet-") == everything)
        refusal.times = 0
        await eventually(lambda: converged(scene))


async def test_its_own_writes_make_nobody_look_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcnet.plan import services

    plan, looks = services.plan, []

    def counted(*arguments: Any, **more: Any) -> Any:
        looks.append(arguments[0].service)
        return plan(*arguments, **more)

    monkeypatch.setattr("mcnet_discovery.services.services.plan", counted)
    async with scene.daemon() as daemon:
        await eventually(lambda: converged(scene) and daemon._services.idle)
        looks.clear()
        scene.local.add(pod_slice_object(WEST, 7))
        await eventually(lambda: addresses(scene.broker, "west.") == {"10.2.0.7"} and daemon._services.idle)
        assert len(looks) == 2


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("error", "before"), FAILURES, ids=str)
async def test_any_request_may_fail_once(monkeypatch: pytest.MonkeyPatch, error: McnetError, before: bool) -> None:
    """Each request of a whole convergence fails once, in a run of its own; the end is the same."""
    reference = serving(monkeypatch)
    async with reference.daemon():
        await eventually(lambda: converged(reference))
    about = ("Service", "EndpointSlice", "Namespace", "multicluster")
    cases = {
        (place, request.attempt)
        for place in ("local", "broker")
        for request in getattr(reference, place).requests
        if any(word in request.attempt for word in about) and "ServiceAccount" not in request.attempt
    }
    assert len(cases) > 15

    async def case(place: str, attempt: str) -> None:
        scene = serving(monkeypatch)
        failure = getattr(scene, place).fail(matching(attempt), error, before=before)
        async with scene.daemon():
            await eventually(lambda: converged(scene) and failure.hits == 1, timeout=30)

    await asyncio.gather(*(case(place, attempt) for place, attempt in sorted(cases)))


def matching(attempt: str) -> Callable[[Request], bool]:
    return lambda request: request.attempt == attempt

"""Exports by command: what is written, what is refused before, how it is waited for, and what is said in the end."""

import asyncio
from typing import Any

import pytest

from mcnet.install import service_export
from mcnet.install.exportable import service_name
from mcnet.install.progress import Silent
from mcnet.install.service_export import Exported, Outcome, annotations, conflict, export, unexport
from mcnet.kube.kinds import SERVICE_EXPORT, SERVICE_EXPORT_ALPHA
from mcnet.model.errors import ConflictError, McnetError, UsageError
from mcnet.model.service import ServiceName
from tests.fakes import service_objects as fakes
from tests.fakes.api import FakeServer
from tests.fakes.discovery import cluster_object
from tests.fakes.eventually import eventually
from tests.fakes.service_objects import EXPORTED, NO_SERVICE, WEB, condition

JsonObject = dict[str, Any]
NEXT = "mcnet diagnose service web -n shop"


@pytest.fixture
def server() -> FakeServer:
    made = FakeServer()
    made.add(fakes.member_object(), fakes.namespace(), fakes.service())
    made.add(*(cluster_object(name, 1, "mcnet-system") for name in ("east", "west", "north")))
    return made


def there(server: FakeServer) -> JsonObject | None:
    return next(iter(server.all(SERVICE_EXPORT)), None)


def writes(server: FakeServer) -> list[str]:
    return [one.method for one in server.requests if one.method != "GET"]


async def test_created_once(server: FakeServer) -> None:
    made = await export(server.api(), WEB, {})
    assert made.outcome is Outcome.CREATED
    obj = there(server)
    assert obj is not None
    assert (obj["metadata"]["namespace"], obj["metadata"]["name"]) == ("shop", "web")
    assert "annotations" not in obj["metadata"]
    server.requests.clear()
    assert (await export(server.api(), WEB, {})).outcome is Outcome.UNCHANGED
    assert writes(server) == []


async def test_options_are_annotations_and_what_is_not_given_stays(server: FakeServer) -> None:
    async def done(mode: str, traffic: str) -> tuple[Outcome, dict[str, str]]:
        made = await export(server.api(), WEB, annotations(mode, traffic))
        obj = there(server)
        assert obj is not None
        return made.outcome, obj["metadata"].get("annotations") or {}

    both = {"mcnet.dev/export-mode": "aggregate", "mcnet.dev/traffic": "prefer-local"}
    assert await done("aggregate", "prefer-local") == (Outcome.CREATED, both)
    assert await done("", "") == (Outcome.UNCHANGED, both)
    assert await done("aggregate", "") == (Outcome.UNCHANGED, both)
    assert await done("", "failover=east,west") == (
        Outcome.CHANGED,
        both | {"mcnet.dev/traffic": "failover=east,west"},
    )
    assert await done("endpoints", "default") == (Outcome.CHANGED, {})
    assert await done("endpoints", "default") == (Outcome.UNCHANGED, {})


async def test_whom_it_is_for(server: FakeServer) -> None:
    made = await export(server.api(), WEB, annotations("", "", "west, east,west"))
    assert made.obj["metadata"]["annotations"] == {"mcnet.dev/export-to": "east,west"}
    made = await export(server.api(), WEB, annotations("", "", "east,west"))
    assert made.outcome is Outcome.UNCHANGED
    made = await export(server.api(), WEB, annotations("aggregate", "", "north"))
    assert (made.outcome, made.changes) == (
        Outcome.CHANGED,
        ("mcnet.dev/export-mode aggregate", "mcnet.dev/export-to north"),
    )
    made = await export(server.api(), WEB, annotations("", "", "default"), dry_run=True)
    assert made.changes == ("without mcnet.dev/export-to",)
    assert (there(server) or {})["metadata"]["annotations"]["mcnet.dev/export-to"] == "north"
    made = await export(server.api(), WEB, annotations("", "", "default"))
    assert "mcnet.dev/export-to" not in made.obj["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("traffic", "to", "said", "hint"),
    [
        ("", "east,weest", "'weest' is no member of the clusterset of context fake", "do you mean west?"),
        ("", "xyz", "'xyz' is no member", "its members are east, north, west"),
        ("weights=weest:80,east:20", "", "'weest' is no member", "do you mean west?"),
        ("failover=east,xyz", "", "'xyz' is no member", "its members are east, north, west"),
    ],
)
async def test_clusters_that_are_no_members_are_told_with_the_known_ones(
    server: FakeServer, traffic: str, to: str, said: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        await export(server.api(), WEB, annotations("", traffic, to))
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert writes(server) == []


async def test_what_means_nothing_for_a_headless_service_is_told(server: FakeServer) -> None:
    server.add(fakes.service(clusterIP="None", clusterIPs=["None"]))
    made = await export(server.api(), WEB, annotations("aggregate", ""), dry_run=True)
    (said,) = made.meaningless
    assert said.startswith("mcnet.dev/export-mode aggregate means nothing for a headless service")
    await export(server.api(), WEB, annotations("aggregate", ""))
    assert (await export(server.api(), WEB, {})).meaningless == (said,)
    assert (await export(server.api(), WEB, annotations("endpoints", ""))).meaningless == ()
    (said,) = (await export(server.api(), WEB, annotations("", "weights=east:80,west:20"))).meaningless
    assert "its name leads to all endpoints" in said


async def test_a_dry_run_says_what_would_be_and_writes_nothing(server: FakeServer) -> None:
    made = await export(server.api(), WEB, annotations("aggregate", ""), dry_run=True)
    assert (made.outcome, there(server)) == (Outcome.CREATED, None)
    annotated = {"annotations": {"mcnet.dev/export-mode": "aggregate"}}
    assert made.obj["metadata"] == {"name": "web", "namespace": "shop"} | annotated, "fit to be kept in a file"
    server.add(fakes.export(*EXPORTED, annotations={"mcnet.dev/traffic": "local-only", "a": "b"}))
    made = await export(server.api(), WEB, annotations("aggregate", "default"), dry_run=True)
    assert made.outcome is Outcome.CHANGED
    assert made.obj["metadata"]["annotations"] == {"a": "b", "mcnet.dev/export-mode": "aggregate"}
    assert (there(server) or {})["metadata"]["annotations"] == {"a": "b", "mcnet.dev/traffic": "local-only"}
    assert (await unexport(server.api(), WEB, dry_run=True)).outcome is Outcome.DELETED
    assert there(server) is not None


async def test_the_older_version_of_the_api_will_do(server: FakeServer) -> None:
    server.mcs_versions = ("v1alpha1",)
    made = await export(server.api(), WEB, {})
    assert made.kinds.service_export == SERVICE_EXPORT_ALPHA
    assert len(server.all(SERVICE_EXPORT_ALPHA)) == 1


MEMBER, NAMESPACE, SERVICE = fakes.member_object(), fakes.namespace(), fakes.service()


@pytest.mark.parametrize(
    ("objects", "versions", "said", "hint"),
    [
        ([NAMESPACE, SERVICE], ("v1beta1",), "context fake is no member of a clusterset",
         "join it: mcnet join broker-info.mcnet --context fake"),
        ([MEMBER, NAMESPACE, SERVICE], (), "context fake does not have the kind ServiceExport",
         "mcnet join broker-info.mcnet --context fake"),
        ([MEMBER, fakes.namespace("shopping"), fakes.namespace("kube-system")], ("v1beta1",),
         "context fake has no namespace 'shop'", "do you mean shopping?"),
        ([MEMBER, fakes.namespace("a"), fakes.namespace("b"), fakes.namespace("kube-system")], ("v1beta1",),
         "context fake has no namespace 'shop'", "its namespaces are a, b"),
        ([MEMBER, NAMESPACE], ("v1beta1",), "there is no Service 'web' in the namespace shop of context fake",
         "kubectl --context fake get services -A"),
        ([MEMBER, NAMESPACE, fakes.service(ServiceName("shop", "wep"))], ("v1beta1",), "there is no Service 'web'",
         "do you mean wep?"),
        ([MEMBER, NAMESPACE, *(fakes.service(ServiceName("shop", f"s{n}")) for n in range(12))], ("v1beta1",),
         "there is no Service 'web'", "its Services are s0, s1, s10, s11, s2, s3, s4, s5 and 4 more"),
        ([MEMBER, NAMESPACE, fakes.service(type="ExternalName", externalName="example.com")], ("v1beta1",),
         "the Service shop/web is of type ExternalName", "make a Service of the same name"),
        ([MEMBER, NAMESPACE, fakes.service(labels=fakes.derived()["metadata"]["labels"])], ("v1beta1",),
         "the Service shop/web is derived from an import", "mcnet show services --context fake"),
        ([MEMBER, NAMESPACE, fakes.service(sessionAffinity="Sometimes")], ("v1beta1",),
         "is of a form that can't be exported", ""),
    ],
)  # fmt: skip
async def test_what_nothing_could_come_of(
    objects: list[JsonObject], versions: tuple[str, ...], said: str, hint: str
) -> None:
    server = FakeServer(mcs_versions=versions)
    server.add(*objects)
    with pytest.raises(UsageError) as caught:
        await export(server.api(), WEB, {})
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert writes(server) == []


async def test_system_namespaces_are_refused_before_anything_is_written(server: FakeServer) -> None:
    dns = ServiceName("kube-system", "kube-dns")
    server.add(fakes.service(dns))
    with pytest.raises(UsageError, match="nothing of the namespace kube-system is exported"):
        await export(server.api(), dns, {})
    server.add(fakes.export(name=dns))
    assert (await unexport(server.api(), dns)).outcome is Outcome.DELETED, "what is there may go"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: service_name("shop", "Web"), "'Web' is no name of a Service"),
        (lambda: service_name("a.b", "web"), "'a.b' is no name of a namespace"),
        (lambda: annotations("", "somewhere"), "--traffic: 'somewhere' is none of the ways there are"),
        (lambda: annotations("", "failover="), "--traffic: 'failover=' is none of the ways"),
        (lambda: annotations("", "weights=east:0"), "--traffic: 'weights=east:0' is none of the ways"),
        (lambda: annotations("", "", "east,,west"), "--to: '' is no ID of a cluster"),
        (lambda: annotations("", "", "East"), "--to: 'East' is no ID of a cluster"),
    ],
)
def test_bad_words(make: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert said in caught.value.message


async def settled(server: FakeServer, timeout: float = 5.0) -> JsonObject:
    made: Exported = await export(server.api(), WEB, {})
    return await service_export.settle(server.api(), made, WEB, timeout=timeout, progress=Silent())


async def test_waits_until_it_is_exported(server: FakeServer) -> None:
    task = asyncio.create_task(settled(server))
    await eventually(lambda: there(server) is not None)
    server.add(fakes.export(*NO_SERVICE))
    pending = condition("Ready", False, "Pending", "The broker can't be reached now")
    server.add(fakes.export(EXPORTED[0], pending))
    await asyncio.sleep(0.02)
    assert not task.done(), "neither may be the last word"
    server.add(fakes.export(*EXPORTED))
    assert conflict(await task) == ""


async def test_what_is_said_of_an_earlier_generation_does_not_count(server: FakeServer) -> None:
    old = tuple(one | {"observedGeneration": 1} for one in EXPORTED)
    server.add(fakes.export(*old, generation=2))
    with pytest.raises(McnetError, match="nobody has looked at"):
        await settled(server, 0.05)
    server.add(fakes.export(*(one | {"observedGeneration": 2} for one in EXPORTED), generation=2))
    await settled(server)


FAILED = condition("Ready", False, "Failed", "The broker refused it")
PENDING = condition("Ready", False, "Pending", "The broker can't be reached now")
REFUSED = condition("Valid", False, "RefusedService", "The Service is not usable")


@pytest.mark.parametrize(
    ("conditions", "timeout", "said", "hint"),
    [
        ((), 0.05, "nobody has looked at the ServiceExport shop/web: discovery does not run, or is late",
         "kubectl --context fake -n mcnet-system logs -l app.kubernetes.io/component=discovery --tail 20"),
        (NO_SERVICE, 0.05, "shop/web is not exported: There is no Service web in the namespace shop", NEXT),
        ((EXPORTED[0], PENDING), 0.05, "shop/web is not exported: The broker can't be reached now", NEXT),
        ((EXPORTED[0], FAILED), 60.0, "shop/web is not exported: The broker refused it", NEXT),
        ((REFUSED, FAILED), 60.0, "shop/web is not exported: The Service is not usable", NEXT),
    ],
)  # fmt: skip
async def test_what_is_wrong_in_the_end(
    server: FakeServer, conditions: tuple[JsonObject, ...], timeout: float, said: str, hint: str
) -> None:
    server.add(fakes.export(*conditions))
    with pytest.raises(McnetError) as caught:
        await asyncio.wait_for(settled(server, timeout), 5)
    assert (caught.value.message, caught.value.hint, caught.value.exit_code) == (said, hint, 1)


async def test_an_export_that_is_deleted_meanwhile(server: FakeServer) -> None:
    task = asyncio.create_task(settled(server))
    await eventually(lambda: there(server) is not None)
    server.remove(SERVICE_EXPORT, "web", "shop")
    with pytest.raises(McnetError, match="was deleted by somebody else"):
        await task


def test_conflicts_are_told_with_their_message() -> None:
    found = condition("Conflict", True, "PortConflict", "The ports differ")
    assert conflict(fakes.export(*EXPORTED[:2], found)) == "The ports differ"
    assert conflict(fakes.export(*EXPORTED)) == ""


async def test_unexport_deletes_once_and_waits_for_the_import(server: FakeServer) -> None:
    server.add(fakes.export(*EXPORTED), fakes.service_import("east", "west"))
    done = await unexport(server.api(), WEB)
    assert (done.outcome, done.cluster, there(server)) == (Outcome.DELETED, "west", None)

    async def wait(timeout: float) -> None:
        await service_export.settle_unexport(server.api(), done, WEB, timeout=timeout, progress=Silent())

    with pytest.raises(McnetError, match=r"is deleted, but west still serves it after 0\.05 s"):
        await wait(0.05)
    waiting = asyncio.create_task(wait(5))
    server.add(fakes.service_import("east"))
    await waiting
    again = await unexport(server.api(), WEB)
    assert again.outcome is Outcome.UNCHANGED


async def test_an_import_of_somebody_elses_is_not_waited_for(server: FakeServer) -> None:
    server.add(fakes.export(*EXPORTED), fakes.service_import("west", ours=False))
    done = await unexport(server.api(), WEB)
    await service_export.settle_unexport(server.api(), done, WEB, timeout=5, progress=Silent())


async def test_unexport_tells_of_the_export_s_keepers(server: FakeServer) -> None:
    owner = {"kind": "Application", "name": "shop", "controller": True}
    server.add(fakes.export(ownerReferences=[owner]))
    assert (await unexport(server.api(), WEB)).keepers == ("Application shop",)


async def test_unexport_where_there_is_nothing(server: FakeServer) -> None:
    with pytest.raises(UsageError, match="has no namespace 'nowhere'"):
        await unexport(server.api(), ServiceName("nowhere", "web"))
    bare = FakeServer()
    bare.add(fakes.namespace(), fakes.export())
    done = await unexport(bare.api(), WEB)
    assert (done.outcome, done.cluster) == (Outcome.DELETED, None), "also in a cluster that has left"
    await service_export.settle_unexport(bare.api(), done, WEB, timeout=5, progress=Silent())


@pytest.mark.parametrize("times", [1, 3])
async def test_somebody_else_makes_and_deletes_it_at_the_same_time(server: FakeServer, times: int) -> None:
    server.fail(lambda one: one.method == "POST", ConflictError("exists"), times=times)
    if times < service_export.TRIES:
        assert (await export(server.api(), WEB, {})).outcome is Outcome.CREATED
    else:
        with pytest.raises(McnetError, match="all the time"):
            await export(server.api(), WEB, {})

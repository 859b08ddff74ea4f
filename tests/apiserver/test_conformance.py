"""What the conformance suite of sigs.k8s.io/mcs-api asks of ServiceExports, ServiceImports and EndpointSlices, case
by case, on real API servers. docs/conformance.md says which case is which; names and ways are tests/e2e's.
"""

import asyncio
from ipaddress import ip_address
from typing import Any

import pytest

from mcnet.kube.kinds import (
    ENDPOINT_SLICE,
    SERVICE,
    SERVICE_EXPORT,
    SERVICE_EXPORT_ALPHA,
    SERVICE_IMPORT,
    SERVICE_IMPORT_ALPHA,
)
from mcnet.model.service import SERVICE_NAME_LABEL, SLICE_MANAGER_LABEL, SOURCE_CLUSTER_LABEL
from tests.apiserver.service_members import PATIENCE, Cluster, Clusterset, both, east_server
from tests.fakes.eventually import eventually

__all__ = ["both", "east_server"]

JsonObject = dict[str, Any]
TCP = {"name": "tcp", "port": 42, "protocol": "TCP"}
UDP = {"name": "udp", "port": 42, "protocol": "UDP"}
PORTS = [TCP, UDP]
EAST, WEST = {"10.1.0.1", "10.1.0.2"}, {"10.2.0.1", "10.2.0.2"}


async def hello(cluster: Cluster, namespace: str, **spec: Any) -> JsonObject:
    """A Service "hello" with two endpoints; its labels and annotations are its own affair."""
    metadata = {"name": "hello", "namespace": namespace, "labels": {"own": "a"}, "annotations": {"own/note": "b"}}
    wanted = {"ports": PORTS, "selector": {"app": "hello"}} | spec
    made = await cluster.api.create(SERVICE, {"metadata": metadata, "spec": wanted})
    await cluster.endpoints(namespace, "hello", 1, 2, ports=tuple((one["name"], one["port"]) for one in PORTS[:1]))
    return made


async def exported_by_both(both: Clusterset, namespace: str, first: JsonObject, second: JsonObject) -> None:
    """Both export, east's export is the older one."""
    await both.east.export(namespace, "hello", **first)
    await asyncio.sleep(1.1)  # creation times have seconds
    await both.west.export(namespace, "hello", **second)


async def in_conflict(both: Clusterset, namespace: str, reasons: str) -> None:
    for cluster in (both.east, both.west):
        await cluster.condition(namespace, "hello", "Conflict", "True", reasons)


def has(**spec: Any) -> Any:
    return lambda obj: {key: obj["spec"].get(key) for key in spec} == spec


async def test_what_is_not_exported_is_known_nowhere(both: Clusterset) -> None:
    namespace = await both.namespace()
    for cluster in (both.east, both.west):
        await hello(cluster, namespace)
        await cluster.serve(namespace, "exported")
    async with both.daemons() as daemons:
        await both.east.export(namespace, "exported")
        await both.west.imported(namespace, "exported", EAST)
        await eventually(lambda: all(one._services.idle for one in daemons), timeout=PATIENCE)
        assert [one["spec"]["name"] for one in await both.records(namespace)] == ["exported"]
        for cluster in (both.east, both.west):
            imports = await cluster.api.list(SERVICE_IMPORT, namespace)
            assert [one["metadata"]["name"] for one in imports] == ["exported"]
            assert await cluster.slices(namespace, "hello") == []


async def test_an_import_exists_as_long_as_any_cluster_exports(both: Clusterset) -> None:
    namespace = await both.namespace()
    for cluster in (both.east, both.west):
        await hello(cluster, namespace)
    async with both.daemons():
        await both.east.export(namespace, "hello")
        made = await both.east.imported(namespace, "hello", EAST)
        await both.west.export(namespace, "hello")
        await both.east.imported(namespace, "hello", EAST | WEST)
        await both.east.api.delete(SERVICE_EXPORT, "hello", namespace)
        kept = await both.east.imported(namespace, "hello", WEST)
        assert kept["metadata"]["uid"] == made["metadata"]["uid"]
        await both.west.api.delete(SERVICE_EXPORT, "hello", namespace)
        for cluster in (both.east, both.west):
            await cluster.gone(SERVICE_IMPORT, "hello", namespace)


TYPES: list[tuple[JsonObject, str]] = [
    ({"type": "ClusterIP"}, "ClusterSetIP"),
    ({"type": "NodePort"}, "ClusterSetIP"),
    ({"type": "LoadBalancer"}, "ClusterSetIP"),
    ({"clusterIP": "None"}, "Headless"),
]


@pytest.mark.parametrize(("spec", "kind"), TYPES, ids=["ClusterIP", "NodePort", "LoadBalancer", "headless"])
async def test_the_import_has_the_services_type_and_goes_with_the_export(
    both: Clusterset, spec: JsonObject, kind: str
) -> None:
    namespace = await both.namespace()
    service = await hello(both.east, namespace, **spec)
    await both.east.export(namespace, "hello")
    async with both.daemons():
        for cluster in (both.east, both.west):
            await cluster.imported(namespace, "hello", EAST)
            made = await cluster.awaited(SERVICE_IMPORT, "hello", namespace, lambda obj: "status" in obj)
            assert made["spec"]["type"] == kind
            if kind == "Headless":
                assert not made["spec"].get("ips")
            else:
                assert ip_address(made["spec"]["ips"][0])
            (found,) = await cluster.slices(namespace, "hello")
            labels = found["metadata"]["labels"]
            assert (labels[SERVICE_NAME_LABEL], labels[SOURCE_CLUSTER_LABEL]) == ("hello", "east")
            assert labels[SLICE_MANAGER_LABEL] not in ("", "endpointslice-controller.k8s.io")
            (owner,) = found["metadata"]["ownerReferences"]
            assert (owner["kind"], owner["uid"]) == ("ServiceImport", made["metadata"]["uid"])
        await both.east.api.delete(SERVICE_EXPORT, "hello", namespace)
        for cluster in (both.east, both.west):
            await cluster.gone(SERVICE_IMPORT, "hello", namespace)
            assert await cluster.slices(namespace, "hello") == []
    kept = await both.east.api.get(SERVICE, "hello", namespace)
    assert kept == service, "the exported Service is not touched"


SETTINGS: list[JsonObject] = [
    {"sessionAffinity": "None"},
    {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10}}},
    {"internalTrafficPolicy": "Cluster"},
    {"internalTrafficPolicy": "Local"},
    {"trafficDistribution": "PreferClose"},
    {"ports": PORTS},
    {"ports": [{"name": "web", "port": 80, "protocol": "TCP", "appProtocol": "kubernetes.io/h2c"}]},
    {"ports": [{"name": "", "port": 80, "protocol": "TCP"}]},
]


@pytest.mark.parametrize("spec", SETTINGS, ids=lambda spec: next(iter(spec)))
async def test_the_import_has_what_the_service_says(both: Clusterset, spec: JsonObject) -> None:
    namespace = await both.namespace()
    service = await hello(both.east, namespace, **spec)
    await both.east.export(namespace, "hello")
    async with both.daemons():
        for cluster in (both.east, both.west):
            made = await cluster.awaited(SERVICE_IMPORT, "hello", namespace, has(**spec))
            assert made["spec"]["ipFamilies"] == service["spec"]["ipFamilies"]


async def test_only_exported_labels_and_annotations_are_on_the_import(both: Clusterset) -> None:
    namespace = await both.namespace()
    await hello(both.east, namespace)
    await both.east.export(
        namespace, "hello", spec={"exportedLabels": {"team": "a"}, "exportedAnnotations": {"x.example/note": "b"}}
    )
    async with both.daemons():
        for cluster in (both.east, both.west):
            metadata = (await cluster.awaited(SERVICE_IMPORT, "hello", namespace))["metadata"]
            assert metadata["labels"]["team"] == "a"
            assert metadata["annotations"]["x.example/note"] == "b"
            assert "own" not in metadata["labels"]
            assert "own/note" not in metadata["annotations"]
        change = {"spec": {"exportedLabels": {"team": "c"}}}
        changed = await both.east.api.merge_patch(SERVICE_EXPORT, "hello", change, namespace)
        await both.west.awaited(
            SERVICE_IMPORT, "hello", namespace, lambda obj: obj["metadata"]["labels"]["team"] == "c"
        )
        generation = changed["metadata"]["generation"]
        assert generation > 1

        def observed(obj: JsonObject) -> bool:
            return all(one["observedGeneration"] == generation for one in obj["status"]["conditions"])

        await both.east.awaited(SERVICE_EXPORT, "hello", namespace, observed)


async def test_labels_and_annotations_that_differ_are_a_conflict_on_each(both: Clusterset) -> None:
    namespace = await both.namespace()
    for cluster in (both.east, both.west):
        await hello(cluster, namespace)
    first = {"exportedLabels": {"one": "x"}, "exportedAnnotations": {"one.example/x": "x"}}
    second = {"exportedLabels": {"two": "x"}, "exportedAnnotations": {"two.example/x": "x"}}
    await exported_by_both(both, namespace, {"spec": first}, {"spec": second})
    async with both.daemons():
        await in_conflict(both, namespace, "LabelsConflict,AnnotationsConflict")
        for cluster in (both.east, both.west):
            await cluster.imported(namespace, "hello", EAST | WEST)
            metadata = (await cluster.api.get(SERVICE_IMPORT, "hello", namespace))["metadata"]
            assert metadata["labels"]["one"] == metadata["annotations"]["one.example/x"] == "x"
            assert "two" not in metadata["labels"]
            assert "two.example/x" not in metadata["annotations"]


async def test_different_ports_are_united_and_a_conflict_on_each(both: Clusterset) -> None:
    namespace = await both.namespace()
    more = {"name": "stcp", "port": 142, "protocol": "SCTP"}
    await hello(both.east, namespace)
    await hello(both.west, namespace, ports=[TCP, more])
    await exported_by_both(both, namespace, {}, {})
    async with both.daemons():
        await in_conflict(both, namespace, "PortConflict")
        for cluster in (both.east, both.west):
            await cluster.awaited(SERVICE_IMPORT, "hello", namespace, has(ports=[TCP, UDP, more]))


async def test_of_ports_of_one_name_the_oldest_exports_holds(both: Clusterset) -> None:
    namespace = await both.namespace()
    await hello(both.east, namespace)
    await hello(both.west, namespace, ports=[TCP | {"port": 43}])
    await exported_by_both(both, namespace, {}, {})
    async with both.daemons():
        await in_conflict(both, namespace, "PortConflict")
        for cluster in (both.east, both.west):
            await cluster.awaited(SERVICE_IMPORT, "hello", namespace, has(ports=PORTS))


@pytest.mark.parametrize(("first", "second"), [("", "None"), ("None", "")], ids=["ClusterIP first", "headless first"])
async def test_of_headless_and_not_the_oldest_export_decides(both: Clusterset, first: str, second: str) -> None:
    namespace = await both.namespace()
    await hello(both.east, namespace, clusterIP=first)
    await hello(both.west, namespace, clusterIP=second)
    await exported_by_both(both, namespace, {}, {})
    async with both.daemons():
        await in_conflict(both, namespace, "TypeConflict")
        for cluster in (both.east, both.west):
            made = await cluster.imported(namespace, "hello", EAST)
            assert made["spec"]["type"] == ("Headless" if first else "ClusterSetIP")


async def test_an_external_name_is_not_valid_and_not_imported(both: Clusterset) -> None:
    namespace = await both.namespace()
    metadata = {"name": "hello", "namespace": namespace}
    spec = {"type": "ExternalName", "externalName": "example.com"}
    await both.east.api.create(SERVICE, {"metadata": metadata, "spec": spec})
    await hello(both.west, namespace)
    await both.east.export(namespace, "hello")
    async with both.daemons():
        told = await both.east.condition(namespace, "hello", "Valid", "False", "InvalidServiceType")
        assert "ExternalName" in told["message"]
        assert await both.records(namespace) == []
        for cluster in (both.east, both.west):
            assert await cluster.api.list(SERVICE_IMPORT, namespace) == []
        await both.west.export(namespace, "hello")
        for cluster in (both.east, both.west):
            await cluster.imported(namespace, "hello", WEST)  # the other's export does without it


async def test_a_service_that_its_own_cluster_does_not_export_takes_no_part(both: Clusterset) -> None:
    namespace = await both.namespace()
    await hello(both.east, namespace)
    before = await hello(both.west, namespace, ports=[TCP | {"port": 99}])
    await both.east.export(namespace, "hello")
    async with both.daemons():
        for cluster in (both.east, both.west):
            made = await cluster.imported(namespace, "hello", EAST)
            assert made["spec"]["ports"] == PORTS
        await both.east.condition(namespace, "hello", "Conflict", "False", "NoConflicts")
        (record,) = await both.records(namespace)
        assert record["metadata"]["labels"] == {"mcnet.dev/cluster": "east"}
    assert await both.west.api.get(SERVICE, "hello", namespace) == before
    (own,) = await both.west.api.list(ENDPOINT_SLICE, namespace, labels="kubernetes.io/service-name=hello")
    assert own["metadata"]["name"] == "hello-abc"


async def test_one_name_in_two_namespaces_is_two_services(both: Clusterset) -> None:
    one, two = await both.namespace(), await both.namespace()
    await hello(both.east, one)
    await hello(both.west, two)
    await both.east.export(one, "hello")
    await both.west.export(two, "hello")
    async with both.daemons():
        for cluster in (both.east, both.west):
            await cluster.imported(one, "hello", EAST)
            await cluster.imported(two, "hello", WEST)


async def test_either_version_of_the_api_will_do(both: Clusterset) -> None:
    namespace = await both.namespace()
    await hello(both.east, namespace)
    await both.east.api.create(SERVICE_EXPORT_ALPHA, {"metadata": {"name": "hello"}}, namespace)
    async with both.daemons():
        await both.west.imported(namespace, "hello", EAST)
        await both.west.awaited(SERVICE_IMPORT, "hello", namespace, lambda obj: "ips" in obj["spec"])
        newer = await both.west.api.get(SERVICE_IMPORT, "hello", namespace)
        older = await both.west.api.get(SERVICE_IMPORT_ALPHA, "hello", namespace)
        assert older["spec"] == newer["spec"]
        await both.east.condition(namespace, "hello", "Ready", "True", "Exported")

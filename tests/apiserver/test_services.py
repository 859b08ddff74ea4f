"""Services across two clusters and a broker, three real API servers."""

import asyncio

from mcnet.codec import gateway
from mcnet.install.until import until
from mcnet.kube import kinds
from mcnet.kube.kinds import (
    ENDPOINT_SLICE,
    EXPORTED_SERVICE,
    NAMESPACE,
    SERVICE,
    SERVICE_EXPORT,
    SERVICE_IMPORT,
)
from mcnet.loop.run import Stop
from mcnet.model.cluster import ClusterId
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.model.service import SERVICE_NAMESPACE_LABEL, SOURCE_CLUSTER_LABEL, ServiceName, derived_name
from mcnet_discovery.main import Discovery
from mcnet_discovery.settings import Settings
from tests.apiserver.server import ApiServer
from tests.apiserver.service_members import PATIENCE, Clusterset, both, east_server
from tests.fakes.eventually import eventually

__all__ = ["both", "east_server"]


async def test_a_service_is_imported_everywhere_and_goes_again(both: Clusterset) -> None:
    namespace = await both.namespace()
    await both.east.serve(namespace, "web")
    await both.east.export(namespace, "web")
    name = derived_name(ServiceName(namespace, "web"))
    async with both.daemons():
        for cluster in (both.west, both.east):
            made = await cluster.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})
            made = await cluster.awaited(SERVICE_IMPORT, "web", namespace, lambda obj: "ips" in obj["spec"])
            derived = await cluster.api.get(SERVICE, name, namespace)
            assert made["spec"]["ips"] == derived["spec"]["clusterIPs"]
            assert made["spec"]["ports"] == [{"name": "http", "port": 80, "protocol": "TCP"}]
            assert "selector" not in derived["spec"]
            (found,) = await cluster.slices(namespace, "web")
            assert found["metadata"]["labels"]["kubernetes.io/service-name"] == name
            assert found["metadata"]["labels"][SOURCE_CLUSTER_LABEL] == "east"
            assert found["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
            assert found["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
            assert all({"nodeName", "zone", "targetRef"}.isdisjoint(end) for end in found["endpoints"])
            status = await cluster.awaited(SERVICE_IMPORT, "web", namespace, lambda obj: "status" in obj)
            assert status["status"]["clusters"] == [{"cluster": "east"}]
        valid = await both.east.condition(namespace, "web", "Valid", "True", "Valid")
        assert valid["observedGeneration"] == 1
        await both.east.condition(namespace, "web", "Ready", "True", "Exported")
        await both.east.condition(namespace, "web", "Conflict", "False", "NoConflicts")
        await both.east.endpoints(namespace, "web", 2, 3)
        await both.west.imported(namespace, "web", {"10.1.0.2", "10.1.0.3"})
        await both.east.api.delete(SERVICE_EXPORT, "web", namespace)
        for cluster in (both.west, both.east):
            await cluster.gone(SERVICE_IMPORT, "web", namespace)
            await cluster.gone(SERVICE, name, namespace)
            assert await cluster.slices(namespace, "web") == []
        assert await both.records(namespace) == []
        slices = await both.broker.list(
            ENDPOINT_SLICE, both.broker_namespace, labels=f"{SERVICE_NAMESPACE_LABEL}={namespace}"
        )
        assert slices == []
        assert await both.east.api.get(SERVICE, "web", namespace)


async def test_two_clusters_export_one_service(both: Clusterset) -> None:
    namespace = await both.namespace()
    for cluster in (both.east, both.west):
        await cluster.serve(namespace, "web")
        await cluster.export(namespace, "web")
    async with both.daemons():
        for cluster in (both.east, both.west):
            made = await cluster.imported(namespace, "web", {"10.1.0.1", "10.1.0.2", "10.2.0.1", "10.2.0.2"})
            made = await cluster.awaited(
                SERVICE_IMPORT, "web", namespace, lambda obj: len((obj.get("status") or {}).get("clusters", ())) == 2
            )
            assert [one["cluster"] for one in made["status"]["clusters"]] == ["east", "west"]
            await cluster.condition(namespace, "web", "Conflict", "False", "NoConflicts")
        await both.east.api.delete(SERVICE_EXPORT, "web", namespace)
        for cluster in (both.east, both.west):
            await cluster.imported(namespace, "web", {"10.2.0.1", "10.2.0.2"})


async def test_a_conflict_is_told_on_both_and_goes_with_its_cause(both: Clusterset) -> None:
    namespace = await both.namespace()
    await both.east.serve(namespace, "web", ports=(("http", 80), ("admin", 90)))
    await both.west.serve(namespace, "web", ports=(("web", 80),), sessionAffinity="ClientIP")
    await both.east.export(namespace, "web")
    await asyncio.sleep(1.1)  # creation times have seconds, and the oldest export is to be east's
    await both.west.export(namespace, "web")
    name = derived_name(ServiceName(namespace, "web"))
    reasons = "PortConflict,SessionAffinityConflict,SessionAffinityConfigConflict"
    async with both.daemons():
        for cluster in (both.east, both.west):
            told = await cluster.condition(namespace, "web", "Conflict", "True", reasons)
            assert "west differs" in told["message"]
            made = await cluster.api.get(SERVICE_IMPORT, "web", namespace)
            assert [port["name"] for port in made["spec"]["ports"]] == ["http", "admin"]
            assert made["spec"]["sessionAffinity"] == "None"
            await cluster.imported(namespace, "web", {"10.1.0.1", "10.1.0.2", "10.2.0.1", "10.2.0.2"})
            # West calls the port "web", and kube-proxy joins slices and derived Service by the names of ports.
            derived = await cluster.api.get(SERVICE, name, namespace)
            names = {port["name"] for port in derived["spec"]["ports"]}
            for found in await cluster.slices(namespace, "web"):
                assert {port["name"] for port in found["ports"]} <= names
        await both.west.api.merge_patch(
            SERVICE, "web",
            {"spec": {
                "sessionAffinity": "None", "sessionAffinityConfig": None,
                "ports": [{"name": "http", "port": 80}, {"name": "admin", "port": 90}],
            }},
            namespace,
        )  # fmt: skip
        for cluster in (both.east, both.west):
            await cluster.condition(namespace, "web", "Conflict", "False", "NoConflicts")


async def test_headless_or_not_is_the_oldest_exports(both: Clusterset) -> None:
    namespace = await both.namespace()
    await both.east.serve(namespace, "web", headless=True)
    await both.west.serve(namespace, "web")
    await both.east.export(namespace, "web")
    await asyncio.sleep(1.1)  # creation times have seconds
    await both.west.export(namespace, "web")
    async with both.daemons():
        for cluster in (both.east, both.west):
            await cluster.condition(namespace, "web", "Conflict", "True", "TypeConflict")
            made = await cluster.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})
            assert (made["spec"]["type"], made["spec"].get("ips")) == ("Headless", None)
            (found,) = await cluster.slices(namespace, "web")
            assert [end["hostname"] for end in found["endpoints"]] == ["web-1", "web-2"]
            assert "kubernetes.io/service-name" not in found["metadata"]["labels"]
        await both.east.api.delete(SERVICE_EXPORT, "web", namespace)
        for cluster in (both.east, both.west):
            await cluster.imported(namespace, "web", {"10.2.0.1", "10.2.0.2"})
            await cluster.awaited(SERVICE_IMPORT, "web", namespace, lambda obj: "ips" in obj["spec"])
        await both.west.condition(namespace, "web", "Conflict", "False", "NoConflicts")


async def test_what_is_not_exported_says_why(both: Clusterset) -> None:
    namespace = await both.namespace(both.east)
    await both.east.api.create(
        SERVICE,
        {
            "metadata": {"name": "away", "namespace": namespace},
            "spec": {"type": "ExternalName", "externalName": "example.com"},
        },
    )
    for name in ("away", "nothing"):
        await both.east.export(namespace, name)
    await both.east.export("kube-system", "dns")
    try:
        async with both.east.daemon():
            await both.east.condition(namespace, "away", "Valid", "False", "InvalidServiceType")
            await both.east.condition(namespace, "nothing", "Valid", "False", "NoService")
            await both.east.condition("kube-system", "dns", "Valid", "False", "RefusedNamespace")
            await both.east.serve(namespace, "nothing")
            await both.east.condition(namespace, "nothing", "Valid", "True", "Valid")
            await both.east.imported(namespace, "nothing", {"10.1.0.1", "10.1.0.2"})
    finally:
        await both.east.api.delete(SERVICE_EXPORT, "dns", "kube-system")


async def test_an_aggregated_service_has_one_endpoint(both: Clusterset) -> None:
    namespace = await both.namespace()
    await both.broker.merge_patch(
        kinds.CLUSTER, "east", {"spec": {"servicePrefixes": ["10.96.0.0/16"]}}, both.broker_namespace
    )
    await both.east.serve(namespace, "web", addresses=(1, 2, 3))
    await both.east.api.create(
        SERVICE_EXPORT,
        {
            "metadata": {
                "name": "web",
                "namespace": namespace,
                "annotations": {"mcnet.dev/export-mode": "aggregate"},
            }
        },
    )
    service = await both.east.api.get(SERVICE, "web", namespace)
    async with both.daemons():
        await both.west.imported(namespace, "web", {service["spec"]["clusterIP"]})
        (found,) = await both.west.slices(namespace, "web")
        assert found["ports"] == [{"name": "http", "port": 80, "protocol": "TCP"}]
        await both.east.imported(namespace, "web", {"10.1.0.1", "10.1.0.2", "10.1.0.3"})


async def test_weights_leave_endpoints_out_and_follow_what_is_ready(both: Clusterset) -> None:
    namespace = await both.namespace()
    await both.east.serve(namespace, "web", addresses=(1, 2, 3, 4))
    await both.east.export(namespace, "web")
    await both.west.serve(namespace, "web", addresses=(1, 2, 3, 4))
    await both.west.export(namespace, "web")

    async def in_use(east: int, west: int) -> None:
        async def are() -> bool:
            addresses = await both.west.addresses(namespace, "web")
            return [sum(one.startswith(prefix) for one in addresses) for prefix in ("10.1.", "10.2.")] == [east, west]

        await until(are, timeout=PATIENCE)

    async with both.daemons() as (_, west):
        await in_use(4, 4)
        patch = {"metadata": {"annotations": {"mcnet.dev/traffic": "weights=east:80,west:20"}}}
        await both.west.api.merge_patch(SERVICE_IMPORT, "web", patch, namespace)
        await in_use(4, 1)
        await both.east.endpoints(namespace, "web", 1)
        await in_use(1, 1)
        told = f"service {namespace}/web"
        await eventually(lambda: "east 50% and not 80%" in west._services.problems.get(told, ""), timeout=PATIENCE)
        await both.east.endpoints(namespace, "web")
        await in_use(0, 4)
        await both.east.endpoints(namespace, "web", 1, 2, 3, 4)
        await in_use(4, 1)
        await both.east.imported(
            namespace, "web", {f"10.{cluster}.0.{last}" for cluster in (1, 2) for last in (1, 2, 3, 4)}
        )
        await eventually(lambda: told not in west._services.problems, timeout=PATIENCE)


async def test_an_export_is_for_those_that_it_names(both: Clusterset) -> None:
    namespace = await both.namespace()
    await both.east.serve(namespace, "web")
    await both.east.export(namespace, "web")

    async def export_to(text: str | None) -> None:
        patch = {"metadata": {"annotations": {"mcnet.dev/export-to": text}}}
        await both.east.api.merge_patch(SERVICE_EXPORT, "web", patch, namespace)

    async with both.daemons():
        await both.west.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})
        await export_to("wets")
        await both.west.gone(SERVICE_IMPORT, "web", namespace)
        await both.east.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})
        said = "wets, which is no member of the clusterset: east, west"
        await both.east.api.wait_for(
            SERVICE_EXPORT, "web", namespace, lambda obj: said in str((obj or {}).get("status")), PATIENCE
        )
        await export_to("west")
        await both.west.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})
        await export_to("east")
        await both.west.gone(SERVICE_IMPORT, "web", namespace)
        await export_to(None)
        await both.west.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})


async def test_a_namespace_may_come_later(both: Clusterset) -> None:
    namespace = await both.namespace(both.east)
    await both.east.serve(namespace, "web")
    await both.east.export(namespace, "web")
    async with both.daemons() as (_, west):
        await both.east.condition(namespace, "web", "Ready", "True", "Exported")
        await eventually(lambda: west._services.idle, timeout=PATIENCE)
        assert await both.west.api.list(SERVICE_IMPORT, namespace) == []
        await both.west.api.create(NAMESPACE, {"metadata": {"name": namespace}})
        await both.west.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})


async def test_addresses_that_are_not_the_clusters_own_are_left_out_and_told(both: Clusterset) -> None:
    namespace = await both.namespace()
    await both.east.serve(namespace, "web")
    obj = await both.east.api.get(ENDPOINT_SLICE, "web-abc", namespace)
    for address in ("10.2.0.9", "10.96.0.1"):
        obj["endpoints"].append({"addresses": [address]})
    await both.east.api.replace(ENDPOINT_SLICE, obj)
    await both.east.export(namespace, "web")
    async with both.daemons() as (_, west):
        await both.west.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})
        problem = west._services.problems[f"service {namespace}/web"]
        assert "10.2.0.9, 10.96.0.1" in problem
        # The approved prefixes are the broker admin's to change.
        await both.broker.merge_patch(
            kinds.CLUSTER, "east", {"spec": {"podPrefixes": ["10.1.0.0/16", "10.2.0.8/30"]}}, both.broker_namespace
        )
        await both.west.imported(namespace, "web", {"10.1.0.1", "10.1.0.2", "10.2.0.9"})


async def test_a_cluster_that_is_cut_off_has_no_endpoints_until_it_is_back(both: Clusterset) -> None:
    namespace = await both.namespace()
    for cluster in (both.east, both.west):
        await cluster.serve(namespace, "web")
        await cluster.export(namespace, "web")
    own, everything = {"10.2.0.1", "10.2.0.2"}, {"10.1.0.1", "10.1.0.2", "10.2.0.1", "10.2.0.2"}
    west = both.west

    async def report(state: CableState) -> None:
        cable = Cable(ClusterId("east"), "e1", 0, state, "vxlan")
        await west.api.apply(
            gateway.encode(Gateway("n1", ClusterId("west"), 0, (cable,)), namespace=west.system), subresource="status"
        )

    await west.api.apply(gateway.bare(node="n1", namespace=west.system))
    await report(CableState.CONNECTED)
    async with both.daemons():
        made = await west.imported(namespace, "web", everything)
        await report(CableState.ERROR)
        cut = await west.imported(namespace, "web", own)
        assert cut["spec"] == made["spec"] | {"ips": cut["spec"]["ips"]}
        await both.east.imported(namespace, "web", everything)  # by its own gateways it has lost nobody
        await report(CableState.CONNECTED)
        await west.imported(namespace, "web", everything)


async def test_what_is_edited_or_deleted_comes_back(both: Clusterset) -> None:
    namespace = await both.namespace()
    await both.east.serve(namespace, "web")
    await both.east.export(namespace, "web")
    name = derived_name(ServiceName(namespace, "web"))
    everything = {"10.1.0.1", "10.1.0.2"}
    async with both.daemons():
        west = both.west
        await west.imported(namespace, "web", everything)
        (found,) = await west.slices(namespace, "web")
        await west.api.replace(ENDPOINT_SLICE, found | {"endpoints": []})
        await west.imported(namespace, "web", everything)
        (found,) = await west.slices(namespace, "web")
        await west.api.delete(ENDPOINT_SLICE, found["metadata"]["name"], namespace)
        await west.imported(namespace, "web", everything)
        made = await west.awaited(SERVICE_IMPORT, "web", namespace, lambda obj: "ips" in obj["spec"])
        await west.api.merge_patch(SERVICE_IMPORT, "web", {"spec": {"ips": ["192.0.2.1"]}}, namespace)
        await west.awaited(SERVICE_IMPORT, "web", namespace, lambda obj: obj["spec"] == made["spec"])
        await west.api.delete(SERVICE, name, namespace)
        await west.awaited(SERVICE, name, namespace)
        (record,) = await both.records(namespace)
        await both.broker.delete(EXPORTED_SERVICE, record["metadata"]["name"], both.broker_namespace)
        await both.broker.wait_for(
            EXPORTED_SERVICE, record["metadata"]["name"], both.broker_namespace, lambda obj: obj is not None, PATIENCE
        )
        await west.imported(namespace, "web", everything)


async def test_killed_in_the_middle_it_goes_on_where_it_was(both: Clusterset) -> None:
    namespace = await both.namespace()
    count = 40
    for number in range(count):
        await both.east.serve(namespace, f"web-{number}")
        await both.east.export(namespace, f"web-{number}")
    async with both.east.daemon():
        for _ in range(4):  # west's ends at some point of its work, in disorder
            discovery = Discovery(Settings("pod-1", both.west.system, 0), both.west.account)
            task = asyncio.create_task(discovery.main(Stop()))
            await asyncio.sleep(0.4)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with both.west.daemon() as west:
            for number in range(count):
                await both.west.imported(namespace, f"web-{number}", {"10.1.0.1", "10.1.0.2"})
            await eventually(lambda: west._services.idle, timeout=PATIENCE)
    imports = await both.west.api.list(SERVICE_IMPORT, namespace)
    assert len(imports) == count
    assert all(len(one["spec"]["ips"]) == 1 for one in imports)
    assert len(await both.west.api.list(ENDPOINT_SLICE, namespace)) == count
    before = {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in imports}
    async with both.west.daemon() as west:
        await eventually(lambda: west._services.idle, timeout=PATIENCE)
    after = await both.west.api.list(SERVICE_IMPORT, namespace)
    assert {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in after} == before


async def test_the_broker_goes_and_comes_back(both: Clusterset, broker_server: ApiServer) -> None:
    namespace = await both.namespace()
    await both.east.serve(namespace, "web")
    await both.east.export(namespace, "web")
    async with both.daemons() as (east, _):
        for cluster in (both.east, both.west):
            await cluster.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})
        await both.east.condition(namespace, "web", "Ready", "True", "Exported")
        try:
            broker_server.stop()
            await eventually(lambda: not east._link.current.services.reachable, timeout=PATIENCE)
            await both.east.endpoints(namespace, "web", 7)
            await both.east.imported(namespace, "web", {"10.1.0.7"})  # its own endpoints need no broker
            await both.east.serve(namespace, "late")
            await both.east.export(namespace, "late")
            await both.east.condition(namespace, "late", "Ready", "False", "Pending")
            (found,) = await both.west.slices(namespace, "web")
            await both.west.api.delete(ENDPOINT_SLICE, found["metadata"]["name"], namespace)
            await both.west.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})  # as it was known last
        finally:
            await broker_server.start()
        await both.west.imported(namespace, "web", {"10.1.0.7"})
        await both.west.imported(namespace, "late", {"10.1.0.1", "10.1.0.2"})
        await both.east.condition(namespace, "late", "Ready", "True", "Exported")


async def test_started_without_the_broker_it_takes_nothing_away(both: Clusterset, broker_server: ApiServer) -> None:
    namespace = await both.namespace()
    await both.east.serve(namespace, "web")
    await both.east.export(namespace, "web")
    async with both.daemons():
        await both.west.imported(namespace, "web", {"10.1.0.1", "10.1.0.2"})
    try:
        broker_server.stop()
        async with both.west.daemon() as west:
            await eventually(lambda: west._leadership.held and not west._local.waiting, timeout=PATIENCE)
            rounds = west._loop.rounds
            west._loop.trigger("look again")
            await eventually(lambda: west._loop.rounds > rounds, timeout=PATIENCE)
            assert await both.west.addresses(namespace, "web") == {"10.1.0.1", "10.1.0.2"}
    finally:
        await broker_server.start()

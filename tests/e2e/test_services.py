"""Services across three real clusters: by name and clusterset IP, from pods, by the cluster's own DNS and kube-proxy.

East and west have a CoreDNS that answers `clusterset.local` by itself; north's calls itself too old for that, so
mcnet_dns answers there. Of the objects more is in tests/apiserver/test_services.py.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from mcnet.kube.kinds import CONFIG_MAP, DEPLOYMENT, ENDPOINT_SLICE, NAMESPACE, POD, SERVICE, SERVICE_IMPORT, Kind
from mcnet.lab.impair import Impairment, LinkName
from mcnet.lab.manifests import COREDNS_IMAGE
from mcnet.lab.spec import IpFamily, LabSpec
from mcnet.lab.workload import url_of
from mcnet.model.service import SOURCE_CLUSTER_LABEL
from tests.e2e.clusterset import Clusterset, brought_up, eventually
from tests.e2e.resolving import Answer, addresses, ask

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

CLUSTERS = ("east", "west", "north")
ZONE = "svc.clusterset.local"
WEB = f"web.default.{ZONE}"
STATEFUL_SET = Kind("apps", "v1", "statefulsets", "StatefulSet", namespaced=True)
OLD = COREDNS_IMAGE.rpartition(":")[0] + ":1.11.3"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clusterset]:
    """Joined, with a web server in each; no service is exported."""
    spec = LabSpec(name=f"s{os.getpid()}", clusters=CLUSTERS, nodes=1, ip_family=IpFamily.DUAL)
    async with brought_up(spec, tmp_path_factory.mktemp("services")) as made:
        await _age_coredns(made, "north")
        await made.mcnet("deploy-broker", "--context", "east")
        for cluster in CLUSTERS:
            said = await made.mcnet("join", "broker-info.mcnet", "--context", cluster, "--broker-context", "east")
            assert "The cluster's DNS answers clusterset.local" in said
        await eventually(lambda: _zone_is_served(made), 180, "the clusters' DNS has its new configuration")
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def exported(three: Clusterset) -> AsyncIterator[Clusterset]:
    """East exports its Service web while the test runs."""
    await three.mcnet("export", "service", "web", "--context", "east")
    await eventually(lambda: _resolves(three, {"east"}), 30, "web is known everywhere")
    yield three
    for cluster in CLUSTERS:
        await three.run("unexport", "service", "web", "--context", cluster)
    await eventually(lambda: _unknown(three), 30, "web is known nowhere")


async def _zone_is_served(made: Clusterset) -> bool:
    for cluster in CLUSTERS:
        (answer,) = await ask(made, made.pod(f"{cluster}-n1"), ("clusterset.local", "SOA"))
        if not answer.records:
            return False
    return True


async def _age_coredns(made: Clusterset, cluster: str) -> None:
    """Lets a cluster's CoreDNS bear the name of a version that knows nothing of ServiceImports."""
    tag = ("ctr", "-n", "k8s.io", "images", "tag", COREDNS_IMAGE, OLD)
    done = await made.node(f"{cluster}/n1", *tag)
    assert done.status == 0, done.errors
    async with await made.api(cluster) as api:
        found = await api.get(DEPLOYMENT, "coredns", "kube-system")
        container = found["spec"]["template"]["spec"]["containers"][0] | {"image": OLD}
        spec = {"template": {"spec": {"containers": [container]}}}
        await api.merge_patch(DEPLOYMENT, "coredns", {"spec": spec}, "kube-system")

        async def aged() -> bool:
            pods = await api.list(POD, "kube-system", labels="k8s-app=kube-dns")
            return all(pod["spec"]["containers"][0]["image"] == OLD for pod in pods)

        await eventually(aged, 60, "CoreDNS is the old one")


async def _resolves(made: Clusterset, sources: set[str], places: tuple[str, ...] = CLUSTERS) -> bool:
    """Whether in each cluster web has addresses, behind them ready endpoints of exactly these clusters."""
    for cluster in places:
        if not await addresses(made, made.pod(f"{cluster}-n1"), WEB) or await _sources(made, cluster) != sources:
            return False
    return True


async def _sources(made: Clusterset, cluster: str, name: str = "web", namespace: str = "default") -> set[str]:
    """The clusters whose endpoints a cluster has for a service."""
    async with await made.api(cluster) as api:
        slices = await api.list(ENDPOINT_SLICE, namespace, labels=f"multicluster.kubernetes.io/service-name={name}")
    ready = [one for one in slices if any(end["conditions"].get("ready") for end in one.get("endpoints") or ())]
    return {one["metadata"]["labels"][SOURCE_CLUSTER_LABEL] for one in ready}


async def _unknown(made: Clusterset) -> bool:
    for cluster in CLUSTERS:
        (answer,) = await ask(made, made.pod(f"{cluster}-n1"), (WEB, "A"))
        if answer.rcode != "NXDOMAIN":
            return False
    return True


async def _fetched(made: Clusterset, cluster: str, count: int = 1, name: str = WEB) -> list[str]:
    """The pods that answered so many requests by name, one connection each."""
    seen = await made.loads[cluster].fetch_all(made.pod(f"{cluster}-n1"), [f"http://{name}/"] * count)
    return [one.server for one in seen]


async def test_a_service_is_used_by_its_name_everywhere(exported: Clusterset) -> None:
    for cluster in CLUSTERS:
        assert await _fetched(exported, cluster) == ["web-east-n1"]
        async with await exported.api(cluster) as api:
            found = await api.get(SERVICE_IMPORT, "web", "default")
            own = (await api.get(SERVICE, "web", "default"))["spec"]["clusterIPs"]
        ips = set(found["spec"]["ips"])
        assert await addresses(exported, exported.pod(f"{cluster}-n1"), WEB) == ips
        assert len(ips) == 2
        assert ips.isdisjoint(own), "the user's own Service is not touched"
        for ip in sorted(ips):
            seen = await exported.loads[cluster].fetch(exported.pod(f"{cluster}-n1"), url_of(ip, 80))
            assert seen.server == "web-east-n1"
            if cluster != "east":  # kube-proxy masquerades what a pod sends to itself
                assert seen.client in exported.pod(f"{cluster}-n1").addresses, "pod addresses cross as they are"
    shown = json.loads(await exported.mcnet("show", "services", "-o", "json"))
    assert shown
    said = await exported.mcnet("diagnose", "service", "web", "--context", "west")
    assert "✓" in said


async def test_every_form_of_question(exported: Clusterset) -> None:
    """The same answers by CoreDNS and by mcnet_dns, by UDP and TCP."""
    await _headless(exported, "east")
    try:
        await eventually(lambda: _has_headless(exported), 60, "the headless service is known everywhere")
        for cluster in CLUSTERS:
            await _asked(exported, cluster)
    finally:
        await _no_headless(exported, "east")


async def _has_headless(made: Clusterset) -> bool:
    found = [await addresses(made, made.pod(f"{cluster}-n1"), f"db.default.{ZONE}") for cluster in CLUSTERS]
    return all(len(one) == 4 for one in found)


async def _asked(made: Clusterset, cluster: str) -> None:
    pod = made.pod(f"{cluster}-n1")
    async with await made.api(cluster) as api:
        ips: list[str] = (await api.get(SERVICE_IMPORT, "web", "default"))["spec"]["ips"]
    async with await made.api("east") as api:
        pods = {name: (await api.get(POD, name, "default"))["status"]["podIPs"] for name in ("db-0", "db-1")}
    four, six = (next(ip for ip in ips if (":" in ip) == (family == 6)) for family in (4, 6))
    db, hosts = f"db.default.{ZONE}", {name: [one["ip"] for one in ips] for name, ips in pods.items()}
    every = [ip for ips in hosts.values() for ip in ips]
    expected = {
        (WEB, "A"): Answer("NOERROR", (f"A {four}",)),
        (WEB, "AAAA"): Answer("NOERROR", (f"AAAA {six}",)),
        (f"_http._tcp.{WEB}", "SRV"): Answer("NOERROR", (f"SRV 0 80 {WEB}.",)),
        (f"_udp._udp.{WEB}", "SRV"): Answer("NOERROR", (f"SRV 0 80 {WEB}.",)),
        (f"_http._udp.{WEB}", "SRV"): Answer("NXDOMAIN", (), ("SOA",)),
        (WEB, "SRV"): Answer("NOERROR", (f"SRV 0 80 {WEB}.",)),
        ("dns-version.clusterset.local", "TXT"): Answer("NOERROR", ('TXT "1.0.0"',)),
        (WEB, "MX"): Answer("NOERROR", (), ("SOA",)),
        (f"missing.default.{ZONE}", "A"): Answer("NXDOMAIN", (), ("SOA",)),
        (f"east.{WEB}", "A"): Answer("NXDOMAIN", (), ("SOA",)),
        (f"default.{ZONE}", "A"): Answer("NOERROR", (), ("SOA",)),
        (db, "A"): Answer("NOERROR", tuple(sorted(f"A {ip}" for ip in every if ":" not in ip))),
        (db, "AAAA"): Answer("NOERROR", tuple(sorted(f"AAAA {ip}" for ip in every if ":" in ip))),
        (f"db-0.east.{db}", "A"): Answer("NOERROR", tuple(f"A {ip}" for ip in hosts["db-0"] if ":" not in ip)),
        (f"db-1.east.{db}", "AAAA"): Answer("NOERROR", tuple(f"AAAA {ip}" for ip in hosts["db-1"] if ":" in ip)),
        (f"db-0.west.{db}", "A"): Answer("NXDOMAIN", (), ("SOA",)),
        (f"_http._tcp.{db}", "SRV"): Answer(
            "NOERROR", tuple(sorted(f"SRV 0 8080 {name}.east.{db}." for name in hosts))
        ),
    }
    for by in ("udp", "tcp"):
        found = dict(zip(expected, await ask(made, pod, *expected, by=by), strict=True))
        assert found == expected


def _objects(image: str) -> list[dict[str, Any]]:
    """A StatefulSet of two and its headless Service, exported."""
    metadata = {"name": "db", "namespace": "default"}
    container = {
        "name": "db",
        "image": image,
        "command": ["python3", "-m", "mcnet.probe.echo"],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m"}},
    }
    pod = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "clusterIP": "None",
                "ipFamilyPolicy": "PreferDualStack",
                "selector": {"app": "db"},
                "ports": [{"name": "http", "port": 8080}],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata,
            "spec": {
                "serviceName": "db",
                "replicas": 2,
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": {"app": "db"}},
                "template": {"metadata": {"labels": {"app": "db"}}, "spec": pod},
            },
        },
    ]


async def _headless(made: Clusterset, cluster: str) -> None:
    async with await made.api(cluster) as api:
        service, stateful_set = _objects(made.image)
        await api.apply(service)
        await api.create(STATEFUL_SET, stateful_set)
    await made.mcnet("export", "service", "db", "--context", cluster)


async def _no_headless(made: Clusterset, cluster: str) -> None:
    await made.run("unexport", "service", "db", "--context", cluster)
    async with await made.api(cluster) as api:
        for kind in (SERVICE, STATEFUL_SET):
            await api.delete(kind, "db", "default")


async def test_two_clusters_serve_one_service_and_one_is_cut_off(exported: Clusterset) -> None:
    await exported.mcnet("export", "service", "web", "--context", "north")
    await eventually(lambda: _resolves(exported, {"east", "north"}), 30, "both serve it")
    assert set(await _fetched(exported, "west", 40)) == {"web-east-n1", "web-north-n1"}
    await exported.lab.impair("north-n1", LinkName.WAN, Impairment(cut=True))
    try:
        await eventually(lambda: _resolves(exported, {"east"}, ("west",)), 30, "north is left out")
        assert set(await _fetched(exported, "west", 20)) == {"web-east-n1"}
        assert set(await _fetched(exported, "north", 5)) == {"web-north-n1"}, "north still has its own"
    finally:
        await exported.lab.impair("north-n1", LinkName.WAN, Impairment())
    await eventually(lambda: _resolves(exported, {"east", "north"}), 60, "north is back")


async def test_what_is_not_ready_is_not_used(exported: Clusterset) -> None:
    async with await exported.api("east") as api:
        await api.merge_patch(POD, "web-east-n1", {"metadata": {"labels": {"app": "away"}}}, "default")
        try:
            await eventually(lambda: _nobody(exported), 30, "no cluster has an endpoint")
            answer = (await ask(exported, exported.pod("west-n1"), (WEB, "A")))[0]
            assert answer.rcode == "NOERROR", "the clusterset IP stays"
        finally:
            await api.merge_patch(POD, "web-east-n1", {"metadata": {"labels": {"app": "web"}}}, "default")
    await eventually(lambda: _resolves(exported, {"east"}), 30, "it is back")
    assert await _fetched(exported, "west") == ["web-east-n1"]


async def _nobody(made: Clusterset) -> bool:
    return not any([await _sources(made, cluster) for cluster in CLUSTERS])


async def test_discovery_is_killed_and_the_broker_is_away(exported: Clusterset) -> None:
    before = {cluster: await addresses(exported, exported.pod(f"{cluster}-n1"), WEB) for cluster in CLUSTERS}
    await exported.lab.stop("east-cp", "kube-apiserver", kill=True)
    try:
        await _kill_discovery(exported, "west")
        for _ in range(5):
            assert await _fetched(exported, "west") == ["web-east-n1"]
            assert await _fetched(exported, "north") == ["web-east-n1"]
    finally:
        await exported.lab.start("east-cp", "kube-apiserver")
    await exported.mcnet("export", "service", "web", "--context", "west", "--timeout", "90")
    await _kill_discovery(exported, "north")
    await eventually(lambda: _resolves(exported, {"east", "west"}), 90, "what changes then is known everywhere")
    after = {cluster: await addresses(exported, exported.pod(f"{cluster}-n1"), WEB) for cluster in CLUSTERS}
    assert after == before, "the clusterset IP stays as long as the import"


async def _kill_discovery(made: Clusterset, cluster: str) -> None:
    async with await made.api(cluster) as api:
        for pod in await api.list(POD, "mcnet-system", labels="app.kubernetes.io/component=discovery"):
            await api.delete(POD, pod["metadata"]["name"], "mcnet-system")


async def test_a_namespace_that_comes_later_and_goes(three: Clusterset) -> None:
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "till", "namespace": "shop"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "till"}},
    }
    async with await three.api("east") as east, await three.api("west") as west:
        for obj in (made, service):
            await east.apply(obj)
        await three.mcnet("export", "service", "till", "-n", "shop", "--context", "east")
        try:
            assert await west.find(SERVICE_IMPORT, "till", "shop") is None
            await west.apply(made)
            await west.wait_for(SERVICE_IMPORT, "till", "shop", lambda found: found is not None, 30)
            await west.delete(NAMESPACE, "shop")
            await west.wait_for(NAMESPACE, "shop", None, lambda found: found is None, 60)
            await west.apply(made)
            await west.wait_for(SERVICE_IMPORT, "till", "shop", lambda found: found is not None, 30)
        finally:
            for api in (east, west):
                await api.delete(NAMESPACE, "shop")


async def test_a_client_stays_where_it_is_if_the_service_wants_it(exported: Clusterset) -> None:
    await exported.mcnet("unexport", "service", "web", "--context", "east")
    for cluster in ("east", "north"):
        async with await exported.api(cluster) as api:
            await api.merge_patch(SERVICE, "web", {"spec": {"sessionAffinity": "ClientIP"}}, "default")
        await exported.mcnet("export", "service", "web", "--context", cluster)
    try:
        await eventually(lambda: _resolves(exported, {"east", "north"}), 60, "both serve it")
        await eventually(lambda: _sticks(exported), 30, "each client keeps to one")
    finally:
        for cluster in ("east", "north"):
            async with await exported.api(cluster) as api:
                await api.merge_patch(SERVICE, "web", {"spec": {"sessionAffinity": "None"}}, "default")


async def _sticks(made: Clusterset) -> bool:
    return len(set(await _fetched(made, "west", 20))) == 1


async def test_an_export_is_for_whom_it_names_and_crosses_as_it_says(exported: Clusterset) -> None:
    await exported.mcnet("export", "service", "web", "--context", "east", "--to", "west")
    await eventually(lambda: _is_for(exported, {"east", "west"}), 30, "north has no web any more")
    await exported.mcnet(
        "export", "service", "web", "--context", "east", "--to", "default", "--export-mode", "aggregate"
    )
    async with await exported.api("east") as api:
        own = set((await api.get(SERVICE, "web", "default"))["spec"]["clusterIPs"])
    await eventually(lambda: _lead_to(exported, own), 30, "elsewhere the ClusterIPs of east's Service are its endpoints")
    for cluster in CLUSTERS:
        assert await _fetched(exported, cluster) == ["web-east-n1"]


async def _is_for(made: Clusterset, clusters: set[str]) -> bool:
    found = {one for one in CLUSTERS if await addresses(made, made.pod(f"{one}-n1"), WEB)}
    return found == clusters


async def _lead_to(made: Clusterset, wanted: set[str]) -> bool:
    for cluster in ("west", "north"):
        async with await made.api(cluster) as api:
            slices = await api.list(ENDPOINT_SLICE, "default", labels="multicluster.kubernetes.io/service-name=web")
        found = {ip for one in slices for end in one.get("endpoints") or () for ip in end["addresses"]}
        if found != wanted:
            return False
    return True


async def test_a_cluster_keeps_to_its_own_as_long_as_it_can(exported: Clusterset) -> None:
    await exported.mcnet("export", "service", "web", "--context", "east", "--traffic", "prefer-local")
    await exported.mcnet("export", "service", "web", "--context", "west")
    await eventually(lambda: _uses(exported, "west", {"west"}), 30, "west uses its own")
    assert set(await _fetched(exported, "west", 20)) == {"web-west-n1"}
    assert await _uses(exported, "north", {"east", "west"}), "which has none of its own"
    async with await exported.api("west") as api:
        await api.merge_patch(POD, "web-west-n1", {"metadata": {"labels": {"app": "away"}}}, "default")
        try:
            await eventually(lambda: _uses(exported, "west", {"east"}), 30, "west has none of its own any more")
            assert set(await _fetched(exported, "west", 5)) == {"web-east-n1"}
        finally:
            await api.merge_patch(POD, "web-west-n1", {"metadata": {"labels": {"app": "web"}}}, "default")
    await eventually(lambda: _uses(exported, "west", {"west"}), 30, "west is back to its own")


async def _uses(made: Clusterset, cluster: str, sources: set[str]) -> bool:
    return await _sources(made, cluster) == sources


async def test_leaving_puts_the_clusters_dns_back(three: Clusterset) -> None:
    corefiles = {}
    for cluster in ("west", "north"):
        async with await three.api(cluster) as api:
            corefiles[cluster] = (await api.get(CONFIG_MAP, "coredns", "kube-system"))["data"]["Corefile"]
            assert "clusterset.local" in corefiles[cluster]
        await three.mcnet("leave", "--context", cluster, "--broker-context", "east")
        async with await three.api(cluster) as api:
            assert "clusterset.local" not in (await api.get(CONFIG_MAP, "coredns", "kube-system"))["data"]["Corefile"]
            assert await api.find(SERVICE_IMPORT, "web", "default") is None
    assert "multicluster" in corefiles["west"]
    assert "forward" in corefiles["north"].partition("# mcnet end")[0]
    await asyncio.gather(
        *(three.mcnet("join", "broker-info.mcnet", "--context", one, "--broker-context", "east") for one in corefiles)
    )

"""Services across three real clusters: by name and clusterset IP, from pods, by the cluster's own DNS and kube-proxy.

East and west have a CoreDNS that answers `clusterset.local` by itself; north's calls itself too old for that, so
mcnet_dns answers there. Of the objects more is in tests/apiserver/test_services.py.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from mcnet.kube.api import Api
from mcnet.kube.kinds import CONFIG_MAP, ENDPOINT_SLICE, NAMESPACE, POD, SERVICE, SERVICE_EXPORT, SERVICE_IMPORT
from mcnet.lab.impair import Impairment, LinkName
from mcnet.lab.spec import IpFamily, LabSpec
from mcnet.lab.workload import url_of
from tests.e2e.clusterset import Clusterset, brought_up, eventually
from tests.e2e.resolving import Answer, addresses, ask
from tests.e2e.serving import (
    CLUSTERS,
    WEB,
    ZONE,
    age_coredns,
    export,
    fetched,
    headless,
    kill_discovery,
    no_headless,
    nobody,
    resolves,
    set_ready,
    unexport,
    unknown,
    uses,
    zone_is_served,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

SHOP = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clusterset]:
    """Joined, with a web server in each; no service is exported."""
    spec = LabSpec(name=f"s{os.getpid()}", clusters=CLUSTERS, nodes=1, ip_family=IpFamily.DUAL)
    async with brought_up(spec, tmp_path_factory.mktemp("services")) as made:
        await age_coredns(made, "north")
        await made.mcnet("deploy-broker", "--context", "east")
        for cluster in CLUSTERS:
            said = await made.mcnet("join", "broker-info.mcnet", "--context", cluster, "--broker-context", "east")
            assert "The cluster's DNS answers clusterset.local" in said
        await eventually(lambda: zone_is_served(made), 180, "the clusters' DNS has its new configuration")
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def exported(three: Clusterset) -> AsyncIterator[Clusterset]:
    """East exports its Service web while the test runs."""
    await three.mcnet("export", "service", "web", "--context", "east")
    await eventually(lambda: resolves(three, {"east"}), 30, "web is known everywhere")
    for cluster in CLUSTERS:
        await eventually(partial(_is_served_by, three, cluster, {"web-east-n1"}), 30, f"it is used in {cluster}")
    yield three
    for cluster in CLUSTERS:
        await three.run("unexport", "service", "web", "--context", cluster)
    await eventually(lambda: unknown(three), 30, "web is known nowhere")


async def test_a_service_is_used_by_its_name_everywhere(exported: Clusterset) -> None:
    for cluster in CLUSTERS:
        assert await fetched(exported, cluster) == ["web-east-n1"]
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
    await headless(exported, "east")
    try:
        await eventually(lambda: _has_headless(exported), 60, "the headless service is known everywhere")
        for cluster in CLUSTERS:
            await _asked(exported, cluster)
    finally:
        await no_headless(exported, "east")


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


async def test_two_clusters_serve_one_service_and_one_is_cut_off(exported: Clusterset) -> None:
    await exported.mcnet("export", "service", "web", "--context", "north")
    await eventually(lambda: resolves(exported, {"east", "north"}), 30, "both serve it")
    both = {"web-east-n1", "web-north-n1"}
    await eventually(lambda: _is_served_by(exported, "west", both), 30, "connections go to both")
    await exported.lab.impair("north-n1", LinkName.WAN, Impairment(cut=True))
    try:
        await eventually(lambda: resolves(exported, {"east"}, ("west",)), 30, "north is left out")
        await eventually(lambda: _is_served_by(exported, "west", {"web-east-n1"}), 30, "none go to north")
        await eventually(lambda: _is_served_by(exported, "north", {"web-north-n1"}), 30, "north still has its own")
    finally:
        await exported.lab.impair("north-n1", LinkName.WAN, Impairment())
    await eventually(lambda: resolves(exported, {"east", "north"}), 60, "north is back")


async def test_what_is_not_ready_is_not_used(exported: Clusterset) -> None:
    await set_ready(exported, "east", False)
    try:
        await eventually(lambda: nobody(exported), 30, "no cluster has an endpoint")
        (answer,) = await ask(exported, exported.pod("west-n1"), (WEB, "A"))
        assert answer.rcode == "NOERROR", "the clusterset IP stays"
    finally:
        await set_ready(exported, "east", True)
    await eventually(lambda: resolves(exported, {"east"}), 30, "it is back")
    await eventually(lambda: _is_served_by(exported, "west", {"web-east-n1"}), 30, "it is used again")


async def test_discovery_is_killed_in_the_middle_of_everything(exported: Clusterset) -> None:
    """In all clusters, right after each change; what has to come of the change comes all the same."""

    async def whole(change: Awaitable[object], what: str, outcome: Callable[[], Awaitable[bool]]) -> None:
        await change
        await kill_discovery(exported, *CLUSTERS)
        await eventually(outcome, 90, what)

    def seen(*sources: str, places: tuple[str, ...] = CLUSTERS) -> Callable[[], Awaitable[bool]]:
        return lambda: resolves(exported, set(sources), places)

    wan = ("north-n1", LinkName.WAN)
    before = await _ips(exported)
    try:
        await whole(set_ready(exported, "east", False), "no endpoint is left", lambda: nobody(exported))
        await whole(set_ready(exported, "east", True), "the endpoint is back", seen("east"))
        await whole(export(exported, "north"), "both serve it", seen("east", "north"))
        await whole(exported.lab.impair(*wan, Impairment(cut=True)), "north is out", seen("east", places=("west",)))
        await whole(exported.lab.impair(*wan, Impairment()), "north is back", seen("east", "north"))
        await whole(unexport(exported, "north"), "north serves it no more", seen("east"))
    finally:
        await set_ready(exported, "east", True)
        await exported.lab.impair(*wan, Impairment())
    assert await _ips(exported) == before, "the clusterset IP stays as long as the import"


async def _ips(made: Clusterset) -> dict[str, set[str]]:
    return {cluster: await addresses(made, made.pod(f"{cluster}-n1"), WEB) for cluster in CLUSTERS}


async def test_the_broker_is_away_all_the_time(exported: Clusterset) -> None:
    before = await _ips(exported)
    await _open_shops(exported)
    await exported.lab.stop("east-cp", "kube-apiserver", kill=True)
    try:
        await _close_and_reopen_shop(exported)
        await kill_discovery(exported, "west")  # which then leaves everything as it is
        await export(exported, "north")
        await eventually(lambda: uses(exported, "north", {"east", "north"}), 60, "north has its own new export")
        await set_ready(exported, "north", False)
        await eventually(lambda: uses(exported, "north", {"east"}), 30, "north knows of its own pod")
        await set_ready(exported, "north", True)
        await eventually(lambda: uses(exported, "north", {"east", "north"}), 30, "and that it is back")
        wan = ("north-n1", LinkName.WAN)
        await exported.lab.impair(*wan, Impairment(cut=True))
        try:
            await eventually(lambda: uses(exported, "north", {"north"}), 60, "east is out, seen from north")
        finally:
            await exported.lab.impair(*wan, Impairment())
        await eventually(lambda: uses(exported, "north", {"east", "north"}), 60, "east is back, as it was")
        await unexport(exported, "north")
        await eventually(lambda: uses(exported, "north", {"east"}), 30, "north uses its own no more")
        await export(exported, "north")
        await eventually(lambda: uses(exported, "north", {"east", "north"}), 30, "and again")
        for cluster in ("west", "north"):
            assert "web-east-n1" in await fetched(exported, cluster, 20), "what was known stays"
        assert await uses(exported, "west", {"east"})
    finally:
        await exported.lab.start("east-cp", "kube-apiserver")
    await eventually(lambda: resolves(exported, {"east", "north"}), 120, "what has changed is known everywhere")
    assert await _ips(exported) == before
    await eventually(lambda: _shop_is_served_by(exported, {"east"}, *CLUSTERS), 60, "north's shop exports nothing")
    await _remove_shops(exported)


async def _open_shops(made: Clusterset) -> None:
    """The namespace shop in all clusters; east and north export its Service till."""
    metadata = {"name": "till", "namespace": "shop"}
    spec = {"ports": [{"port": 80}], "selector": {"app": "till"}}
    for cluster in CLUSTERS:
        async with await made.api(cluster) as api:
            await api.apply(SHOP)
            if cluster != "west":
                await api.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
                await made.mcnet("export", "service", "till", "-n", "shop", "--context", cluster)
    await eventually(lambda: _shop_is_served_by(made, {"east", "north"}, *CLUSTERS), 60, "both serve it")


async def _close_and_reopen_shop(made: Clusterset) -> None:
    """North's namespace is deleted, with its import and its own export in it, and made again empty."""
    async with await made.api("north") as north:
        imported = await north.get(SERVICE_IMPORT, "till", "shop")
        await north.delete(NAMESPACE, "shop")
        await north.wait_for(NAMESPACE, "shop", None, lambda found: found is None, 60)
        await north.apply(SHOP)
        back = await north.wait_for(SERVICE_IMPORT, "till", "shop", lambda found: found is not None, 30)
        assert back is not None
        assert back["metadata"]["uid"] != imported["metadata"]["uid"], "it is another one"
    await eventually(lambda: _shop_is_served_by(made, {"east"}, "north"), 30, "only what east exports is there")


async def _shop_is_served_by(made: Clusterset, sources: set[str], *clusters: str) -> bool:
    for cluster in clusters:
        async with await made.api(cluster) as api:
            found = await api.find(SERVICE_IMPORT, "till", "shop")
        status = (found or {}).get("status") or {}
        if {one["cluster"] for one in status.get("clusters") or ()} != sources:
            return False
    return True


async def _remove_shops(made: Clusterset) -> None:
    for cluster in CLUSTERS:
        async with await made.api(cluster) as api:
            await api.delete(NAMESPACE, "shop")
            await api.wait_for(NAMESPACE, "shop", None, lambda found: found is None, 60)


async def test_clusters_that_name_their_ports_differently(three: Clusterset) -> None:
    """The oldest export's port holds, ports of one cluster alone lead to that cluster alone, and both are told."""
    ports = {"east": [_port("http", 80)], "north": [_port("http", 8080), _port("admin", 81)]}
    try:
        for cluster, wanted in ports.items():
            async with await three.api(cluster) as api:
                await api.apply(_till(wanted))
            await export(three, cluster, "till")
            await eventually(
                partial(_is_sound, three, cluster), 30, "the export counts"
            )  # so east's is the older one
        await eventually(lambda: _till_leads_to(three, 80, {"web-east-n1", "web-north-n1"}), 60, "http is both's")
        await eventually(lambda: _till_leads_to(three, 81, {"web-north-n1"}), 30, "admin is north's")
        for cluster in ports:
            async with await three.api(cluster) as api:
                reasons = await _reasons(api, "till")
            assert reasons["Conflict"] == ("True", "PortConflict")
    finally:
        for cluster in ports:
            await unexport(three, cluster, "till")
            async with await three.api(cluster) as api:
                await api.delete(SERVICE, "till", "default")


def _port(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "port": number, "targetPort": 8080}


def _till(ports: list[dict[str, Any]]) -> dict[str, Any]:
    metadata = {"name": "till", "namespace": "default"}
    spec = {"selector": {"app": "web"}, "ports": ports, "ipFamilyPolicy": "PreferDualStack"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


async def _reasons(api: Api, name: str) -> dict[str, tuple[str, str]]:
    """Status and reason by the condition's type."""
    found = await api.get(SERVICE_EXPORT, name, "default")
    return {one["type"]: (one["status"], one["reason"]) for one in found.get("status", {}).get("conditions", ())}


async def _is_sound(made: Clusterset, cluster: str) -> bool:
    async with await made.api(cluster) as api:
        found = await _reasons(api, "till")
    return found["Valid"][0] == found["Ready"][0] == "True"


async def _till_leads_to(made: Clusterset, port: int, servers: set[str]) -> bool:
    url = f"http://till.default.{ZONE}:{port}/"
    seen = await made.loads["west"].fetch_all(made.pod("west-n1"), [url] * 20)
    return {one.server for one in seen} == servers


async def test_a_namespace_that_comes_later_and_goes(three: Clusterset) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "till", "namespace": "shop"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "till"}},
    }
    async with await three.api("east") as east, await three.api("west") as west:
        for obj in (SHOP, service):
            await east.apply(obj)
        await three.mcnet("export", "service", "till", "-n", "shop", "--context", "east")
        try:
            assert await west.find(SERVICE_IMPORT, "till", "shop") is None
            await west.apply(SHOP)
            await west.wait_for(SERVICE_IMPORT, "till", "shop", lambda found: found is not None, 30)
            await west.delete(NAMESPACE, "shop")
            await kill_discovery(three, "west")
            await west.wait_for(NAMESPACE, "shop", None, lambda found: found is None, 60)
            await west.apply(SHOP)
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
        await eventually(lambda: resolves(exported, {"east", "north"}), 60, "both serve it")
        await eventually(lambda: _sticks(exported), 30, "each client keeps to one")
    finally:
        for cluster in ("east", "north"):
            async with await exported.api(cluster) as api:
                await api.merge_patch(SERVICE, "web", {"spec": {"sessionAffinity": "None"}}, "default")


async def _sticks(made: Clusterset) -> bool:
    return len(set(await fetched(made, "west", 20))) == 1


async def test_an_export_is_for_whom_it_names_and_crosses_as_it_says(exported: Clusterset) -> None:
    await exported.mcnet("export", "service", "web", "--context", "east", "--to", "west")
    await eventually(lambda: _is_for(exported, {"east", "west"}), 30, "north has no web any more")
    await exported.mcnet(
        "export", "service", "web", "--context", "east", "--to", "default", "--export-mode", "aggregate"
    )
    async with await exported.api("east") as api:
        own = set((await api.get(SERVICE, "web", "default"))["spec"]["clusterIPs"])
    await eventually(lambda: _lead_to(exported, own), 30, "elsewhere its endpoints are the ClusterIPs")
    for cluster in CLUSTERS:
        await eventually(partial(_is_served_by, exported, cluster, {"web-east-n1"}), 30, f"{cluster} uses it")


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
    await eventually(lambda: _is_served_by(exported, "west", {"web-west-n1"}), 30, "west uses its own")
    assert await uses(exported, "north", {"east", "west"}), "which has none of its own"
    await set_ready(exported, "west", False)
    try:
        await eventually(lambda: _is_served_by(exported, "west", {"web-east-n1"}), 30, "west has none of its own")
    finally:
        await set_ready(exported, "west", True)
    await eventually(lambda: uses(exported, "west", {"west"}), 30, "west is back to its own")


async def _is_served_by(made: Clusterset, cluster: str, servers: set[str]) -> bool:
    """By its connections: kube-proxy hears of slices a moment later than we do."""
    return set(await fetched(made, cluster, 20)) == servers


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

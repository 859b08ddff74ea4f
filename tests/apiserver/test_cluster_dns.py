"""The cluster's own DNS is connected and put back, on a real API server."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import pytest

from mcnet.cli.join import _work
from mcnet.cli.terminal import Steps
from mcnet.install import cluster_dns as install
from mcnet.install import join, join_plan
from mcnet.install.apply import Applied, Outcome, changed
from mcnet.install.join_plan import JoinRequest
from mcnet.install.progress import Silent
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.errors import McnetError, NotFoundError
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.plan import coredns_custom, corefile
from mcnet.plan.cluster_dns import COREDNS, COREFILE, CUSTOM, KUBE_DNS, ConfigMap, LeftAlone
from mcnet.render.values import DnsValues
from tests.apiserver.conftest import know_imports
from tests.apiserver.controllers import finalize_namespaces
from tests.apiserver.test_join import info, joined, request_, west
from tests.fakes import corefiles

__all__ = ["info", "request_", "west"]

OLD, NEW = "registry.k8s.io/coredns/coredns:v1.11.3", "registry.k8s.io/coredns/coredns:v1.12.2"


def config_map(place: ConfigMap, data: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": place.name, "namespace": place.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def coredns(image: str) -> dict[str, Any]:
    labels = {"k8s-app": "kube-dns"}
    pod = {"serviceAccountName": "coredns", "containers": [{"name": "coredns", "image": image}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "coredns", "namespace": "kube-system", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


@pytest.fixture
async def bare(member_api: Api) -> AsyncIterator[Api]:
    """A cluster whose own DNS is a test's to choose."""
    yield member_api
    await member_api.delete(kinds.DEPLOYMENT, "coredns", "kube-system")
    for place in (COREDNS, CUSTOM):
        await member_api.delete(kinds.CONFIG_MAP, place.name, place.namespace)


@pytest.fixture
async def api(bare: Api) -> AsyncIterator[Api]:
    """One with mcnet's namespace, which knows ServiceImports."""
    if await bare.find(kinds.NAMESPACE, SYSTEM_NAMESPACE) is None:
        await bare.create(kinds.NAMESPACE, {"metadata": {"name": SYSTEM_NAMESPACE}})
    await know_imports(bare)
    yield bare
    await bare.delete(kinds.SERVICE, "mcnet-dns", SYSTEM_NAMESPACE)
    await bare.delete(kinds.NAMESPACE, SYSTEM_NAMESPACE)
    await finalize_namespaces(bare)


async def service(api: Api) -> str:
    """The DNS daemon's address."""
    spec = {"ports": [{"port": 53, "protocol": "UDP"}]}
    made = await api.create(kinds.SERVICE, {"metadata": {"name": "mcnet-dns"}, "spec": spec}, SYSTEM_NAMESPACE)
    return str(made["spec"]["clusterIP"])


async def text(api: Api, place: ConfigMap = COREDNS, key: str = COREFILE) -> str:
    obj = await api.get(kinds.CONFIG_MAP, place.name, place.namespace)
    return str(obj["data"][key])


async def test_a_new_coredns_answers_by_itself_and_may_read_what_it_needs(api: Api) -> None:
    for obj in (config_map(COREDNS, {COREFILE: corefiles.KUBEADM}), coredns(NEW)):
        await api.apply(obj)
    assert await install.daemon(api) is None
    assert await install.connect(api) == install.Connected(changed=True, itself=True)
    assert await text(api) == corefile.with_zone(corefiles.KUBEADM, None).text
    attributes = {"verb": "watch", "group": "multicluster.x-k8s.io", "resource": "serviceimports"}
    assert await api.may("coredns", "kube-system", attributes)
    told: list[str] = []
    assert await install.connect(api, told.append) == install.Connected(itself=True)
    assert told == [], "a second time nothing is changed"
    await install.disconnect(api)
    assert await text(api) == corefiles.KUBEADM


async def test_an_old_coredns_forwards_to_the_daemon(api: Api) -> None:
    for obj in (config_map(COREDNS, {COREFILE: corefiles.KUBEADM, "other": "kept"}), coredns(OLD)):
        await api.apply(obj)
    assert await install.daemon(api) == DnsValues()
    with pytest.raises(NotFoundError):
        await install.connect(api)
    assert await text(api) == corefiles.KUBEADM
    address = await service(api)
    assert await install.connect(api) == install.Connected(changed=True)
    assert f"forward . {address}\n" in await text(api)
    assert await text(api, key="other") == "kept"
    await install.disconnect(api)
    assert await text(api) == corefiles.KUBEADM


async def test_a_providers_corefile_stays_and_the_owners_file_is_made(api: Api) -> None:
    for obj in (config_map(COREDNS, {COREFILE: corefiles.AKS}), coredns(NEW)):
        await api.apply(obj)
    await install.connect(api)
    assert await text(api) == corefiles.AKS
    assert "multicluster" in await text(api, CUSTOM, coredns_custom.KEY)
    await install.disconnect(api)
    assert await api.find(kinds.CONFIG_MAP, CUSTOM.name, CUSTOM.namespace) is None


async def test_an_owners_file_that_was_there_stays(api: Api) -> None:
    theirs = {"x.server": "x.example:53 {\n    errors\n}\n"}
    for obj in (config_map(COREDNS, {COREFILE: corefiles.AKS}), config_map(CUSTOM, theirs), coredns(NEW)):
        await api.apply(obj)
    await install.connect(api)
    await install.disconnect(api)
    assert (await api.get(kinds.CONFIG_MAP, CUSTOM.name, CUSTOM.namespace))["data"] == theirs
    await api.apply(config_map(CUSTOM, {}))
    await install.connect(api)
    await install.disconnect(api)
    assert await api.find(kinds.CONFIG_MAP, CUSTOM.name, CUSTOM.namespace), "made by somebody else, though empty"


@pytest.mark.parametrize("before", [None, {}, {"stubDomains": '{"acme.local": ["1.2.3.4"]}'}], ids=str)
async def test_kube_dns_has_nothing_of_ours_afterwards(api: Api, before: dict[str, str] | None) -> None:
    await api.apply(coredns("registry.k8s.io/dns/k8s-dns-kube-dns:1.23.0"))
    if before is not None:
        await api.apply(config_map(KUBE_DNS, before))
    address = await service(api)
    try:
        assert await install.connect(api) == install.Connected(changed=True)
        assert json.loads(await text(api, KUBE_DNS, "stubDomains"))["clusterset.local"] == [address]
        await install.disconnect(api)
        found = await api.find(kinds.CONFIG_MAP, KUBE_DNS.name, KUBE_DNS.namespace)
        assert (None if found is None else found.get("data") or {}) == before
    finally:
        await api.delete(kinds.CONFIG_MAP, KUBE_DNS.name, KUBE_DNS.namespace)


async def test_what_is_not_understood_is_told(api: Api) -> None:
    for obj in (config_map(COREDNS, {COREFILE: "odd"}), coredns(NEW)):
        await api.apply(obj)
    (left,) = (await install.connect(api)).left
    assert "is not understood" in left.why
    assert await text(api) == "odd"


async def test_without_imports_no_daemon_is_asked_for(bare: Api) -> None:
    name = f"{kinds.SERVICE_IMPORT.plural}.{kinds.SERVICE_IMPORT.group}"
    await bare.apply(coredns(OLD))
    await know_imports(bare)
    assert await install.daemon(bare) == DnsValues()
    await bare.delete(kinds.CRD, name)
    try:
        await bare.wait_for(kinds.CRD, name, None, lambda obj: obj is None, 20)
        assert not await install.has_imports(bare)
        assert await install.daemon(bare) is None
    finally:
        await know_imports(bare)


async def test_join_connects_the_clusters_dns(bare: Api, west: Api, request_: JoinRequest) -> None:
    await know_imports(bare)
    for obj in (config_map(COREDNS, {COREFILE: corefiles.KUBEADM}), coredns(OLD)):
        await bare.apply(obj)
    assert (await joined(west, request_)).dns == ()
    address = (await bare.get(kinds.SERVICE, "mcnet-dns", SYSTEM_NAMESPACE))["spec"]["clusterIP"]
    assert await text(bare) == corefile.with_zone(corefiles.KUBEADM, ip_address(address)).text
    assert await bare.find(kinds.DEPLOYMENT, "mcnet-dns", SYSTEM_NAMESPACE)
    await bare.apply(config_map(COREDNS, {COREFILE: "odd"}))
    (left,) = (await joined(west, replace(request_, token=None))).dns
    assert left.place == "ConfigMap kube-system/coredns"


async def would(api: Api, request: JoinRequest) -> tuple[dict[tuple[str, str], Applied], tuple[LeftAlone, ...]]:
    """What a join would create or change."""
    access = await join_plan.open_access(api, request)
    try:
        plan = await join_plan.prepare(api, access, request, Silent())
        found = await join.dry_run(api, access, plan)
    finally:
        await access.close()
    return {(one.kind, one.name): one for one in changed(found.applied)}, found.left


async def test_a_dry_run_says_what_becomes_of_the_clusters_dns(bare: Api, west: Api, request_: JoinRequest) -> None:
    for obj in (config_map(COREDNS, {COREFILE: corefiles.KUBEADM}), coredns(OLD)):
        await bare.apply(obj)
    found, left = await would(west, request_)
    assert found["Deployment", "mcnet-dns"].outcome is Outcome.CREATED
    here = "ConfigMap", "kube-system/coredns"
    assert (found[here].outcome, found[here].fields) == (Outcome.CHANGED, ("data.Corefile",))
    assert left == ()
    assert await text(bare) == corefiles.KUBEADM
    await bare.apply(coredns(NEW))
    await bare.delete(kinds.CLUSTER_ROLE, "mcnet-coredns")
    found, _ = await would(west, request_)
    assert ("Deployment", "mcnet-dns") not in found
    assert here in found
    assert found["ClusterRole", "mcnet-coredns"].outcome is Outcome.CREATED
    await bare.apply(config_map(COREDNS, {COREFILE: "odd"}))
    found, (alone,) = await would(west, request_)
    assert here not in found
    assert alone.place == "ConfigMap kube-system/coredns"


async def test_the_command_shows_the_daemon_and_what_is_left_alone(
    bare: Api, west: Api, request_: JoinRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    await bare.apply(config_map(COREDNS, {COREFILE: corefiles.KUBEADM}))
    for image, there in ((OLD, True), (NEW, False)):
        await bare.apply(coredns(image))
        await _work(request_, Steps(), render=True, dry_run=False)
        assert ("name: mcnet-dns" in capsys.readouterr().out) is there
        await _work(request_, Steps(), render=False, dry_run=True)
        told = capsys.readouterr().out
        assert ("created   Deployment mcnet-dns" in told) is there
        assert "changed   ConfigMap kube-system/coredns: data.Corefile" in told
    await bare.apply(config_map(COREDNS, {COREFILE: "odd"}))
    await _work(request_, Steps(), render=False, dry_run=True)
    told = "".join(capsys.readouterr())
    assert "ConfigMap kube-system/coredns is left alone" in told
    assert "multicluster clusterset.local" in told


async def test_the_daemon_goes_when_coredns_can_do_without(
    bare: Api, west: Api, request_: JoinRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[str] = []

    async def wait(seconds: float) -> None:
        """The daemon is there as long as CoreDNS may still ask it."""
        if seconds == install.READ_WITHIN:
            assert "multicluster" in await text(bare)
            assert await bare.find(kinds.DEPLOYMENT, "mcnet-dns", SYSTEM_NAMESPACE)
            waited.append("once")

    for obj in (config_map(COREDNS, {COREFILE: corefiles.KUBEADM}), coredns(OLD)):
        await bare.apply(obj)
    await joined(west, request_)
    assert await bare.find(kinds.DEPLOYMENT, "mcnet-dns", SYSTEM_NAMESPACE)
    await bare.apply(coredns(NEW))
    again = replace(request_, token=None)
    found, _ = await would(west, again)
    assert found["Deployment", "mcnet-dns"].fields == ("removed",)
    monkeypatch.setattr(join, "asyncio", SimpleNamespace(sleep=wait))
    await joined(west, again)
    assert waited == ["once"]
    for kind in (kinds.DEPLOYMENT, kinds.SERVICE, kinds.SERVICE_ACCOUNT, kinds.POD_DISRUPTION_BUDGET):
        assert await bare.find(kind, "mcnet-dns", SYSTEM_NAMESPACE) is None
    for kind in (kinds.CLUSTER_ROLE, kinds.CLUSTER_ROLE_BINDING):
        assert await bare.find(kind, "mcnet-dns") is None
    assert await bare.find(kinds.DEPLOYMENT, "mcnet-discovery", SYSTEM_NAMESPACE)
    assert await text(bare) == corefile.with_zone(corefiles.KUBEADM, None).text


async def test_a_change_at_the_same_moment_is_looked_at_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for obj in (config_map(COREDNS, {COREFILE: corefiles.KUBEADM}), coredns(NEW)):
        await api.apply(obj)
    changed = corefiles.KUBEADM.replace("cache 30", "cache 60")
    original, times = install.look, [1]

    async def late(api: Api) -> install.Looked:
        looked = await original(api)
        if times:
            times.pop()
            await api.apply(config_map(COREDNS, {COREFILE: changed}))
        return looked

    monkeypatch.setattr(install, "look", late)
    await install.connect(api)
    assert await text(api) == corefile.with_zone(changed, None).text
    monkeypatch.setattr(install, "TRIES", 1)
    times.append(1)
    changed = corefiles.KUBEADM
    with pytest.raises(McnetError, match="all the time"):
        await install.disconnect(api)

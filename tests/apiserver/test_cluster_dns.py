"""The cluster's own DNS is connected and put back, on a real API server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mcnet.install import cluster_dns as install
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.errors import McnetError, NotFoundError
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.plan import coredns_custom, corefile
from mcnet.plan.cluster_dns import COREDNS, COREFILE, CUSTOM, ConfigMap
from mcnet.render.values import DnsValues
from tests.fakes import corefiles

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
async def api(member_api: Api) -> AsyncIterator[Api]:
    """A cluster whose own DNS is a test's to choose."""
    if await member_api.find(kinds.NAMESPACE, SYSTEM_NAMESPACE) is None:
        await member_api.create(kinds.NAMESPACE, {"metadata": {"name": SYSTEM_NAMESPACE}})
    yield member_api
    await member_api.delete(kinds.DEPLOYMENT, "coredns", "kube-system")
    await member_api.delete(kinds.SERVICE, "mcnet-dns", SYSTEM_NAMESPACE)
    for place in (COREDNS, CUSTOM):
        await member_api.delete(kinds.CONFIG_MAP, place.name, place.namespace)


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
    assert await install.connect(api) == ()
    assert await text(api) == corefile.with_zone(corefiles.KUBEADM, None).text
    attributes = {"verb": "watch", "group": "multicluster.x-k8s.io", "resource": "serviceimports"}
    assert await api.may("coredns", "kube-system", attributes)
    told: list[str] = []
    assert await install.connect(api, told.append) == ()
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
    assert await install.connect(api) == ()
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
    assert not (await api.get(kinds.CONFIG_MAP, CUSTOM.name, CUSTOM.namespace)).get("data")


async def test_what_is_not_understood_is_told(api: Api) -> None:
    for obj in (config_map(COREDNS, {COREFILE: "odd"}), coredns(NEW)):
        await api.apply(obj)
    (left,) = await install.connect(api)
    assert "is not understood" in left.why
    assert await text(api) == "odd"


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

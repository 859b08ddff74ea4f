"""Finding out about a cluster on a real API server: what it says by itself, and what a CNI's objects add."""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest

from mcnet.install import discover as discover_module
from mcnet.install.discover import discover
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import Kind
from mcnet.plan.discovered import service_prefixes

SYSTEM = "kube-system"
SERVICES = (ip_network("10.96.0.0/16"),)


@pytest.fixture
async def made(member_api: Api) -> AsyncIterator[list[tuple[Kind, dict[str, Any]]]]:
    """Objects to be created in kube-system, and removed again."""
    objects: list[tuple[Kind, dict[str, Any]]] = []
    yield objects
    for kind, obj in objects:
        await member_api.delete(kind, obj["metadata"]["name"], SYSTEM if kind.namespaced else None)


def daemon_set(name: str) -> tuple[Kind, dict[str, Any]]:
    labels = {"k8s-app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "none"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return kinds.DAEMON_SET, {"metadata": {"name": name}, "spec": spec}


def config_map(name: str, **data: str) -> tuple[Kind, dict[str, Any]]:
    return kinds.CONFIG_MAP, {"metadata": {"name": name}, "data": data}


async def create(api: Api, made: list[tuple[Kind, dict[str, Any]]], *objects: tuple[Kind, dict[str, Any]]) -> None:
    for kind, obj in objects:
        made.append((kind, obj))
        await api.create(kind, obj, SYSTEM if kind.namespaced else None)


async def test_a_cluster_that_says_little(member_api: Api) -> None:
    facts = await discover(member_api)
    assert facts.version.startswith("v")
    assert (facts.distribution, facts.cni, facts.kube_proxy_mode) == ("kubernetes", "unknown", "unknown")
    assert facts.pod_prefixes == ()
    assert facts.service_prefixes == SERVICES


async def test_the_range_that_the_server_names_when_it_refuses(member_api: Api) -> None:
    refusal = await discover_module._refusal(member_api)
    assert service_prefixes(refusal=refusal) == SERVICES
    services = [found["metadata"]["name"] for found in await member_api.list(kinds.SERVICE, "default")]
    assert "mcnet-service-range" not in services


async def test_kubeadm_with_flannel(member_api: Api, made: list[tuple[Kind, dict[str, Any]]]) -> None:
    await create(
        member_api,
        made,
        daemon_set("kube-flannel-ds"),
        daemon_set("kube-proxy"),
        config_map("kube-proxy", **{"config.conf": 'kind: KubeProxyConfiguration\nmode: "nftables"\n'}),
        config_map("kube-flannel-cfg", **{"net-conf.json": '{"Network": "10.244.0.0/16"}'}),
        config_map("kubeadm-config", ClusterConfiguration="networking:\n  podSubnet: 10.245.0.0/16\n"),
    )
    facts = await discover(member_api)
    assert (facts.cni, facts.kube_proxy_mode) == ("flannel", "nftables")
    assert facts.pod_prefixes == (ip_network("10.244.0.0/16"),)
    assert not facts.pods_from_nodes


async def test_nodes_are_the_last_source(member_api: Api, made: list[tuple[Kind, dict[str, Any]]]) -> None:
    nodes = [
        (kinds.NODE, {"metadata": {"name": f"d{number}"}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]}})
        for number, cidr in enumerate(("10.2.0.0/24", "10.2.1.0/24"))
    ]
    await create(member_api, made, *nodes)
    facts = await discover(member_api)
    assert facts.pod_prefixes == (ip_network("10.2.0.0/23"),)
    assert facts.pods_from_nodes

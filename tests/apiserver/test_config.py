"""`config show` and `config set` on a real API server: every setting there and back, dry, twice, and kept by join."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from mcnet.codec import member as member_codec
from mcnet.install import config
from mcnet.install.apply import Applied
from mcnet.install.join_plan import JoinRequest
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import McnetError, UsageError
from mcnet.model.member import SYSTEM_NAMESPACE, GatewayCount, Member
from mcnet.model.node import GATEWAY_LABEL
from mcnet.plan.gateway_choice import labelled_gateways
from tests.apiserver.test_broker import cluster_object
from tests.apiserver.test_join import EAST, info, joined, request_, west

__all__ = ["info", "request_", "west"]


@pytest.fixture
async def member(west: Api, request_: JoinRequest) -> Api:
    """West, joined, with a copy of east's record as discovery would make it."""
    await joined(west, replace(request_, token=request_.token))
    east = cluster_object(EAST, "10.1.0.0/16")
    east["metadata"]["namespace"] = SYSTEM_NAMESPACE
    await west.apply(east)
    return west


async def settings_of(api: Api) -> Member:
    return member_codec.decode(await api.get(kinds.MEMBER, "mcnet", SYSTEM_NAMESPACE))


async def set_(api: Api, key: str, *values: str, dry_run: bool = False) -> list[Applied]:
    change = await config.plan_change(api, key, values, take_back=not values)
    return await config.change(api, change, dry_run=dry_run)


async def test_the_dns_daemon_follows_where_it_is_there(member: Api) -> None:
    async def image() -> str:
        found = await member.get(kinds.DEPLOYMENT, "mcnet-dns", SYSTEM_NAMESPACE)
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    await set_(member, "image", "registry.example/mcnet:3")
    assert await image() == "registry.example/mcnet:3"
    await member.delete(kinds.DEPLOYMENT, "mcnet-dns", SYSTEM_NAMESPACE)
    await set_(member, "image", "registry.example/mcnet:4")
    assert await member.find(kinds.DEPLOYMENT, "mcnet-dns", SYSTEM_NAMESPACE) is None


CASES = [
    ("image", "registry.example/mcnet:2", "image"),
    ("image-pull-policy", "Always", "pull_policy"),
    ("node-selector", "zone=a", "node_selector"),
    ("tolerations", "dedicated=network:NoSchedule", "tolerations"),
    ("pod-cidr", "10.2.0.0/16", "pod_prefixes"),
    ("service-cidr", "10.98.0.0/16", "service_prefixes"),
    ("port-base", "4600", "port_base"),
    ("delivery", "cni", "delivery"),
    ("underlay-mtu", "1400", "underlay_mtu"),
    ("probe-interval", "0.5", "probe_interval"),
    ("probe-multiplier", "5", "probe_multiplier"),
]


@pytest.mark.timeout(180)
async def test_each_setting_there_and_back(member: Api) -> None:
    """Through the server's own schema: a field that it does not know would be gone."""
    before = await settings_of(member)
    for key, value, field in CASES:
        assert await set_(member, key, value, dry_run=True), key
        assert await settings_of(member) == before
        assert await set_(member, key, value), key
        after = await settings_of(member)
        assert (key in after.given, getattr(after, field) != getattr(before, field)) == (True, True), key
        rows = {row["key"]: row for row in config.rows(await config.read(member))}
        assert (rows[key]["value"], rows[key]["source"]) == (value, "set")
        before = after
    for key, value, _ in CASES:
        assert await set_(member, key, value) == [], key
    for key, _, field in CASES[1:]:
        await set_(member, key)
        after = await settings_of(member)
        assert key not in after.given
        assert getattr(after, field) == getattr(FOUND, field), key


FOUND = Member(ClusterId("west"), (ip_network("10.2.0.0/23"),), (ip_network("10.96.0.0/16"),))


async def template(api: Api, name: str = "mcnet-gateway") -> dict[str, Any]:
    found = await api.get(kinds.DAEMON_SET, name, SYSTEM_NAMESPACE)
    spec: dict[str, Any] = found["spec"]["template"]["spec"]
    return spec


async def test_the_daemons_follow(member: Api) -> None:
    changed = await set_(member, "image", "registry.example/mcnet:2")
    assert {(one.kind, one.name) for one in changed} >= {
        ("DaemonSet", "mcnet-gateway"), ("DaemonSet", "mcnet-route-agent"), ("Deployment", "mcnet-discovery"),
        ("Member", "mcnet"), ("Namespace", "mcnet-system"),
    }  # fmt: skip
    assert (await template(member))["containers"][0]["image"] == "registry.example/mcnet:2"
    (only,) = await set_(member, "underlay-mtu", "1400")
    assert (only.kind, only.fields) == ("Member", ("spec.given", "spec.underlayMTU"))


async def test_a_pull_secret_is_copied(member: Api) -> None:
    secret = {
        "metadata": {"name": "registry", "namespace": "default"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": "e30="},
    }
    with pytest.raises(UsageError, match="default/registry does not exist"):
        await set_(member, "pull-secrets", "default/registry")
    assert (await settings_of(member)).pull_secrets == ()
    await member.create(kinds.SECRET, secret, "default")
    try:
        await set_(member, "pull-secrets", "default/registry")
        assert await member.find(kinds.SECRET, "registry", SYSTEM_NAMESPACE)
        assert (await template(member))["imagePullSecrets"] == [{"name": "registry"}]
    finally:
        await member.delete(kinds.SECRET, "registry", "default")


async def test_a_later_join_keeps_what_was_set(member: Api, request_: JoinRequest) -> None:
    for key, value, _ in CASES:
        if key not in ("image", "pod-cidr", "service-cidr", "node-selector"):
            await set_(member, key, value)
    before = await settings_of(member)
    bare = replace(request_, token=None, image="")
    await joined(member, bare)
    assert await settings_of(member) == before
    await joined(member, replace(bare, port_base=4700))
    after = await settings_of(member)
    assert after == replace(before, port_base=4700)


async def test_gateways_are_labelled_and_unlabelled(member: Api) -> None:
    async def gateways() -> tuple[str, ...]:
        return labelled_gateways(await member.list(kinds.NODE))

    assert await gateways() == ("n1",)
    await set_(member, "gateways", "2")
    assert await gateways() == ("n1", "n2")
    for rail, node in enumerate(("n2", "n1")):
        lease = {"metadata": {"name": f"rail-{rail}"}, "spec": {"holderIdentity": node}}
        await member.create(kinds.LEASE, lease, SYSTEM_NAMESPACE)
    await set_(member, "gateways", "1")
    assert await gateways() == ("n2",)  # the lowest rail stays
    assert await set_(member, "gateways", "1") == []
    await member.merge_patch(kinds.NODE, "n2", {"metadata": {"labels": {GATEWAY_LABEL: None}}})


async def test_discovery_may_label_nodes_while_gateways_are_automatic(member: Api) -> None:
    async def rules() -> Any:
        return (await member.get(kinds.CLUSTER_ROLE, "mcnet-gateway-replacement")).get("rules") or []

    assert await rules() == []
    assert await set_(member, "gateways", "auto:1")
    assert (await settings_of(member)).gateways == GatewayCount(1, auto=True)
    assert await rules() == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch"]}]
    assert await set_(member, "gateways", "auto:1") == []
    assert await set_(member, "gateways", "1")
    assert await rules() == []
    assert await set_(member, "gateways", "1") == []


async def test_a_network_of_another_member_is_refused(member: Api) -> None:
    before = await settings_of(member)
    with pytest.raises(McnetError, match=r"overlaps with 10\.1\.0\.0/16, .*: the connection to east would be lost"):
        await set_(member, "pod-cidr", "10.2.0.0/23,10.1.7.0/24")
    assert await settings_of(member) == before


async def test_what_waits_is_shown(member: Api) -> None:
    own = {
        "apiVersion": "mcnet.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": "west", "namespace": SYSTEM_NAMESPACE},
        "spec": {"id": "west", "podPrefixes": ["10.2.0.0/23"], "servicePrefixes": ["10.96.0.0/16"]},
    }
    await member.apply(own)
    change = await config.plan_change(member, "pod-cidr", ["10.2.0.0/23,10.9.0.0/16"])
    assert change.notes == ("+10.9.0.0/16 waits for the broker's admin: mcnet member approve west",)
    await config.change(member, change)
    rows = {row["key"]: row for row in config.rows(await config.read(member))}
    assert rows["pod-cidr"]["waiting"] == "+10.9.0.0/16"
    assert rows["service-cidr"]["waiting"] == ""
    assert (await settings_of(member)).pod_prefixes == (ip_network("10.2.0.0/23"), ip_network("10.9.0.0/16"))


async def test_settings_of_the_clusterset(broker_api: Api, member: Api) -> None:
    assert await config.set_clusterset(broker_api, "default-driver", ["vxlan"]) == ("wireguard", "vxlan")
    with pytest.raises(UsageError, match="default-driver is a setting of the whole clusterset"):
        await config.plan_change(member, "default-driver", ["vxlan"])
    with pytest.raises(UsageError, match="port-base is a setting of each cluster"):
        await config.set_clusterset(broker_api, "port-base", ["4600"])
    with pytest.raises(UsageError, match="is no broker"):
        await config.set_clusterset(member, "default-driver", ["vxlan"])


async def test_a_cluster_that_has_not_joined(west: Api) -> None:
    with pytest.raises(UsageError, match="has not joined a clusterset"):
        await config.read(west)

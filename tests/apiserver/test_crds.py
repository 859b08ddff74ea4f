"""The CRDs refuse what they should, and keep every field that the codecs write."""

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest

from mcnet.codec import cluster, clusterset, endpoint, exported_service, gateway, member, node_state
from mcnet.codec.identity import PrivateIdentity, sign
from mcnet.kube.api import Api
from mcnet.kube.kinds import (
    CLUSTER,
    CLUSTERSET,
    ENDPOINT,
    EXPORTED_SERVICE,
    GATEWAY,
    MEMBER,
    NODE_STATE,
    SERVICE_EXPORT,
    SERVICE_EXPORT_ALPHA,
    SERVICE_IMPORT,
    SERVICE_IMPORT_ALPHA,
    kind_of,
)
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.errors import ApiError
from mcnet.model.gateway import Cable, CableState, Cause, Gateway, RoundTrip
from mcnet.model.member import Member
from mcnet.model.node import Drain, NodeState
from mcnet.model.service import ExportedService, ExportMode, Port, ServiceName, ServiceType
from mcnet.model.traffic import Throughput

WEST, EAST = ClusterId("west"), ClusterId("east")
KEYS = PrivateIdentity(bytes(range(32)), bytes(range(32, 64)))
PREFIXES = (IPv4Network("10.1.0.0/16"), IPv6Network("fd00:1::/48"))

CLUSTERSET_VALUE = ClusterSet("wireguard", 1, {frozenset((EAST, WEST)): "vxlan"})
CLUSTER_VALUE = Cluster(WEST, PREFIXES, PREFIXES, KEYS.public)
ENDPOINT_VALUE = sign(
    Endpoint(
        WEST, "node-1.example", 7, (IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")),
        (IPv4Address("198.51.100.1"),), 4600, (DriverOffer("wireguard", 1, (("key", "x"),)), DriverOffer("vxlan")),
        IPv4Address("245.0.0.1"), IPv6Address("fd6d:636e:6574:2::1"), 1400, PREFIXES, 2**40, weight=0,
    ),
    KEYS,
)  # fmt: skip
RECORD_VALUE = ExportedService(
    WEST, ServiceName("shop", "web"), datetime(2026, 1, 31, 12, tzinfo=UTC), ServiceType.CLUSTERSET_IP,
    (Port("http", "TCP", 80, "http"), Port("", "UDP", 53)), "ClientIP", 60, "Local", "PreferClose",
    ("IPv4", "IPv6"), (("a.example/b", "c"),), (("d", "e"),), True, ExportMode.AGGREGATE, "prefer-local",
    (EAST, WEST),
)  # fmt: skip
MEMBER_VALUE = Member(WEST, PREFIXES, PREFIXES, 4600, "cni", "calico", "nftables", "kubeadm")
GATEWAY_VALUE = Gateway(
    "node-1", WEST, 0,
    (
        Cable(
            EAST, "node-2", 1, CableState.ERROR, "vxlan", IPv4Address("192.0.2.1"), IPv6Address("2001:db8::2"),
            "mcnet-cw1a", True, "nat", RoundTrip(0.001, 0.0005, 0.00075, 0.002, 0.0001), 0.25,
            "2026-01-31T12:00:00Z", True, "no answer", Cause.SILENT, share=0.25, throughput=Throughput(2**40, 640),
        ),
        Cable(EAST, "node-3", 0, CableState.CONNECTING, "vxlan"),
    ),
    ("a problem",), "0.1.0", 50, True, (Drain.MARKED, Drain.SHUTDOWN),
)  # fmt: skip
NODE_VALUE = NodeState(
    "node-1", (IPv4Address("244.0.0.1"),), (IPv6Address("fd00:1::1"),), ("one", "two"),
    (("ipv4/conf/all/rp_filter", "2"), ("ipv4/ip_forward", "0")), "0.1.0", True,
)  # fmt: skip


async def test_specs_come_back_as_they_were(member_api: Api, member_namespace: str) -> None:
    for codec, value in (
        (clusterset, CLUSTERSET_VALUE), (cluster, CLUSTER_VALUE), (endpoint, ENDPOINT_VALUE), (member, MEMBER_VALUE),
        (exported_service, RECORD_VALUE),
    ):  # fmt: skip
        encoded = codec.encode(value, namespace=member_namespace)  # type: ignore[attr-defined]
        await member_api.apply(encoded)
        kept = await member_api.get(kind_of(encoded), encoded["metadata"]["name"], member_namespace)
        assert kept["spec"] == encoded["spec"]
        assert codec.decode(kept) == value  # type: ignore[attr-defined]


async def test_statuses_come_back_as_they_were(member_api: Api, member_namespace: str) -> None:
    for codec, value, node in ((gateway, GATEWAY_VALUE, "node-1"), (node_state, NODE_VALUE, "node-1")):
        body = codec.encode(value, namespace=member_namespace)  # type: ignore[attr-defined]
        await member_api.apply(codec.bare(node=node, namespace=member_namespace))  # type: ignore[attr-defined]
        await member_api.apply(body, subresource="status")
        kept = await member_api.get(kind_of(body), node, member_namespace)
        assert kept["status"] == body["status"]
        assert codec.decode(kept) == value  # type: ignore[attr-defined]


async def test_a_status_shrinks_again(member_api: Api, member_namespace: str) -> None:
    await member_api.apply(gateway.bare(node="node-1", namespace=member_namespace))
    await member_api.apply(gateway.encode(GATEWAY_VALUE, namespace=member_namespace), subresource="status")
    smaller = Gateway("node-1", WEST, None)
    await member_api.apply(gateway.encode(smaller, namespace=member_namespace), subresource="status")
    assert gateway.decode(await member_api.get(GATEWAY, "node-1", member_namespace)) == smaller


async def test_the_status_of_a_cluster_is_a_subresource(member_api: Api, member_namespace: str) -> None:
    status = cluster.encode_status(
        version="0.1.0", requested_pod_prefixes=PREFIXES, requested_service_prefixes=PREFIXES
    )
    made = await member_api.create(
        CLUSTER, cluster.encode(CLUSTER_VALUE, namespace=member_namespace) | {"status": status}
    )
    assert "status" not in made
    kept = await member_api.replace(CLUSTER, made | {"status": status, "spec": {"id": "west"}}, subresource="status")
    assert (kept["status"], kept["spec"]) == (status, made["spec"])
    assert cluster.decode(kept).version == "0.1.0"


Change = Callable[[dict[str, Any]], None]


def changed(field: str, value: object) -> Change:
    def change(obj: dict[str, Any]) -> None:
        *path, last = field.split(".")
        for part in path:
            obj = obj[part]
        obj[last] = value

    return change


BAD = [
    (CLUSTERSET, clusterset, CLUSTERSET_VALUE, "metadata.name", "other", "named mcnet"),
    (CLUSTERSET, clusterset, CLUSTERSET_VALUE, "spec.defaultDriver", "", "spec.defaultDriver"),
    (CLUSTERSET, clusterset, CLUSTERSET_VALUE, "spec.driverExceptions",
     [{"clusters": ["one"], "driver": "vxlan"}], "at least 2 items"),
    (CLUSTER, cluster, CLUSTER_VALUE, "metadata.name", "east", "named by its ID"),
    (CLUSTER, cluster, CLUSTER_VALUE, "spec.id", "West", "spec.id"),
    (CLUSTER, cluster, CLUSTER_VALUE, "spec.podPrefixes", ["10.0.0.0"], "cidr"),
    (CLUSTER, cluster, CLUSTER_VALUE, "spec.identity.signingKey", "short", "signingKey"),
    (ENDPOINT, endpoint, ENDPOINT_VALUE, "metadata.name", "east.node-1.example", "CLUSTER.GATEWAY"),
    (ENDPOINT, endpoint, ENDPOINT_VALUE, "spec.gateway", "node-2", "CLUSTER.GATEWAY"),
    (ENDPOINT, endpoint, ENDPOINT_VALUE, "spec.rail", 8, "spec.rail"),
    (ENDPOINT, endpoint, ENDPOINT_VALUE, "spec.privateAddresses", [], "at least 1 item"),
    (ENDPOINT, endpoint, ENDPOINT_VALUE, "spec.privateAddresses", ["192.0.2.300"], "privateAddresses"),
    (ENDPOINT, endpoint, ENDPOINT_VALUE, "spec.cableAddress4", "fd00::1", "ipv4"),
    (ENDPOINT, endpoint, ENDPOINT_VALUE, "spec.portBase", 65506, "portBase"),
    (ENDPOINT, endpoint, ENDPOINT_VALUE, "spec.weight", 101, "spec.weight"),
    (ENDPOINT, endpoint, ENDPOINT_VALUE, "spec.mtu", 100, "mtu"),
    (ENDPOINT, endpoint, ENDPOINT_VALUE, "spec.prefixes", ["10.0.0.0/33"], "cidr"),
    (ENDPOINT, endpoint, ENDPOINT_VALUE, "spec.drivers", [{"keyEpoch": 1}], "name: Required"),
    (EXPORTED_SERVICE, exported_service, RECORD_VALUE, "spec.type", "Other", "Unsupported value"),
    (EXPORTED_SERVICE, exported_service, RECORD_VALUE, "spec.name", "Web", "spec.name"),
    (EXPORTED_SERVICE, exported_service, RECORD_VALUE, "spec.exportedAt", "yesterday", "exportedAt"),
    (EXPORTED_SERVICE, exported_service, RECORD_VALUE, "spec.ports", [{"port": 0}], "port"),
    (EXPORTED_SERVICE, exported_service, RECORD_VALUE, "spec.to", [], "at least 1 item"),
    (EXPORTED_SERVICE, exported_service, RECORD_VALUE, "spec.to", ["West"], "spec.to"),
    (MEMBER, member, MEMBER_VALUE, "metadata.name", "other", "named mcnet"),
    (MEMBER, member, MEMBER_VALUE, "spec.delivery", "pigeon", "Unsupported value"),
    (MEMBER, member, MEMBER_VALUE, "spec.portBase", 0, "portBase"),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=[f"{case[0].kind}-{case[3]}-{case[4]}" for case in BAD])
async def test_bad_objects_are_refused(member_api: Api, member_namespace: str, case: tuple[Any, ...]) -> None:
    kind, codec, value, field, bad, reason = case
    obj = codec.encode(value, namespace=member_namespace)
    await member_api.create(kind, obj, member_namespace, dry_run=True)
    changed(field, bad)(obj)
    with pytest.raises(ApiError, match=reason) as caught:
        await member_api.create(kind, obj, member_namespace, dry_run=True)
    assert caught.value.status == 422


async def test_a_members_cluster_cannot_be_changed(member_api: Api, member_namespace: str) -> None:
    await member_api.apply(member.encode(MEMBER_VALUE, namespace=member_namespace))
    with pytest.raises(ApiError, match="can't be changed"):
        await member_api.merge_patch(MEMBER, "mcnet", {"spec": {"cluster": "east"}}, member_namespace)


async def test_a_bad_state_of_a_cable_is_refused(member_api: Api, member_namespace: str) -> None:
    await member_api.apply(gateway.bare(node="node-9", namespace=member_namespace))
    body = gateway.encode(GATEWAY_VALUE, namespace=member_namespace)
    body["metadata"]["name"] = "node-9"
    body["status"]["cables"][0]["state"] = "perhaps"
    with pytest.raises(ApiError, match="Unsupported value"):
        await member_api.apply(body, subresource="status")


async def test_what_is_listed_is_readable(member_api: Api, member_namespace: str) -> None:
    """`kubectl get` shows columns: the server makes the table of every kind."""
    for kind in (
        CLUSTERSET, CLUSTER, ENDPOINT, GATEWAY, NODE_STATE, MEMBER, EXPORTED_SERVICE, SERVICE_EXPORT, SERVICE_IMPORT,
    ):  # fmt: skip
        assert await member_api.list(kind, member_namespace) == []


async def test_the_kinds_of_the_mcs_api_have_one_schema_in_both_versions(
    member_api: Api, member_namespace: str
) -> None:
    assert set(await member_api.served_versions("multicluster.x-k8s.io")) == {"v1beta1", "v1alpha1"}
    assert await member_api.served_versions("nobody.example") == ()
    spec = {"type": "ClusterSetIP", "ports": [{"port": 80, "name": "http"}], "ips": ["10.96.0.9", "fd00::9"]}
    await member_api.create(SERVICE_IMPORT_ALPHA, {"metadata": {"name": "web"}, "spec": spec}, member_namespace)
    kept = await member_api.get(SERVICE_IMPORT, "web", member_namespace)
    assert kept["spec"]["ports"] == [{"port": 80, "name": "http", "protocol": "TCP"}]
    labels = {"exportedLabels": {"a": "b"}}
    await member_api.create(SERVICE_EXPORT, {"metadata": {"name": "web"}, "spec": labels}, member_namespace)
    assert (await member_api.get(SERVICE_EXPORT_ALPHA, "web", member_namespace))["spec"] == labels
    with pytest.raises(ApiError, match="Unsupported value"):
        await member_api.merge_patch(SERVICE_IMPORT, "web", {"spec": {"type": "Other"}}, member_namespace)

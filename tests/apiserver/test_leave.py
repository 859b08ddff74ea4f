"""`leave` on real API servers: nothing stays; what can't be removed is listed, and a second run finishes it.

The pods that clean nodes are played (`cleaned`), since no kubelet is there; what they do in a kernel is tested in
tests/netns, and in real pods end to end.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from mcnet.codec import farewell
from mcnet.codec import node_state as node_state_codec
from mcnet.install import leave as leave_module
from mcnet.install.broker_access import stored_credential
from mcnet.install.join_plan import JoinRequest
from mcnet.install.leave import Leftover, finish_broker, leave
from mcnet.install.once import Outcome
from mcnet.install.progress import Silent
from mcnet.install.until import until
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import with_token
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import ForbiddenError, UnreachableError
from mcnet.model.member import BROKER_NAMESPACE, SYSTEM_NAMESPACE
from mcnet.model.node import DRAIN_ANNOTATION, WEIGHT_ANNOTATION, NodeState
from mcnet.plan.corefile import with_zone
from mcnet.render.values import NodePodValues
from tests.apiserver.controllers import controllers
from tests.apiserver.test_join import info, joined, request_, west
from tests.apiserver.test_token import CACHED
from tests.fakes.corefiles import KUBEADM

__all__ = ["info", "request_", "west"]


@pytest.fixture
def cleaned(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the pods were told; `problems` says which nodes fail."""
    told: dict[str, Any] = {"pods": [], "problems": {}}

    async def play(_api: Api, pods: list[NodePodValues]) -> list[Outcome]:
        told["pods"] += pods
        return [Outcome(pod, problem=told["problems"].get(pod.node, "")) for pod in pods]

    monkeypatch.setattr(leave_module, "run_once", play)
    return told


@pytest.fixture
async def member(west: Api, request_: JoinRequest, broker_api: Api) -> Api:
    """West, joined."""
    await joined(west, request_)
    await broker_api.apply(lease("west"))
    return west


async def is_closed_to(api: Api) -> bool:
    try:
        await api.list(kinds.CLUSTER, BROKER_NAMESPACE)
    except ForbiddenError:
        return True
    return False


def lease(owner: str) -> dict[str, Any]:
    metadata = {"name": owner, "namespace": BROKER_NAMESPACE, "labels": {"mcnet.dev/cluster": owner}}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}}


async def left(api: Api, *, force: bool = False, broker: Api | None = None) -> list[Leftover] | None:
    async with controllers(api):
        return await leave(api, force=force, broker=broker, progress=Silent())


async def traces(api: Api) -> list[str]:
    """What of mcnet is in the cluster."""
    found = [
        obj["metadata"]["name"] for obj in await api.list(kinds.CRD) if obj["metadata"]["name"].endswith("mcnet.dev")
    ]
    for kind in (kinds.CLUSTER_ROLE, kinds.CLUSTER_ROLE_BINDING):
        found += [
            obj["metadata"]["name"] for obj in await api.list(kind, labels="app.kubernetes.io/managed-by=mcnet")
        ]
    if await api.find(kinds.NAMESPACE, SYSTEM_NAMESPACE):
        found.append(SYSTEM_NAMESPACE)
    for node in await api.list(kinds.NODE):
        marks = (node["metadata"].get("labels") or {}) | (node["metadata"].get("annotations") or {})
        found += [mark for mark in marks if "mcnet" in mark]
    return found


@pytest.fixture(autouse=True)
async def kinds_back(member_api: Api) -> AsyncIterator[None]:
    """The kinds go with a leave, and other tests need them."""
    from tests.apiserver.conftest import install_crds

    yield
    await install_crds(member_api)


async def has_said_farewell(broker_api: Api) -> bool:
    """Whether the Lease, which alone stays, holds west's word that it gives up its keys."""
    said = farewell.decode(await broker_api.get(kinds.LEASE, "west", BROKER_NAMESPACE))
    return bool(said) and farewell.is_valid(said[-1], ClusterId("west"))


async def test_nothing_stays(broker_api: Api, member: Api, cleaned: dict[str, Any]) -> None:
    both = {DRAIN_ANNOTATION: "true", WEIGHT_ANNOTATION: "50"}
    for node, marks in (("n1", both), ("n2", {WEIGHT_ANNOTATION: "7"})):
        await member.merge_patch(kinds.NODE, node, {"metadata": {"annotations": marks}})
    assert await left(member) == []
    assert await traces(member) == []
    assert sorted(pod.node for pod in cleaned["pods"]) == ["n1", "n2"]
    assert await broker_api.find(kinds.SERVICE_ACCOUNT, "member-west", BROKER_NAMESPACE) is None
    assert await has_said_farewell(broker_api)
    # The Cluster goes with the account that owns it, by the garbage collector.
    (owner,) = (await broker_api.get(kinds.CLUSTER, "west", BROKER_NAMESPACE))["metadata"]["ownerReferences"]
    assert owner["name"] == "member-west"


MCS = ("serviceexports.multicluster.x-k8s.io", "serviceimports.multicluster.x-k8s.io")


@pytest.fixture
async def no_services(member_api: Api) -> None:
    """Takes away what other tests have left of exports and imports."""
    for kind in (kinds.SERVICE_EXPORT, kinds.SERVICE_IMPORT):
        for obj in await member_api.list(kind):
            await member_api.delete(kind, obj["metadata"]["name"], obj["metadata"]["namespace"])


@pytest.mark.usefixtures("no_services")
async def test_imported_services_go_and_exports_stay(broker_api: Api, member: Api, cleaned: dict[str, Any]) -> None:
    ours = {"app.kubernetes.io/managed-by": "mcnet"}
    named = {"multicluster.kubernetes.io/service-name": "web"}
    sliced = {"endpointslice.kubernetes.io/managed-by": "discovery.mcnet.dev"}
    spec = {"type": "ClusterSetIP", "ports": []}
    condition = {
        "type": "Ready", "status": "True", "reason": "Exported", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip

    def at(name: str, labels: dict[str, str]) -> dict[str, Any]:
        return {"metadata": {"name": name, "namespace": "default", "labels": labels}}

    await member.create(kinds.SERVICE_IMPORT, at("web", ours) | {"spec": spec})
    await member.create(kinds.SERVICE_IMPORT, at("foreign", {}) | {"spec": spec})
    await member.create(kinds.SERVICE, at("mcnet-1", ours | named) | {"spec": {"ports": [{"port": 80}]}})
    await member.create(kinds.SERVICE, at("web", named) | {"spec": {"ports": [{"port": 80}]}})
    slices = {"addressType": "IPv4", "endpoints": []}
    await member.create(kinds.ENDPOINT_SLICE, at("mcnet-1-2", sliced | named) | slices)
    await member.create(
        kinds.ENDPOINT_SLICE, at("brokers", sliced | named | {"mcnet.dev/service-namespace": "x"}) | slices
    )
    export = await member.create(kinds.SERVICE_EXPORT, at("web", {}))
    await member.replace(kinds.SERVICE_EXPORT, export | {"status": {"conditions": [condition]}}, subresource="status")
    await broker_api.create(
        kinds.ENDPOINT_SLICE,
        {"metadata": {"name": "west.1", "namespace": BROKER_NAMESPACE, "labels": {"mcnet.dev/cluster": "west"}}}
        | slices,
    )
    assert await left(member) == []
    assert [obj["metadata"]["name"] for obj in await member.list(kinds.SERVICE_IMPORT)] == ["foreign"]
    assert await member.find(kinds.SERVICE, "mcnet-1", "default") is None
    assert await member.find(kinds.SERVICE, "web", "default")
    assert await member.find(kinds.ENDPOINT_SLICE, "mcnet-1-2", "default") is None
    assert await member.find(kinds.ENDPOINT_SLICE, "brokers", "default")
    kept = await member.get(kinds.SERVICE_EXPORT, "web", "default")
    assert kept["status"].get("conditions", []) == []
    assert await broker_api.find(kinds.ENDPOINT_SLICE, "west.1", BROKER_NAMESPACE) is None
    # Their kinds were there before and are the users'; those that mcnet brought go once they are empty.
    assert [name for name in MCS if await member.find(kinds.CRD, name)] == list(MCS)
    for kind, name in ((kinds.SERVICE_EXPORT, "web"), (kinds.SERVICE_IMPORT, "foreign")):
        await member.delete(kind, name, "default")
    for kind, name in ((kinds.SERVICE, "web"), (kinds.ENDPOINT_SLICE, "brokers")):
        await member.delete(kind, name, "default")


@pytest.mark.usefixtures("no_services")
async def test_the_kinds_of_services_go_if_they_are_ours(member: Api, cleaned: dict[str, Any]) -> None:
    await member.merge_patch(kinds.CRD, MCS[0], {"metadata": {"labels": {"app.kubernetes.io/managed-by": "helm"}}})
    assert await left(member) == []
    assert [name for name in MCS if await member.find(kinds.CRD, name)] == [MCS[0]]


async def test_the_clusters_dns_is_put_back(member: Api, cleaned: dict[str, Any]) -> None:
    metadata = {"name": "coredns", "namespace": "kube-system"}
    await member.create(kinds.CONFIG_MAP, {"metadata": metadata, "data": {"Corefile": with_zone(KUBEADM, None).text}})
    try:
        assert await left(member) == []
        assert (await member.get(kinds.CONFIG_MAP, "coredns", "kube-system"))["data"] == {"Corefile": KUBEADM}
    finally:
        await member.delete(kinds.CONFIG_MAP, "coredns", "kube-system")


async def test_a_second_run_finds_nothing(member: Api, cleaned: dict[str, Any]) -> None:
    await left(member)
    assert await left(member) is None


async def test_the_brokers_admin_removes_everything_at_once(
    broker_api: Api, member: Api, cleaned: dict[str, Any]
) -> None:
    assert await left(member, broker=broker_api) == []
    for kind in (kinds.CLUSTER, kinds.ENDPOINT, kinds.SERVICE_ACCOUNT, kinds.ROLE, kinds.ROLE_BINDING):
        names = [obj["metadata"]["name"] for obj in await broker_api.list(kind, BROKER_NAMESPACE)]
        assert [name for name in names if "west" in name] == []
    assert await has_said_farewell(broker_api)


async def test_original_sysctls_are_handed_to_the_node(member: Api, cleaned: dict[str, Any]) -> None:
    state = NodeState("n1", original_sysctls=(("ipv4/conf/all/rp_filter", "1"),))
    await member.apply(node_state_codec.bare(node="n1", namespace=SYSTEM_NAMESPACE))
    await member.apply(node_state_codec.encode(state, namespace=SYSTEM_NAMESPACE), subresource="status")
    await left(member)
    arguments = {pod.node: pod.arguments for pod in cleaned["pods"]}
    assert arguments == {"n1": ('{"ipv4/conf/all/rp_filter": "1"}',), "n2": ("{}",)}


async def test_a_node_that_fails_is_listed_and_a_second_run_finishes(member: Api, cleaned: dict[str, Any]) -> None:
    cleaned["problems"] = {"n2": '{"failures": ["device mcnet-vx is busy"]}'}
    (leftover,) = await left(member) or []
    assert leftover == Leftover(
        "links, routes, rules and sysctls on node n2", "device mcnet-vx is busy", "mcnet leave --context west"
    )
    assert await member.find(kinds.NAMESPACE, SYSTEM_NAMESPACE)
    cleaned["problems"] = {}
    assert await left(member) == []
    assert {pod.image for pod in cleaned["pods"]} == {"none"}  # the joined image, also once the daemons are gone
    assert await traces(member) == []


async def test_force_removes_all_objects_and_still_lists(member: Api, cleaned: dict[str, Any]) -> None:
    cleaned["problems"] = {"n2": "ImagePullBackOff"}
    (leftover,) = await left(member, force=True) or []
    assert leftover.why == "ImagePullBackOff"
    assert "restart node n2" in leftover.command
    assert await traces(member) == []


async def test_a_node_that_is_down_is_listed(member: Api, cleaned: dict[str, Any]) -> None:
    unknown = {"conditions": [{"type": "Ready", "status": "Unknown"}]}
    await member.merge_patch(kinds.NODE, "n2", {"status": unknown}, subresource="status")
    (leftover,) = await left(member) or []
    assert leftover.why == "the node is not Ready"
    assert [pod.node for pod in cleaned["pods"]] == ["n1"]


async def test_a_broker_that_is_down_is_listed(
    member: Api, cleaned: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(**_settings: object) -> Api:
        raise UnreachableError("no answer from the broker")

    with monkeypatch.context() as patch:
        patch.setattr("mcnet.install.broker_leave.with_token", away)
        (leftover,) = await left(member) or []
    assert leftover == Leftover(
        "the records of west at the broker", "no answer from the broker", finish_broker("west")
    )
    assert await left(member) == []


async def test_an_account_that_the_broker_has_removed_is_told(
    broker_api: Api, member: Api, cleaned: dict[str, Any]
) -> None:
    credential = await stored_credential(member)
    assert credential
    await broker_api.delete(kinds.SERVICE_ACCOUNT, "member-west", BROKER_NAMESPACE)
    async with await with_token(server=credential.server, ca=credential.ca, token=credential.token) as api:
        await until(lambda: is_closed_to(api), timeout=CACHED)
    (leftover,) = await left(member, force=True) or []
    assert leftover.what == "the records of west at the broker"
    assert await traces(member) == []


async def test_an_interrupted_join_is_undone(
    broker_api: Api, west: Api, request_: JoinRequest, cleaned: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match="the daemons don't all run"):
        await joined(west, replace(request_, timeout=0.5), ready=False)
    assert await left(west) == []
    assert await traces(west) == []
    assert await broker_api.find(kinds.SERVICE_ACCOUNT, "member-west", BROKER_NAMESPACE) is None


@pytest.mark.usefixtures("no_services")
async def test_a_broker_keeps_its_kinds(member: Api, cleaned: dict[str, Any]) -> None:
    await member.create(kinds.NAMESPACE, {"metadata": {"name": BROKER_NAMESPACE}})
    try:
        assert await left(member) == []
        assert len(await traces(member)) == 7
        assert all([await member.find(kinds.CRD, name) for name in MCS])
    finally:
        await member.delete(kinds.NAMESPACE, BROKER_NAMESPACE)
        async with controllers(member):
            await member.wait_for(kinds.NAMESPACE, BROKER_NAMESPACE, None, lambda found: found is None, 20)

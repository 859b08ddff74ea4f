"""`deploy-broker` on a real API server: twice, with too few rights, and what its admission policy lets members do.

Who may do what: see templates/broker. The garbage collector is not there; nothing here depends on it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import clusterset as clusterset_codec
from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec import endpoint_slice, exported_service
from mcnet.install.accounts import admin_credential
from mcnet.install.apply import Outcome, changed
from mcnet.install.broker import POLICY_PROBE, broker_info, deploy_broker
from mcnet.install.progress import Silent
from mcnet.kube import connect, kinds
from mcnet.kube.api import Api
from mcnet.model.broker import BrokerInfo
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.errors import ForbiddenError, NotFoundError, UnreachableError, UsageError
from mcnet.model.member import BROKER_NAMESPACE
from mcnet.model.service import SOURCE_CLUSTER_LABEL
from tests.apiserver.conftest import install_crds
from tests.apiserver.server import ApiServer
from tests.fakes.services import WEB, exported, sliced

WEST = ClusterId("west")
EAST = ClusterId("east")


@pytest.fixture
async def info(broker_api: Api) -> BrokerInfo:
    """A broker, deployed."""
    return (await deploy_broker(broker_api, progress=Silent())).info


async def member(admin: Api, info: BrokerInfo, cluster: ClusterId) -> Api:
    credential = await admin_credential(admin, cluster, info)
    return await connect.with_token(server=info.server, ca=info.ca, token=credential.token)


@pytest.fixture
async def west(broker_api: Api, info: BrokerInfo) -> AsyncIterator[Api]:
    """The broker, as member west sees it; its Cluster and east's are there."""
    for cluster in (WEST, EAST):
        await broker_api.apply(cluster_object(cluster))
        await broker_api.apply(endpoint_object(cluster))
    async with await member(broker_api, info, WEST) as api:
        yield api
    for cluster in (WEST, EAST):
        await broker_api.delete(kinds.CLUSTER, cluster, BROKER_NAMESPACE)
        for endpoint in await broker_api.list(kinds.ENDPOINT, BROKER_NAMESPACE):
            await broker_api.delete(kinds.ENDPOINT, endpoint["metadata"]["name"], BROKER_NAMESPACE)
        await broker_api.delete(kinds.LEASE, cluster, BROKER_NAMESPACE)


def cluster_object(cluster: ClusterId, pods: str = "10.7.0.0/16") -> dict[str, Any]:
    value = Cluster(cluster, (ip_network(pods),), (ip_network("10.97.0.0/16"),))
    return cluster_codec.encode(value, namespace=BROKER_NAMESPACE)


def endpoint_object(cluster: ClusterId, gateway: str = "n1") -> dict[str, Any]:
    value = Endpoint(
        cluster, gateway, 0, (ip_network("192.0.2.1/32").network_address,), drivers=(DriverOffer("vxlan"),)
    )
    return endpoint_codec.encode(value, namespace=BROKER_NAMESPACE)


def lease_object(name: str, owner: str) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": BROKER_NAMESPACE, "labels": {"mcnet.dev/cluster": owner}},
        "spec": {"holderIdentity": owner},
    }


def record_object(cluster: ClusterId, *, owner: str = "") -> dict[str, Any]:
    obj = exported_service.encode(replace(exported(EAST), cluster=cluster), namespace=BROKER_NAMESPACE)
    obj["metadata"]["labels"] = {"mcnet.dev/cluster": owner or cluster}
    return obj


def slice_object(cluster: ClusterId, *, source: str = "") -> dict[str, Any]:
    obj = endpoint_slice.encode_broker(
        replace(sliced(EAST, 1), name=f"{cluster}.1"), cluster=cluster, service=WEB, namespace=BROKER_NAMESPACE
    )
    obj["metadata"]["labels"][SOURCE_CLUSTER_LABEL] = source or cluster
    return obj


async def test_deploys_and_a_second_run_changes_nothing(broker_api: Api, info: BrokerInfo) -> None:
    clusterset = clusterset_codec.decode(await broker_api.get(kinds.CLUSTERSET, "mcnet", BROKER_NAMESPACE))
    assert clusterset.default_driver == "wireguard"
    assert (info.server, info.default_driver) == (broker_api.server, "wireguard")
    again = await deploy_broker(broker_api, progress=Silent())
    assert changed(again.applied) == []
    assert {applied.outcome for applied in again.applied} == {Outcome.UNCHANGED}
    assert again.info == info


MCS = ("serviceexports.multicluster.x-k8s.io", "serviceimports.multicluster.x-k8s.io")


@pytest.fixture
async def mcs_restored(broker_api: Api) -> AsyncIterator[None]:
    """The kinds of the MCS API as they were, whatever a test has made of them."""
    yield
    for name in MCS:
        if await broker_api.find(kinds.CRD, name) is not None:
            await removed(broker_api, name)
    await install_crds(broker_api)


async def removed(api: Api, name: str) -> None:
    await api.delete(kinds.CRD, name)
    await api.wait_for(kinds.CRD, name, None, lambda obj: obj is None, 20)


@pytest.mark.usefixtures("info", "mcs_restored")
async def test_the_kinds_of_the_mcs_api_are_brought_where_they_are_missing(broker_api: Api) -> None:
    for name in MCS:
        await removed(broker_api, name)
    again = await deploy_broker(broker_api, progress=Silent())
    assert {(one.name, one.outcome) for one in changed(again.applied)} == {(name, Outcome.CREATED) for name in MCS}
    assert set(await broker_api.served_versions("multicluster.x-k8s.io")) == {"v1beta1", "v1alpha1"}


async def as_somebody_elses(api: Api, name: str) -> None:
    labels = {"app.kubernetes.io/name": "other", "app.kubernetes.io/managed-by": "other"}
    await api.merge_patch(kinds.CRD, name, {"metadata": {"labels": labels}})


async def as_a_newer_mcnets(api: Api, name: str) -> None:
    versions = (await api.get(kinds.CRD, name))["spec"]["versions"]
    newer = versions[0] | {"name": "v1", "storage": False}
    await api.merge_patch(kinds.CRD, name, {"spec": {"versions": [newer, *versions]}})


@pytest.mark.usefixtures("info", "mcs_restored")
@pytest.mark.parametrize("changing", [as_somebody_elses, as_a_newer_mcnets])
async def test_kinds_of_others_and_newer_ones_are_left_as_they_are(
    broker_api: Api, changing: Callable[[Api, str], Awaitable[None]]
) -> None:
    for name in MCS:
        await changing(broker_api, name)
        await broker_api.merge_patch(kinds.CRD, name, {"spec": {"names": {"categories": ["theirs"]}}})
    before = [(await broker_api.get(kinds.CRD, name))["spec"] for name in MCS]
    again = await deploy_broker(broker_api, progress=Silent())
    assert changed(again.applied) == []
    assert [(await broker_api.get(kinds.CRD, name))["spec"] for name in MCS] == before


@pytest.mark.usefixtures("info", "mcs_restored")
async def test_own_ones_that_were_changed_are_restored(broker_api: Api) -> None:
    await broker_api.merge_patch(kinds.CRD, MCS[0], {"spec": {"names": {"categories": ["theirs"]}}})
    again = await deploy_broker(broker_api, progress=Silent())
    assert [one.name for one in changed(again.applied)] == [MCS[0]]


async def test_a_damaged_role_is_restored(broker_api: Api, info: BrokerInfo) -> None:
    await broker_api.merge_patch(kinds.ROLE, "mcnet-member", {"rules": []}, BROKER_NAMESPACE)
    again = await deploy_broker(broker_api, progress=Silent())
    assert [applied.name for applied in changed(again.applied)] == ["mcnet-member"]


async def test_the_policy_is_in_force_when_it_ends(broker_api: Api, info: BrokerInfo) -> None:
    with pytest.raises(ForbiddenError, match="reserved"):
        await broker_api.create(kinds.LEASE, lease_object(POLICY_PROBE, "west"), BROKER_NAMESPACE, dry_run=True)


async def test_an_unknown_driver_is_refused(broker_api: Api) -> None:
    with pytest.raises(UsageError, match="'carrier-pigeon' is not a cable driver"):
        await deploy_broker(broker_api, default_driver="carrier-pigeon", progress=Silent())


async def test_missing_rights_are_named(broker_server: ApiServer) -> None:
    async with await connect.from_kubeconfig(kubeconfig=broker_server.issue("nobody")) as nobody:
        with pytest.raises(ForbiddenError, match="lacks the rights for deploy-broker: create namespaces"):
            await deploy_broker(nobody, progress=Silent())


async def test_a_cluster_without_clusterset_is_no_broker(member_api: Api) -> None:
    with pytest.raises(UsageError, match="is no broker"):
        await broker_info(member_api)


async def test_an_unreachable_server(broker_server: ApiServer, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(broker_server.kubeconfig.read_text().replace(f":{broker_server.port}", ":1"))
    async with await connect.from_kubeconfig(kubeconfig=kubeconfig) as api:
        with pytest.raises(UnreachableError):
            await deploy_broker(api, progress=Silent())


async def test_a_member_reads_everything_of_the_clusterset(west: Api) -> None:
    names = [found["metadata"]["name"] for found in await west.list(kinds.CLUSTER, BROKER_NAMESPACE)]
    assert names == ["east", "west"]
    assert len(await west.list(kinds.ENDPOINT, BROKER_NAMESPACE)) == 2
    assert await west.get(kinds.CLUSTERSET, "mcnet", BROKER_NAMESPACE)


async def test_a_member_writes_its_own(west: Api) -> None:
    await west.apply(endpoint_object(WEST, "n2"))
    await west.delete(kinds.ENDPOINT, "west.n2", BROKER_NAMESPACE)
    for obj in (record_object(WEST), slice_object(WEST)):
        made = await west.create(kinds.kind_of(obj), obj, BROKER_NAMESPACE)
        await west.replace(kinds.kind_of(obj), made)
        await west.delete(kinds.kind_of(obj), obj["metadata"]["name"], BROKER_NAMESPACE)
    await west.apply(lease_object("west", "west"))
    await west.merge_patch(kinds.LEASE, "west", {"spec": {"holderIdentity": "again"}}, BROKER_NAMESPACE)
    own = {"status": {"version": "0.1.0"}}
    await west.merge_patch(kinds.CLUSTER, "west", own, BROKER_NAMESPACE, subresource="status")


FOREIGN = {
    "another member's Endpoint": endpoint_object(EAST, "n9"),
    "an Endpoint with its own name and a foreign label": {
        **endpoint_object(WEST, "n9"),
        "metadata": {**endpoint_object(WEST, "n9")["metadata"], "labels": {"mcnet.dev/cluster": "east"}},
    },
    "an Endpoint without label": {
        **endpoint_object(WEST, "n9"),
        "metadata": {"name": "west.n9", "namespace": BROKER_NAMESPACE},
    },
    "an Endpoint of a cluster whose name begins with its own": endpoint_object(ClusterId("west-2")),
    "another member's export": record_object(EAST),
    "an export with its own name and a foreign label": record_object(WEST, owner="east"),
    "another member's slice": slice_object(EAST),
    "a slice that says it is another member's": slice_object(WEST, source="east"),
    "another member's Lease": lease_object("east", "east"),
    "a Lease of another name": lease_object("west-2", "west"),
}


@pytest.mark.parametrize("obj", FOREIGN.values(), ids=FOREIGN.keys())
async def test_a_member_creates_nothing_foreign(west: Api, obj: dict[str, Any]) -> None:
    with pytest.raises(ForbiddenError):
        await west.create(kinds.kind_of(obj), obj, BROKER_NAMESPACE)
    with pytest.raises(ForbiddenError):
        await west.apply(obj)


async def test_a_member_changes_and_deletes_nothing_foreign(west: Api) -> None:
    with pytest.raises(ForbiddenError):
        await west.merge_patch(kinds.ENDPOINT, "east.n1", {"spec": {"mtu": 1400}}, BROKER_NAMESPACE)
    with pytest.raises(ForbiddenError):
        await west.delete(kinds.ENDPOINT, "east.n1", BROKER_NAMESPACE)
    with pytest.raises(ForbiddenError):
        await west.merge_patch(
            kinds.CLUSTER, "east", {"status": {"version": "9"}}, BROKER_NAMESPACE, subresource="status"
        )


async def test_a_member_does_not_take_over_an_object_by_its_label(west: Api) -> None:
    theft = {"metadata": {"labels": {"mcnet.dev/cluster": "west"}}}
    with pytest.raises(ForbiddenError):
        await west.merge_patch(kinds.ENDPOINT, "east.n1", theft, BROKER_NAMESPACE)


async def test_a_member_never_changes_its_approved_prefixes(west: Api) -> None:
    wider = cluster_object(WEST, "10.0.0.0/8")
    with pytest.raises(ForbiddenError):
        await west.apply(wider)
    with pytest.raises(ForbiddenError):
        await west.merge_patch(kinds.CLUSTER, "west", {"spec": wider["spec"]}, BROKER_NAMESPACE)
    with pytest.raises(ForbiddenError):  # else it could have it collected, and create it again
        await west.merge_patch(kinds.CLUSTER, "west", {"metadata": {"ownerReferences": []}}, BROKER_NAMESPACE)
    with pytest.raises(ForbiddenError):  # likewise
        await west.delete(kinds.CLUSTER, "west", BROKER_NAMESPACE)
    await west.merge_patch(kinds.CLUSTER, "west", {"spec": wider["spec"]}, BROKER_NAMESPACE, subresource="status")
    kept = cluster_codec.decode(await west.get(kinds.CLUSTER, "west", BROKER_NAMESPACE))
    assert kept.pod_prefixes == (ip_network("10.7.0.0/16"),)


async def test_a_cluster_that_a_member_creates_belongs_to_its_account(
    broker_api: Api, info: BrokerInfo, west: Api
) -> None:
    await broker_api.delete(kinds.CLUSTER, "west", BROKER_NAMESPACE)
    ownerless = cluster_object(WEST)
    with pytest.raises(ForbiddenError, match="owned by the member's ServiceAccount"):
        await west.create(kinds.CLUSTER, ownerless, BROKER_NAMESPACE)
    vanishing = with_owner(ownerless, "00000000-0000-0000-0000-000000000000")
    with pytest.raises(ForbiddenError, match="owned by the member's ServiceAccount"):
        await west.create(kinds.CLUSTER, vanishing, BROKER_NAMESPACE)
    account = await west.get(kinds.SERVICE_ACCOUNT, "member-west", BROKER_NAMESPACE)
    await west.create(kinds.CLUSTER, with_owner(ownerless, account["metadata"]["uid"]), BROKER_NAMESPACE)


def with_owner(obj: dict[str, Any], uid: str) -> dict[str, Any]:
    owner = {"apiVersion": "v1", "kind": "ServiceAccount", "name": "member-west", "uid": uid}
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": [owner]}}


async def test_a_member_reads_no_secret_and_makes_no_account(west: Api, broker_api: Api) -> None:
    with pytest.raises(ForbiddenError):
        await west.list(kinds.SECRET, BROKER_NAMESPACE)
    with pytest.raises(ForbiddenError):
        await west.create_token("member-east", BROKER_NAMESPACE, seconds=3600)
    account = {"metadata": {"name": "join-west", "namespace": BROKER_NAMESPACE}}
    with pytest.raises(ForbiddenError):
        await west.create(kinds.SERVICE_ACCOUNT, account, BROKER_NAMESPACE)


async def test_a_member_renews_its_own_credential(west: Api) -> None:
    token, _ = await west.create_token("member-west", BROKER_NAMESPACE, seconds=3600)
    assert token


async def test_the_admin_is_not_held_by_the_policy(broker_api: Api, west: Api) -> None:
    await broker_api.apply(cluster_object(EAST, "10.8.0.0/16"))
    found = cluster_codec.decode(await broker_api.get(kinds.CLUSTER, "east", BROKER_NAMESPACE))
    assert found == replace(found, pod_prefixes=(ip_network("10.8.0.0/16"),))


async def test_a_missing_account_has_no_token(broker_api: Api, info: BrokerInfo) -> None:
    with pytest.raises(NotFoundError):
        await broker_api.create_token("member-nowhere", BROKER_NAMESPACE, seconds=3600)

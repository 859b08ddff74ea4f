"""`join` between two real API servers: what it changes, in which order, twice, interrupted, and with bad input.

Nodes are objects without machines; tests/apiserver/controllers.py plays kubelets and controllers. The probe pods are
left out (tests/unit/install has their judge, the end-to-end tests the pods).
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import member as member_codec
from mcnet.install import accounts, join, join_plan
from mcnet.install.apply import Outcome, changed
from mcnet.install.broker import deploy_broker
from mcnet.install.broker_access import Access, stored_credential
from mcnet.install.join import Joined
from mcnet.install.join_plan import JoinRequest
from mcnet.install.progress import Silent
from mcnet.kube import connect, kinds
from mcnet.kube.api import Api
from mcnet.model.broker import BrokerInfo
from mcnet.model.cluster import Cluster, ClusterId, Identity
from mcnet.model.errors import ForbiddenError, McnetError, UnreachableError, UsageError
from mcnet.model.member import BROKER_NAMESPACE, SYSTEM_NAMESPACE
from tests.apiserver.controllers import controllers, finalize_namespaces
from tests.apiserver.server import ApiServer
from tests.apiserver.test_broker import cluster_object, endpoint_object

WEST, EAST = ClusterId("west"), ClusterId("east")
NODES = {"n1": "10.2.0.0/24", "n2": "10.2.1.0/24"}


class Heard:
    """Keeps what an operation told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def doing(self, text: str) -> None:
        pass

    def done(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append("! " + text)


@pytest.fixture
async def info(broker_api: Api) -> AsyncIterator[BrokerInfo]:
    """A broker with the member east, which has a gateway."""
    made = (await deploy_broker(broker_api, progress=Silent())).info
    await broker_api.apply(cluster_object(EAST, "10.1.0.0/16"))
    await broker_api.apply(endpoint_object(EAST))
    yield made
    await broker_api.delete(kinds.ENDPOINT, "east.n1", BROKER_NAMESPACE)
    for cluster in (WEST, EAST):
        await broker_api.delete(kinds.CLUSTER, cluster, BROKER_NAMESPACE)
        await accounts.delete_join_account(broker_api, cluster, BROKER_NAMESPACE)
        await accounts.delete_account(broker_api, cluster, BROKER_NAMESPACE)


@pytest.fixture
async def west(member_api: Api) -> AsyncIterator[Api]:
    """A cluster of two nodes that has not joined."""
    for name, pods in NODES.items():
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        await member_api.create(
            kinds.NODE, {"metadata": {"name": name}, "spec": {"podCIDR": pods, "podCIDRs": [pods]}}
        )
        await member_api.merge_patch(kinds.NODE, name, {"status": ready}, subresource="status")
    yield member_api
    for name in NODES:
        await member_api.delete(kinds.NODE, name)
    await member_api.delete(kinds.NAMESPACE, SYSTEM_NAMESPACE)
    await finalize_namespaces(member_api)


@pytest.fixture
async def request_(broker_api: Api, info: BrokerInfo, west: Api, member_server: ApiServer) -> JoinRequest:
    """West's admin, with a token."""
    token = await accounts.create_token(broker_api, WEST, seconds=3600, info=info)
    return JoinRequest(
        info=info, image="none", kubeconfig=member_server.kubeconfig, token=token, probe=False, timeout=20.0
    )


async def joined(api: Api, request: JoinRequest, progress: Any = None, *, ready: bool = True) -> Joined:
    """A whole join, as the command does it."""
    told = progress or Silent()
    access = await join_plan.open_access(api, request)
    try:
        plan = await join_plan.prepare(api, access, request, told)
        async with controllers(api, cables_to="east", ready=ready):
            return await join.carry_out(api, access, plan, told)
    finally:
        await access.close()


async def test_joins_with_a_token(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    result = await joined(west, request_)
    record = cluster_codec.decode(await broker_api.get(kinds.CLUSTER, "west", BROKER_NAMESPACE))
    assert record.pod_prefixes == (ip_network("10.2.0.0/23"),)
    assert record.service_prefixes == (ip_network("10.96.0.0/16"),)
    assert record.identity == await join_plan.public_identity(west)
    member = member_codec.decode(await west.get(kinds.MEMBER, "mcnet", SYSTEM_NAMESPACE))
    assert (member.cluster, member.pod_prefixes) == (WEST, record.pod_prefixes)
    labels = (await west.get(kinds.NODE, "n1"))["metadata"]["labels"]
    assert labels["mcnet.dev/gateway"] == "true"
    assert [cable.cluster for _, cable in result.reach.connected] == ["east"]
    assert await broker_api.find(kinds.SERVICE_ACCOUNT, "join-west", BROKER_NAMESPACE) is None


async def test_a_second_run_changes_nothing(west: Api, request_: JoinRequest) -> None:
    await joined(west, request_)
    before = await versions(west)
    again = await joined(west, replace(request_, token=None))
    assert changed(again.changes) == []
    assert await versions(west) == before


async def versions(api: Api) -> dict[str, tuple[int, str]]:
    """Generation of what has one and version of what has none, of everything that join applies."""
    found: dict[str, tuple[int, str]] = {}
    for kind in (kinds.DAEMON_SET, kinds.DEPLOYMENT, kinds.MEMBER, kinds.SECRET, kinds.ROLE, kinds.SERVICE_ACCOUNT):
        for obj in await api.list(kind, SYSTEM_NAMESPACE):
            metadata = obj["metadata"]
            generation = metadata.get("generation", 0)
            name = f"{kind.kind} {metadata['name']}"
            found[name] = (generation, "" if generation else metadata["resourceVersion"])
    return found


async def test_an_interrupted_join_is_finished_by_a_second_one(
    broker_api: Api, west: Api, request_: JoinRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(join, "register", interrupted)  # the token is spent, the broker has no Cluster yet
        with pytest.raises(KeyboardInterrupt):
            await joined(west, request_)
    assert await broker_api.find(kinds.SERVICE_ACCOUNT, "join-west", BROKER_NAMESPACE) is None
    identity = await join_plan.public_identity(west)
    await joined(west, request_)
    record = cluster_codec.decode(await broker_api.get(kinds.CLUSTER, "west", BROKER_NAMESPACE))
    assert record.identity == identity


async def test_the_token_is_not_spent_before_the_credential_is_kept(
    broker_api: Api, west: Api, request_: JoinRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(join.broker_access, "spend", interrupted)
        with pytest.raises(KeyboardInterrupt):
            await joined(west, request_)
    assert await broker_api.find(kinds.SERVICE_ACCOUNT, "join-west", BROKER_NAMESPACE)
    assert await stored_credential(west, WEST)
    await joined(west, replace(request_, token=None))
    assert await broker_api.find(kinds.SERVICE_ACCOUNT, "join-west", BROKER_NAMESPACE) is None


async def test_joins_as_the_brokers_admin_without_a_token(
    broker_api: Api, west: Api, request_: JoinRequest, member_server: ApiServer, broker_server: ApiServer
) -> None:
    both = f"{member_server.kubeconfig}:{broker_server.kubeconfig}"
    await accounts.revoke_token(broker_api, "west")
    for broker_context in ("broker", ""):  # named, and found in the kubeconfig by the broker's address
        request = replace(request_, token=None, broker_context=broker_context, kubeconfig=Path(both))
        await joined(west, request)
    assert await broker_api.find(kinds.CLUSTER, "west", BROKER_NAMESPACE)


async def test_only_the_admin_changes_an_approved_record(
    broker_api: Api, west: Api, request_: JoinRequest, member_server: ApiServer, broker_server: ApiServer
) -> None:
    await joined(west, request_)
    wider = replace(request_, token=None, pod_prefixes=(ip_network("10.2.0.0/16"),))
    heard = Heard()
    await joined(west, wider, heard)
    assert any("10.2.0.0/16 waits for approval by the broker's admin" in text for text in heard.said)
    record = cluster_codec.decode(await broker_api.get(kinds.CLUSTER, "west", BROKER_NAMESPACE))
    assert record.pod_prefixes == (ip_network("10.2.0.0/23"),)
    member = member_codec.decode(await west.get(kinds.MEMBER, "mcnet", SYSTEM_NAMESPACE))
    assert member.pod_prefixes == (ip_network("10.2.0.0/16"),)
    both = Path(f"{member_server.kubeconfig}:{broker_server.kubeconfig}")
    await joined(west, replace(wider, broker_context="broker", kubeconfig=both))
    record = cluster_codec.decode(await broker_api.get(kinds.CLUSTER, "west", BROKER_NAMESPACE))
    assert record.pod_prefixes == (ip_network("10.2.0.0/16"),)


async def test_a_dry_run_changes_nothing_and_says_all(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    access = await join_plan.open_access(west, request_)
    try:
        plan = await join_plan.prepare(west, access, request_, Silent())
        applied = (await join.dry_run(west, access, plan)).applied
    finally:
        await access.close()
    would = {(one.kind, one.name): one.outcome for one in changed(applied)}
    assert would[("DaemonSet", "mcnet-gateway")] is Outcome.CREATED
    assert would[("Node", "n1")] is Outcome.CHANGED
    assert would[("Cluster", "west (at the broker)")] is Outcome.CREATED
    assert await west.find(kinds.NAMESPACE, SYSTEM_NAMESPACE) is None
    assert await broker_api.find(kinds.CLUSTER, "west", BROKER_NAMESPACE) is None
    assert await broker_api.find(kinds.SERVICE_ACCOUNT, "join-west", BROKER_NAMESPACE)


async def test_that_the_image_changes_is_said_unless_it_was_asked_for(
    west: Api, request_: JoinRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that only the environment named is not kept: without it daemons go to the version of the command."""
    monkeypatch.setenv("MCNET_IMAGE", "registry.example/mcnet:1")
    from_environment = replace(request_, image="")
    await joined(west, from_environment)
    monkeypatch.delenv("MCNET_IMAGE")
    for request, says in ((from_environment, True), (replace(request_, image="none"), False)):
        heard = Heard()
        access = await join_plan.open_access(west, replace(request, token=None))
        try:
            await join_plan.prepare(west, access, request, heard)
        finally:
            await access.close()
        told = [text for text in heard.said if "--image registry.example/mcnet:1" in text]
        assert bool(told) is says, heard.said


async def test_the_manifests_hold_no_secret(west: Api, request_: JoinRequest) -> None:
    access = await join_plan.open_access(west, request_)
    try:
        plan = await join_plan.prepare(west, access, request_, Silent())
    finally:
        await access.close()
    assert all(obj["kind"] != "Secret" for obj in plan.manifests())
    assert request_.token
    assert request_.token.secret not in str(plan)


async def refused(api: Api, request: JoinRequest) -> McnetError:
    """The error of a join that must leave nothing behind."""
    with pytest.raises(McnetError) as caught:
        await joined(api, request)
    assert await api.find(kinds.NAMESPACE, SYSTEM_NAMESPACE) is None
    return caught.value


async def test_overlapping_pods(west: Api, request_: JoinRequest) -> None:
    error = await refused(west, replace(request_, pod_prefixes=(ip_network("10.1.128.0/17"),)))
    assert error.message == "the pod CIDR 10.1.128.0/17 overlaps with 10.1.0.0/16, the pods of member east"


async def test_overlapping_services_join_and_say_what_is_lost(
    broker_api: Api, west: Api, request_: JoinRequest
) -> None:
    heard = Heard()
    await joined(west, replace(request_, service_prefixes=(ip_network("10.97.0.0/16"),)), heard)
    assert any("10.97.0.0/16 of east: it is not advertised" in text for text in heard.said)
    record = cluster_codec.decode(await broker_api.get(kinds.CLUSTER, "west", BROKER_NAMESPACE))
    assert record.service_prefixes == ()
    member = member_codec.decode(await west.get(kinds.MEMBER, "mcnet", SYSTEM_NAMESPACE))
    assert member.service_prefixes == (ip_network("10.97.0.0/16"),)


async def test_an_id_that_is_taken(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    somebody = Cluster(WEST, (ip_network("10.9.0.0/16"),), (), Identity(b"s" * 32, b"a" * 32))
    await broker_api.apply(cluster_codec.encode(somebody, namespace=BROKER_NAMESPACE))
    error = await refused(west, request_)
    taken = "the cluster ID west is taken by another cluster of this clusterset: key SHA256:"
    assert error.message.startswith(taken)
    assert "pods 10.9.0.0/16, joined 20" in error.message
    assert error.message.endswith("never seen")
    assert "join --replace" in error.hint


async def test_an_invalid_id(west: Api, request_: JoinRequest) -> None:
    error = await refused(west, replace(request_, cluster_id="West!"))
    assert "'West!' is not a cluster ID" in error.message


async def test_another_clusters_token(west: Api, request_: JoinRequest) -> None:
    error = await refused(west, replace(request_, cluster_id="north"))
    assert error.message == "the join token is for cluster west, not for north"


async def test_a_used_token(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    await accounts.delete_join_account(broker_api, WEST, BROKER_NAMESPACE)
    error = await refused(west, request_)
    assert isinstance(error, ForbiddenError)
    assert "has been used or revoked, or has expired" in error.message
    assert error.hint == "ask the broker's admin for a new one: mcnet token create west"


async def test_no_token_and_no_admin(west: Api, request_: JoinRequest) -> None:
    error = await refused(west, replace(request_, token=None))
    assert isinstance(error, UsageError)
    assert "joining takes a token" in error.message


async def test_a_foreign_broker_info(west: Api, request_: JoinRequest) -> None:
    error = await refused(west, replace(request_, info=replace(request_.info, id="another")))
    assert "the join token is of another broker" in error.message


async def test_the_wrong_broker_context(west: Api, request_: JoinRequest) -> None:
    error = await refused(west, replace(request_, token=None, broker_context="west"))
    assert isinstance(error, UsageError)
    assert "west is no broker" in error.message


async def test_an_unreachable_broker(west: Api, request_: JoinRequest) -> None:
    error = await refused(west, replace(request_, info=replace(request_.info, server="https://127.0.0.1:1")))
    assert isinstance(error, UnreachableError)


async def test_a_broker_with_another_certificate(west: Api, request_: JoinRequest, member_server: ApiServer) -> None:
    error = await refused(west, replace(request_, info=replace(request_.info, ca=member_server.ca)))
    assert isinstance(error, UnreachableError)


async def test_missing_rights(member_server: ApiServer, west: Api) -> None:
    async with await connect.from_kubeconfig(kubeconfig=member_server.issue("viewer")) as viewer:
        with pytest.raises(ForbiddenError, match="lacks the rights for join"):
            await join_plan.require_rights(viewer)


async def test_a_cluster_does_not_join_under_a_second_id(west: Api, request_: JoinRequest, broker_api: Api) -> None:
    await joined(west, request_)
    token = await accounts.create_token(broker_api, ClusterId("north"), seconds=3600, info=request_.info)
    with pytest.raises(McnetError, match="is already the member west, it can't also be north"):
        await joined(west, replace(request_, token=token, cluster_id="north"))
    await accounts.revoke_token(broker_api, "north")


async def test_a_member_does_not_change_its_clusterset_unasked(
    west: Api, request_: JoinRequest, member_server: ApiServer
) -> None:
    await joined(west, request_)
    foreign = replace(request_.info, server="https://other.example", ca=member_server.ca)
    with pytest.raises(UsageError, match="has joined another clusterset, whose broker is https://127"):
        await joined(west, replace(request_, info=foreign, token=None))


async def test_daemons_that_do_not_start(west: Api, request_: JoinRequest) -> None:
    with pytest.raises(McnetError, match="the daemons don't all run after 1 s"):
        await joined(west, replace(request_, timeout=1.0), ready=False)
    await joined(west, request_)


async def test_no_connection(west: Api, request_: JoinRequest, member_api: Api) -> None:
    access = await join_plan.open_access(west, request_)
    try:
        plan = await join_plan.prepare(west, access, replace(request_, timeout=2.0), Silent())
        async with controllers(west):
            with pytest.raises(
                McnetError, match="no cable to east was connected within 2 s: n1 has not reported yet"
            ):
                await join.carry_out(west, access, plan, Silent())
    finally:
        await access.close()


async def test_access_prefers_what_is_there(west: Api, request_: JoinRequest) -> None:
    await joined(west, request_)
    access: Access = await join_plan.open_access(west, replace(request_, token=None))
    assert not access.fresh
    await access.close()

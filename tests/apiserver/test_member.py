"""What the broker's admin does to members, on real API servers: approve, renew, remove - and what a member itself
can't."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from mcnet.codec import cluster as cluster_codec
from mcnet.codec.fields import texts
from mcnet.install import accounts, approval, broker_access, join_plan, removal, renewal
from mcnet.install.broker_access import stored_credential
from mcnet.install.join_plan import JoinRequest
from mcnet.install.members import read_member, read_member_or_none, read_members
from mcnet.kube import connect, kinds
from mcnet.kube.api import Api
from mcnet.model.broker import BrokerInfo
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.errors import ApiError, ConflictError, ForbiddenError, McnetError, UsageError
from mcnet.model.member import BROKER_NAMESPACE, BROKER_SECRET, SYSTEM_NAMESPACE
from tests.apiserver.test_broker import endpoint_object, lease_object
from tests.apiserver.test_join import WEST, info, joined, request_, west

__all__ = ["info", "request_", "west"]

NOBODY: tuple[str, ...] = ()


async def ask(api: Api, pods: str, services: str = "10.96.0.0/16") -> None:
    """As west's discovery does it, with west's own credential: the status says what the cluster has."""
    requested = {"podPrefixes": pods.split(","), "servicePrefixes": services.split(",")}
    status = {"status": {"version": "1", "requested": requested}}
    await api.merge_patch(kinds.CLUSTER, "west", status, BROKER_NAMESPACE, subresource="status")


async def as_member(cluster: Api) -> Api:
    """The broker as the member reaches it; to be closed by the caller."""
    credential = await stored_credential(cluster, WEST)
    assert credential
    return await connect.with_token(server=credential.server, ca=credential.ca, token=credential.token)


async def record(broker: Api) -> Cluster:
    return cluster_codec.decode(await broker.get(kinds.CLUSTER, "west", BROKER_NAMESPACE))


async def test_a_member_asks_and_only_the_admin_approves(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    await joined(west, request_)
    async with await as_member(west) as member:
        await ask(member, "10.2.0.0/23,10.9.0.0/16")
        wider = {"spec": {"podPrefixes": ["10.2.0.0/23", "10.9.0.0/16"]}}
        with pytest.raises(ForbiddenError):
            await member.merge_patch(kinds.CLUSTER, "west", wider, BROKER_NAMESPACE)
        proposal = await approval.propose(member, WEST)
        with pytest.raises(ForbiddenError):
            await approval.approve(member, proposal)
    assert (await record(broker_api)).pod_prefixes == (ip_network("10.2.0.0/23"),)
    proposal = await approval.propose(broker_api, WEST)
    assert str(proposal.verdict.change) == "+10.9.0.0/16"
    await approval.approve(broker_api, proposal)
    assert texts((await record(broker_api)).pod_prefixes) == ["10.2.0.0/23", "10.9.0.0/16"]
    assert not (await approval.propose(broker_api, WEST)).verdict.change


async def test_what_overlaps_is_not_approved(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    await joined(west, request_)
    await ask(broker_api, "10.2.0.0/23,10.1.128.0/17")
    with pytest.raises(McnetError, match=r"10\.1\.128\.0/17 overlaps with 10\.1\.0\.0/16, the pods of member east"):
        await approval.propose(broker_api, WEST)
    proposal = await approval.propose(broker_api, WEST, pods=(ip_network("10.2.0.0/16"),))
    await approval.approve(broker_api, proposal)
    assert texts((await record(broker_api)).pod_prefixes) == ["10.2.0.0/16"]


async def test_an_approval_of_what_has_changed_meanwhile(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    await joined(west, request_)
    await ask(broker_api, "10.2.0.0/16")
    first, second = await approval.propose(broker_api, WEST), await approval.propose(broker_api, WEST)
    await approval.approve(broker_api, first)
    with pytest.raises(ConflictError, match="was changed by somebody else meanwhile"):
        await approval.approve(broker_api, second)


async def test_an_unknown_member(broker_api: Api, info: BrokerInfo) -> None:
    with pytest.raises(UsageError, match="north is no member of this clusterset; there are: east"):
        await approval.propose(broker_api, ClusterId("north"))
    with pytest.raises(UsageError, match="north is no member"):
        await read_member(broker_api, ClusterId("north"))


async def test_all_that_the_broker_holds_is_read(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    await joined(west, request_)
    now = datetime.now(UTC)
    lease = lease_object("west", "west")
    lease["spec"]["renewTime"] = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    await broker_api.apply(lease)
    await broker_api.apply(endpoint_object(WEST, "w1"))
    try:
        one = await read_member(broker_api, WEST)
    finally:
        await broker_api.delete(kinds.ENDPOINT, "west.w1", BROKER_NAMESPACE)
        await broker_api.delete(kinds.LEASE, "west", BROKER_NAMESPACE)
    assert one.identity == await join_plan.public_identity(west)
    assert (one.account, one.token, one.seen) == (True, False, now)
    assert [endpoint.gateway for endpoint in one.endpoints] == ["w1"]
    assert [member.id for member in await read_members(broker_api)] == ["east", "west"]


async def lapse(cluster: Api) -> None:
    """The credential stops working, as after a long outage."""
    secret = await cluster.get(kinds.SECRET, BROKER_SECRET, SYSTEM_NAMESPACE)
    await cluster.merge_patch(
        kinds.SECRET, BROKER_SECRET, {"data": {"token": "bm90aGluZw=="}}, secret["metadata"]["namespace"]
    )


async def test_a_lapsed_member_joins_again_with_a_renewal_token(
    broker_api: Api, west: Api, request_: JoinRequest
) -> None:
    await joined(west, request_)
    before = await broker_api.get(kinds.CLUSTER, "west", BROKER_NAMESPACE)
    await lapse(west)
    with pytest.raises(UsageError, match="no longer accepts the credential of west") as caught:
        await joined(west, replace(request_, token=None))
    assert "mcnet member renew west" in caught.value.hint
    token = await renewal.renewal_token(broker_api, WEST, seconds=3600, info=request_.info)
    await joined(west, replace(request_, token=token))
    access = await broker_access.by_existing(west, request_.info, WEST)
    assert access
    await access.close()
    after = await broker_api.get(kinds.CLUSTER, "west", BROKER_NAMESPACE)
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
    assert await broker_api.find(kinds.SERVICE_ACCOUNT, "join-west", BROKER_NAMESPACE) is None


async def test_a_lapsed_member_is_renewed_in_place(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    await joined(west, request_)
    await lapse(west)
    with pytest.raises(UsageError, match="is the member west, not east"):
        await renewal.renew_in_place(broker_api, west, ClusterId("east"), request_.info)
    await renewal.renew_in_place(broker_api, west, WEST, request_.info)
    access = await broker_access.by_existing(west, request_.info, WEST)
    assert access
    await access.close()


async def test_nobody_but_members_is_renewed(broker_api: Api, west: Api, info: BrokerInfo) -> None:
    with pytest.raises(UsageError, match="west is no member"):
        await renewal.renewal_token(broker_api, WEST, seconds=3600, info=info)
    assert await broker_api.find(kinds.SERVICE_ACCOUNT, "member-west", BROKER_NAMESPACE) is None


async def test_a_removed_member_leaves_nothing(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    await joined(west, request_)
    await broker_api.apply(endpoint_object(WEST, "w1"))
    one = await read_member(broker_api, WEST)
    assert removal.refuse_living(one, NOBODY, force=False, command="") == ()
    await removal.remove(broker_api, one, alive=False)
    assert await read_member_or_none(broker_api, WEST) is None
    for kind in (kinds.ROLE, kinds.ROLE_BINDING, kinds.SERVICE_ACCOUNT, kinds.CLUSTER, kinds.ENDPOINT):
        names = [obj["metadata"]["name"] for obj in await broker_api.list(kind, BROKER_NAMESPACE)]
        assert not [name for name in names if "west" in name], kind
    async with await as_member(west) as member:
        with pytest.raises(ApiError):  # its rights went with it, at once
            await member.apply(endpoint_object(WEST, "w1"))


async def test_of_two_who_remove_a_member_one_is_told(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    await joined(west, request_)
    one = await read_member(broker_api, WEST)
    await removal.remove(broker_api, one, alive=False)
    with pytest.raises(ConflictError, match="was changed or removed by somebody else meanwhile"):
        await removal.remove(broker_api, one, alive=False)
    await accounts.ensure_account(broker_api, WEST, BROKER_NAMESPACE)
    await broker_api.apply(cluster_codec.encode(Cluster(WEST, (), ()), namespace=BROKER_NAMESPACE))
    with pytest.raises(ConflictError):
        await removal.remove(broker_api, one, alive=False)
    assert await broker_api.find(kinds.SERVICE_ACCOUNT, "member-west", BROKER_NAMESPACE)


async def test_a_living_member_that_is_cut_off_restores_nothing(
    broker_api: Api, west: Api, request_: JoinRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its credential is known to the API server for seconds more: it tries all the time to get its record back."""
    await joined(west, request_)
    one = await read_member(broker_api, WEST)
    obj = await broker_api.get(kinds.CLUSTER, "west", BROKER_NAMESPACE)
    again = {key: obj["metadata"][key] for key in ("name", "namespace", "labels", "ownerReferences")}
    tried = []

    async with await as_member(west) as member:

        async def restore() -> None:
            for _ in range(20):
                try:
                    await member.create(kinds.CLUSTER, obj | {"metadata": again}, BROKER_NAMESPACE)
                    tried.append("created")
                except ApiError as error:
                    tried.append(str(error.status))

        monkeypatch.setattr("mcnet.install.removal._forgotten", restore)
        await removal.remove(broker_api, one, alive=True)
    assert len(tried) == 20
    assert await read_member_or_none(broker_api, WEST) is None


async def test_a_living_member_is_refused(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    await joined(west, request_)
    one = await read_member(broker_api, WEST)
    with pytest.raises(McnetError, match="west is alive: east/n1 is connected with it") as caught:
        removal.refuse_living(one, ("east/n1",), force=False, command="mcnet member remove west --force")
    assert caught.value.hint.endswith("or cut it off: mcnet member remove west --force")
    assert removal.refuse_living(one, ("east/n1",), force=True, command="")

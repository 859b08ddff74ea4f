"""Who gets a cluster ID, on real API servers: a cluster that was rebuilt takes over its old one's, and of clusters
that join under one ID at the same moment exactly one succeeds."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from mcnet.codec import cluster as cluster_codec
from mcnet.install import accounts, join, join_plan
from mcnet.install.broker_access import stored_credential
from mcnet.install.join_plan import JoinRequest
from mcnet.install.members import read_member
from mcnet.install.progress import Silent
from mcnet.install.registration import TakenError
from mcnet.install.removal import remove
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.cluster import Identity
from mcnet.model.errors import McnetError
from mcnet.model.member import BROKER_NAMESPACE, SYSTEM_NAMESPACE
from mcnet.model.node import GATEWAY_LABEL
from mcnet.plan.gateway_choice import labelled_gateways
from tests.apiserver.conftest import install_crds
from tests.apiserver.controllers import controllers, finalize_namespaces
from tests.apiserver.server import ApiServer
from tests.apiserver.test_join import WEST, Heard, info, joined, request_, west
from tests.full import FULL

__all__ = ["info", "request_", "west"]


async def rebuilt(cluster: Api) -> None:
    """Nothing of mcnet is left in the cluster, as after it was made anew."""
    for node in labelled_gateways(await cluster.list(kinds.NODE)):
        await cluster.merge_patch(kinds.NODE, node, {"metadata": {"labels": {GATEWAY_LABEL: None}}})
    await cluster.delete(kinds.NAMESPACE, SYSTEM_NAMESPACE)
    await finalize_namespaces(cluster)


async def keys_at(broker: Api) -> Identity | None:
    return cluster_codec.decode(await broker.get(kinds.CLUSTER, "west", BROKER_NAMESPACE)).identity


@pytest.fixture
def as_admin(request_: JoinRequest, member_server: ApiServer, broker_server: ApiServer) -> JoinRequest:
    """West's admin, who is the broker's too."""
    both = Path(f"{member_server.kubeconfig}:{broker_server.kubeconfig}")
    return replace(request_, token=None, broker_context="broker", kubeconfig=both, cluster_id="west")


async def test_a_rebuilt_cluster_replaces_its_old_self(
    broker_api: Api, west: Api, request_: JoinRequest, as_admin: JoinRequest
) -> None:
    await joined(west, request_)
    old, credential = await keys_at(broker_api), await stored_credential(west)
    await rebuilt(west)
    with pytest.raises(McnetError, match="is taken by another cluster of this clusterset: key SHA256:") as caught:
        await joined(west, as_admin)
    assert "join --replace" in caught.value.hint
    assert await west.find(kinds.NAMESPACE, SYSTEM_NAMESPACE) is None

    heard = Heard()
    grown = replace(as_admin, replace=True, pod_prefixes=(ip_network("10.2.0.0/16"),))
    await joined(west, grown, heard)
    shown = "\n".join(heard.said)
    for text in ("west is replaced", "pods: 10.2.0.0/23", "signing key: SHA256:", "never seen", "account: there"):
        assert text in shown
    assert await keys_at(broker_api) == await join_plan.public_identity(west) != old
    record = cluster_codec.decode(await broker_api.get(kinds.CLUSTER, "west", BROKER_NAMESPACE))
    assert record.pod_prefixes == (ip_network("10.2.0.0/16"),)
    assert await stored_credential(west) != credential
    await joined(west, replace(request_, token=None))  # nothing more to do, as any member


async def test_replacing_takes_the_admin(broker_api: Api, west: Api, request_: JoinRequest) -> None:
    await joined(west, request_)
    old = await keys_at(broker_api)
    await rebuilt(west)
    token = await accounts.create_token(broker_api, WEST, seconds=3600, info=request_.info, joined=True)
    with pytest.raises(McnetError, match="replacing the member west is the broker's admin's to decide") as caught:
        await joined(west, replace(request_, token=token, replace=True))
    assert "mcnet token create west --replace" in caught.value.hint
    assert await keys_at(broker_api) == old
    # What `token create --replace` does: the admin removes the old one, the token is as any other.
    await remove(broker_api, await read_member(broker_api, WEST), alive=False)
    token = await accounts.create_token(broker_api, WEST, seconds=3600, info=request_.info)
    await joined(west, replace(request_, token=token, replace=True))
    assert await keys_at(broker_api) == await join_plan.public_identity(west)


async def test_a_living_one_is_replaced_only_by_force(
    broker_api: Api, west: Api, request_: JoinRequest, as_admin: JoinRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await joined(west, request_)
    old = await keys_at(broker_api)
    await rebuilt(west)
    monkeypatch.setattr("mcnet.install.removal.CACHED", 0.1)
    asked = replace(as_admin, replace=True, cables=("east/n1",))
    with pytest.raises(McnetError, match="west is alive: east/n1 is connected with it"):
        await joined(west, asked)
    assert await keys_at(broker_api) == old
    assert await west.find(kinds.NAMESPACE, SYSTEM_NAMESPACE) is None
    await joined(west, replace(asked, force=True))
    assert await keys_at(broker_api) != old


async def test_an_interrupted_replacement_is_finished_by_a_second_run(
    broker_api: Api, west: Api, request_: JoinRequest, as_admin: JoinRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await joined(west, request_)
    await rebuilt(west)
    asked = replace(as_admin, replace=True)

    async def interrupted(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    for target in ("mcnet.install.removal.accounts.delete_account", "mcnet.install.join.broker_access.with_account"):
        with monkeypatch.context() as patch:
            patch.setattr(target, interrupted)
            with pytest.raises(KeyboardInterrupt):
                await joined(west, asked)
    await joined(west, asked)
    assert await keys_at(broker_api) == await join_plan.public_identity(west)


@dataclass(frozen=True)
class Rival:
    """A third cluster, and a kubeconfig that leads to it and to the broker."""

    server: ApiServer
    kubeconfig: Path


@pytest.fixture
async def rival(tmp_path: Path, broker_server: ApiServer) -> AsyncIterator[Rival]:
    """A cluster of one node that has not joined."""
    server = ApiServer("rival", tmp_path / "rival")
    try:
        await server.start()
        async with await server.admin() as api:
            node = {"metadata": {"name": "r1"}, "spec": {"podCIDR": "10.3.0.0/24", "podCIDRs": ["10.3.0.0/24"]}}
            await api.create(kinds.NODE, node)
            ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
            await api.merge_patch(kinds.NODE, "r1", ready, subresource="status")
        yield Rival(server, Path(f"{server.kubeconfig}:{broker_server.kubeconfig}"))
    finally:
        server.close()


async def attempt(api: Api, request: JoinRequest, pause: float) -> McnetError | None:
    """One join, as the command does it; its error. `pause` lies between deciding and doing."""
    try:
        access = await join_plan.open_access(api, request)
        try:
            plan = await join_plan.prepare(api, access, request, Silent())
            await asyncio.sleep(pause)
            await join.carry_out(api, access, plan, Silent())
        finally:
            await access.close()
    except McnetError as error:
        return error
    return None


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["one token", "two admins", "token and admin"])
async def test_of_two_that_join_under_one_id_at_the_same_moment_one_succeeds(
    way: str, broker_api: Api, west: Api, as_admin: JoinRequest, rival: Rival
) -> None:
    chance = random.Random(way)
    async with await rival.server.admin() as other:
        for _ in range(60 if FULL else 6):
            token = await accounts.create_token(broker_api, WEST, seconds=3600, info=as_admin.info)
            by_admin = (as_admin, replace(as_admin, kubeconfig=rival.kubeconfig))
            by_token = tuple(replace(one, token=token, broker_context="") for one in by_admin)
            first, second = {
                "one token": by_token,
                "two admins": by_admin,
                "token and admin": (by_token[0], by_admin[1]),
            }[way]
            async with controllers(west, cables_to="east"), controllers(other, cables_to="east"):
                errors = await asyncio.gather(
                    attempt(west, first, chance.uniform(0, 0.2)), attempt(other, second, chance.uniform(0, 0.2))
                )
                (error,) = [one for one in errors if one]
                winner, loser = (other, west) if errors[0] else (west, other)
                await one_of_them_has_it(broker_api, winner, loser, error)
            for api in (west, other):
                await rebuilt(api)
            await remove(broker_api, await read_member(broker_api, WEST), alive=False)
    await install_crds(west)  # the one that lost has taken them along, other tests need them


async def one_of_them_has_it(broker: Api, winner: Api, loser: Api, error: McnetError) -> None:
    """The winner is the member, and the loser was told by whom and holds nothing."""
    assert await keys_at(broker) == await join_plan.public_identity(winner)
    if isinstance(error, TakenError):
        assert "the cluster ID west was taken by another cluster a moment ago: key SHA256:" in error.message
        assert "nothing of this join is left" in error.hint
    else:  # it came too late for that: it saw the record, or its token had been used
        assert "key SHA256:" in error.message or "has been used or revoked" in error.message
    assert await loser.find(kinds.NAMESPACE, SYSTEM_NAMESPACE) is None
    nodes = await loser.list(kinds.NODE)
    assert labelled_gateways(nodes) == ()

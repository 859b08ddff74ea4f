"""What the daemons' accounts may do in their own cluster, by the rendered Roles on a real API server."""

from collections.abc import AsyncIterator

import pytest

from mcnet.kube import connect, kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import Kind
from mcnet.render.engine import render
from mcnet.render.values import MemberValues
from tests.apiserver.server import ApiServer

ACCOUNTS = ("mcnet-gateway", "mcnet-route-agent", "mcnet-discovery")
WRITE = ("create", "update", "patch", "delete")
READ = ("get", "list", "watch")


@pytest.fixture
async def accounts(
    member_api: Api, member_server: ApiServer, member_namespace: str
) -> AsyncIterator[dict[str, tuple[Api, str]]]:
    """Each account as (Api with its token, namespace)."""
    for obj in render("member", MemberValues(cluster="west", image="none", namespace=member_namespace)):
        if obj["kind"] in {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}:
            await member_api.apply(obj)
    opened: dict[str, tuple[Api, str]] = {}
    for name in ACCOUNTS:
        token, _ = await member_api.create_token(name, member_namespace, seconds=3600)
        api = await connect.with_token(server=member_server.url, ca=member_server.ca, token=token)
        opened[name] = (api, member_namespace)
    yield opened
    for api, _ in opened.values():
        await api.close()


async def allowed(account: tuple[Api, str], kind: Kind, verbs: tuple[str, ...], subresource: str = "") -> set[str]:
    api, namespace = account
    where = namespace if kind.namespaced else None
    return {verb for verb in verbs if await api.can_i(verb, kind, where, subresource=subresource)}


ALL = set(WRITE)
MAY_WRITE: dict[str, dict[Kind, set[str]]] = {
    "mcnet-gateway": {kinds.ENDPOINT: ALL, kinds.GATEWAY: ALL, kinds.LEASE: ALL},
    # A node that stopped being a gateway has nobody else to take its Endpoint and its report back.
    "mcnet-route-agent": {kinds.NODE_STATE: ALL, kinds.ENDPOINT: {"delete"}, kinds.GATEWAY: {"delete"}},
    # Of ConfigMaps it changes the one that it makes (see test_pins).
    "mcnet-discovery": {
        kinds.CLUSTER: ALL,
        kinds.CLUSTERSET: ALL,
        kinds.ENDPOINT: ALL,
        kinds.CONFIG_MAP: {"create"},
    },
}
OWN = (kinds.CLUSTER, kinds.CLUSTERSET, kinds.ENDPOINT, kinds.GATEWAY, kinds.NODE_STATE, kinds.MEMBER)


@pytest.mark.parametrize("name", ACCOUNTS)
async def test_each_writes_its_own_kinds_only(accounts: dict[str, tuple[Api, str]], name: str) -> None:
    for kind in (*OWN, kinds.POD, kinds.DAEMON_SET, kinds.SERVICE_ACCOUNT, kinds.ROLE, kinds.CONFIG_MAP):
        assert await allowed(accounts[name], kind, WRITE) == MAY_WRITE[name].get(kind, set()), kind.kind


@pytest.mark.parametrize("name", ACCOUNTS)
async def test_everybody_reads_nodes_and_settings_and_nobody_writes_nodes(
    accounts: dict[str, tuple[Api, str]], name: str
) -> None:
    for kind in (kinds.NODE, kinds.MEMBER):
        assert await allowed(accounts[name], kind, READ) == set(READ)
    assert await allowed(accounts[name], kinds.NODE, WRITE) == set()
    assert await allowed(accounts[name], kinds.NODE, ("patch",), "status") == set()


@pytest.mark.parametrize("name", ACCOUNTS)
async def test_secrets(accounts: dict[str, tuple[Api, str]], name: str) -> None:
    api, namespace = accounts[name]
    assert await allowed(accounts[name], kinds.SECRET, READ) == set()  # not without a name
    broker = await api.can_i("get", kinds.SECRET, namespace, name="mcnet-broker")
    assert broker == (name == "mcnet-discovery")
    assert not await api.can_i("get", kinds.SECRET, namespace, name="mcnet-identity")
    assert not await api.can_i("create", kinds.SECRET, namespace)


@pytest.mark.parametrize("name", ACCOUNTS)
async def test_pins(accounts: dict[str, tuple[Api, str]], name: str) -> None:
    api, namespace = accounts[name]
    for verb in ("get", "list", "watch", "update", "patch"):
        may = await api.can_i(verb, kinds.CONFIG_MAP, namespace, name="mcnet-pins")
        assert may == (name == "mcnet-discovery"), verb
    assert not await api.can_i("update", kinds.CONFIG_MAP, namespace, name="another")
    assert not await api.can_i("delete", kinds.CONFIG_MAP, namespace, name="mcnet-pins")


@pytest.mark.parametrize("name", ACCOUNTS)
async def test_nobody_acts_in_other_namespaces(accounts: dict[str, tuple[Api, str]], name: str) -> None:
    api, _ = accounts[name]
    for kind in (*OWN, kinds.SECRET, kinds.POD):
        assert not await api.can_i("get", kind, "default"), kind.kind


@pytest.mark.parametrize("name", ACCOUNTS)
async def test_discovery_alone_writes_services_of_all_namespaces(
    accounts: dict[str, tuple[Api, str]], name: str
) -> None:
    api, _ = accounts[name]
    may = ALL if name == "mcnet-discovery" else set()
    for kind in (kinds.SERVICE, kinds.ENDPOINT_SLICE, kinds.SERVICE_IMPORT):
        assert {verb for verb in WRITE if await api.can_i(verb, kind, "default")} == may, kind.kind
    for kind in (kinds.SERVICE_EXPORT, kinds.NAMESPACE):
        assert {verb for verb in WRITE if await api.can_i(verb, kind, "default")} == set(), kind.kind
    assert await api.can_i("update", kinds.SERVICE_EXPORT, "default", subresource="status") == bool(may)
    assert not await api.can_i("create", kinds.ENDPOINT, "default")


@pytest.mark.parametrize("name", ACCOUNTS)
async def test_everybody_writes_events(accounts: dict[str, tuple[Api, str]], name: str) -> None:
    assert await allowed(accounts[name], kinds.EVENT, ("create", "patch")) == {"create", "patch"}

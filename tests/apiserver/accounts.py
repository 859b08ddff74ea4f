"""The accounts that the installed templates give, on test API servers: rights are part of what is tested."""

from datetime import datetime

from mcnet.codec.broker import member_account
from mcnet.install.accounts import ensure_account
from mcnet.kube import connect
from mcnet.kube.api import Api
from mcnet.model.cluster import ClusterId
from mcnet.render.engine import render
from mcnet.render.values import BrokerValues, MemberValues
from tests.apiserver.server import ApiServer


async def broker_account(admin: Api, cluster: ClusterId, namespace: str) -> tuple[str, datetime]:
    """The broker's roles and policy in `namespace`, and a token of the cluster's account there."""
    for obj in render("broker", BrokerValues(namespace=namespace)):
        if obj["kind"] != "Namespace":
            await admin.apply(obj)
    await ensure_account(admin, cluster, namespace)
    return await admin.create_token(member_account(cluster), namespace, seconds=3600)


async def discovery_account(admin: Api, server: ApiServer, namespace: str) -> Api:
    """The own API server as discovery's ServiceAccount; to be closed by the caller."""
    for obj in render("member", MemberValues(cluster="west", image="none", namespace=namespace)):
        if obj["kind"] in {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}:
            await admin.apply(obj)
    token, _ = await admin.create_token("mcnet-discovery", namespace, seconds=3600)
    return await connect.with_token(server=server.url, ca=server.ca, token=token)

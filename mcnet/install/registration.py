"""Writes a cluster's record at the broker. Creating it decides who has an ID: of two clusters that join under one ID
at the same moment, one creates the Cluster, and the other finds a record with keys that are not its own."""

from mcnet.codec import cluster as cluster_codec
from mcnet.codec.broker import member_account
from mcnet.codec.errors import DecodeError
from mcnet.install.apply import Applied, Outcome, different
from mcnet.install.broker_access import Access
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject
from mcnet.model.cluster import Cluster, ClusterId, Identity
from mcnet.model.errors import ConflictError, McnetError, NotFoundError
from mcnet.model.member import MANAGED_LABEL


class TakenError(McnetError):
    """Another cluster has the ID."""


async def register(access: Access, record: Cluster) -> list[Applied]:
    """Creates the Cluster; the broker's admin also changes one that is this cluster's and differs. What changed.

    Raises TakenError if the record is another cluster's, or has become so meanwhile.
    """
    assert access.member is not None
    obj = await _object(access, record)
    api = access.admin or access.member
    try:
        await api.create(kinds.CLUSTER, obj, access.info.namespace)
    except ConflictError:
        there = await api.get(kinds.CLUSTER, record.id, access.info.namespace)
        if _identity(there) not in (None, record.identity):
            raise _taken(record.id) from None
        return await _change(access.admin, obj, there) if access.admin else []
    return [Applied("Cluster", record.id, Outcome.CREATED)]


async def _change(admin: Api, obj: JsonObject, there: JsonObject) -> list[Applied]:
    """Of the version that was looked at: somebody who replaces the member meanwhile is not overwritten."""
    name, namespace = str(obj["metadata"]["name"]), str(obj["metadata"]["namespace"])
    while True:
        metadata = there["metadata"] | {
            "labels": (there["metadata"].get("labels") or {}) | obj["metadata"]["labels"],
            "ownerReferences": obj["metadata"]["ownerReferences"],
        }
        wanted = there | {"metadata": metadata, "spec": obj["spec"]}
        fields = tuple(different(there, wanted))
        if not fields:
            return [Applied("Cluster", name, Outcome.UNCHANGED)]
        try:
            await admin.replace(kinds.CLUSTER, wanted, namespace)
        except (ConflictError, NotFoundError):
            found = await admin.find(kinds.CLUSTER, name, namespace)
            if found is None or _identity(found) != _identity(obj):
                raise _taken(ClusterId(name)) from None
            there = found
        else:
            return [Applied("Cluster", name, Outcome.CHANGED, fields)]


async def _object(access: Access, record: Cluster) -> JsonObject:
    """The Cluster, owned by the member's account: it goes with it."""
    assert access.member is not None
    namespace = access.info.namespace
    account = await access.member.get(kinds.SERVICE_ACCOUNT, member_account(record.id), namespace)
    obj = cluster_codec.encode(record, namespace=namespace)
    obj["metadata"]["labels"][MANAGED_LABEL] = "mcnet"
    obj["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "name": account["metadata"]["name"],
            "uid": account["metadata"]["uid"],
        }
    ]
    return obj


def _identity(obj: JsonObject) -> Identity | None:
    try:
        return cluster_codec.decode(obj).identity
    except DecodeError:
        return None


def _taken(cluster: ClusterId) -> TakenError:
    return TakenError(
        f"the cluster ID {cluster} was taken by another cluster a moment ago",
        "join under another one: --cluster-id",
    )

"""Reads what the broker holds of its members. Judging and writing is done elsewhere."""

import asyncio
from datetime import datetime

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec.batch import decode_all
from mcnet.codec.broker import join_account, member_account
from mcnet.codec.errors import DecodeError
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject
from mcnet.model.cluster import Cluster, ClusterId, Requested
from mcnet.model.errors import UsageError
from mcnet.model.member import BROKER_NAMESPACE
from mcnet.plan.member_view import MemberRecord


async def read_members(
    api: Api, namespace: str = BROKER_NAMESPACE, *, accounts: bool = True
) -> tuple[MemberRecord, ...]:
    """All members, in order of ID. Without `accounts` (which members may not list) these count as not there."""
    async with asyncio.TaskGroup() as group:
        clusters = group.create_task(api.list(kinds.CLUSTER, namespace))
        endpoints = group.create_task(api.list(kinds.ENDPOINT, namespace))
        leases = group.create_task(api.list(kinds.LEASE, namespace))
        named = group.create_task(_accounts(api, namespace) if accounts else _nothing())
    found = {str(obj["metadata"]["name"]): obj for obj in clusters.result()}
    gateways = decode_all(endpoint_codec.decode, endpoints.result(), [])
    seen = {str(lease["metadata"]["name"]): _renewed(lease) for lease in leases.result()}
    names = named.result()
    ids = {*found, *(one.cluster for one in gateways)}
    ids |= {name.removeprefix("member-") for name in names if name.startswith("member-")}
    return tuple(
        MemberRecord(
            id=ClusterId(one),
            cluster=_decoded(found.get(one)),
            requested=_requested(found.get(one)),
            uid=str(found[one]["metadata"].get("uid", "")) if one in found else "",
            created=str(found[one]["metadata"].get("creationTimestamp", "")) if one in found else "",
            account=member_account(ClusterId(one)) in names,
            token=join_account(ClusterId(one)) in names,
            seen=seen.get(one),
            endpoints=tuple(gateway for gateway in gateways if gateway.cluster == one),
        )
        for one in sorted(ids)
    )


async def read_member(api: Api, cluster: ClusterId, namespace: str = BROKER_NAMESPACE) -> MemberRecord:
    """One member. Raises UsageError that names those there are if it is not one of them."""
    members = await read_members(api, namespace)
    record = record_of(members, cluster)
    if record is None:
        known = ", ".join(one.id for one in members) or "none"
        raise UsageError(f"{cluster} is no member of this clusterset; there are: {known}", "mcnet member list")
    return record


async def read_member_or_none(api: Api, cluster: ClusterId, namespace: str = BROKER_NAMESPACE) -> MemberRecord | None:
    """One member, None if the broker holds nothing of it."""
    return record_of(await read_members(api, namespace), cluster)


def record_of(members: tuple[MemberRecord, ...], cluster: ClusterId) -> MemberRecord | None:
    """The one of that ID."""
    return next((one for one in members if one.id == cluster), None)


def others(members: tuple[MemberRecord, ...], cluster: ClusterId) -> tuple[Cluster, ...]:
    """The records of all other members."""
    return tuple(one.cluster for one in members if one.cluster and one.id != cluster)


async def _accounts(api: Api, namespace: str) -> set[str]:
    listed = await api.list(kinds.SERVICE_ACCOUNT, namespace)
    return {str(account["metadata"]["name"]) for account in listed}


async def _nothing() -> set[str]:
    return set()


def _decoded(obj: JsonObject | None) -> Cluster | None:
    try:
        return cluster_codec.decode(obj) if obj else None
    except DecodeError:
        return None


def _requested(obj: JsonObject | None) -> Requested | None:
    try:
        return cluster_codec.decode_requested(obj) if obj else None
    except DecodeError:
        return None


def _renewed(lease: JsonObject) -> datetime | None:
    text = str((lease.get("spec") or {}).get("renewTime") or "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None

"""Takes a member out of the broker for good, as its admin: for `member remove`, and to make room for a rebuilt
cluster that joins under the same ID. What the member's own cluster holds is not touched; the member's own way is
`broker_leave`.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from mcnet.install import accounts
from mcnet.install.member_records import remove_member_records
from mcnet.install.members import read_member_or_none
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.errors import ConflictError, McnetError, NotFoundError
from mcnet.model.member import BROKER_NAMESPACE
from mcnet.plan.member_view import MemberRecord, signs_of_life

CACHED: Final = 12.0
"""Seconds for which an API server may still accept the token of a deleted account (it caches for ten)."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def refuse_living(record: MemberRecord, cables: tuple[str, ...], *, force: bool, command: str) -> tuple[str, ...]:
    """Raises McnetError if the member seems alive and nobody said that it goes nevertheless; else says why it seems
    so. `command` is the way to say it."""
    signs = signs_of_life(record, cables, utc_now())
    if signs and not force:
        raise McnetError(
            f"{record.id} is alive: {'; '.join(signs)}",
            f"let it leave by itself: mcnet leave; or cut it off: {command}",
        )
    return signs


async def remove(
    admin: Api, record: MemberRecord, *, alive: bool, namespace: str = BROKER_NAMESPACE,
    told: Callable[[str], None] = lambda text: None,
) -> None:  # fmt: skip
    """Removes the record that was read, the account and all that is left of the member.

    The Cluster goes first and only if it is still the one that was read, so that of two who replace a member at
    the same moment one goes on. Then the account's rights, so that a member that lives can't restore anything; its
    token stays known to the API server for seconds, which are waited for if it is `alive`: rights for a new
    account of the same name would be its too. Raises ConflictError if somebody else was faster.
    """
    if record.uid:
        try:
            await admin.delete(kinds.CLUSTER, record.id, namespace, missing_ok=False, uid=record.uid)
        except (ConflictError, NotFoundError) as error:
            raise ConflictError(
                f"the member {record.id} was changed or removed by somebody else meanwhile",
                f"look again: mcnet member show {record.id}",
                status=409,
            ) from error
    await accounts.delete_join_account(admin, record.id, namespace)
    await accounts.delete_account(admin, record.id, namespace)
    await _remove_records(admin, record, namespace)
    if alive:
        told(f"Waiting until the broker has forgotten the credential of {record.id}")
        await _forgotten()
        await _remove_records(admin, record, namespace)


async def _forgotten() -> None:
    """Returns when no API server accepts the deleted account's token any more."""
    await asyncio.sleep(CACHED)


async def _remove_records(admin: Api, record: MemberRecord, namespace: str) -> None:
    """Endpoints, exports, sign of life, and a Cluster that the living member restored: never one with other keys."""
    await remove_member_records(admin, record.id, namespace)
    await admin.delete(kinds.LEASE, record.id, namespace)
    there = await read_member_or_none(admin, record.id, namespace)
    if there and there.uid and there.identity == record.identity:
        await admin.delete(kinds.CLUSTER, record.id, namespace, uid=there.uid)

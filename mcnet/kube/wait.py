"""Waiting for one object to become as wanted, by watch. What to wait for is the caller's matter."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.errors import ApiError, ForbiddenError, UnreachableError

if TYPE_CHECKING:
    from mcnet.kube.api import Api

RETRY = 0.5
"""Seconds until a watch that ended or failed is begun again."""


async def wait_for(
    api: "Api",
    kind: Kind,
    name: str,
    namespace: str | None,
    predicate: Callable[[JsonObject | None], bool],
    *,
    timeout: float,
) -> JsonObject | None:
    """See `Api.wait_for`. The server being away for a while is no reason to give up; a refusal is."""
    try:
        async with asyncio.timeout(timeout):
            while True:
                try:
                    found, obj = await _look(api, kind, name, namespace, predicate)
                except ForbiddenError:
                    raise
                except (ApiError, UnreachableError):
                    found, obj = False, None
                if found:
                    return obj
                await asyncio.sleep(RETRY)
    except TimeoutError as error:
        raise TimeoutError(f"{kind.kind} {name} did not become as awaited within {timeout:g} s") from error


async def _look(
    api: "Api", kind: Kind, name: str, namespace: str | None, predicate: Callable[[JsonObject | None], bool]
) -> tuple[bool, JsonObject | None]:
    """One list and one watch: whether it became so, and the object."""
    fields = f"metadata.name={name}"
    items, version = await api.list_at(kind, namespace, fields=fields)
    obj = items[0] if items else None
    if predicate(obj):
        return True, obj
    async for event, changed in api.watch(kind, namespace, fields=fields, resource_version=version):
        obj = None if event == "DELETED" else changed
        if predicate(obj):
            return True, obj
    return False, None

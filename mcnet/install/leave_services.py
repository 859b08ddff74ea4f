"""Takes imported services out of a cluster that leaves: ServiceImports, derived Services, slices, all of them ours.

ServiceExports are the users' and stay; what mcnet has said in their status goes.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from mcnet.install.mcs_kinds import EXPORTS, IMPORTS, listed
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, kind_of
from mcnet.model.member import MANAGED_LABEL
from mcnet.model.service import (
    SERVICE_NAME_LABEL,
    SERVICE_NAMESPACE_LABEL,
    SLICE_MANAGER,
    SLICE_MANAGER_LABEL,
)

AT_ONCE: Final = 16
"""Writes at a time: there may be thousands."""
OURS: Final = f"{MANAGED_LABEL}=mcnet"
CONDITIONS: Final = frozenset({"Valid", "Ready", "Conflict"})
"""Types that mcnet writes."""


async def remove_services(api: Api) -> int:
    """Removes them; how many objects that were."""
    slices = [
        obj
        for obj in await api.list(kinds.ENDPOINT_SLICE, labels=f"{SLICE_MANAGER_LABEL}={SLICE_MANAGER}")
        if SERVICE_NAMESPACE_LABEL not in (obj["metadata"].get("labels") or {})  # those are a broker's
    ]
    derived = await api.list(kinds.SERVICE, labels=f"{OURS},{SERVICE_NAME_LABEL}")
    imports = await listed(api, IMPORTS, OURS)
    exports = [obj for obj in await listed(api, EXPORTS) if _said(obj)]
    await _all(
        [
            *(_delete(api, obj) for obj in (*slices, *derived, *imports)),
            *(_unsay(api, obj) for obj in exports),
        ]
    )
    return len(slices) + len(derived) + len(imports)


async def _delete(api: Api, obj: JsonObject) -> None:
    await api.delete(kind_of(obj), obj["metadata"]["name"], obj["metadata"]["namespace"])


def _said(obj: JsonObject) -> list[JsonObject]:
    """The conditions that mcnet has written."""
    return [one for one in (obj.get("status") or {}).get("conditions") or () if one.get("type") in CONDITIONS]


async def _unsay(api: Api, obj: JsonObject) -> None:
    kept = [one for one in obj["status"]["conditions"] if one.get("type") not in CONDITIONS]
    metadata = obj["metadata"]
    await api.merge_patch(
        kind_of(obj), metadata["name"], {"status": {"conditions": kept}}, metadata["namespace"],
        subresource="status",
    )  # fmt: skip


async def _all(steps: Iterable[Coroutine[Any, Any, None]]) -> None:
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(step: Coroutine[Any, Any, None]) -> None:
        async with limit:
            await step

    await asyncio.gather(*map(one, steps))

"""The kinds of the Multi-Cluster Services API: brought by mcnet only where nobody else has, taken away only then.

They are the users': a ServiceExport is theirs, and other programs read ServiceImports.
"""

import asyncio
from typing import Final

from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.errors import ApiError, NotFoundError
from mcnet.model.member import MANAGED_LABEL
from mcnet.render.engine import render

EXPORTS: Final = (kinds.SERVICE_EXPORT, kinds.SERVICE_EXPORT_ALPHA)
IMPORTS: Final = (kinds.SERVICE_IMPORT, kinds.SERVICE_IMPORT_ALPHA)
BUSY: Final = 429
PAUSE: Final = 0.2
"""Seconds between two tries at a server that is busy."""
TRIES: Final = 50


async def to_apply(api: Api) -> tuple[JsonObject, ...]:
    """The kinds that are not there, or are mcnet's own and no newer."""
    wanted = []
    for crd in render("mcs"):
        there = await api.find(kinds.CRD, crd["metadata"]["name"])
        if there is None or (_is_ours(there) and not _versions(there) - _versions(crd)):
            wanted.append(crd)
    return tuple(wanted)


async def to_remove(api: Api) -> list[str]:
    """Names of the kinds that mcnet has brought and of which no object is left."""
    names = []
    for versions in (EXPORTS, IMPORTS):
        name = f"{versions[0].plural}.{versions[0].group}"
        there = await api.find(kinds.CRD, name)
        if there is not None and _is_ours(there) and not await listed(api, versions):
            names.append(name)
    return names


def _versions(crd: JsonObject) -> set[str]:
    """One that has a version which ours has not is newer: objects may be stored in that version."""
    return {str(one["name"]) for one in crd["spec"]["versions"]}


def _is_ours(crd: JsonObject) -> bool:
    return bool((crd["metadata"].get("labels") or {}).get(MANAGED_LABEL) == "mcnet")


async def listed(api: Api, versions: tuple[Kind, ...], labels: str = "") -> list[JsonObject]:
    """The objects of a kind in the first version of it that is served; none where none is."""
    for kind in versions:
        try:
            return await _listed(api, kind, labels)
        except NotFoundError:
            continue
    return []


async def _listed(api: Api, kind: Kind, labels: str) -> list[JsonObject]:
    """Waits for a server that says it is busy: a kind that was installed a moment ago has no storage at first."""
    for _ in range(TRIES):
        try:
            return await api.list(kind, labels=labels)
        except ApiError as error:
            if error.status != BUSY:
                raise
        await asyncio.sleep(PAUSE)
    return await api.list(kind, labels=labels)

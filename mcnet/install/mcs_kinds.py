"""The kinds of the Multi-Cluster Services API: brought by mcnet only where nobody else has, taken away only then.

They are the users': a ServiceExport is theirs, and other programs read ServiceImports.
"""

from typing import Final

from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.errors import NotFoundError
from mcnet.model.member import MANAGED_LABEL
from mcnet.render.engine import render

OBJECTS: Final = (kinds.SERVICE_EXPORT, kinds.SERVICE_IMPORT)


async def to_apply(api: Api) -> tuple[JsonObject, ...]:
    """The kinds that are not there, or are mcnet's own."""
    wanted = []
    for crd in render("mcs"):
        there = await api.find(kinds.CRD, crd["metadata"]["name"])
        if there is None or _is_ours(there):
            wanted.append(crd)
    return tuple(wanted)


async def to_remove(api: Api) -> list[str]:
    """Names of the kinds that mcnet has brought and of which no object is left."""
    names = []
    for kind in OBJECTS:
        name = f"{kind.plural}.{kind.group}"
        there = await api.find(kinds.CRD, name)
        if there is not None and _is_ours(there) and not await _objects(api, kind):
            names.append(name)
    return names


def _is_ours(crd: JsonObject) -> bool:
    return bool((crd["metadata"].get("labels") or {}).get(MANAGED_LABEL) == "mcnet")


async def _objects(api: Api, kind: Kind) -> list[JsonObject]:
    try:
        return await api.list(kind)
    except NotFoundError:
        return []

"""Applies rendered objects and says what that changed. What to apply is decided elsewhere."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, kind_of
from mcnet.model.errors import McnetError, NotFoundError
from mcnet.model.member import MANAGED_LABEL

SYSTEM_LABELS: Final = {"app.kubernetes.io/name": "mcnet", MANAGED_LABEL: "mcnet"}
"""On every object that `join` makes, so that `leave` finds it."""

CRD_TIMEOUT = 30.0
"""Seconds a CustomResourceDefinition has to become established; it takes well under one on a healthy server."""


class Outcome(Enum):
    """What applying an object did, or would do."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Applied:
    """One object and what happened to it; `fields` are the paths that changed, for a dry run."""

    kind: str
    name: str
    outcome: Outcome
    fields: tuple[str, ...] = ()


async def apply_all(
    api: Api, objects: Iterable[JsonObject], *, dry_run: bool = False, told: Callable[[str], None] | None = None
) -> list[Applied]:
    """Applies each object in the given order; CustomResourceDefinitions are awaited before anything after them.

    With `dry_run` the server is asked what would change; objects whose namespace or kind does not exist yet
    count as created. `told` gets "Kind name" before each. Raises what `Api.apply` raises.
    """
    results: list[Applied] = []
    waiting: list[str] = []
    for obj in objects:
        if waiting and obj["kind"] != kinds.CRD.kind and not dry_run:
            await _established(api, waiting)
            waiting = []
        if told:
            told(f"{obj['kind']} {obj['metadata']['name']}")
        applied = await (_dry_run(api, obj) if dry_run else _apply(api, obj))
        results.append(applied)
        if obj["kind"] == kinds.CRD.kind:
            waiting.append(obj["metadata"]["name"])
    if waiting and not dry_run:
        await _established(api, waiting)
    return results


def changed(results: Iterable[Applied]) -> list[Applied]:
    """Those that were, or would be, created or changed."""
    return [applied for applied in results if applied.outcome is not Outcome.UNCHANGED]


def summary(results: Iterable[Applied]) -> str:
    """ "3 created, 1 changed, 20 unchanged"."""
    counts = dict.fromkeys(Outcome, 0)
    for applied in results:
        counts[applied.outcome] += 1
    return ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items() if count) or "nothing to do"


async def _apply(api: Api, obj: JsonObject) -> Applied:
    before = await _find(api, obj)
    after = await api.apply(obj)
    if before is None:
        return _applied(obj, Outcome.CREATED)
    fields = tuple(different(_comparable(before), _comparable(after)))
    return _applied(obj, Outcome.CHANGED if fields else Outcome.UNCHANGED, fields)


async def _dry_run(api: Api, obj: JsonObject) -> Applied:
    before = await _find(api, obj)
    if before is None:
        await _would_create(api, obj)
        return _applied(obj, Outcome.CREATED)
    after = await api.apply(obj, dry_run=True)
    fields = tuple(different(_comparable(before), _comparable(after)))
    return _applied(obj, Outcome.CHANGED if fields else Outcome.UNCHANGED, fields)


async def _would_create(api: Api, obj: JsonObject) -> None:
    """Lets the server check the object, where what it depends on exists already."""
    try:
        await api.apply(obj, dry_run=True)
    except NotFoundError:
        return  # its namespace or its kind is created by the same run


async def _find(api: Api, obj: JsonObject) -> JsonObject | None:
    return await api.find(kind_of(obj), obj["metadata"]["name"], obj["metadata"].get("namespace"))


def _applied(obj: JsonObject, outcome: Outcome, fields: tuple[str, ...] = ()) -> Applied:
    return Applied(obj["kind"], obj["metadata"]["name"], outcome, fields)


def _comparable(obj: JsonObject) -> JsonObject:
    """Without what the server and its controllers change by themselves."""
    metadata = {
        key: value
        for key, value in obj["metadata"].items()
        if key not in ("managedFields", "resourceVersion", "generation")
    }
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def different(old: Any, new: Any, path: str = "") -> list[str]:
    """Paths at which two JSON values differ: "spec.template.spec.containers[0].image"."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        return [at for key in keys for at in different(old.get(key), new.get(key), f"{path}.{key}" if path else key)]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [at for number, (one, other) in pairs for at in different(one, other, f"{path}[{number}]")]
    return [] if old == new else [path]


async def _established(api: Api, names: list[str]) -> None:
    for name in names:
        try:
            await api.wait_for(kinds.CRD, name, None, _is_established, CRD_TIMEOUT)
        except TimeoutError as error:
            raise McnetError(
                f"the kind {name} was not accepted by {api.server} within {CRD_TIMEOUT:g} s",
                f"kubectl describe crd {name}",
            ) from error


def _is_established(crd: JsonObject | None) -> bool:
    conditions = ((crd or {}).get("status") or {}).get("conditions") or []
    return any(found["type"] == "Established" and found["status"] == "True" for found in conditions)

"""Which writes make objects as they are wanted: created, replaced where they differ, deleted where nobody wants them.

Only what mcnet writes is compared; what API servers and others add stays. What is wanted is mcnet.plan.services'.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from mcnet.codec.fields import JsonObject
from mcnet.codec.service import comparable_spec
from mcnet.model.member import MANAGED_LABEL
from mcnet.model.service import EXPORTED_ANNOTATION
from mcnet.plan.mirror import Place, Verb, Write

_SLICE_PARTS: Final = ("endpoints", "ports")


def differs(place: Place, wanted: Iterable[JsonObject], there: Iterable[JsonObject]) -> list[Write]:
    """The writes for records or slices, all of one place and ours whole. A slice of another family, which can't be
    changed, goes first; its successor follows when it is gone."""
    present = {_name(obj): obj for obj in there}
    writes: list[Write] = []
    for obj in wanted:
        writes += _one(place, obj, present.pop(_name(obj), None))
    writes += [deletion(place, obj, "nobody wants it any more") for _, obj in sorted(present.items())]
    return writes


def deletion(place: Place, obj: JsonObject, reason: str) -> Write:
    return Write(place, Verb.DELETE, obj, reason)


def is_going(obj: JsonObject) -> bool:
    """Whether it is being deleted: then nothing of it can be changed any more."""
    return "deletionTimestamp" in obj["metadata"]


def is_ours(obj: JsonObject) -> bool:
    """Whether a ServiceImport or Service bears mcnet's label."""
    return bool((obj["metadata"].get("labels") or {}).get(MANAGED_LABEL) == "mcnet")


def with_exported(wanted: JsonObject, there: JsonObject | None) -> JsonObject:
    """The ServiceImport `wanted` with its note of what is exported, and what users have added to `there`."""
    metadata = wanted["metadata"]
    before = _noted(there)
    note: JsonObject = {}
    made: dict[str, dict[str, str]] = {}
    for part in ("labels", "annotations"):
        mine = metadata.get(part) or {}
        note[part] = sorted(key for key in mine if key != MANAGED_LABEL)
        others = (there or {"metadata": {}})["metadata"].get(part) or {}
        kept = {key: value for key, value in others.items() if key not in before[part]}
        made[part] = kept | mine
    made["annotations"].pop(EXPORTED_ANNOTATION, None)
    if note["labels"] or note["annotations"]:
        made["annotations"][EXPORTED_ANNOTATION] = json.dumps(note, sort_keys=True)
    return wanted | {"metadata": metadata | made}


def import_write(wanted: JsonObject, there: JsonObject) -> list[Write]:
    """The write of a ServiceImport that is there, none if it is as wanted."""
    metadata = there["metadata"]
    same = all((metadata.get(part) or {}) == wanted["metadata"][part] for part in ("labels", "annotations"))
    if same and there.get("spec") == wanted["spec"]:
        return []
    made = metadata | {part: wanted["metadata"][part] for part in ("labels", "annotations")}
    obj = there | {"metadata": made, "spec": wanted["spec"]}
    return [Write(Place.LOCAL, Verb.REPLACE, obj, "its exports have changed")]


def derived_writes(wanted: JsonObject, there: JsonObject | None) -> list[Write]:
    """The write of a derived Service that is missing or ours. Its first family can't be changed: where that is no
    longer wanted, it goes, and comes back with another clusterset IP."""
    if there is None:
        return [Write(Place.LOCAL, Verb.CREATE, wanted, "new import")]
    if is_going(there):
        return []
    spec = _in_order_of(wanted["spec"], there.get("spec") or {})
    if spec is None:
        return [deletion(Place.LOCAL, there, "its IP families have changed")]
    labels = (there["metadata"].get("labels") or {}) | wanted["metadata"]["labels"]
    if (
        comparable_spec(there.get("spec") or {}) == comparable_spec(spec)
        and labels == there["metadata"].get("labels")
        and not _owners(there)
    ):
        return []
    metadata = there["metadata"] | {"labels": labels, "ownerReferences": []}
    kept = {key: value for key, value in there["spec"].items() if key not in _GOVERNED}
    if len(spec["ipFamilies"]) < len(kept.get("clusterIPs") or ()):
        kept["clusterIPs"] = kept["clusterIPs"][: len(spec["ipFamilies"])]
    obj = there | {"metadata": metadata, "spec": kept | spec}
    return [Write(Place.LOCAL, Verb.REPLACE, obj, "its import has changed")]


_GOVERNED: Final = frozenset(
    {"type", "ports", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy", "sessionAffinity",
     "sessionAffinityConfig"}
)  # fmt: skip
"""Of a derived Service's spec, what is ours; a field that is no longer wanted goes."""


def _in_order_of(wanted: JsonObject, there: JsonObject) -> JsonObject | None:
    """`wanted` with the families in the order that the Service has; None if its first one is not wanted."""
    families = list(wanted["ipFamilies"])
    first = (there.get("ipFamilies") or families)[0]
    if first not in families:
        return None
    return wanted | {"ipFamilies": [first, *(one for one in families if one != first)]}


def _one(place: Place, wanted: JsonObject, there: JsonObject | None) -> list[Write]:
    if there is None:
        return [Write(place, Verb.CREATE, wanted, "new")]
    if is_going(there):
        return []
    if there.get("addressType") != wanted.get("addressType"):
        return [deletion(place, there, "its address family has changed")]
    labels = wanted["metadata"]["labels"]
    same = (there["metadata"].get("labels") or {}) == labels and _owners(there) == _owners(wanted)
    parts = _parts(wanted)
    if same and all((there.get(part) or []) == (wanted[part] or []) for part in parts):
        return []
    metadata = there["metadata"] | {"labels": labels}
    if owners := wanted["metadata"].get("ownerReferences"):
        metadata |= {"ownerReferences": owners}
    return [
        Write(place, Verb.REPLACE, there | {"metadata": metadata} | {part: wanted[part] for part in parts}, "differs")
    ]


def _parts(obj: JsonObject) -> Sequence[str]:
    return _SLICE_PARTS if "endpoints" in obj else ("spec",)


def _owners(obj: JsonObject) -> list[Any]:
    return [one.get("uid") for one in obj["metadata"].get("ownerReferences") or ()]


def _noted(there: JsonObject | None) -> dict[str, list[str]]:
    """What an earlier round noted as exported; nothing if somebody has spoilt it."""
    text = ((there or {"metadata": {}})["metadata"].get("annotations") or {}).get(EXPORTED_ANNOTATION)
    try:
        note = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        note = {}
    found = {}
    for part in ("labels", "annotations"):
        names = note.get(part) if isinstance(note, dict) else None
        found[part] = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return found


def _name(obj: JsonObject) -> str:
    return str(obj["metadata"]["name"])

"""The seal of an nft table: a digest of its own listing, kept inside the table, that tells an edit by hand.

The marks in rules' comments say what was written, not what stands there now: somebody may change a rule and keep
its comment. So after a table is written its listing is read back, and its digest goes into the set of notes as the
comment of one more element. Nothing is remembered elsewhere; whoever reads the table compares. A table without a
seal, or with one of another nft (whose listing may look different), is no edited table: it is written once more.
Elements of the sets of marks are changed without writing the table anew, and so are not under the seal.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mcnet.model.ownership import MARK_SETS

NOTES: Final = "notes"
"""The set whose elements' comments are the notes of a table, and its seal."""
NOTES_TYPE: Final = "mark"
SEAL_ELEMENT: Final = 0
"""The number of the seal's element; notes are numbered from 0x100 on."""
_SEAL: Final = "seal:"
_FORM: Final = "1"
"""Of the digest below; another one makes older seals void."""
_VOLATILE: Final = frozenset({"handle", "packets", "bytes", "used", "expires"})
"""What changes without anybody's doing."""

Objects = Iterable[Mapping[str, Any]]


def seal(objects: Objects) -> str:
    """The seal of the table whose listing (`nft -j list table`, the list below "nftables") is `objects`."""
    listed = list(objects)
    rules = [_bare(entry) for entry in listed if "rule" in entry]
    others = [_bare(entry) for entry in listed if "rule" not in entry and "metainfo" not in entry]
    # Only within a chain an order means something.
    in_order = sorted(rules, key=lambda entry: str(entry["rule"].get("chain")))
    text = json.dumps([in_order, sorted(map(_text, others))], sort_keys=True)
    return f"{_prefix(listed)}{hashlib.sha256(text.encode()).hexdigest()[:48]}"


def is_seal(element: object) -> bool:
    """Whether an element of the set of notes, as nft's JSON has it, is the seal."""
    return bool(_seal_of(element))


def verdict(objects: Objects) -> tuple[bool, bool]:
    """Whether the listed table bears a seal of this nft, and whether it was edited since it was sealed."""
    listed = list(objects)
    found = [noted for entry in listed for element in _notes(entry) if (noted := _seal_of(element))]
    ours = [noted for noted in found if noted.startswith(_prefix(listed))]
    return bool(ours), bool(ours) and ours != [seal(listed)]


def sealing(table: str, objects: Objects) -> str:
    """The script that seals the table `inet TABLE`, which was just written and is listed in `objects`."""
    number, text = SEAL_ELEMENT, seal(_with_notes(table, objects))
    return (
        f"add set inet {table} {NOTES} {{ type {NOTES_TYPE}; }}\n"
        f'add element inet {table} {NOTES} {{ {number:#x} comment "{text}" }}\n'
    )


def _prefix(objects: Objects) -> str:
    version = next((str(entry["metainfo"].get("version", "")) for entry in objects if "metainfo" in entry), "")
    return f"{_SEAL}{_FORM}:{version[:24]}:"


def _with_notes(table: str, objects: Objects) -> list[Mapping[str, Any]]:
    """The listing as it will be: the seal's element makes the set of notes where there was none."""
    listed = list(objects)
    if any(entry.get("set", {}).get("name") == NOTES for entry in listed):
        return listed
    return [*listed, {"set": {"family": "inet", "name": NOTES, "table": table, "type": NOTES_TYPE}}]


def _notes(entry: Mapping[str, Any]) -> list[object]:
    body = entry.get("set", {})
    return list(body.get("elem", ())) if body.get("name") == NOTES else []


def _seal_of(element: object) -> str:
    body = element.get("elem") if isinstance(element, Mapping) else None
    if not isinstance(body, Mapping) or body.get("val") != SEAL_ELEMENT:
        return ""
    comment = str(body.get("comment", ""))
    return comment if comment.startswith(_SEAL) else ""


def _bare(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what changes by itself, sets' elements sorted. Notes and marks are left out: whoever compares
    the table with a wanted one compares them too."""
    bare: dict[str, Any] = _still(entry)
    body = bare.get("set")
    if body:
        elements = body.pop("elem", ())
        if body.get("name") not in (NOTES, *MARK_SETS.values()):
            body["elem"] = sorted(map(_text, elements))
    return bare


def _still(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _still(inner) for key, inner in value.items() if key not in _VOLATILE}
    return [_still(inner) for inner in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)

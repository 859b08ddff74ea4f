"""An nft table as a script for `nft -f -`, and its fingerprint: as wanted, and as `nft -j list table` shows it.

Rules are compared without parsing them: each carries a mark, a hash of table, chain, place and text, in its
comment; a rule without our mark, a missing one, another hook, policy, element or object changes the
digest. So a table is only rewritten when something differs, and its counters live on. What the marks can't tell,
a rule changed under its comment, the seal does (mcnet.codec.nft_seal).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, unquote

from mcnet.codec.nft_elements import canonical
from mcnet.codec.nft_seal import NOTES, NOTES_TYPE, is_seal, verdict
from mcnet.model.kernel import NftChain, NftFingerprint, NftSet, NftTable
from mcnet.model.ownership import MARK_SETS, MARKED_PROTOCOLS
from mcnet.model.probe import Mark
from mcnet.model.traffic import Tally

_MARK: Final = "mcnet:"
_CHUNK: Final = 120
"""A comment holds 128 bytes (NFTNL_UDATA_COMMENT_MAXLEN)."""
_PRIORITIES: Final = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
"""nft(8), standard priority names of the families ip, ip6 and inet."""


def render(table: NftTable) -> str:
    """The script that puts `table` in place of what bears its name, in one transaction."""
    return "\n".join([f"table inet {table.name}", f"delete table inet {table.name}", *body(table)])


def body(table: NftTable) -> list[str]:
    """The lines that make `table`, or what is missing of it."""
    lines = [f"table inet {table.name} {{"]
    for nft_set in sorted(table.sets, key=lambda item: item.name):
        lines += _render_set(nft_set)
    if table.notes:
        elements = [f'{number:#x} comment "{chunk}"' for number, chunk in _note_chunks(table.notes)]
        lines += _set_block(NOTES, NOTES_TYPE, (), elements)
    for chain in table.chains:
        lines += _render_chain(table.name, chain)
    return [*lines, "}", ""]


def changed_elements(old: NftTable, table: NftTable) -> tuple[NftSet, ...] | None:
    """The sets of `table` whose elements are not those of `old`; None where anything else differs too."""
    before = {item.name: item for item in old.sets}
    now = {item.name: item for item in table.sets}
    if replace(old, sets=()) != replace(table, sets=()) or before.keys() != now.keys():
        return None
    if any(replace(item, elements=now[name].elements) != now[name] for name, item in before.items()):
        return None
    return tuple(item for name, item in sorted(now.items()) if item != before[name])


def before_mark(found: NftFingerprint, table: NftTable) -> NftTable | None:
    """What the kernel holds, which was `found`, if only its mark is not that of `table`; None where more differs."""
    marked = MARK_SETS.get(found.mark)
    held = replace(
        table,
        sets=tuple(
            replace(item, elements=MARKED_PROTOCOLS if item.name == marked else frozenset())
            if item.name in MARK_SETS.values()
            else item
            for item in table.sets
        ),
    )
    return held if fingerprint(held) == found else None


def set_lines(verb: str, table: str, item: NftSet) -> list[str]:
    """The line that adds or deletes (`verb`) the elements of `item`; none if it has none."""
    return [f"{verb} element inet {table} {item.name} {{ {', '.join(_elements(item))} }}"] if item.elements else []


def _render_set(nft_set: NftSet) -> list[str]:
    return _set_block(nft_set.name, nft_set.type, nft_set.flags, _elements(nft_set))


def _elements(nft_set: NftSet) -> list[str]:
    elements = canonical(nft_set.type, nft_set.flags, nft_set.elements)
    if "ifname" in nft_set.type:
        return [_quote_names(nft_set.type, element) for element in elements]
    return elements


def _quote_names(kind: str, element: str) -> str:
    pairs = zip(kind.split(" . "), element.split(" . "), strict=True)
    return " . ".join(f'"{value}"' if field.strip() == "ifname" else value for field, value in pairs)


def _set_block(name: str, kind: str, flags: Sequence[str], elements: Sequence[str]) -> list[str]:
    lines = [f"  set {name} {{", f"    type {kind}"]
    if flags:
        lines.append(f"    flags {', '.join(flags)}")
    if elements:
        lines.append(f"    elements = {{ {', '.join(elements)} }}")
    return [*lines, "  }"]


def _render_chain(table: str, chain: NftChain) -> list[str]:
    lines = [f"  chain {chain.name} {{"]
    if chain.hook:
        lines.append(f"    {chain.hook}; policy accept;")
    lines += [
        f'    {rule} comment "{_mark(table, chain.name, index, rule)}"' for index, rule in enumerate(chain.rules)
    ]
    return [*lines, "  }"]


def _mark(table: str, chain: str, index: int, rule: str) -> str:
    return _MARK + _hash([table, chain, index, rule])[:24]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def fingerprint(table: NftTable) -> NftFingerprint:
    """What `parse` returns once the kernel holds `table` and nobody has touched it."""
    sets = {item.name: wanted_set(item) for item in table.sets}
    return _fingerprint(table.name, sets, wanted_chains(table), [], table.notes)


def wanted_set(item: NftSet) -> list[Any]:
    """Type, flags and elements, as `listed_set` returns them of a set that holds the same."""
    return _set_digest(item.type, item.flags, item.elements)


def wanted_chains(table: NftTable) -> dict[str, Any]:
    """By name, the hook of each chain and the marks of its rules."""
    return {
        chain.name: [
            _hook_digest(chain.hook),
            [_mark(table.name, chain.name, index, rule) for index, rule in enumerate(chain.rules)],
        ]
        for chain in table.chains
    }


def parse(json_text: str) -> NftFingerprint:
    """The fingerprint of the table that `nft -j list table inet NAME` printed. Raises ValueError."""
    try:
        return _parse(json.loads(json_text)["nftables"])
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not the output of `nft -j list table`: {error!r}") from error


def _parse(objects: Iterable[Mapping[str, Any]]) -> NftFingerprint:
    name = ""
    sets: dict[str, Any] = {}
    strange: list[str] = []
    notes: tuple[tuple[str, str], ...] = ()
    counted: dict[str, Tally] = {}
    made = 0
    handles: list[int] = []
    listed = list(objects)
    for entry in listed:
        ((kind, body),) = entry.items()
        if kind == "table":
            name, made = body["name"], body.get("handle", 0)
            if "flags" in body:
                strange.append("table flags")  # dormant: no chain of it sees a packet
        elif kind == "set" and body["name"] == NOTES:
            notes = _read_notes(body.get("elem", ()), strange)
        elif kind == "set":
            sets[body["name"]] = listed_set(body)
        elif kind == "rule":
            handles.append(body.get("handle", 0))
            _count(body, counted)
        elif kind not in ("metainfo", "chain"):
            strange.append(f"{kind} {body.get('name', '')}")
    sealed, edited = verdict(listed)
    found = _fingerprint(name, sets, listed_chains(listed), strange, notes)
    return replace(found, sealed=sealed, edited=edited, counted=counted, made=made << 32 | min(handles, default=0))


def listed_chains(objects: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What `wanted_chains` returns of the table that is listed."""
    chains: dict[str, Any] = {}
    for entry in objects:
        if "chain" in entry:
            chains.setdefault(entry["chain"]["name"], [None, []])[0] = _read_hook(entry["chain"])
        elif "rule" in entry:
            rule = entry["rule"]
            chains.setdefault(rule["chain"], [None, []])[1].append(rule.get("comment", "no mark"))
    return chains


def _count(rule: Mapping[str, Any], counted: dict[str, Tally]) -> None:
    """Adds what a rule has counted to its chain's."""
    for statement in rule.get("expr", ()):
        counter = statement.get("counter") if isinstance(statement, Mapping) else None
        if isinstance(counter, Mapping):
            before = counted.get(rule["chain"], Tally())
            counted[rule["chain"]] = Tally(
                before.packets + int(counter.get("packets", 0)), before.octets + int(counter.get("bytes", 0))
            )


def _fingerprint(
    name: str, sets: Any, chains: Any, strange: list[str], notes: tuple[tuple[str, str], ...]
) -> NftFingerprint:
    digest = _hash([sets, chains, sorted(strange)])
    marks = [mark for mark, its in MARK_SETS.items() if its in sets and sets[its][2]]
    return NftFingerprint(name=name, digest=digest, notes=tuple(sorted(notes)), mark=max(marks, default=Mark.NONE))


def _set_digest(kind: str, flags: Sequence[str], elements: Iterable[Any]) -> list[Any]:
    types = " . ".join(field.strip() for field in kind.split("."))
    return [types, sorted(flags), canonical(types, flags, elements)]


def listed_set(body: Mapping[str, Any]) -> list[Any]:
    """Type, flags and elements of a set as nft's JSON has it, in canonical texts."""
    kind = body["type"]
    types = kind if isinstance(kind, str) else " . ".join(kind)
    return _set_digest(types, body.get("flags", ()), body.get("elem", ()))


def _hook_digest(hook: str) -> list[Any] | None:
    """A text such as `type nat hook postrouting priority srcnat - 10` as [type, hook, number, policy]."""
    if not hook:
        return None
    words = hook.replace(";", " ").split()
    priority = words[words.index("priority") + 1 :]
    return [words[words.index("type") + 1], words[words.index("hook") + 1], _priority(priority), "accept"]


def _priority(words: Sequence[str]) -> int:
    text = "".join(words)
    for name, base in _PRIORITIES.items():
        if text.startswith(name):
            return base + int(text[len(name) :] or 0)
    return int(text)


def _read_hook(body: Mapping[str, Any]) -> list[Any] | None:
    if "hook" not in body:
        return None
    return [body["type"], body["hook"], body["prio"], body.get("policy", "accept")]


def _note_chunks(notes: Iterable[tuple[str, str]]) -> Iterable[tuple[int, str]]:
    """Each note as comments of elements numbered by note and piece: percent-encoded, as a comment holds no quote."""
    for index, (name, value) in enumerate(sorted(notes)):
        text = f"{quote(name)}={quote(value)}"
        for piece in range(0, len(text), _CHUNK):
            yield (index + 1) << 8 | piece // _CHUNK, text[piece : piece + _CHUNK]


def _read_notes(elements: Iterable[Any], strange: list[str]) -> tuple[tuple[str, str], ...]:
    """The notes; what somebody else put there is reported as strange, never lost silently."""
    texts: dict[int, list[tuple[int, str]]] = {}
    for element in elements:
        if is_seal(element):
            continue
        body = element.get("elem") if isinstance(element, dict) else None
        if not body or "comment" not in body:
            strange.append("note without text")
            continue
        texts.setdefault(body["val"] >> 8, []).append((body["val"] & 0xFF, body["comment"]))
    notes = []
    for pieces in texts.values():
        name, separator, value = "".join(text for _, text in sorted(pieces)).partition("=")
        if separator:
            notes.append((unquote(name), unquote(value)))
        else:
            strange.append("note without value")
    return tuple(notes)

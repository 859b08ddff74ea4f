"""The script by which a table that is there becomes another one, so that no packet meets neither of them.

A table that is deleted and made anew in one transaction loses packets: one that is on its way may pass the new base
chain while it is empty and the old one when it is; and a new interval set finds nothing for a moment after its rules
are in force, as its elements are put in order last (Linux, net/netfilter/nf_tables_api.c, nf_tables_commit). So base
chains and sets stay where they can, sets get and lose elements, and rules are written anew only where they differ.
What is lost in a map of the old rules is their own business (mcnet.plan.gateway_firewall).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from mcnet.codec.nft import body, listed_chains, listed_set, set_lines, wanted_chains, wanted_set
from mcnet.codec.nft_seal import NOTES, verdict
from mcnet.model.kernel import NftSet, NftTable
from mcnet.model.ownership import MARK_SETS

Objects = Sequence[Mapping[str, Any]]
_PLAIN: Final = frozenset({"family", "name", "table", "type", "handle", "flags", "elem"})
"""What is listed of a set that we made: somebody else's may have a size, a limit, counters."""


def rewriting(table: NftTable, json_text: str) -> str | None:
    """The script that makes `table` of the one that `nft -j list table inet NAME` printed. None where that holds what
    we never make, or is not understood: then all of it has to go."""
    try:
        objects = json.loads(json_text)["nftables"]
        return _rewriting(table, objects) if all(map(_is_known, objects)) else None
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return None


def _is_known(entry: Mapping[str, Any]) -> bool:
    kind = next(iter(entry), "")
    return kind in ("metainfo", "set", "chain", "rule") or (kind == "table" and "flags" not in entry[kind])


def _rewriting(table: NftTable, objects: Objects) -> str:
    listed = {entry["set"]["name"]: listed_set(entry["set"]) for entry in objects if "set" in entry}
    listed.pop(NOTES, None)
    wanted = {item.name: item for item in table.sets}
    plain = {entry["set"]["name"] for entry in objects if "set" in entry and entry["set"].keys() <= _PLAIN}
    kept = {name for name in plain & wanted.keys() if listed.get(name, [])[:2] == wanted_set(wanted[name])[:2]}
    untouched = verdict(objects) == (True, False)
    rules_stay = untouched and kept == listed.keys() and listed_chains(objects) == wanted_chains(table)
    lines = [] if rules_stay else [f"flush table inet {table.name}"]
    lines += _gone(table, objects, kept)
    for name in sorted(kept):
        lines += _elements(table.name, wanted[name], listed[name][2], untouched=untouched)
    rest = replace(table, sets=tuple(item for item in table.sets if item.name not in kept))
    return "\n".join([*lines, *body(replace(rest, chains=()) if rules_stay else rest)])


def _gone(table: NftTable, objects: Objects, kept: set[str]) -> Iterable[str]:
    """Deletes the sets but those `kept`, the notes too, which bear the seal; and base chains of other hooks, of which
    only the policy can be changed, and chains that are not wanted."""
    hooks = {name: hook for name, (hook, _) in wanted_chains(table).items()}
    for entry in objects:
        if "set" in entry and entry["set"]["name"] not in kept:
            yield f"delete set inet {table.name} {entry['set']['name']}"
    for name, (hook, _) in listed_chains(objects).items():
        if name not in hooks or (hook or [])[:3] != (hooks[name] or [])[:3]:
            yield f"delete chain inet {table.name} {name}"


def _elements(table: str, wanted: NftSet, found: Sequence[str], *, untouched: bool) -> Iterable[str]:
    """Those of one set, which has `found` ones. Each is as we wrote it if the table is `untouched`, else they may be
    in more pieces than these, or have more to them. A mark may be changed beside this at any time, also meanwhile."""
    missing, strange = set(wanted_set(wanted)[2]) - set(found), set(found) - set(wanted_set(wanted)[2])
    alone = wanted.name in MARK_SETS.values()
    if untouched and not alone:
        yield from set_lines("delete", table, replace(wanted, elements=frozenset(strange)))
        yield from set_lines("add", table, replace(wanted, elements=frozenset(missing)))
    elif missing or strange or not alone:
        yield f"flush set inet {table} {wanted.name}"
        yield from set_lines("add", table, wanted)

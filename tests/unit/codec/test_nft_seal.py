"""The seal of a table: any edit breaks it, what changes by itself does not, another nft's seal is none."""

import copy
import json
from typing import Any

import pytest

from mcnet.codec.nft import parse
from mcnet.codec.nft_seal import is_seal, seal, sealing, verdict

Listing = list[dict[str, Any]]

COUNTED = [{"match": {"left": "a", "right": "@four"}}, {"counter": {"packets": 1, "bytes": 60}}, {"accept": None}]
PLAIN: Listing = [
    {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
    {"table": {"family": "inet", "name": "mcnet", "handle": 2}},
    {"set": {"family": "inet", "name": "four", "table": "mcnet", "type": "ipv4_addr", "handle": 3,
             "flags": ["interval"], "elem": ["192.0.2.1", {"prefix": {"addr": "10.0.0.0", "len": 8}}]}},
    {"set": {"family": "inet", "name": "notes", "table": "mcnet", "type": "mark", "handle": 4,
             "elem": [{"elem": {"val": 256, "comment": "ipv4/ip_forward=0"}}]}},
    {"chain": {"family": "inet", "table": "mcnet", "name": "b", "handle": 5, "type": "filter", "hook": "input",
               "prio": 0, "policy": "accept"}},
    {"chain": {"family": "inet", "table": "mcnet", "name": "a", "handle": 6}},
    {"rule": {"table": "mcnet", "chain": "b", "handle": 7, "comment": "mcnet:1", "expr": COUNTED}},
    {"rule": {"table": "mcnet", "chain": "b", "handle": 8, "comment": "mcnet:2", "expr": [{"drop": None}]}},
    {"rule": {"table": "mcnet", "chain": "a", "handle": 9, "comment": "mcnet:3", "expr": []}},
]  # fmt: skip


def sealed() -> Listing:
    made = copy.deepcopy(PLAIN)
    made[3]["set"]["elem"].append({"elem": {"val": 0, "comment": seal(PLAIN)}})
    return made


def test_a_sealed_table_is_not_edited() -> None:
    assert verdict(sealed()) == (True, False)
    assert seal(sealed()) == seal(PLAIN)


def test_the_script_says_what_the_table_will_be_compared_with() -> None:
    assert f'add element inet mcnet notes {{ 0x0 comment "{seal(PLAIN)}" }}' in sealing("mcnet", PLAIN)
    bare = [entry for entry in PLAIN if entry.get("set", {}).get("name") != "notes"]
    after = [*bare, {"set": {"family": "inet", "name": "notes", "table": "mcnet", "type": "mark", "handle": 9}}]
    assert seal(after) in sealing("mcnet", bare)
    assert len(seal(PLAIN)) <= 128, "a comment holds 128 bytes"


@pytest.mark.parametrize(
    ("position", "changes"),
    [
        (1, {"flags": "inet"}),
        (2, {"elem": ["192.0.2.1"]}),
        (2, {"elem": [{"elem": {"val": "192.0.2.1", "comment": "x"}}, {"prefix": {"addr": "10.0.0.0", "len": 8}}]}),
        (2, {"flags": ["interval", "timeout"]}),
        (2, {"timeout": 60}),
        (2, {"size": 5}),
        (3, {"size": 5}),
        (4, {"policy": "drop"}),
        (4, {"prio": 1}),
        (4, {"hook": "forward"}),
        (5, {"hook": "forward"}),
        (6, {"expr": [*COUNTED[:2], {"drop": None}]}),
        (6, {"expr": COUNTED[:2]}),
        (6, {"expr": [COUNTED[0], COUNTED[2]]}),
        (6, {"comment": "mcnet:4"}),
        (6, {"chain": "a"}),
    ],
)
def test_any_edit_breaks_it(position: int, changes: dict[str, Any]) -> None:
    found = sealed()
    (body,) = found[position].values()
    body.update(changes)
    assert verdict(found) == (True, True)


def test_rules_in_another_order_are_an_edit() -> None:
    found = sealed()
    found[6], found[7] = found[7], found[6]
    assert verdict(found) == (True, True)


def test_what_changes_by_itself_does_not_break_it() -> None:
    found = sealed()
    for entry in found[1:]:
        (body,) = entry.values()
        body["handle"] = 99
    found[6]["rule"]["expr"][1]["counter"] = {"packets": 12345, "bytes": 9999999}
    found[2]["set"]["elem"].reverse()
    found[1:6] = reversed(found[1:6])
    found.append(found.pop(6))
    assert verdict(found[:6] + sorted(found[6:], key=lambda entry: str(entry["rule"]["comment"]))) == (True, False)


def test_notes_are_judged_by_themselves() -> None:
    found = sealed()
    found[3]["set"]["elem"][0]["elem"]["comment"] = "ipv4/ip_forward=1"
    assert verdict(found) == (True, False)
    assert parse(json.dumps({"nftables": found})).notes == (("ipv4/ip_forward", "1"),)


def test_without_a_seal_of_this_nft_nothing_is_called_edited() -> None:
    assert verdict(PLAIN) == (False, False)
    upgraded = sealed()
    upgraded[0]["metainfo"]["version"] = "1.1.0"
    upgraded[6]["rule"]["expr"] = []
    assert verdict(upgraded) == (False, False)


@pytest.mark.parametrize(
    "element", [0, "x", {"elem": 0}, {"elem": {"val": 0}}, {"elem": {"val": 256, "comment": "seal:1:x:y"}}]
)
def test_what_is_no_seal(element: object) -> None:
    assert not is_seal(element)


def test_marks_are_not_under_the_seal() -> None:
    """They are set and taken back without sealing the table anew; the set itself is."""
    with_set = [*PLAIN, {"set": {"family": "inet", "name": "isolated", "table": "mcnet", "type": "inet_proto"}}]
    marked = copy.deepcopy(with_set)
    marked[-1]["set"]["elem"] = [1, 58]
    assert seal(marked) == seal(with_set) != seal(PLAIN)

"""What changes in a table that is there, line by line. That nft and the kernel take it is tested in tests/netns."""

import json
from dataclasses import replace

import pytest
from hypothesis import given

from mcnet.codec.nft import body
from mcnet.codec.nft_rewrite import rewriting
from mcnet.model.kernel import NftChain, NftSet, NftTable
from mcnet.model.probe import Mark
from mcnet.plan import soft_mark
from tests.fakes.mutations import mutations
from tests.unit.codec.listed import TABLE, edited, listing

FIRST, SECOND = TABLE.sets
RAW, POST = TABLE.chains


def lines(table: NftTable, text: str = "") -> list[str]:
    script = rewriting(table, text or listing(TABLE))
    assert script is not None
    return script.splitlines()


def rest(table: NftTable) -> list[str]:
    """The lines that make a table."""
    return "\n".join(body(table)).splitlines()


def test_only_the_notes_of_the_same_table_are_written_once_more() -> None:
    """The seal is among them: it says of the table that it is as it was written."""
    assert lines(TABLE) == ["delete set inet mcnet notes", *rest(replace(TABLE, sets=(), chains=()))]


def test_a_set_gets_and_loses_elements_and_no_rule_is_touched() -> None:
    other = replace(FIRST, elements=frozenset({"10.0.0.0/8", "192.0.2.9"}))
    pair = replace(SECOND, elements=frozenset())
    assert lines(replace(TABLE, sets=(other, pair))) == [
        "delete set inet mcnet notes",
        "delete element inet mcnet allowed { 02:00:00:00:00:01 . fd00::-fd00::ffff:ffff:ffff:ffff }",
        "delete element inet mcnet remote4 { 192.0.2.1 }",
        "add element inet mcnet remote4 { 192.0.2.9 }",
        *rest(replace(TABLE, sets=(), chains=())),
    ]


def test_where_a_rule_differs_all_are_written_anew_and_base_chains_and_sets_stay() -> None:
    other = replace(TABLE, chains=(NftChain("raw", RAW.hook, ("accept",)), POST))
    flushed = ["flush table inet mcnet", "delete set inet mcnet notes"]
    assert lines(other) == [*flushed, *rest(replace(other, sets=()))]
    found = lines(TABLE, edited(5, policy="drop"))
    assert found[:2] == flushed
    assert found[-len(rest(replace(TABLE, sets=()))) :] == rest(replace(TABLE, sets=()))


@pytest.mark.parametrize(
    "hook", ["", "type filter hook prerouting priority raw - 1", "type filter hook output priority raw"]
)
def test_a_base_chain_of_another_hook_is_made_anew(hook: str) -> None:
    found = lines(replace(TABLE, chains=(replace(RAW, hook=hook), POST)))
    assert found[:3] == [
        "flush table inet mcnet",
        "delete set inet mcnet notes",
        "delete chain inet mcnet raw",
    ]


def test_what_is_not_wanted_is_deleted() -> None:
    found = lines(replace(TABLE, sets=(SECOND,), chains=(RAW,), notes=()))
    assert found[:4] == [
        "flush table inet mcnet",
        "delete set inet mcnet remote4",
        "delete set inet mcnet notes",
        "delete chain inet mcnet post",
    ]
    assert "  chain raw {" in found


def test_a_set_of_another_kind_is_made_anew() -> None:
    found = lines(replace(TABLE, sets=(replace(FIRST, flags=()), SECOND)))
    assert found[:3] == ["flush table inet mcnet", "delete set inet mcnet remote4", "delete set inet mcnet notes"]
    assert "  set remote4 {" in found
    assert "  set allowed {" not in found


@pytest.mark.parametrize("more", [{"size": 3}, {"stmt": [{"limit": {"rate": 1}}]}, {"timeout": 60}])
def test_a_set_with_more_to_it_is_made_anew(more: dict[str, object]) -> None:
    found = lines(TABLE, edited(2, **more))
    assert found[:3] == ["flush table inet mcnet", "delete set inet mcnet remote4", "delete set inet mcnet notes"]
    assert "  set remote4 {" in found


@pytest.mark.parametrize("wanted", [Mark.NONE, Mark.SPARE])
def test_a_mark_is_flushed_since_it_may_change_meanwhile(wanted: Mark) -> None:
    """To delete an element that has just gone would fail."""
    objects = json.loads(listing(TABLE))["nftables"]
    objects += [
        {"set": {"name": "isolated", "type": "inet_proto", "elem": ["icmp"]}},
        {"set": {"name": "spare", "type": "inet_proto"}},
    ]
    script = rewriting(replace(TABLE, sets=(*TABLE.sets, *soft_mark.sets(wanted))), json.dumps({"nftables": objects}))
    assert script is not None
    assert "flush set inet mcnet isolated\n" in script
    assert "delete element" not in script


def test_a_new_set_touches_no_rule() -> None:
    new = NftSet("new", "ipv4_addr")
    found = lines(replace(TABLE, sets=(*TABLE.sets, new)))
    assert found == ["delete set inet mcnet notes", *rest(replace(TABLE, sets=(new,), chains=()))]


@pytest.mark.parametrize(
    "elements",
    [
        ["192.0.2.1"],
        ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
        [{"prefix": {"addr": "10.0.0.0", "len": 9}}, {"prefix": {"addr": "10.128.0.0", "len": 9}}, "192.0.2.1"],
        [{"prefix": {"addr": "10.0.0.0", "len": 8}}, {"elem": {"val": "192.0.2.1", "comment": "x"}}],
    ],
    ids=["missing", "others", "in pieces", "with a comment"],
)
def test_what_was_edited_by_hand_is_written_whole(elements: list[object]) -> None:
    """Elements may be in other pieces than they look like."""
    assert lines(TABLE, edited(2, elem=elements)) == [
        "flush table inet mcnet",
        "delete set inet mcnet notes",
        "flush set inet mcnet allowed",
        "add element inet mcnet allowed { 02:00:00:00:00:01 . fd00::-fd00::ffff:ffff:ffff:ffff }",
        "flush set inet mcnet remote4",
        "add element inet mcnet remote4 { 10.0.0.0-10.255.255.255, 192.0.2.1 }",
        *rest(replace(TABLE, sets=())),
    ]


@pytest.mark.parametrize(
    "strange",
    [
        {"map": {"name": "x"}},
        {"counter": {"name": "x"}},
        {"table": {"name": "mcnet", "flags": ["dormant"]}},
        {"set": {"name": "x"}},
        {"set": {"type": "ipv4_addr"}},
        {"chain": {}},
        {"rule": []},
    ],
)
def test_what_is_never_ours_has_to_go_with_the_table(strange: dict[str, object]) -> None:
    objects = [*json.loads(listing(TABLE))["nftables"], strange]
    assert rewriting(TABLE, json.dumps({"nftables": objects})) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"nftables": [{}]}', '{"nftables": [7]}', "[" * 100_000])
def test_what_is_not_understood_has_to_go_with_the_table(text: str) -> None:
    assert rewriting(TABLE, text) is None


@given(mutations(json.loads(listing(TABLE))))
def test_any_damage_is_a_script_or_none(damaged: object) -> None:
    found = rewriting(TABLE, json.dumps(damaged))
    assert found is None or found.endswith("}\n")

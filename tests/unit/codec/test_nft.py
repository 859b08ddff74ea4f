"""Script and fingerprint of nft tables: what must differ differs, what nft may print differently does not.

The round trip through the real nft is tests/netns/test_nftables.py.
"""

import contextlib
import json
import re
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.codec.nft import before_mark, changed_elements, fingerprint, parse, render
from mcnet.codec.nft_elements import canonical
from mcnet.model.kernel import NftChain, NftSet, NftTable
from mcnet.model.probe import Mark
from mcnet.plan import soft_mark
from tests.fakes.mutations import changed_texts, mutations
from tests.unit.codec.listed import TABLE, edited, listing


def test_what_the_kernel_prints_of_a_table_has_its_fingerprint() -> None:
    assert parse(listing(TABLE)) == fingerprint(TABLE)
    assert fingerprint(TABLE).notes == TABLE.notes


@pytest.mark.parametrize(
    "changed",
    [
        edited(2, elem=["192.0.2.1"]),
        edited(2, elem=[{"prefix": {"addr": "10.0.0.0", "len": 7}}, "192.0.2.1"]),
        edited(2, flags=["interval", "timeout"]),
        edited(2, name="remote5"),
        edited(3, elem=[{"concat": ["02:00:00:00:00:02", {"prefix": {"addr": "fd00::", "len": 64}}]}]),
        edited(5, prio=-299),
        edited(5, hook="output"),
        edited(5, policy="drop"),
        edited(7, comment="mcnet:0"),
        edited(7, comment=None),
        edited(7, chain="post"),
        edited(1, flags=["dormant"]),
        json.dumps({"nftables": json.loads(listing(TABLE))["nftables"][:-1]}),
        json.dumps({"nftables": [*json.loads(listing(TABLE))["nftables"], {"chain": {"name": "x"}}]}),
        json.dumps({"nftables": [*json.loads(listing(TABLE))["nftables"], {"counter": {"name": "x"}}]}),
        json.dumps({"nftables": [*json.loads(listing(TABLE))["nftables"], {"rule": {"chain": "raw", "expr": []}}]}),
        json.dumps({"nftables": list(reversed(json.loads(listing(TABLE))["nftables"]))}),
        edited(4, elem=[1, 2]),
        edited(4, elem=[{"elem": {"val": 1, "comment": "no value"}}]),
    ],
)
def test_what_somebody_changed_by_hand_changes_the_digest(changed: str) -> None:
    assert parse(changed).digest != fingerprint(TABLE).digest


def test_notes_that_went_are_noticed_without_touching_the_rules() -> None:
    found = parse(edited(4, elem=[{"elem": {"val": 256, "comment": "ipv4/ip_forward=1"}}]))
    assert found.notes == (("ipv4/ip_forward", "1"),)
    assert found != fingerprint(TABLE)
    assert found.digest == fingerprint(TABLE).digest


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"nftables": [{}]}', '{"nftables": [{"rule": {}}]}', '{"nftables": 1}']
)
def test_what_is_no_listing_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_the_order_of_sets_and_notes_does_not_matter_but_that_of_rules_does() -> None:
    turned = replace(TABLE, sets=TABLE.sets[::-1], notes=TABLE.notes[::-1])
    assert fingerprint(turned) == fingerprint(TABLE)
    assert render(turned) == render(TABLE)
    chain = replace(TABLE.chains[0], rules=TABLE.chains[0].rules[::-1])
    assert fingerprint(replace(TABLE, chains=(chain, TABLE.chains[1]))) != fingerprint(TABLE)


def test_equal_rules_at_two_places_have_two_marks() -> None:
    chain = NftChain("raw", "", ("notrack", "notrack"))
    marks = re.findall(r'"(mcnet:\w+)"', render(NftTable("mcnet", (), (chain,))))
    assert len(set(marks)) == 2


def test_the_script_replaces_the_table_in_one_transaction() -> None:
    assert render(TABLE).startswith("table inet mcnet\ndelete table inet mcnet\ntable inet mcnet {\n")
    assert "flags interval" in render(TABLE)
    assert "elements" not in render(NftTable("mcnet", (NftSet("empty", "ipv4_addr"),), ()))


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=4, unique_by=lambda note: note[0]))
def test_any_note_survives_in_comments_of_128_bytes(notes: list[tuple[str, str]]) -> None:
    table = NftTable("mcnet", (), (), tuple(notes))
    pairs = re.findall(r'(0x[0-9a-f]+) comment "([^"]*)"', render(table))
    assert all(len(comment.encode()) <= 128 and comment.isascii() for _, comment in pairs)
    elements = [{"elem": {"val": int(number, 16), "comment": comment}} for number, comment in reversed(pairs)]
    objects = [{"table": {"name": "mcnet"}}, {"set": {"name": "notes", "type": "mark", "elem": elements}}]
    assert parse(json.dumps({"nftables": objects})) == replace(fingerprint(table), sealed=False)


NETWORKS = st.one_of(
    st.builds(
        lambda base, length: IPv4Network((base, length), strict=False), st.integers(0, 2**32 - 1), st.integers(0, 32)
    )
)


@given(st.lists(NETWORKS, max_size=6))
def test_prefixes_and_ranges_of_the_same_addresses_are_equal(networks: list[IPv4Network]) -> None:
    prefixes = [str(network) for network in networks]
    ranges = [f"{network[0]}-{network[-1]}" for network in networks]
    values = [{"prefix": {"addr": str(network[0]), "len": network.prefixlen}} for network in networks]
    merged = canonical("ipv4_addr", ("interval",), prefixes)
    assert merged == canonical("ipv4_addr", ("interval",), ranges) == canonical("ipv4_addr", ("interval",), values)
    assert canonical("ipv4_addr", ("interval",), merged) == merged
    for one, other in pairwise(merged):
        assert last(one) + 1 < first(other)


def first(text: str) -> int:
    return int(IPv4Network(text.partition("-")[0])[0])


def last(text: str) -> int:
    return int(IPv4Network(text.rpartition("-")[2])[0])


@pytest.mark.parametrize(
    ("kind", "ours", "theirs"),
    [
        ("inet_service", "80", 80),
        ("inet_proto", "tcp", 6),
        ("inet_proto", "udp", "udp"),
        ("mark", "0x10", 16),
        ("ifname", '"mcnet-vx"', "mcnet-vx"),
        ("ether_addr", "02:AB:00:00:00:01", "02:ab:00:00:00:01"),
        ("ipv6_addr", "FD00:0::1", "fd00::1"),
        ("inet_service", "80-90", {"range": [80, 90]}),
        ("ipv4_addr . inet_service", "10.0.0.1 . 80", {"concat": ["10.0.0.1", 80]}),
        ("ipv4_addr . inet_service", "10.0.0.1/32 . 80-81", {"concat": ["10.0.0.1", {"range": [80, 81]}]}),
        ("ipv4_addr", "10.0.0.1", {"elem": {"val": "10.0.0.1", "counter": {"packets": 1}}}),
    ],
)
def test_one_text_for_both_ways_to_write_an_element(kind: str, ours: object, theirs: object) -> None:
    assert canonical(kind, (), [ours]) == canonical(kind, (), [theirs])


def test_both_families_merge() -> None:
    halves = [str(half) for half in IPv6Network("fd00::/64").subnets()]
    assert canonical("ipv6_addr", ("interval",), halves) == canonical("ipv6_addr", ("interval",), ["fd00::/64"])


@pytest.mark.parametrize(
    ("hook", "number"),
    [("priority raw", -300), ("priority srcnat - 10", 90), ("priority dstnat + 5", -95), ("priority -7", -7)],
)
def test_priorities_by_name_and_number(hook: str, number: int) -> None:
    table = NftTable("mcnet", (), (NftChain("c", f"type filter hook prerouting {hook}", ()),))
    chain = {"name": "c", "type": "filter", "hook": "prerouting", "prio": number, "policy": "accept"}
    found = parse(json.dumps({"nftables": [{"table": {"name": "mcnet"}}, {"chain": chain}]}))
    assert found.digest == fingerprint(table).digest


def test_a_listing_with_one_thing_wrong_is_a_value_error_or_another_fingerprint() -> None:
    """But for handles, nft's own version of its format, and how elements of notes are numbered."""
    whole = json.loads(listing(TABLE))["nftables"]
    unnoticed = [what for what, changes in changed_texts(whole) if is_taken_for_whole(changes, whole)]
    aside = re.compile(r"\(0, 'metainfo'|\(4, 'set', 'elem', \d|.*'handle'")
    assert [what for what in unnoticed if not aside.match(what)] == []


def is_taken_for_whole(changes: str, whole: object) -> bool:
    try:
        return parse(f'{{"nftables": {changes}}}') == fingerprint(TABLE) and json.loads(changes) != whole
    except ValueError:
        return False


@settings(max_examples=40)
@given(mutations(json.loads(listing(TABLE))))
def test_a_listing_with_many_things_wrong_raises_nothing_else(document: Any) -> None:
    with contextlib.suppress(ValueError):
        parse(json.dumps(document))


@pytest.mark.parametrize("text", ["[" * 5000, '{"nftables": ' + "[" * 5000, "nul", '{"nftables": [{"set": null}]}'])
def test_what_is_no_json_or_too_deep_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_elements_alone_are_changed_without_the_rest() -> None:
    first, second = TABLE.sets
    fewer = replace(TABLE, sets=(replace(first, elements=frozenset()), second))
    other = replace(TABLE, sets=(replace(first, elements=frozenset({"10.9.0.0/16"})), second))
    assert changed_elements(TABLE, TABLE) == ()
    assert changed_elements(TABLE, fewer) == fewer.sets[:1]
    assert changed_elements(fewer, other) == other.sets[:1]
    for more in (
        replace(TABLE, sets=(first,)),
        replace(TABLE, sets=(replace(first, flags=()), second)),
        replace(TABLE, chains=TABLE.chains[:1]),
        replace(TABLE, notes=()),
    ):
        assert changed_elements(TABLE, more) is None


@pytest.mark.parametrize("wanted", Mark)
@pytest.mark.parametrize("held", Mark)
def test_a_table_that_differs_in_its_mark_alone_is_known(held: Mark, wanted: Mark) -> None:
    def with_mark(mark: Mark) -> NftTable:
        return replace(TABLE, sets=(*TABLE.sets, *soft_mark.sets(mark)))

    found = fingerprint(with_mark(held))
    assert before_mark(found, with_mark(wanted)) == with_mark(held)
    for other in (
        replace(found, sealed=False),
        replace(found, edited=True),
        replace(found, notes=()),
        fingerprint(replace(with_mark(held), chains=TABLE.chains[:1])),
    ):
        assert before_mark(other, with_mark(wanted)) is None


@pytest.mark.parametrize("mark", Mark)
def test_marks_are_told_and_are_in_the_digest(mark: Mark) -> None:
    def with_mark(mark: Mark) -> NftTable:
        return replace(TABLE, sets=(*TABLE.sets, *soft_mark.sets(mark)))

    assert fingerprint(with_mark(mark)).mark is mark
    assert fingerprint(TABLE).mark is Mark.NONE
    assert len({fingerprint(with_mark(one)).digest for one in Mark}) == 3

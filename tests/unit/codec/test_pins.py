"""Pins come back as they were; a spoiled one lets nothing in, and never makes room for other keys."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.codec.errors import DecodeError
from mcnet.codec.pins import decode, encode
from mcnet.model.cluster import ClusterId, Identity
from mcnet.model.trust import Pin
from tests.fakes.identities import identity_of
from tests.fakes.mutations import changed_texts, damaged

WEST = ClusterId("west")
PIN = Pin(identity_of("west").public, (("n1", 5), ("n2", 7)), identity_of("west", 2).public)
IDENTITIES = st.builds(Identity, st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
PINS = st.dictionaries(
    st.sampled_from(["west", "east-1", "0"]).map(ClusterId),
    st.builds(
        Pin,
        st.none() | IDENTITIES,
        st.dictionaries(st.text(max_size=8), st.integers(0, 2**63)).map(lambda made: tuple(sorted(made.items()))),
        st.none() | IDENTITIES,
    ),
    max_size=3,
)


@settings(max_examples=50)
@given(PINS)
def test_they_come_back(pins: dict[ClusterId, Pin]) -> None:
    assert decode(json.loads(json.dumps(encode(pins, namespace="n")))) == pins
    assert decode(None) == {}


def spoiled() -> list[str]:
    whole = encode({WEST: PIN}, namespace="n")["data"]["west"]
    texts = [text for _, text in changed_texts(json.loads(whole))]
    return texts + [made.decode(errors="surrogateescape") for made in damaged(whole.encode())]


def test_a_spoiled_entry_stays_a_pin() -> None:
    found = [decode({"data": {"west": text}}) for text in spoiled()]
    assert all(set(pins) == {WEST} for pins in found)
    unreadable = [pins[WEST] for pins in found if pins[WEST].identity is None]
    assert len(unreadable) > 100
    assert Pin(None) in unreadable


@pytest.mark.parametrize("entry", [None, 5, [], {}, "", "null", "{", "[" * 5000, '{"signingKey": "AA=="}'])
def test_an_entry_that_can_not_be_read_is_a_pin_without_identity(entry: object) -> None:
    assert decode({"data": {"west": entry}}) == {WEST: Pin(None)}


@pytest.mark.parametrize("data", [["west"], "west", 5])
def test_what_does_not_even_name_clusters_is_no_lack_of_pins(data: Any) -> None:
    with pytest.raises(DecodeError, match="data: is not an object"):
        decode({"data": data})


def test_names_that_are_no_clusters_are_left_out() -> None:
    assert decode({"data": {"West": "{}", "a.b": "{}", "": "{}"}}) == {}

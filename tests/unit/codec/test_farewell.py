"""Farewells: only the key that is given up can say it, for its own cluster; what can't be read proves nothing."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.farewell import MOST, decode, encode, is_valid, sign
from mcnet.model.cluster import ClusterId
from mcnet.model.trust import FAREWELL_ANNOTATION, Farewell
from tests.fakes.identities import identity_of
from tests.fakes.mutations import changed_texts, damaged

WEST = ClusterId("west")
SIGNED = sign(WEST, identity_of("west"))
FAREWELLS = st.builds(Farewell, st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))


def lease(text: object) -> dict[str, Any]:
    return {"metadata": {"annotations": {FAREWELL_ANNOTATION: text}}}


@given(st.lists(FAREWELLS, max_size=MOST + 3))
def test_the_newest_come_back(farewells: list[Farewell]) -> None:
    assert decode(lease(encode(farewells))) == tuple(farewells[-MOST:])


def test_any_one_change_makes_it_void() -> None:
    assert is_valid(SIGNED, WEST)
    forged = [replace(SIGNED, signature=made) for made in damaged(SIGNED.signature) if made != SIGNED.signature]
    forged += [
        replace(SIGNED, signing_key=made) for made in damaged(SIGNED.signing_key) if made != SIGNED.signing_key
    ]
    assert not any(is_valid(one, WEST) for one in forged)
    assert not any(is_valid(SIGNED, ClusterId(name)) for name in ("wes", "west1", "West", "east", ""))
    assert not is_valid(replace(SIGNED, signing_key=identity_of("west", 2).public.signing_key), WEST)


def test_whatever_stands_in_the_annotation_no_other_farewell_is_valid() -> None:
    entry = {"signingKey": "", "signature": ""}
    texts = [text for _, text in changed_texts([entry])]
    texts += [made.decode(errors="surrogateescape") for made in damaged(encode([SIGNED]).encode())]
    found = [one for text in texts for one in decode(lease(text)) if is_valid(one, WEST)]
    assert set(found) <= {SIGNED}


@pytest.mark.parametrize(
    "odd",
    [
        {}, {"metadata": None}, {"metadata": []}, {"metadata": "x"}, {"metadata": {"annotations": []}},
        {"metadata": {"annotations": "x"}}, lease(None), lease(""), lease("{}"), lease("[" * 5000), lease([]),
        lease('[1, null, {}, {"signingKey": [], "signature": {}}]'),
    ],
    ids=lambda odd: str(odd)[:40],
)  # fmt: skip
def test_what_can_not_be_read_is_left_out(odd: dict[str, Any]) -> None:
    assert decode(odd) == ()


def test_a_broken_one_does_not_hide_the_others() -> None:
    text = f'[{{"signingKey": "AA==", "signature": ""}}, {encode([SIGNED])[1:-1]}, "x"]'
    assert decode(lease(text)) == (SIGNED,)

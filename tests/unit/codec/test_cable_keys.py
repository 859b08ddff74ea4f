"""Preshared keys, of both kinds: equal on both sides, different for every pair, epoch and identity."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.codec.cable_keys import clamped, ike_key, preshared_key
from mcnet.model.cluster import Identity
from tests.fakes.identities import identity_of

EAST, WEST = identity_of("east"), identity_of("west")
E1, W1 = ("east.n1", 0), ("west.n1", 0)


def test_both_sides_have_the_same() -> None:
    mine = preshared_key(EAST, WEST.public, own_end=E1, other_end=W1)
    assert mine == preshared_key(WEST, EAST.public, own_end=W1, other_end=E1)
    assert len(mine) == 32


def test_frozen() -> None:
    """Another derivation would cut every cable between two versions."""
    made = preshared_key(EAST, WEST.public, own_end=E1, other_end=W1)
    assert made.hex() == "4f073f2251c08c125d45ae14f6db0470c6b8a35af049ad01bd169571552da762"


@settings(max_examples=30)
@given(
    st.tuples(st.from_regex(r"[a-z0-9.-]{1,8}", fullmatch=True), st.integers(0, 300)),
    st.tuples(st.from_regex(r"[a-z0-9.-]{1,8}", fullmatch=True), st.integers(0, 300)),
)
def test_other_ends_have_other_keys(first: tuple[str, int], second: tuple[str, int]) -> None:
    usual = preshared_key(EAST, WEST.public, own_end=E1, other_end=W1)
    made = preshared_key(EAST, WEST.public, own_end=first, other_end=second)
    assert (made == usual) == ({first, second} == {E1, W1})


def test_other_identities_have_other_keys() -> None:
    usual = preshared_key(EAST, WEST.public, own_end=E1, other_end=W1)
    assert preshared_key(EAST, identity_of("west", 2).public, own_end=E1, other_end=W1) != usual
    assert preshared_key(identity_of("east", 2), WEST.public, own_end=E1, other_end=W1) != usual


def test_a_public_key_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="shared"):
        preshared_key(EAST, Identity(bytes(32), bytes(32)), own_end=E1, other_end=W1)


@given(st.binary(min_size=32, max_size=32))
def test_a_clamped_key_is_the_same_key(key: bytes) -> None:
    made = clamped(key)
    assert clamped(made) == made
    of_both = [X25519PrivateKey.from_private_bytes(one).public_key().public_bytes_raw() for one in (key, made)]
    assert of_both[0] == of_both[1]


def test_ike_has_a_key_of_its_own() -> None:
    made = ike_key(EAST, WEST.public, own_end=E1, other_end=W1)
    assert made == ike_key(WEST, EAST.public, own_end=W1, other_end=E1)
    assert made != preshared_key(EAST, WEST.public, own_end=E1, other_end=W1)
    assert made != ike_key(EAST, WEST.public, own_end=("east.n1", 1), other_end=W1)
    with pytest.raises(ValueError, match="shared"):
        ike_key(EAST, Identity(bytes(32), bytes(32)), own_end=E1, other_end=W1)


def test_the_key_of_ike_is_frozen_too() -> None:
    made = ike_key(EAST, WEST.public, own_end=E1, other_end=W1)
    assert made.hex() == "1cd2e4c2895607b821a58d7b0bca6bec569703bb12f279a55669e2365057e346"

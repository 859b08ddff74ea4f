"""Attributes of nf_tables as bytes: what is in them is found, what is cut or damaged ends the reading."""

import struct
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from mcnet.kernel.nft_marks import _attributes
from tests.fakes.mutations import damaged

ATTRIBUTES = [(1, b"mcnet\0"), (3, (7).to_bytes(8))]


def attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


BODY = b"".join(attribute(*one) for one in ATTRIBUTES)


def test_what_is_said_is_found() -> None:
    assert list(_attributes(BODY)) == ATTRIBUTES
    assert list(_attributes(attribute(1 | 0x8000, b"abcd"))) == [(1, b"abcd")], "nested or not is no matter"


def ends(data: bytes) -> bool:
    """Whether reading comes to an end: each step takes four bytes at least."""
    most = len(data) // 4 + 1
    return len(list(islice(_attributes(data), most))) < most


@given(st.binary(max_size=200))
def test_any_bytes_come_to_an_end(data: bytes) -> None:
    assert ends(data)


def test_damaged_ones_come_to_an_end() -> None:
    assert all(ends(data) for data in damaged(BODY))

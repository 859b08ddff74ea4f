"""Netlink messages as bytes: what is in them is found, what is cut or damaged ends the reading."""

import struct
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.kernel.nfnetlink import messages
from tests.fakes.mutations import damaged


def message(kind: int, number: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, number, 0) + body + bytes(-len(body) % 4)


DUMP = message(0xA06, 1, b"a body") + message(3, 2, bytes(4))


def test_what_is_said_is_found() -> None:
    assert list(messages(DUMP)) == [(0xA06, 1, b"a body"), (3, 2, bytes(4))]


def ends(data: bytes) -> bool:
    """Whether reading comes to an end: each step takes four bytes at least."""
    most = len(data) // 4 + 1
    return len(list(islice(messages(data), most))) < most


@given(st.binary(max_size=200))
def test_any_bytes_come_to_an_end(data: bytes) -> None:
    assert ends(data)


def test_damaged_ones_come_to_an_end() -> None:
    assert all(ends(data) for data in damaged(DUMP))


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_message_shorter_than_its_header_ends_the_reading(length: int) -> None:
    assert list(messages(struct.pack("=IHHII", length, 2, 0, 0, 0))) == []

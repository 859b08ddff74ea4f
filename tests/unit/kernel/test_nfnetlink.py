"""Netlink messages and attributes as bytes: what is in them is found, what is cut or damaged ends the reading."""

import struct
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.kernel.nfnetlink import attributes, messages
from tests.fakes.mutations import damaged

Reader: TypeAlias = Callable[[bytes], Iterator[Any]]


def message(kind: int, number: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, number, 0) + body + bytes(-len(body) % 4)


def attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


DUMP = message(0xA06, 1, b"a body") + message(3, 2, bytes(4))
BODY = attribute(1, b"mcnet\0") + attribute(3, (7).to_bytes(8))
each = pytest.mark.parametrize(("reader", "whole"), [(messages, DUMP), (attributes, BODY)])


def test_what_is_said_is_found() -> None:
    assert list(messages(DUMP)) == [(0xA06, 1, b"a body"), (3, 2, bytes(4))]
    assert list(attributes(BODY)) == [(1, b"mcnet\0"), (3, (7).to_bytes(8))]
    assert list(attributes(attribute(1 | 0x8000, b"abcd"))) == [(1, b"abcd")], "nested or not is no matter"


def ends(reader: Reader, data: bytes) -> bool:
    """Whether reading comes to an end: each step takes four bytes at least."""
    most = len(data) // 4 + 1
    return len(list(islice(reader(data), most))) < most


@each
@given(data=st.binary(max_size=200))
def test_any_bytes_come_to_an_end(reader: Reader, whole: bytes, data: bytes) -> None:
    assert ends(reader, data)
    assert ends(reader, whole + data)


@each
def test_damaged_ones_come_to_an_end(reader: Reader, whole: bytes) -> None:
    assert all(ends(reader, data) for data in damaged(whole))


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_message_shorter_than_its_header_ends_the_reading(length: int) -> None:
    assert list(messages(struct.pack("=IHHII", length, 2, 0, 0, 0))) == []


@pytest.mark.parametrize("length", [0, 1, 3])
def test_an_attribute_shorter_than_its_header_ends_the_reading(length: int) -> None:
    assert list(attributes(struct.pack("=HH", length, 1) + bytes(8))) == []

"""The part of the protobuf wire format that NAT discovery needs: varints and length-delimited fields.

Source: https://protobuf.dev/programming-guides/encoding/. The whole library would cost a daemon almost seven
megabytes for two messages; tests compare with it.
"""

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from mcnet.codec.errors import DecodeError

Value: TypeAlias = int | bytes
"""A varint field's number, or a length-delimited field's content."""

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_MOST_BYTES: Final = 10
"""Of a varint: 64 bits in groups of seven."""
_ALL: Final = (1 << 64) - 1


def encode(fields: Iterable[tuple[int, Value]]) -> bytes:
    """A message of (field number, value) in this order. Zero and empty fields are left out, as proto3 does."""
    return b"".join(_field(number, value) for number, value in fields if value)


def present(number: int, content: bytes) -> bytes:
    """A length-delimited field that is there even if it is empty: which message of several it is."""
    return _varint(number << 3 | _DELIMITED) + _varint(len(content)) + content


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    return present(number, value)


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*octets, value))


def decode(data: bytes) -> dict[int, Value]:
    """By field number; of a field that comes twice the last one, as proto3 does. Fields of other wire types are
    skipped. Raises DecodeError."""
    return dict(_fields(data))


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    at = 0
    while at < len(data):
        key, at = _read(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise DecodeError("protobuf", "field", "number 0")
        match kind:
            case _ if kind == _VARINT:
                value, at = _read(data, at)
                yield number, value
            case _ if kind == _DELIMITED:
                length, at = _read(data, at)
                if length > len(data) - at:
                    raise DecodeError("protobuf", f"field {number}", "is longer than the message")
                yield number, data[at : at + length]
                at += length
            case _ if kind in (_FIXED32, _FIXED64):
                at += 4 if kind == _FIXED32 else 8
                if at > len(data):
                    raise DecodeError("protobuf", f"field {number}", "is longer than the message")
            case _:
                raise DecodeError("protobuf", f"field {number}", f"wire type {kind}")


def _read(data: bytes, at: int) -> tuple[int, int]:
    """A varint and where it ends; of more than 64 bits the lower ones count."""
    value = 0
    for shift, octet in enumerate(data[at : at + _MOST_BYTES]):
        value |= (octet & 0x7F) << 7 * shift
        if octet < 0x80:
            return value & _ALL, at + shift + 1
    raise DecodeError("protobuf", "", "a number does not end")

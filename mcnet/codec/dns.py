"""DNS queries as they arrive (RFC 1035, EDNS of RFC 6891): read strictly, never raising whatever the bytes are.

What is answered is mcnet.plan.dns_answer's, how an answer is written mcnet.codec.dns_answer's.
"""

import struct
from dataclasses import dataclass
from typing import Final

from mcnet.model.dns import Name, Question, Rcode, Type

HEADER: Final = 12
"""Bytes before the question."""
SMALLEST_LIMIT: Final = 512
"""What every UDP client takes (RFC 1035 4.2.1), and the least that an EDNS size means (RFC 6891 6.2.3)."""
LONGEST_NAME: Final = 255
LONGEST_LABEL: Final = 63

QR: Final = 0x8000
OPCODE: Final = 0x7800
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
CD: Final = 0x0010
DNSSEC_OK: Final = 0x8000
"""In the flags of an OPT record (RFC 3225)."""

_COUNTS = struct.Struct(">6H")
_RECORD = struct.Struct(">HHIH")
"""Type, class, TTL and length of the data, after a record's name."""
_OPTION = struct.Struct(">HH")


@dataclass(frozen=True, slots=True)
class Edns:
    """The OPT record of a query. `size` is the longest UDP answer that is taken, in bytes."""

    size: int
    version: int
    dnssec_ok: bool
    options: bool
    """Whether there are any: they are not looked at, but differ from query to query."""


@dataclass(frozen=True, slots=True)
class Query:
    """A well-formed query. `raw` is the question as it came: an answer repeats its upper and lower case too."""

    number: int
    recursion_desired: bool
    checking_disabled: bool
    raw: bytes
    question: Question
    edns: Edns | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What is no query, but is told so."""

    number: int
    flags: int
    rcode: Rcode


class _MalformedError(Exception):
    """The message breaks off, or has what no query may have."""


def read(data: bytes) -> Query | Unreadable | None:
    """The query in a message; None for what must not be answered: an answer, or no whole header."""
    if len(data) < HEADER:
        return None
    number, flags, questions, answers, authority, additional = _COUNTS.unpack_from(data)
    if flags & QR:
        return None
    if flags & OPCODE:
        return Unreadable(number, flags, Rcode.NOTIMP)
    if questions != 1 or answers or authority:  # RFC 9619: one question
        return Unreadable(number, flags, Rcode.FORMERR)
    try:
        question, end = _question(data)
        edns = _additional(data, end, additional)
    except _MalformedError:
        return Unreadable(number, flags, Rcode.FORMERR)
    return Query(number, bool(flags & RD), bool(flags & CD), data[HEADER:end], question, edns)


def refusal(of: Unreadable) -> bytes:
    """The answer to what can't be read: a header alone."""
    return _COUNTS.pack(of.number, QR | (of.flags & (OPCODE | RD)) | of.rcode, 0, 0, 0, 0)


def _question(data: bytes) -> tuple[Question, int]:
    labels: list[str] = []
    place = HEADER
    while True:
        if place >= len(data):
            raise _MalformedError
        length = data[place]
        if length > LONGEST_LABEL:  # a pointer has nothing before it to point to
            raise _MalformedError
        place += 1
        if length == 0:
            break
        labels.append(data[place : place + length].lower().decode("latin-1"))
        place += length
    if place - HEADER > LONGEST_NAME or place + 4 > len(data):
        raise _MalformedError
    kind, of_class = _OPTION.unpack_from(data, place)
    return Question(tuple(labels), kind, of_class), place + 4


def _additional(data: bytes, place: int, count: int) -> Edns | None:
    edns = None
    for _ in range(count):
        place, named = _skip_name(data, place)
        if place + _RECORD.size > len(data):
            raise _MalformedError
        kind, size, ttl, length = _RECORD.unpack_from(data, place)
        place += _RECORD.size
        end = place + length
        if end > len(data):
            raise _MalformedError
        if kind == Type.OPT:
            if edns is not None or named:
                raise _MalformedError
            _check_options(data, place, end)
            edns = Edns(max(size, SMALLEST_LIMIT), ttl >> 16 & 0xFF, bool(ttl & DNSSEC_OK), length > 0)
        place = end
    if place != len(data):
        raise _MalformedError
    return edns


def _skip_name(data: bytes, place: int) -> tuple[int, bool]:
    """Where a record's name ends, and whether it is any but the root."""
    begin = place
    while True:
        if place >= len(data):
            raise _MalformedError
        length = data[place]
        if length >= 0xC0:
            return place + 2, True
        if length > LONGEST_LABEL or place - begin > LONGEST_NAME:
            raise _MalformedError
        place += length + 1
        if length == 0:
            return place, place - begin > 1


def _check_options(data: bytes, place: int, end: int) -> None:
    while place < end:
        if place + _OPTION.size > end:
            raise _MalformedError
        _, length = _OPTION.unpack_from(data, place)
        place += _OPTION.size + length
    if place != end:
        raise _MalformedError


def encode_name(name: Name) -> bytes:
    """A name without compression."""
    parts = [label.encode("latin-1") for label in name]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def encode_query(question: Question, *, number: int = 0, edns_size: int = 0, recursion_desired: bool = True) -> bytes:
    """A query, with EDNS where `edns_size` is not 0."""
    flags = RD if recursion_desired else 0
    header = _COUNTS.pack(number, flags, 1, 0, 0, 1 if edns_size else 0)
    asked = encode_name(question.name) + _OPTION.pack(question.type, question.of_class)
    opt = b"\0" + _RECORD.pack(Type.OPT, edns_size, 0, 0) if edns_size else b""
    return header + asked + opt

"""DNS answers as they leave: names compressed, cut to what the asker takes, EDNS where it was asked with.

Nothing of an answer but its length and the order of its records is decided here.
"""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final, assert_never

from mcnet.codec.dns import AA, CD, DNSSEC_OK, HEADER, QR, RD, SMALLEST_LIMIT, TC, Query, encode_name
from mcnet.model.dns import IN, Answer, Name, Ns, Ptr, Record, Soa, Srv, Txt, Type

UDP_LIMIT: Final = 1232
"""Bytes of the longest UDP answer of ours, and what our OPT records say: passes every path unfragmented."""
TCP_LIMIT: Final = 65535
_OPT_LENGTH: Final = 11
_FURTHEST_POINTER: Final = 0x3FFF
_POINTER: Final = 0xC000
_ANSWER, _AUTHORITY, _ADDITIONAL = range(3)

_SIX = struct.Struct(">6H")
_RECORD = struct.Struct(">HHIH")
_SRV = struct.Struct(">HHH")
_TIMES = struct.Struct(">5I")


def udp_limit(query: Query) -> int:
    """The longest answer by UDP that the asker takes, in bytes."""
    return min(query.edns.size, UDP_LIMIT) if query.edns else SMALLEST_LIMIT


def encode(query: Query, answer: Answer, limit: int, turn: int = 0) -> bytes:
    """`answer` to `query` in at most `limit` bytes, its records turned by `turn`.

    Where not all answers fit, as many as do are written and TC is set: some clients never ask again by TCP. The
    additional section is only a kindness: it is cut without a word (RFC 2181 9).
    """
    message = _Message(query, limit)
    fits = message.add(_ANSWER, turned(answer.answers, turn)) and message.add(_AUTHORITY, answer.authority)
    if fits:
        message.add(_ADDITIONAL, turned(answer.additional, turn))
    return message.finish(answer, truncated=not fits)


def turned(records: tuple[Record, ...], turn: int) -> tuple[Record, ...]:
    """The same records, another one first."""
    if len(records) < 2:
        return records
    first = turn % len(records)
    return records[first:] + records[:first]


class _Message:
    """An answer that grows; `_places` has where a name, or the end of one, stands already."""

    def __init__(self, query: Query, limit: int) -> None:
        self._query = query
        self._limit = limit - (_OPT_LENGTH if query.edns else 0)
        self._data = bytearray(HEADER) + query.raw
        self._places: dict[Name, int] = {}
        self._counts = [0, 0, 0]
        place = HEADER
        name = query.question.name
        for index, label in enumerate(name):
            self._places[name[index:]] = place
            place += len(label) + 1

    def add(self, section: int, records: tuple[Record, ...]) -> bool:
        """Write a section, in the order in which they travel; whether all of it fits."""
        for record in records:
            before = len(self._data)
            self._write(record)
            if len(self._data) > self._limit:
                del self._data[before:]
                return False
            self._counts[section] += 1
        return True

    def finish(self, answer: Answer, *, truncated: bool) -> bytes:
        query = self._query
        flags = QR | (answer.rcode & 0xF)
        flags |= AA if answer.authoritative else 0
        flags |= TC if truncated else 0
        flags |= RD if query.recursion_desired else 0
        flags |= CD if query.checking_disabled else 0
        if query.edns:
            ttl = (answer.rcode >> 4) << 24 | (DNSSEC_OK if query.edns.dnssec_ok else 0)
            self._data += b"\0" + _RECORD.pack(Type.OPT, UDP_LIMIT, ttl, 0)
            self._counts[_ADDITIONAL] += 1
        _SIX.pack_into(self._data, 0, query.number, flags, 1, *self._counts)
        return bytes(self._data)

    def _write(self, record: Record) -> None:
        data = self._data
        self._name(record.name)
        data += _RECORD.pack(record.type, IN, record.ttl, 0)
        begin = len(data)
        match record.data:
            case IPv4Address() | IPv6Address() as address:
                data += address.packed
            case Srv(priority, weight, port, target):
                data += _SRV.pack(priority, weight, port) + encode_name(target)  # RFC 2782: not compressed
            case Ns(target) | Ptr(target):
                self._name(target)
            case Txt(text):
                data += bytes([len(text)]) + text.encode("ascii")
            case Soa() as soa:
                self._name(soa.server)
                self._name(soa.mailbox)
                data += _TIMES.pack(soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum)
            case _:
                assert_never(record.data)
        data[begin - 2 : begin] = (len(data) - begin).to_bytes(2)

    def _name(self, name: Name) -> None:
        data, places = self._data, self._places
        for index, label in enumerate(name):
            rest = name[index:]
            if (place := places.get(rest)) is not None:
                data += (_POINTER | place).to_bytes(2)
                return
            if len(data) <= _FURTHEST_POINTER:
                places[rest] = len(data)
            part = label.encode("latin-1")
            data.append(len(part))
            data += part
        data.append(0)

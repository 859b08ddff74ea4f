"""NAT discovery datagrams: a gateway asks another one by which address it sees it.

The format is Submariner's (its pkg/natdiscovery/proto/natdiscovery.proto, field numbers from there), so that gateways
of both understand each other. What is asked when, and what follows, is mcnet.plan.nat_discovery's.
"""

from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Final

from mcnet.codec import protobuf
from mcnet.codec.errors import DecodeError
from mcnet.codec.protobuf import Value
from mcnet.model.kernel import Address

_VERSIONED: Final = protobuf.encode([(1, 1)])
"""Version 1, before every message."""
MOST_BYTES: Final = 1200
"""Longest datagram that is looked at."""


class Result(Enum):
    """How a request was understood."""

    OK = 0
    NAT_DETECTED = 1
    UNKNOWN_CLUSTER = 2
    UNKNOWN_ENDPOINT = 3
    MALFORMED = 4


@dataclass(frozen=True, slots=True)
class Party:
    """A gateway as both sides name it."""

    cluster: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """An address and a UDP port; None where the sender does not know the address."""

    address: Address | None = None
    port: int = 0


NOWHERE: Final = Place()


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: `source` and `target` are what the sender believes to use."""

    number: int
    sender: Party
    receiver: Party
    source: Place = NOWHERE
    target: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Response:
    """The answer: where the request seemed to come from, and what was translated on its way."""

    number: int
    result: Result
    sender: Party
    receiver: Party
    source_translated: bool = False
    port_translated: bool = False
    target_translated: bool = False
    received_from: Place = NOWHERE


def encode(message: Request | Response) -> bytes:
    """The datagram."""
    match message:
        case Request():
            body = protobuf.encode(
                [
                    (1, message.number),
                    (2, _party(message.sender)),
                    (3, _party(message.receiver)),
                    (4, _place(message.source)),
                    (5, _place(message.target)),
                ]
            )
            return _VERSIONED + protobuf.present(2, body)
        case Response():
            body = protobuf.encode(
                [
                    (1, message.number),
                    (2, message.result.value),
                    (3, _party(message.sender)),
                    (4, _party(message.receiver)),
                    (5, int(message.source_translated)),
                    (6, int(message.port_translated)),
                    (7, int(message.target_translated)),
                    (8, _place(message.received_from)),
                ]
            )
            return _VERSIONED + protobuf.present(3, body)


def _party(party: Party) -> bytes:
    return protobuf.encode([(1, party.cluster.encode()), (2, party.endpoint.encode())])


def _place(place: Place) -> bytes:
    address = str(place.address) if place.address is not None else ""
    return protobuf.encode([(1, address.encode()), (2, place.port)])


def decode(datagram: bytes) -> Request | Response:
    """The message. Raises DecodeError for everything else, and for nothing that a peer sends anything else."""
    if len(datagram) > MOST_BYTES:
        raise DecodeError("NAT discovery", "datagram", f"has {len(datagram)} bytes")
    envelope = protobuf.decode(datagram)
    if isinstance(body := envelope.get(2), bytes):
        return _request(protobuf.decode(body))
    if isinstance(body := envelope.get(3), bytes):
        return _response(protobuf.decode(body))
    raise DecodeError("NAT discovery", "message", "is neither a request nor a response")


def _request(fields: dict[int, Value]) -> Request:
    return Request(
        number=_number(fields, 1),
        sender=_read_party(fields, 2),
        receiver=_read_party(fields, 3),
        source=_read_place(fields, 4),
        target=_read_place(fields, 5),
    )


def _response(fields: dict[int, Value]) -> Response:
    try:
        result = Result(_number(fields, 2))
    except ValueError as error:
        raise DecodeError("NAT discovery", "response", f"{fields.get(2)!r} is no result") from error
    return Response(
        number=_number(fields, 1),
        result=result,
        sender=_read_party(fields, 3),
        receiver=_read_party(fields, 4),
        source_translated=bool(_number(fields, 5)),
        port_translated=bool(_number(fields, 6)),
        target_translated=bool(_number(fields, 7)),
        received_from=_read_place(fields, 8),
    )


def _number(fields: dict[int, Value], number: int) -> int:
    value = fields.get(number, 0)
    if not isinstance(value, int):
        raise DecodeError("NAT discovery", f"field {number}", "is not a number")
    return value


def _content(fields: dict[int, Value], number: int) -> bytes:
    value = fields.get(number, b"")
    if not isinstance(value, bytes):
        raise DecodeError("NAT discovery", f"field {number}", "is a number")
    return value


def _text(fields: dict[int, Value], number: int) -> str:
    try:
        return _content(fields, number).decode()
    except UnicodeDecodeError as error:
        raise DecodeError("NAT discovery", f"field {number}", "is no text") from error


def _read_party(fields: dict[int, Value], number: int) -> Party:
    inside = protobuf.decode(_content(fields, number))
    return Party(_text(inside, 1), _text(inside, 2))


def _read_place(fields: dict[int, Value], number: int) -> Place:
    inside = protobuf.decode(_content(fields, number))
    text, port = _text(inside, 1), _number(inside, 2)
    if port > 65535:
        raise DecodeError("NAT discovery", "port", f"{port} is none")
    try:
        return Place(ip_address(text) if text else None, port)
    except ValueError as error:
        raise DecodeError("NAT discovery", "address", f"{text[:64]!r} is none") from error

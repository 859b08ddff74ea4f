"""Headers of tunnel packets as a packet socket sees them (RFC 791, 8200, 768), and the filter that picks them.

The filter is classic BPF (Documentation/networking/filter.rst), so that a busy node copies nothing but what is
looked for. No sockets here.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Final

from mcnet.model.kernel import Address

_UDP: Final = 17
_FRAGMENT_HEADER: Final = 44
HEADERS: Final = 128
"""Bytes that the filter lets through of each packet."""


class EchoKind(Enum):
    """ICMP or ICMPv6 echo inside of a tunnel packet; where that is hidden, what stands for it: the two messages of
    WireGuard's handshake, requests and responses of IKE."""

    REQUEST = "request"
    REPLY = "reply"


_ECHO_KINDS: Final = {
    (1, 8): EchoKind.REQUEST,
    (1, 0): EchoKind.REPLY,
    (58, 128): EchoKind.REQUEST,
    (58, 129): EchoKind.REPLY,
}
"""By protocol number and type (RFC 792, RFC 4443)."""
_VXLAN_AND_ETHERNET: Final = 8 + 14
"""Bytes between the UDP header and the inner IP header (RFC 7348)."""
_WIREGUARD: Final = {1: EchoKind.REQUEST, 2: EchoKind.REPLY, 3: None, 4: None}
"""By the first byte, which three zeros follow: a handshake's initiation and response, cookie, data (the WireGuard
paper, 5.4). VXLAN begins with 8."""
_NO_ESP: Final = b"\0\0\0\0"
"""Where ESP in UDP has its SPI, IKE has zeros (RFC 3948, 2.2)."""
_IKE_FLAGS: Final = len(_NO_ESP) + 19
_IKE_RESPONSE: Final = 0x20
"""Place and bit of the R flag of IKE's header (RFC 7296, 3.1)."""
_IKE_HEADER: Final = len(_NO_ESP) + 28


@dataclass(frozen=True, slots=True)
class Outer:
    """A UDP packet that carries a tunnel, or its first fragment: `length` is that of the IP packet in bytes, `echo`
    what ICMP echo is inside, if any."""

    source: Address
    target: Address
    port: int
    length: int
    fragment: bool
    echo: EchoKind | None = None


def decode(data: bytes) -> Outer | None:
    """What `data`, beginning with the IP header, is; None for anything but UDP with its own header in it."""
    if len(data) < 20:
        return None
    return _decode4(data) if data[0] >> 4 == 4 else _decode6(data)


def _decode4(data: bytes) -> Outer | None:
    header = (data[0] & 0xF) * 4
    length, flags = struct.unpack_from("!H2xH", data, 2)
    if data[9] != _UDP or flags & 0x1FFF or len(data) < header + 4:
        return None
    source, target = ip_address(data[12:16]), ip_address(data[16:20])
    (port,) = struct.unpack_from("!H", data, header + 2)
    return Outer(source, target, port, length, bool(flags & 0x2000), _echo(data[header + 8 :]))


def _decode6(data: bytes) -> Outer | None:
    if data[0] >> 4 != 6 or len(data) < 44:
        return None
    (payload,) = struct.unpack_from("!H", data, 4)
    place, fragment, following = 40, False, data[6]
    if following == _FRAGMENT_HEADER and len(data) >= 52:
        (offset,) = struct.unpack_from("!H", data, 42)
        if offset >> 3:
            return None
        place, fragment, following = 48, bool(offset & 1), data[40]
    if following != _UDP:
        return None
    source, target = ip_address(data[8:24]), ip_address(data[24:40])
    (port,) = struct.unpack_from("!H", data, place + 2)
    return Outer(source, target, port, payload + 40, fragment, _echo(data[place + 8 :]))


def _echo(payload: bytes) -> EchoKind | None:
    """The ICMP echo inside of a VXLAN packet's UDP payload, or what stands for it; None for all else, or if the
    packet was cut before it."""
    if payload[1:4] == b"\0\0\0" and payload[0] in _WIREGUARD:
        return _WIREGUARD[payload[0]]
    if payload.startswith(_NO_ESP):
        if len(payload) < _IKE_HEADER:
            return None
        return EchoKind.REPLY if payload[_IKE_FLAGS] & _IKE_RESPONSE else EchoKind.REQUEST
    inner = payload[_VXLAN_AND_ETHERNET:]
    if len(inner) < 21:
        return None
    if inner[0] >> 4 == 4:
        protocol, place = inner[9], (inner[0] & 0xF) * 4
    else:
        protocol, place = inner[6], 40
    return _ECHO_KINDS.get((protocol, inner[place])) if len(inner) > place else None


Instruction = tuple[int, int, int, int]
_LOAD_BYTE, _LOAD_HALF, _LOAD_INDEXED, _LOAD_LENGTH = 0x30, 0x28, 0x48, 0xB1
_AND, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x54, 0x15, 0x45, 0x06


def port_filter(ports: Iterable[int]) -> bytes:
    """`struct sock_filter`s that pass UDP to one of `ports`, whole or as first fragment, of both families."""
    wanted = sorted(set(ports))
    six_plain = _ports_at(40 + 2, wanted)
    six_fragment = [(_LOAD_BYTE, 0, 0, 40), (_JUMP_EQUAL, 0, len(wanted) + 1, _UDP), *_ports_at(48 + 2, wanted)]
    four = [
        (_LOAD_BYTE, 0, 0, 9),
        (_JUMP_EQUAL, 0, len(wanted) + 4, _UDP),
        (_LOAD_HALF, 0, 0, 6),
        (_JUMP_SET, len(wanted) + 2, 0, 0x1FFF),
        (_LOAD_LENGTH, 0, 0, 0),
        *_ports_at(2, wanted, load=_LOAD_INDEXED),
    ]
    six = [
        (_LOAD_BYTE, 0, 0, 6),
        (_JUMP_EQUAL, 0, len(six_plain) + 2, _UDP),
        *six_plain,
        *_ends(),
        (_JUMP_EQUAL, 0, len(six_fragment), _FRAGMENT_HEADER),
        *six_fragment,
        *_ends(),
    ]
    program: list[Instruction] = [
        (_LOAD_BYTE, 0, 0, 0),
        (_AND, 0, 0, 0xF0),
        (_JUMP_EQUAL, 0, len(four) + 2, 0x40),
        *four,
        *_ends(),
        *six,
    ]
    return b"".join(struct.pack("@HBBI", *instruction) for instruction in program)


def _ports_at(offset: int, ports: list[int], load: int = _LOAD_HALF) -> list[Instruction]:
    """Load the port at `offset`; go to the second of the two ends that follow if it is one of `ports`."""
    tests = [(_JUMP_EQUAL, len(ports) - place, 0, port) for place, port in enumerate(ports)]
    return [(load, 0, 0, offset), *tests]


def _ends() -> list[Instruction]:
    """Refuse; take."""
    return [(_RETURN, 0, 0, 0), (_RETURN, 0, 0, HEADERS)]

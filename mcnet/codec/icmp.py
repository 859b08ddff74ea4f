"""ICMP and ICMPv6 echo as bytes (RFC 792, RFC 4443). No sockets, no clock.

The payload bears a token of the prober beside the 16-bit identifier, so that two probers of one node, or a
`ping` that happens on the same identifier, never take each other's replies.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_ECHO: Final = struct.Struct("!BBHHH")
_PAYLOAD: Final = struct.Struct("!8sI")
_REQUEST: Final = {4: 8, 6: 128}
_REPLY: Final = {4: 0, 6: 129}
TOKEN_BYTES: Final = 8
_LOAD_HALF: Final = 0x28
_SHIFT_RIGHT: Final = 0x74
_AND: Final = 0x54
_JUMP_EQUAL: Final = 0x15
_RETURN: Final = 0x06
"""BPF_LD + BPF_H + BPF_ABS and so on (linux/bpf_common.h)."""
_NETWORK_HEADER: Final = 0xFFF00000
"""SKF_NET_OFF (linux/filter.h)."""


@dataclass(frozen=True, slots=True)
class Echo:
    """What names one probe: the prober's `token` (8 bytes), its `identifier` (16 bits), the `number` of the
    probe (32 bits; the sequence field holds its lower half)."""

    token: bytes
    identifier: int
    number: int


HEADER_BYTES: Final = {4: 28, 6: 48}
"""IP header and ICMP header: what an echo is larger than its payload."""


def encode_request(version: int, echo: Echo, *, size: int = 0) -> bytes:
    """An echo request for IP `version`, padded so that the IP packet has `size` bytes. The kernel fills in the
    checksum of ICMPv6."""
    payload = _PAYLOAD.pack(echo.token, echo.number).ljust(size - HEADER_BYTES[version], b"\0")
    fields = (_REQUEST[version], 0, 0, echo.identifier, echo.number & 0xFFFF)
    message = _ECHO.pack(*fields) + payload
    if version == 6:
        return message
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def decode_reply(version: int, data: bytes) -> Echo | None:
    """The probe that `data` answers, as a raw socket delivers it (IPv4: with the IP header); None for all else."""
    if version == 4:
        if not data or data[0] >> 4 != 4:
            return None
        data = data[(data[0] & 0xF) * 4 :]
    if len(data) < _ECHO.size + _PAYLOAD.size:
        return None
    kind, code, _, identifier, sequence = _ECHO.unpack_from(data)
    token, number = _PAYLOAD.unpack_from(data, _ECHO.size)
    if (kind, code, sequence) != (_REPLY[version], 0, number & 0xFFFF):
        return None
    return Echo(token, identifier, number)


def dscp_filter(version: int, dscps: Iterable[int]) -> bytes:
    """`struct sock_filter`s that pass one byte of packets whose DSCP (RFC 2474) is one of `dscps`, of IP `version`.

    The header is found from the network layer on (SKF_NET_OFF): a raw socket of IPv6 delivers what comes after it.
    """
    wanted = sorted(set(dscps))
    tests = [(_JUMP_EQUAL, len(wanted) - place, 0, dscp) for place, dscp in enumerate(wanted)]
    program = [
        (_LOAD_HALF, 0, 0, _NETWORK_HEADER),
        # Version, header length and the eight bits; or version, the eight bits and four of the flow label.
        (_SHIFT_RIGHT, 0, 0, 2 if version == 4 else 6),
        (_AND, 0, 0, 0x3F),
        *tests,
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, 1),
    ]
    return b"".join(struct.pack("@HBBI", *instruction) for instruction in program)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

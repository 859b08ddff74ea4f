"""ICMP and ICMPv6 echo as bytes (RFC 792, RFC 4443). No sockets, no clock.

The payload bears a token of the prober beside the 16-bit identifier, so that two probers of one node, or a
`ping` that happens on the same identifier, never take each other's replies.
"""

import struct
from dataclasses import dataclass
from typing import Final

_ECHO: Final = struct.Struct("!BBHHH")
_PAYLOAD: Final = struct.Struct("!8sI")
_REQUEST: Final = {4: 8, 6: 128}
_REPLY: Final = {4: 0, 6: 129}
TOKEN_BYTES: Final = 8


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


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

"""Raw ICMP sockets bound to one device, with the kernel's own receive time. Needs CAP_NET_RAW."""

import ctypes
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

_Address: TypeAlias = IPv4Address | IPv6Address

_SO_TIMESTAMPNS: Final = 35
_TIMESPEC: Final = struct.Struct("@ll")
_INT: Final = struct.Struct("@i")
_SO_RCVBUFFORCE: Final = 33
_SO_ATTACH_FILTER: Final = 26
_BUFFER: Final = 4 << 20
"""Bytes of receive buffer: the answers of a whole round to thousands of probes. Needs CAP_NET_ADMIN."""
_SOL_RAW: Final = 255
_ICMP_FILTER: Final = 1
_ICMPV6_FILTER: Final = 1
_IPV6_TRAFFIC_CLASS: Final = (int(socket.IPPROTO_IPV6), socket.IPV6_TCLASS)
_ONLY_ECHO_REPLY: Final = struct.pack("@I", ~(1 << 0) & 0xFFFFFFFF)
"""struct icmp_filter: a set bit blocks the type."""
_ONLY_ECHO_REPLY6: Final = struct.pack(
    "@8I", *(~(1 << (129 % 32)) & 0xFFFFFFFF if word == 129 // 32 else 0xFFFFFFFF for word in range(8))
)
"""struct icmp6_filter: the same for ICMPv6 (type 129)."""


@dataclass(frozen=True, slots=True)
class Received:
    """One packet: `delay` is the time in seconds it lay in the socket before it was read; `dscp` its six bits (RFC
    2474), 0 if nothing is said."""

    sender: _Address
    data: bytes
    delay: float
    dscp: int = 0


def open_socket(version: int, device: str, source: _Address | None) -> socket.socket:
    """A non-blocking socket that sends and receives on `device` only, from `source` if given. Raises OSError."""
    family, protocol = (
        (socket.AF_INET, socket.IPPROTO_ICMP) if version == 4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
    )
    opened = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        with suppress(PermissionError):
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        if version == 4:
            opened.setsockopt(_SOL_RAW, _ICMP_FILTER, _ONLY_ECHO_REPLY)
        else:
            opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, _ONLY_ECHO_REPLY6)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        if source is not None:
            opened.bind(_socket_address(source, device))
    except OSError:
        opened.close()
        raise
    return opened


def device_index(device: str) -> int:
    """The kernel's number of a device; 0 where there is none of that name."""
    try:
        return socket.if_nametoindex(device)
    except OSError:
        return 0


def attach_filter(opened: socket.socket, program: bytes) -> None:
    """Let the kernel take in only what `program` (`struct sock_filter`s) passes, and throw away what a non-blocking
    socket has taken in before. Raises OSError."""
    buffer = ctypes.create_string_buffer(program, len(program))
    count = len(program) // struct.calcsize("@HBBI")
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(buffer)))
    with suppress(BlockingIOError):
        while True:
            opened.recv(1)


def send(opened: socket.socket, data: bytes, target: _Address, device: str) -> None:
    """Send one packet. Raises OSError."""
    opened.sendto(data, _socket_address(target, device))


def receive(opened: socket.socket) -> Received | None:
    """One waiting packet; None if there is none. Raises OSError for an error that waits on the socket."""
    try:
        data, ancillary, _, sender = opened.recvmsg(2048, 128)
    except BlockingIOError:
        return None
    now = time.time()
    delay = 0.0
    # Of IPv4 a raw socket delivers the header too.
    traffic_class = data[1] if opened.family == socket.AF_INET and len(data) > 1 else 0
    for level, kind, body in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack(body[: _TIMESPEC.size])
            delay = max(0.0, now - (seconds + nanoseconds / 1e9))
        elif (level, kind) == _IPV6_TRAFFIC_CLASS:
            (traffic_class,) = _INT.unpack(body[: _INT.size])
    return Received(_parsed(sender[0]), data, delay, traffic_class >> 2)


@lru_cache(maxsize=4096)
def _parsed(sender: str) -> _Address:
    """Of a few senders, over and over: parsing would be a fifth of what a probe costs."""
    return ip_address(sender.partition("%")[0])


def _socket_address(address: _Address, device: str) -> tuple[str, int] | tuple[str, int, int, int]:
    if address.version == 4:
        return str(address), 0
    return str(address), 0, 0, socket.if_nametoindex(device) if address.is_link_local else 0

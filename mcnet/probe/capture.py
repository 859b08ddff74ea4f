"""Sees tunnel packets on a node's interfaces: before its firewall on the way in, after it on the way out.

That is what tells "not sent", "lost on the way" and "dropped on arrival" apart. A packet socket (packet(7)) needs
CAP_NET_RAW. What counts is mcnet.model.look's Seen.
"""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from mcnet.codec.outer import HEADERS, EchoKind, decode, port_filter
from mcnet.model.kernel import Address
from mcnet.model.look import Seen
from mcnet.probe.sockets import attach_filter

_ETH_P_ALL: Final = 0x0003
_PACKET_OUTGOING: Final = 4
_BUFFER: Final = 4 << 20
"""Bytes of receive buffer: a busy gateway must not push out the few packets that are looked for."""
_AT_ONCE: Final = 256


class Capture:
    """Counts UDP packets to `ports` from the moment it is made until `close`."""

    def __init__(self, ports: Iterable[int]) -> None:
        """Raises OSError without CAP_NET_RAW."""
        self._seen: dict[tuple[bool, Address, Address, int], Seen] = {}
        kind, protocol = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.htons(_ETH_P_ALL)
        self._socket = socket.socket(socket.AF_PACKET, kind, protocol)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            attach_filter(self._socket, port_filter(ports))
        except OSError:
            self._socket.close()
            raise
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    @property
    def seen(self) -> tuple[Seen, ...]:
        """What has passed so far."""
        return tuple(self._seen.values())

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, address = self._socket.recvfrom(HEADERS)
            except OSError:
                return
            self._count(data, outgoing=address[2] == _PACKET_OUTGOING)

    def _count(self, data: bytes, *, outgoing: bool) -> None:
        outer = decode(data)
        if outer is None:
            return
        key = outgoing, outer.source, outer.target, outer.port
        before = self._seen.get(key) or Seen(outgoing, outer.source, outer.target, outer.port)
        self._seen[key] = replace(
            before,
            packets=before.packets + 1,
            requests=before.requests + (outer.echo is EchoKind.REQUEST),
            replies=before.replies + (outer.echo is EchoKind.REPLY),
            fragment=max(before.fragment, outer.length if outer.fragment else 0),
        )

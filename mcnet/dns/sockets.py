"""Listening sockets for DNS, of both families where the kernel has both; several processes may have the same port."""

import errno
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final, TypeAlias

Hosts: TypeAlias = Mapping[socket.AddressFamily, str]
"""By which address of each family to be reached."""
Sockets: TypeAlias = tuple[socket.socket, ...]

ANY: Final[Hosts] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
LOOPBACK: Final[Hosts] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
RECEIVE_BUFFER: Final = 4 * 1024 * 1024
"""Bytes asked for; the kernel gives no more than net.core.rmem_max."""
BACKLOG: Final = 256
TRIES: Final = 20
"""Free ports that are tried where any will do."""
_NO_IPV6: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


def both(port: int, hosts: Hosts) -> tuple[Sockets, Sockets]:
    """Those of `udp` and of `tcp` on one port, any that is free by both if `port` is 0. Raises OSError."""
    for left in reversed(range(1 if port else TRIES)):
        try:
            datagrams = udp(port, hosts)
            try:
                return datagrams, tcp(datagrams[0].getsockname()[1], hosts)
            except OSError:
                for one in datagrams:
                    one.close()
                raise
        except OSError:
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


def udp(port: int, hosts: Hosts) -> Sockets:
    """Bound sockets on UDP `port`. Raises OSError if it is taken by another program."""
    opened = _bound(port, hosts, socket.SOCK_DGRAM)
    for one in opened:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return opened


def tcp(port: int, hosts: Hosts) -> Sockets:
    """Listening sockets on TCP `port`. Raises OSError if it is taken by another program."""
    opened = _bound(port, hosts, socket.SOCK_STREAM)
    for one in opened:
        one.listen(BACKLOG)
    return opened


def _bound(port: int, hosts: Hosts, kind: socket.SocketKind) -> Sockets:
    with ExitStack() as stack:
        opened = []
        for family, host in hosts.items():
            try:
                one = stack.enter_context(socket.socket(family, kind | socket.SOCK_CLOEXEC))
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                one.bind((host, port))
            except OSError as error:
                if family == socket.AF_INET6 and error.errno in _NO_IPV6:
                    continue
                raise
            one.setblocking(False)
            port = one.getsockname()[1]  # the same one for both, if any will do
            opened.append(one)
        stack.pop_all()
        return tuple(opened)

"""Kernel events as a reason to look again: nothing here says what changed, and nothing is repaired here.

Plain netlink sockets: an event is not decoded further than telling what can't concern us (entries of other
devices' neighbour tables, nft sets and NAT of others), so that a busy node does not keep a daemon busy.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import ExitStack, suppress
from typing import Final

from mcnet.kernel.errors import translate
from mcnet.kernel.messages import RTNLGRP_NEXTHOP
from mcnet.kernel.sysctl import NODE_SYSCTLS, SysctlTree
from mcnet.model.kernel import Event

_SETTLE: Final = 0.05
"""Seconds in which further events join the first: one change of a device is a dozen of messages."""
_SOL_NETLINK: Final = 270
_ADD_MEMBERSHIP: Final = 1
_NETLINK_NETFILTER: Final = 12
_RECEIVE_BUFFER: Final = 1 << 20

_SYSCTLS_EVERY: Final = 2.0
"""Seconds between two looks at sysctls: the kernel says nothing of a change of most of them."""

_ROUTE_GROUPS: Final = (1, 3, 5, 7, 8, 9, 11, 19, RTNLGRP_NEXTHOP)
"""RTNLGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE, _IPV6_RULE."""
_NFT_GROUPS: Final = (7,)
"""NFNLGRP_NFTABLES."""

_HEADER: Final = struct.Struct("=IHHII")
_NEIGHBOUR: Final = struct.Struct("=BxxxiHBB")
_NEIGHBOUR_TYPES: Final = frozenset({28, 29})
_OUR_PREFIX: Final = "mcnet"

_NFT_SUBSYSTEM: Final = 10
_NFT_MESSAGES: Final = frozenset({0, 2, 3, 5, 6, 8})
"""NFT_MSG_NEWTABLE, _DELTABLE, _NEWCHAIN, _DELCHAIN, _NEWRULE, _DELRULE (linux/netfilter/nf_tables.h)."""
_NFT_BODY: Final = struct.Struct("=BBHHH")
"""struct nfgenmsg, then the first attribute's length and type: in these messages the name of the table."""
_BUSY_TABLES: Final = frozenset({b"kube-proxy", b"nat", b"mangle", b"raw"})
"""Tables that change with every pod or Service and drop nothing that is ours to let through."""


async def watch(*, sysctls: Collection[str] = (), tree: SysctlTree = NODE_SYSCTLS) -> AsyncIterator[Event]:
    """Yield whenever the kernel changed something that may concern us; many changes become one event. The values of
    `sysctls` are looked at every two seconds.

    The first event comes at once, when the subscription stands: a caller that looks then has missed nothing.
    Lost messages (ENOBUFS) count as a change. Raises KernelError where the sockets are refused.
    """
    wake = asyncio.Event()
    wake.set()
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        for protocol, groups in ((socket.NETLINK_ROUTE, _ROUTE_GROUPS), (_NETLINK_NETFILTER, _NFT_GROUPS)):
            source = stack.enter_context(_subscribe(protocol, groups))
            loop.add_reader(source, _drain, source, wake)
            stack.callback(loop.remove_reader, source)
        values = tree.read(sysctls)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SYSCTLS_EVERY if sysctls else None):
                    await wake.wait()
            before, values = values, tree.read(sysctls)
            if not wake.is_set() and values == before:
                continue
            await asyncio.sleep(_SETTLE)
            wake.clear()
            yield Event.CHANGED


def _subscribe(protocol: int, groups: tuple[int, ...]) -> socket.socket:
    source = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    try:
        source.setblocking(False)
        source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        source.bind((0, 0))
        for group in groups:
            source.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except OSError as error:
        source.close()
        raise translate(error, "subscribe to kernel events") from error
    return source


def _drain(source: socket.socket, wake: asyncio.Event) -> None:
    """Take all waiting messages; any that may concern us wakes the watcher."""
    while True:
        try:
            data = source.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            # ENOBUFS: messages were lost, so anything may have changed.
            wake.set()
            return
        if source.proto == _NETLINK_NETFILTER:
            relevant = _OUR_PREFIX.encode() in data or any(_filters(kind, body) for kind, body in _messages(data))
        else:
            relevant = any(_concerns_us(kind, body) for kind, body in _messages(data))
        if relevant:
            wake.set()


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each netlink message in `data`."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        yield kind, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _filters(kind: int, body: bytes) -> bool:
    """Whether rules or chains of a table have changed that may drop our packets: see mcnet.plan.host_firewall."""
    if kind >> 8 != _NFT_SUBSYSTEM or kind & 0xFF not in _NFT_MESSAGES or len(body) < _NFT_BODY.size:
        return False
    *_, length, _ = _NFT_BODY.unpack_from(body)
    return body[_NFT_BODY.size : 4 + length].rstrip(b"\0") not in _BUSY_TABLES


def _concerns_us(kind: int, body: bytes) -> bool:
    """False for neighbours of other devices: they come and go with every pod's traffic."""
    if kind not in _NEIGHBOUR_TYPES or len(body) < _NEIGHBOUR.size:
        return True
    _, index, *_ = _NEIGHBOUR.unpack_from(body)
    try:
        return socket.if_indextoname(index).startswith(_OUR_PREFIX)
    except (OSError, OverflowError):
        return False

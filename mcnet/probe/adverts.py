"""The sockets of adverts: gateways send, nodes listen, UDP on overlay addresses only. Meaning: mcnet.codec.advert.

Sent on change, twice more soon after, and every second; a lost one is made good by the next. That adverts are
missing means nothing as long as the gateway's probe answers (mcnet.plan.choice).
"""

import asyncio
import socket
from collections.abc import Callable, Collection, Mapping
from typing import Final

from mcnet.codec import advert
from mcnet.codec.advert import Advert
from mcnet.codec.errors import DecodeError
from mcnet.model.kernel import Address
from mcnet.model.ownership import ADVERT_PORT

REFRESH: Final = 1.0
"""Seconds between two adverts without a change."""

AGAIN: Final = (0.03, 0.07)
"""Seconds after which a change is sent again, and again: a node that missed it would go on for a second."""


class AdvertSender:
    """Sends the newest datagram to the overlay addresses of all nodes."""

    def __init__(self) -> None:
        self._datagram = b""
        self._targets: tuple[Address, ...] = ()
        self._changed = asyncio.Event()

    def set(self, datagram: bytes, targets: Collection[Address]) -> None:
        """From now on send `datagram` to `targets`; at once if either changed."""
        sorted_targets = tuple(sorted(targets, key=str))
        if (datagram, sorted_targets) != (self._datagram, self._targets):
            self._datagram, self._targets = datagram, sorted_targets
            self._changed.set()

    def say(self, datagram: bytes) -> None:
        """From now on send `datagram` to whom the one before went."""
        self.set(datagram, self._targets)

    async def run(self) -> None:
        """Send until cancelled. What can't be sent (no route yet) is left for the next time."""
        with _socket(4) as socket4, _socket(6) as socket6:
            pauses = iter(AGAIN)
            while True:
                self._changed.clear()
                for target in self._targets:
                    sender = socket4 if target.version == 4 else socket6
                    try:
                        sender.sendto(self._datagram, (str(target), ADVERT_PORT))
                    except OSError:
                        continue
                try:
                    async with asyncio.timeout(next(pauses, REFRESH)):
                        await self._changed.wait()
                    pauses = iter(AGAIN)
                except TimeoutError:
                    pass


class AdvertListener:
    """Keeps the newest advert of each gateway, by the overlay address that it came from.

    The overlay takes packets from the cluster's nodes only, so the source address tells who speaks.
    """

    def __init__(self) -> None:
        self.on_change: Callable[[], None] = lambda: None
        """Called when a gateway says something else than before."""
        self._heard: dict[str, Advert] = {}
        self.refused = 0
        """Datagrams that were no adverts of ours."""

    @property
    def heard(self) -> Mapping[str, Advert]:
        """Newest advert by source address as text."""
        return self._heard

    def forget(self, source: Address) -> None:
        """What the gateway at `source` said counts no more: it may have been re-booted and reach nobody yet."""
        self._heard.pop(str(source), None)

    async def run(self) -> None:
        """Listen until cancelled. Raises OSError if the port is taken."""
        loop = asyncio.get_running_loop()
        transports = []
        try:
            for version, any_address in ((4, "0.0.0.0"), (6, "::")):
                listener = _socket(version)
                try:
                    listener.bind((any_address, ADVERT_PORT))
                except OSError:
                    listener.close()
                    if version == 4:
                        raise
                    continue  # IPv6 is switched off on this node
                transport, _ = await loop.create_datagram_endpoint(lambda: _Protocol(self), sock=listener)
                transports.append(transport)
            await asyncio.Event().wait()
        finally:
            for transport in transports:
                transport.close()

    def received(self, datagram: bytes, source: str) -> None:
        """Take one datagram from the overlay address `source`."""
        try:
            said = advert.decode(datagram)
        except DecodeError:
            self.refused += 1
            return
        if self._heard.get(source) != said:
            self._heard[source] = said
            self.on_change()


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, listener: AdvertListener) -> None:
        self._listener = listener

    def datagram_received(self, data: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        self._listener.received(data, addr[0])


def _socket(version: int) -> socket.socket:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        made = socket.socket(family, socket.SOCK_DGRAM)
    except OSError:  # a kernel without IPv6: a socket that is never used takes its place
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    if version == 6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made

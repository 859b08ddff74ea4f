"""The socket of NAT discovery (UDP 4490): asks remote gateways by which address they are reached, and answers them.

What is asked when, and what an answer means, is mcnet.plan.nat_discovery's. Only known gateways are answered.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from mcnet.codec import nat_discovery as codec
from mcnet.codec.errors import DecodeError
from mcnet.codec.nat_discovery import Place, Request, Response
from mcnet.model.kernel import Address
from mcnet.plan.nat_discovery import Own, Path, Peer, Search, Way, again, answer, answered, tick

TICK: Final = 0.5
"""Seconds between two looks at what is due."""
REFRESH: Final = 30.0
"""Seconds until a peer is asked again: this gateway's own address, as the peer sees it, may change."""


class NatDiscovery:
    """The search for each of a changing set of peers; without any nothing is listened on."""

    def __init__(self, *, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Listens on UDP `port` of all addresses."""
        self.on_change: Callable[[], object] = lambda: None
        """Called when a path, or how this gateway is seen, is another one than before."""
        self.problem = ""
        """Why nobody can be asked, "" if they can."""
        self.refused = 0
        """Datagrams that were of no use."""
        self._port = port
        self._clock = clock
        self._own: dict[int, Own] = {}
        self._peers: dict[str, Peer] = {}
        self._searches: dict[str, Search] = {}
        self._paths: dict[str, Path] = {}
        self._lost: set[str] = set()
        self._transports: dict[int, asyncio.DatagramTransport] = {}
        self._news = asyncio.Event()
        """Set when the first peer has come, or the last one has gone."""

    def set(self, own: Mapping[int, Own], peers: Mapping[str, Peer]) -> None:
        """From now on this gateway is `own` (by family), and these are its peers, by Endpoint's name. A peer that
        has changed is looked for anew; until it answers, the path that was found stays."""
        now = self._clock()
        self._own = dict(own)
        for name, peer in peers.items():
            if self._peers.get(name) != peer:
                kept = self._searches.get(name)
                self._searches[name] = again(kept, now) if kept else Search(since=now)
        self._searches = {name: self._searches[name] for name in peers}
        if bool(peers) != bool(self._peers):
            self._news.set()
        self._paths = {name: path for name, path in self._paths.items() if name in peers}
        self._peers = dict(peers)

    def lost(self, name: str) -> None:
        """The path to a peer has died: look for another one, and take what is published if nobody answers."""
        search = self._searches.get(name)
        if search is not None and search.path is not None:
            self._searches[name] = again(search, self._clock())
            self._lost.add(name)

    @property
    def paths(self) -> dict[str, Path]:
        """What was found last, by the peer's name; it stays while it is looked for again."""
        return dict(self._paths)

    async def run(self) -> None:
        """Ask and answer until cancelled, and listen only while there are peers. A port that is taken is a problem,
        not an error: cables work without."""
        try:
            while True:
                self._news.clear()
                if not self._peers:
                    self._close()
                    await self._news.wait()
                    continue
                if not self._transports:
                    await self._open()
                self._ask()
                await asyncio.sleep(TICK)
        finally:
            self._close()

    def _close(self) -> None:
        for transport in self._transports.values():
            transport.close()
        self._transports = {}
        self.problem = ""

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        for family, any_address in ((4, "0.0.0.0"), (6, "::")):
            kind = socket.AF_INET if family == 4 else socket.AF_INET6
            sock = None
            try:
                sock = socket.socket(kind, socket.SOCK_DGRAM)
                sock.setblocking(False)
                if family == 6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((any_address, self._port))
            except OSError as error:
                if sock is not None:
                    sock.close()
                if family == 4:
                    self.problem = f"NAT discovery can't listen on UDP {self._port}: {error.strerror}"
                continue
            transport, _ = await loop.create_datagram_endpoint(lambda: _Protocol(self), sock=sock)
            self._transports[family] = transport

    def _ask(self) -> None:
        now = self._clock()
        for name, peer in self._peers.items():
            own = self._own.get(peer.private.version)
            if own is None:
                continue
            search = self._searches[name]
            if search.path is not None and now - search.found >= REFRESH:
                search = again(search, now)
            known = self._paths.get(name)
            settled = known is not None and known.way is Way.PRIVATE and name not in self._lost
            # Where the private way works, a public answer would only come first.
            asked = replace(peer, public=None) if settled else peer
            self._searches[name], sends = tick(search, asked, own, now)
            for one in sends:
                if one.to.address is not None:
                    self._send(codec.encode(one.request), one.to.address, one.to.port)
            self._note(name, self._searches[name].path)

    def _note(self, name: str, path: Path | None) -> None:
        """Keep what was found; that nobody answers is no news about a path that works."""
        known = self._paths.get(name)
        if path is None or path == known or (not path.answered and known is not None and name not in self._lost):
            return
        self._lost.discard(name)
        self._paths[name] = path
        self.on_change()

    def _send(self, datagram: bytes, address: Address, port: int) -> None:
        transport = self._transports.get(address.version)
        if transport is not None:
            transport.sendto(datagram, (str(address), port))

    def received(self, datagram: bytes, address: Address, port: int) -> None:
        """Take one datagram."""
        try:
            message = codec.decode(datagram)
        except DecodeError:
            self.refused += 1
            return
        match message:
            case Request():
                self._answer(message, address, port)
            case Response():
                self._take(message, address)

    def _answer(self, request: Request, address: Address, port: int) -> None:
        own = self._own.get(address.version)
        if own is None or request.sender not in {peer.party for peer in self._peers.values()}:
            self.refused += 1
            return
        self._send(codec.encode(answer(request, own, Place(address, port))), address, port)

    def _take(self, response: Response, address: Address) -> None:
        name = next((name for name, peer in self._peers.items() if peer.party == response.sender), None)
        own = self._own.get(self._peers[name].private.version) if name is not None else None
        if name is None or own is None:
            self.refused += 1
            return
        search, why = answered(
            self._searches[name], self._peers[name], own, response, came_from=address, now=self._clock()
        )
        if why:
            self.refused += 1
            return
        self._searches[name] = search
        self._note(name, search.path)


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, discovery: NatDiscovery) -> None:
        self._discovery = discovery

    def datagram_received(self, data: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        self._discovery.received(data, ip_address(addr[0].partition("%")[0]), addr[1])

"""DNS by TCP (RFC 7766): queries may follow each other without waiting, answers come in the same order.

Connections are few and short: a client comes here when an answer is too long for UDP. So what is idle, and what sends
without reading, is let go.
"""

import asyncio
import time
from typing import Final

from mcnet.dns.answers import Answers
from mcnet.dns.counts import Counts

IDLE: Final = 10.0
"""Seconds without a whole query after which a connection is closed."""
MOST: Final = 200
"""Connections at once; one more closes the one that has been idle for longest."""
UNSENT: Final = 256 * 1024
"""Bytes of answers that a client may leave unread before no more of its queries are read."""
_LENGTH: Final = 2
"""Bytes before each message that say how long it is."""


class TcpServer:
    """What all connections share: the answers, and who is idle for how long."""

    def __init__(self, answers: Answers, counts: Counts, *, idle: float = IDLE, most: int = MOST) -> None:
        self.answers = answers
        self.counts = counts
        self.idle = idle
        self._most = most
        self._connections: dict[Connection, None] = {}
        """The one that has been idle for longest stands first."""

    @property
    def connections(self) -> int:
        return len(self._connections)

    def connection(self) -> "Connection":
        """The protocol of a new connection (asyncio's create_server)."""
        return Connection(self)

    def busy(self, connection: "Connection") -> None:
        """It is new, or has sent a whole query."""
        self._connections.pop(connection, None)
        if len(self._connections) >= self._most:
            next(iter(self._connections)).abort()
        self._connections[connection] = None

    def gone(self, connection: "Connection") -> None:
        self._connections.pop(connection, None)

    def close(self) -> None:
        """End all connections."""
        for connection in list(self._connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: TcpServer) -> None:
        self._server = server
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._full = False
        self._gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=UNSENT)
        self._server.busy(self)
        self._heard = time.monotonic()
        self._wait(self._server.idle)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self._server.gone(self)
        if self._timer:
            self._timer.cancel()

    def pause_writing(self) -> None:
        self._full = True
        if self._transport:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        self._work()
        if self._transport and not self._full:
            self._transport.resume_reading()

    def abort(self) -> None:
        """End it without waiting for what is unsent."""
        self._gone = True
        self._server.gone(self)
        if self._transport:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._work()

    def _work(self) -> None:
        """Answer the whole queries that are there, until too much is unsent."""
        received, server, transport, place = self._received, self._server, self._transport, 0
        while transport and not self._full and place + _LENGTH <= len(received):
            end = place + _LENGTH + int.from_bytes(received[place : place + _LENGTH])
            if end > len(received):
                break
            begun = time.perf_counter()
            answer = server.answers.tcp(bytes(received[place + _LENGTH : end]))
            place = end
            if answer is None:
                self.abort()  # no client of DNS
                break
            transport.write(len(answer).to_bytes(_LENGTH) + answer)
            server.counts.took(time.perf_counter() - begun)
        if place:
            del received[:place]
            if not self._gone:
                self._heard = time.monotonic()
                server.busy(self)

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        left = self._heard + self._server.idle - time.monotonic()
        if left <= 0:
            self.abort()
        else:
            self._wait(left)

"""DNS by UDP: takes all datagrams that have come, answers each at once, and lets the event loop go on."""

import asyncio
import socket
import time
from collections.abc import Iterable
from typing import Final

from mcnet.dns.answers import Answers
from mcnet.dns.counts import Counts

BATCH: Final = 128
"""Datagrams that are answered before other work gets its turn."""
LONGEST: Final = 4096
"""Bytes that are read of a datagram; queries are far shorter."""


class UdpServer:
    """Answers on these non-blocking sockets until closed; made within a running event loop."""

    def __init__(self, sockets: Iterable[socket.socket], answers: Answers, counts: Counts) -> None:
        self._sockets = tuple(sockets)
        self._answers = answers
        self._counts = counts
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            loop.add_reader(one.fileno(), self._serve, one)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            loop.remove_reader(one.fileno())
            one.close()

    def _serve(self, one: socket.socket) -> None:
        """The innermost loop of all: nothing is looked up here that can be looked up before."""
        receive, send, known, slow = one.recvfrom, one.sendto, self._answers.known, self._answers.udp
        begun, answered = time.perf_counter(), 0
        for _ in range(BATCH):
            try:
                data, client = receive(LONGEST)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error about an earlier answer
            found = known.get(data[2:])
            if found is not None:
                following, tally = found
                tally[0] += 1
                message = data[:2] + following()
            else:
                made = slow(data)
                if made is None:
                    continue
                message = made
            answered += 1
            try:
                send(message, client)
            except OSError:
                self._counts.unsent += 1  # no room in the kernel, or no way back: the client asks again
        if answered:
            self._counts.took(time.perf_counter() - begun, answered)

"""DNS by UDP: answers all datagrams that have come, many by one system call, and lets the event loop go on."""

import asyncio
import socket
import time
from collections.abc import Iterable
from typing import Final

from mcnet.dns.answers import Answers
from mcnet.dns.batches import MOST, PLACE, Batch
from mcnet.dns.counts import Counts

BATCHES: Final = 4
"""That are answered before other work of the process gets its turn."""


class UdpServer:
    """Answers on these non-blocking sockets until closed; made within a running event loop."""

    def __init__(self, sockets: Iterable[socket.socket], answers: Answers, counts: Counts) -> None:
        self._sockets = tuple(sockets)
        self._answers = answers
        self._counts = counts
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            loop.add_reader(one.fileno(), self._serve, Batch(one))

    def close(self) -> None:
        """Stop answering, and close the sockets."""
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            loop.remove_reader(one.fileno())
            one.close()

    def _serve(self, batch: Batch) -> None:
        for _ in range(BATCHES):
            begun = time.perf_counter()
            count = batch.receive()
            if not count:
                return
            self._answer(batch, count)
            self._counts.took(time.perf_counter() - begun, count)
            if count < MOST:
                return

    def _answer(self, batch: Batch, count: int) -> None:
        """The innermost loop of all: nothing is looked up in it that can be looked up before."""
        known, slow = self._answers.known, self._answers.udp
        data, view, lengths, answers = batch.data, batch.view, batch.lengths, batch.answers
        first = place = 0
        for index in range(count):
            end = place + lengths[index]
            found = known.get(bytes(view[place + 2 : end]))
            if found is not None:
                following, tally = found
                tally[0] += 1
                rest = following()
                length = len(rest) + 2
                data[place + 2 : place + length] = rest
            else:
                made = slow(bytes(view[place:end]))
                length = len(made) if made else 0
                if made:
                    data[place : place + length] = made
                else:
                    self._counts.unsent += batch.send(first, index)
                    first = index + 1
            answers[index] = length
            place += PLACE
        self._counts.unsent += batch.send(first, count)

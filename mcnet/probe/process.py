"""The process that probes for a daemon: `python -m mcnet.probe.process`, started by mcnet.probe.supervised.

It has no API client and nothing else to do, so neither a large list of objects nor a round of the daemon makes it
late. Orders come by standard input, news go by standard output (mcnet.codec.probing): what changes at once, all paths
from time to time. A daemon that is slow to read holds up nothing: what could not be written is made up for by one
report of everything. When standard input ends, the daemon has, and so does this.
"""

import asyncio
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, cast

from mcnet.codec.probing import LONGEST_LINE, News, Order, decode_order, encode_news
from mcnet.model.probe import Standing
from mcnet.probe.ping import Prober

NICENESS: Final = -10
"""Taken where it is allowed: probes are to be on time also where the node is busy."""
REFRESH: Final = 1.0
"""Seconds between two reports of all paths, at least."""
REFRESH_ROUNDS: Final = 10
"""The same in rounds of probes: a report costs about as much per path as that."""


class Reporter(asyncio.BaseProtocol):
    """Writes news to the daemon, at most one line ahead of it."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober
        self._transport: asyncio.WriteTransport | None = None
        self._full = False
        self._missed = False
        self._number = 0
        self._told: dict[str, Standing] = {}
        self.gone = asyncio.Event()
        """Set when nobody reads any more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.set_write_buffer_limits(high=0)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._missed:
            self.all()

    def ordered(self, number: int) -> None:
        """All news are under the order `number` from now on."""
        self._number = number
        self.all()

    def changes(self) -> None:
        """Tell of the paths whose standing is another one than was told."""
        standings = self._prober.standings()
        self._tell(key for key, standing in standings.items() if self._told.get(key) != standing)

    def all(self) -> None:
        """Tell of all paths."""
        self._tell(self._prober.standings())

    def _tell(self, keys: Iterable[str]) -> None:
        if self._full or self._transport is None:
            self._missed = True
            return
        paths = self._prober.snapshot(keys)
        self._missed = False
        self._told = self._prober.standings()
        self._transport.write(encode_news(News(self._number, paths)))


async def main() -> None:
    """Probe until the daemon ends."""
    with suppress(OSError):
        os.nice(NICENESS)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    orders, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    prober = Prober()
    news, reporter = await loop.connect_write_pipe(lambda: Reporter(prober), sys.stdout)
    prober.on_change = reporter.changes
    pace = Pace()
    tasks: list[asyncio.Task[object]] = [
        asyncio.create_task(_obey(reader, prober, reporter, pace)),
        asyncio.create_task(prober.run()),
        asyncio.create_task(_refresh(reporter, pace)),
        asyncio.create_task(reporter.gone.wait()),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        orders.close()
        if not reporter.gone.is_set():
            news.abort()


class Pace:
    """The interval that was ordered last."""

    interval = REFRESH


async def _obey(reader: asyncio.StreamReader, prober: Prober, reporter: Reporter, pace: Pace) -> None:
    """Follow orders until there are no more. Raises DecodeError."""
    while line := await reader.readline():
        order: Order = decode_order(line)
        pace.interval = order.interval
        prober.set_pace(interval=order.interval, multiplier=order.multiplier)
        prober.set_targets(order.targets, order.known)
        reporter.ordered(order.number)


async def _refresh(reporter: Reporter, pace: Pace) -> None:
    while True:
        await asyncio.sleep(max(REFRESH, REFRESH_ROUNDS * pace.interval))
        reporter.all()


if __name__ == "__main__":
    asyncio.run(main())

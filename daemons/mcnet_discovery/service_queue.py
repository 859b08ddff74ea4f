"""Services that have to be looked at: each waits once, is in one worker's hands at a time, and nothing is slowed down
but what failed.
"""

import asyncio

from mcnet.model.service import ServiceName

BACKOFF = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds until a service whose writes failed once, twice, … in a row is looked at again."""


class ServiceQueue:
    """In the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: dict[ServiceName, None] = {}
        self._busy: set[ServiceName] = set()
        self._again: set[ServiceName] = set()
        self._failures: dict[ServiceName, int] = {}
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._busy)

    @property
    def is_waited_for(self) -> bool:
        """Whether others wait for a worker."""
        return bool(self._waiting)

    def add(self, service: ServiceName) -> None:
        """Ask for a look. One that is in a worker's hands now is looked at again afterwards."""
        if service in self._busy:
            self._again.add(service)
        else:
            self._waiting[service] = None
            self._news.set()

    async def get(self) -> ServiceName:
        """The next one; `done` or `failed` must follow."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        service = next(iter(self._waiting))
        del self._waiting[service]
        self._busy.add(service)
        return service

    def done(self, service: ServiceName) -> None:
        self._failures.pop(service, None)
        self._release(service)

    def failed(self, service: ServiceName) -> None:
        """It comes again after a while; earlier if something of it changes."""
        times = self._failures.get(service, 0)
        self._failures[service] = times + 1
        delay = BACKOFF[min(times, len(BACKOFF) - 1)]
        asyncio.get_running_loop().call_later(delay, self.add, service)
        self._release(service)

    def _release(self, service: ServiceName) -> None:
        self._busy.discard(service)
        if service in self._again:
            self._again.discard(service)
            self.add(service)

"""Services that have to be looked at: each waits once, is in one worker's hands at a time, and nothing is slowed down
but what failed.

Three lanes: what changes in services in use comes before new ones, and those before what can wait.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import IntEnum

from mcnet.model.service import ServiceName

BACKOFF = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds until a service whose writes failed once, twice, … in a row is looked at again."""
FAIR = 8
"""Of so many services in a row one is of the last lane, if anything waits there."""


class Lane(IntEnum):
    """How soon a service's turn comes."""

    IN_USE = 0
    NEW = 1
    LATER = 2


class ServiceQueue:
    """Each lane is in the order in which services were added. `in_use` says whether anybody may be using one."""

    def __init__(self, in_use: Callable[[ServiceName], bool] = lambda service: False) -> None:
        self._in_use = in_use
        self._waiting: tuple[dict[ServiceName, None], ...] = tuple({} for _ in Lane)
        self._busy: set[ServiceName] = set()
        self._again: set[ServiceName] = set()
        self._failures: dict[ServiceName, int] = {}
        self._workers: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}
        self._taken = 0

    def __len__(self) -> int:
        return sum(map(len, self._waiting)) + len(self._busy)

    @property
    def is_waited_for(self) -> bool:
        """Whether others wait for a worker."""
        return any(self._waiting)

    def add(self, service: ServiceName, *, later: bool = False) -> None:
        """Ask for a look, or, `later`, for one when others have had theirs. One that is in a worker's hands now is
        looked at again afterwards."""
        if service in self._busy:
            self._again.add(service)
            return
        lane = Lane.LATER if later else Lane.IN_USE if self._in_use(service) else Lane.NEW
        for one in Lane:
            if service in self._waiting[one]:
                if one <= lane:
                    return
                del self._waiting[one][service]
        self._waiting[lane][service] = None
        self._wake(lane)

    async def get(self, *, only_in_use: bool = False) -> ServiceName:
        """The next one; `done`, `failed` or `put_back` must follow."""
        while (service := self._next(only_in_use)) is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._workers[only_in_use].append(waiter)
            await waiter
        self._busy.add(service)
        return service

    def done(self, service: ServiceName) -> None:
        self._failures.pop(service, None)
        self._release(service)

    def put_back(self, service: ServiceName, *, later: bool = False) -> None:
        """It is not through, and lets others go first."""
        self._release(service)
        self.add(service, later=later)

    def failed(self, service: ServiceName) -> None:
        """It comes again after a while; earlier if something of it changes."""
        times = self._failures.get(service, 0)
        self._failures[service] = times + 1
        delay = BACKOFF[min(times, len(BACKOFF) - 1)]
        asyncio.get_running_loop().call_later(delay, self.add, service)
        self._release(service)

    def _next(self, only_in_use: bool) -> ServiceName | None:
        self._taken += not only_in_use
        lanes = [Lane.IN_USE] if only_in_use else list(Lane)
        if not self._taken % FAIR and not only_in_use:
            lanes.reverse()
        for lane in lanes:
            for service in self._waiting[lane]:
                del self._waiting[lane][service]
                return service
        return None

    def _wake(self, lane: Lane) -> None:
        """One worker for what has been added: they are many, and none is to look in vain."""
        for only_in_use in (False, True) if lane is Lane.IN_USE else (False,):
            workers = self._workers[only_in_use]
            while workers:
                waiter = workers.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    return

    def _release(self, service: ServiceName) -> None:
        self._busy.discard(service)
        if service in self._again:
            self._again.discard(service)
            self.add(service)

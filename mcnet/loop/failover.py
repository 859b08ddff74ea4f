"""Takes lost paths out of the kernel at once, beside a daemon's rounds. What may go is mcnet.plan.failover's.

A round says what the kernel holds when it has applied it, and a prober or an advert says what is lost. It is compared
whenever either changes: so a round that began before a path was lost, and put its next hop back, is put right as soon
as it ends, and not by the next one. Before a daemon's first round it brings back what answers again, too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from mcnet.loop.log import Log
from mcnet.loop.repairs import Repairs
from mcnet.loop.wiring import Journal
from mcnet.model.errors import KernelError
from mcnet.model.kernel import Change, KernelState, Remove
from mcnet.plan import failover
from mcnet.plan.failover import Lost

RETRY = 5.0
"""Seconds until what was refused before the first round is tried again."""
PAUSE = 0.5
"""Seconds in which changes of the kernel make one look at it before the first round."""

log = Log("failover")


class Refused(Protocol):
    """A change that the kernel refused (mcnet.kernel.execute.Failure)."""

    @property
    def change(self) -> Change: ...

    @property
    def error(self) -> KernelError: ...


def noting(
    journal: Journal, repairs: Repairs
) -> Callable[[Sequence[Change], Sequence[str], KernelState, KernelState], None]:
    """A daemon's `done`: changes are logged as those of its rounds, and the next round takes them for its own."""

    def done(changes: Sequence[Change], refused: Sequence[str], was: KernelState, now: KernelState) -> None:
        journal.kernel(changes, refused, failover.reason(changes))
        repairs.beside(was, now)

    return done


class Failover:
    """One per partition of the kernel."""

    def __init__(
        self,
        apply: Callable[[Sequence[Change]], Awaitable[Sequence[Refused]]],
        read: Callable[[], Awaitable[KernelState]],
        *,
        done: Callable[[Sequence[Change], Sequence[str], KernelState, KernelState], object],
    ) -> None:
        """`done` is told of changes, the messages of those that were refused, and what the kernel held before and
        holds now."""
        self._apply = apply
        self.read = read
        self._done = done
        self._state = KernelState()
        self._found: KernelState | None = None
        """What was there when the daemon started, until a round knows better."""
        self._lost = Lost()
        self._due: Sequence[Change] = ()
        self._wake = asyncio.Event()
        self._again: asyncio.TimerHandle | None = None

    def finds(self, state: KernelState) -> None:
        """The kernel holds `state`, and there has been no round yet."""
        self._state = self._found = state
        self._look()

    def holds(self, state: KernelState) -> None:
        """The kernel holds `state` now: a round has ended, or the first one begins to change it."""
        self._state, self._found = state, None
        self._look()

    def lost(self, lost: Lost) -> bool:
        """This is lost, and nothing else; returns whether something is to be done about it now. Then a round had
        better come after it than compete with it for the processor."""
        if lost != self._lost:
            self._lost = lost
            self._look()
        return bool(self._due)

    def look(self) -> None:
        """The kernel has changed. A round looks at that, if there are rounds."""
        if self._found is not None:
            self._later(PAUSE)

    def _later(self, seconds: float) -> None:
        """Look again then, or when that was going to happen anyway."""
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(seconds, self._now)

    def _now(self) -> None:
        self._again = None
        self._wake.set()

    def _look(self) -> None:
        self._due = failover.changes(self._state, self._lost) if self._found is None else ()
        self._wake.set()

    async def run(self) -> None:
        """Act until cancelled. What the kernel refuses is left to the next round; before the first one it is tried
        again after a while."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._found is None:
                await self._act()
            else:
                await self._resume(self._found)

    async def _act(self) -> None:
        changes, self._due = self._due, ()
        if not changes:
            return
        # Before the changes are made: a round that ends meanwhile knows better.
        was = self._state
        self._state = now = failover.after(was, changes)
        refused = await self._make(changes)
        self._done(changes, refused, was, now)

    async def _resume(self, found: KernelState) -> None:
        """Without rounds nobody else looks at what the kernel holds: it takes away next hops by itself when a device
        goes down."""
        try:
            was = await self.read()
        except KernelError as error:
            log.warning("what the kernel holds can't be told", because=error.message)
            self._later(RETRY)
            return
        if self._found is not found:
            return
        changes = failover.resumed(found, was, self._lost)
        removing = tuple(change for change in changes if isinstance(change, Remove))
        setting = tuple(change for change in changes if change not in removing)
        refused, tried = await self._make(setting), setting
        # What may go is a round's to say once there is one.
        if not refused and self._found is found:
            refused, tried = await self._make(removing), changes
        if tried:
            self._done(tried, refused, was, failover.after(was, tried))
        if refused:
            self._later(RETRY)

    async def _make(self, changes: Sequence[Change]) -> tuple[str, ...]:
        """The messages of those that were refused."""
        if not changes:
            return ()
        try:
            return tuple(failure.error.message for failure in await self._apply(changes))
        except KernelError as error:
            return (error.message,)

"""Takes lost paths out of the kernel at once, beside a daemon's rounds. What may go is mcnet.plan.failover's.

A round says what the kernel holds when it has applied it, and a prober or an advert says what is lost. It is compared
whenever either changes: so a round that began before a path was lost, and put its next hop back, is put right as soon
as it ends, and not by the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from mcnet.loop.repairs import Repairs
from mcnet.loop.wiring import Journal
from mcnet.model.errors import KernelError
from mcnet.model.kernel import Change, KernelState
from mcnet.plan import failover
from mcnet.plan.failover import Lost


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
        *,
        done: Callable[[Sequence[Change], Sequence[str], KernelState, KernelState], object],
    ) -> None:
        """`done` is told of changes, the messages of those that were refused, and what the kernel held before and
        holds now."""
        self._apply = apply
        self._done = done
        self._state = KernelState()
        self._lost = Lost()
        self._wake = asyncio.Event()

    def holds(self, state: KernelState) -> None:
        """The kernel holds `state` now: a round has ended."""
        self._state = state
        self._wake.set()

    def lost(self, lost: Lost) -> None:
        """This is lost, and nothing else."""
        if lost != self._lost:
            self._lost = lost
            self._wake.set()

    async def run(self) -> None:
        """Act until cancelled. What the kernel refuses is left to the next round."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            changes = failover.changes(self._state, self._lost)
            if not changes:
                continue
            # Before the changes are made: a round that ends meanwhile knows better.
            was = self._state
            self._state = now = failover.after(was, changes)
            try:
                refused = [failure.error.message for failure in await self._apply(changes)]
            except KernelError as error:
                refused = [error.message]
            self._done(changes, refused, was, now)

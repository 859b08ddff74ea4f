"""The level-triggered loop of every daemon: something changed, so look at everything again.

A trigger says only "look again"; nothing of it is kept but the reason for the log. What a round observes,
decides and applies is the daemon's; a round must be idempotent, since any of them may be cut short.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from mcnet.loop.log import Log
from mcnet.loop.metrics import LoopMetrics
from mcnet.model.errors import McnetError

BACKOFF = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds until the next try after the first, second, … failed round in a row; the last one repeats."""
VERIFY = 1.0
"""Seconds until a round that changed something is verified by another; doubles while rounds go on changing things."""

log = Log("loop")


class Reconciler:
    """Runs `round(reason)` whenever triggered, and at least every `resync` seconds (10 % jitter).

    A round returns whether it changed something; then another one verifies the result soon. Triggers within
    `settle` seconds make one round, an urgent one makes it at once. An exception is logged once (again when it
    changes), counted, and the next round starts from scratch after a back-off.
    """

    def __init__(
        self,
        round: Callable[[str], Awaitable[bool]],  # noqa: A002 - the word for it
        *,
        name: str = "reconcile",
        metrics: LoopMetrics | None = None,
        settle: float = 0.1,
        resync: float = 60.0,
        stuck_after: float = 600.0,
        longest_backoff: float = BACKOFF[-1],
    ) -> None:
        self._round = round
        self._name = name
        self._metrics = metrics
        self._settle = settle
        self._resync = resync
        self._stuck_after = stuck_after
        self._longest_backoff = longest_backoff
        self._dirty = asyncio.Event()
        self._urgent = asyncio.Event()
        self._reasons: dict[str, None] = {}
        self._started: float | None = None
        self._ended = False
        self._last_error = ""
        self._changed_in_row = 0
        self.failures = 0
        """Failed rounds in a row."""
        self.rounds = 0
        """Rounds without failure since the start."""

    def trigger(self, reason: str, *, urgent: bool = False) -> None:
        """Ask for a round soon. Cheap, may be called from any callback of the event loop.

        An `urgent` one (a path has come, or was lost and only a round can help) does not wait for others to come, and
        cuts a back-off short: what keeps failing must not hold it up.
        """
        self._reasons[reason] = None
        self._dirty.set()
        if urgent:
            self._urgent.set()

    @property
    def synced(self) -> bool:
        """Whether a round has succeeded since the start: what readiness asks."""
        return self.rounds > 0

    @property
    def fault(self) -> str:
        """Why a restart would help, "" if it would not: what liveness asks."""
        if self._ended:
            return f"the loop {self._name} has ended"
        if self._started is not None and time.monotonic() - self._started > self._stuck_after:
            return f"a round of {self._name} has taken more than {self._stuck_after:.0f} s"
        return ""

    async def run(self) -> None:
        """Run rounds until cancelled. The first one starts at once."""
        self.trigger("start")
        try:
            while True:
                await self._settled()
                await self._wait(await self._one_round())
        finally:
            self._ended = True

    async def _settled(self) -> None:
        """Let further triggers come, unless one is urgent."""
        try:
            async with asyncio.timeout(self._settle):
                await self._urgent.wait()
        except TimeoutError:
            pass

    async def _one_round(self) -> float:
        """One round; returns after how many seconds the next one is due without a trigger."""
        reason = ", ".join(self._reasons) or "resync"
        self._reasons.clear()
        self._dirty.clear()  # before observing: what happens meanwhile makes another round
        self._urgent.clear()
        self._started = time.monotonic()
        try:
            changed = await self._round(reason)
        except Exception as error:  # the one place of a daemon that catches broadly
            return self._failed(error)
        finally:
            if self._metrics:
                self._metrics.seconds.observe(time.monotonic() - self._started)
            self._started = None
        return self._succeeded(changed)

    def _succeeded(self, changed: bool) -> float:
        if self.failures:
            log.info("rounds succeed again", loop=self._name, failed=self.failures)
        self.failures = 0
        self._last_error = ""
        self.rounds += 1
        if self._metrics:
            self._metrics.fine.inc()
            self._metrics.failures.set(0)
        self._changed_in_row = self._changed_in_row + 1 if changed else 0
        resync = self._resync * random.uniform(0.9, 1.1)
        return min(resync, VERIFY * 2 ** (self._changed_in_row - 1)) if changed else resync

    def _failed(self, error: Exception) -> float:
        self.failures += 1
        if self._metrics:
            self._metrics.failed.inc()
            self._metrics.failures.set(self.failures)
        delay = min(BACKOFF[min(self.failures, len(BACKOFF)) - 1], self._longest_backoff)
        text = f"{type(error).__name__}: {error}"
        if text != self._last_error:
            known = isinstance(error, McnetError)
            log.error(
                "round failed", error=None if known else error, loop=self._name, reason=text,
                hint=error.hint if isinstance(error, McnetError) else "", again_in=f"{delay:g} s",
            )  # fmt: skip
        self._last_error = text
        return delay

    async def _wait(self, delay: float) -> None:
        """Wait for a trigger, at most `delay`; after a failure only urgent ones shorten it, to the first back-off."""
        if self.failures:
            await asyncio.sleep(min(delay, BACKOFF[0]))
            delay -= BACKOFF[0]
        try:
            async with asyncio.timeout(max(0.0, delay)):
                await (self._urgent if self.failures else self._dirty).wait()
        except TimeoutError:
            pass

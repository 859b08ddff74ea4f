"""What others do to a daemon's kernel objects, told without haste: counted, gathered into few events, paced.

Another program may fight over an object for ever. Then the repairs slow down, to one in a few seconds, and the
events get rarer, each with all that happened since the last one. Which changes are repairs is mcnet.plan.drift's;
what it compares them with, what the daemon left behind, is kept here.
"""

import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import Counter

from mcnet.codec.wording import describe_repair
from mcnet.loop.log import Log
from mcnet.model.kernel import Change, KernelState
from mcnet.plan import drift

LISTED = 5
"""Repairs that one event names; the others are counted in it."""
BURST = 20
"""Events that may be written at once, and one more …"""
REFILL = 60.0
"""… after each so many seconds."""
FREE = 10
"""Rounds with repairs within `WINDOW` seconds that are not slowed down."""
WINDOW = 60.0
LONGEST_PAUSE = 3.0
"""Seconds; with it, the kernel's settling and a round, what was changed is mended within five."""
_FIRST_PAUSE = 0.2
_KINDS = 50
"""Different repairs that are kept until they are told; more are only counted."""

log = Log("repairs")


class Repairs:
    """Remembers what was repaired since the last event, and what the kernel held after the last change of the daemon.
    `clock` gives monotonic seconds."""

    def __init__(self, counter: Counter, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter = counter
        self._clock = clock
        self._held: drift.Held | None = None
        self._read: drift.Held | None = None
        """What was there when the round began to read the kernel."""
        self._pending: Tally[str] = Tally()
        self._unnamed = 0
        self._rounds: deque[float] = deque()
        self._events = float(BURST)
        self._refilled = clock()

    def reading(self) -> None:
        """A round begins to read the kernel: what is changed beside it from now on, it may not see."""
        self._read = self._held

    def round(self, wanted: KernelState, changes: Sequence[Change], refused: Sequence[Change]) -> None:
        """A round wanted `wanted` and made `changes`, of which the kernel refused `refused`. A repair is one both of
        what was there when it read and of what is there now."""
        done = [change for change in changes if change not in refused]
        before = drift.repairs(self._read, done)
        self.add([change for change in drift.repairs(self._held, done) if change in before])
        self._held = drift.held(wanted, refused)

    def beside(self, was: KernelState, now: KernelState) -> None:
        """The daemon has changed next hops and groups from `was` to `now` without a round."""
        self._held = drift.after(self._held, was, now)

    def lose_track(self) -> None:
        """The next round is like the first one: what it changes was not repaired."""
        self._held = self._read = None

    def add(self, changes: Sequence[Change]) -> None:
        """`changes` repaired what somebody else did, in one round."""
        if not changes:
            return
        self._counter.inc(len(changes))
        self._rounds.append(self._clock())
        for text in map(describe_repair, changes):
            if text in self._pending or len(self._pending) < _KINDS:
                self._pending[text] += 1
            else:
                self._unnamed += 1
        log.warning("repaired what somebody else changed", what=summary(Tally(map(describe_repair, changes))))

    def forget(self) -> None:
        """What was repaired is nobody's business any more, and what is there now is not this daemon's."""
        self.lose_track()
        self._pending.clear()
        self._unnamed = 0

    @property
    def pause(self) -> float:
        """Seconds to wait before the kernel's next change is looked at: 0 unless somebody fights over our objects."""
        while self._rounds and self._rounds[0] < self._clock() - WINDOW:
            self._rounds.popleft()
        above = len(self._rounds) - FREE
        return min(LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(above, 10)) if above > 0 else 0.0

    async def tell(self, write: Callable[[str], Awaitable[bool]]) -> None:
        """Write one event about all that is untold, unless events were too many lately; `write` says whether it
        was written, else it is tried again the next time."""
        now = self._clock()
        self._events = min(float(BURST), self._events + (now - self._refilled) / REFILL)
        self._refilled = now
        if not self._pending or self._events < 1:
            return
        told, unnamed = Tally(self._pending), self._unnamed
        if await write(summary(told, unnamed)):
            self._events -= 1
            self._pending -= told
            self._unnamed -= unnamed


def summary(repairs: Tally[str], unnamed: int = 0) -> str:
    """The first few, each with how often it was needed, and how many more there are."""
    named = [text if times == 1 else f"{text} ({times} times)" for text, times in repairs.items()]
    more = sum(list(repairs.values())[LISTED:]) + unnamed
    return "; ".join(named[:LISTED]) + (f"; and {more} more" if more else "")

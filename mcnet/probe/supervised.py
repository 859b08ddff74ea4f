"""A prober in a process of its own, as a daemon uses it: the interface of mcnet.probe.ping.Prober.

The process is started anew as soon as it ends. It is told what was known of each path, so that a path stays what it
was until there is a new verdict: a restart moves nothing.
"""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from mcnet.codec.errors import DecodeError
from mcnet.codec.probing import LONGEST_LINE, News, Order, decode_news, encode_order
from mcnet.model.probe import PathHealth, Target
from mcnet.plan.pace import DEFAULT_INTERVAL, DEFAULT_MULTIPLIER

COMMAND: Final = (sys.executable, "-m", "mcnet.probe.process")
_BACKOFF: Final = (0.0, 0.1, 0.5, 1.0)
"""Seconds until the next start after the first, second, … short life in a row; the last one repeats."""
_LONG: Final = 10.0
"""Seconds: a life that was no short one."""


class SupervisedProber:
    """Has a changing set of targets probed until `run` is cancelled."""

    def __init__(
        self,
        *,
        interval: float = DEFAULT_INTERVAL,
        multiplier: int = DEFAULT_MULTIPLIER,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """`interval` in seconds; a path is down after `multiplier` losses in a row."""
        self.on_change: Callable[[], object] | None = None
        """Called after a path's standing changed."""
        self.on_end: Callable[[str], object] = lambda _: None
        """Called with the reason when the process has ended and is started anew."""
        self.process_id = 0
        """Of the process that runs now; 0 while there is none."""
        self.problem = ""
        """Why paths are not probed, in a sentence; "" while they are."""
        self._command = tuple(command)
        self._interval = interval
        self._multiplier = multiplier
        self._targets: dict[str, Target] = {}
        self._paths: dict[str, PathHealth] = {}
        self._number = 1
        self._since: dict[str, int] = {}
        """The number of the order from which on a key means the target that it means now."""
        self._ordered = asyncio.Event()

    def set_pace(self, *, interval: float, multiplier: int) -> None:
        """Probe at this pace from the next round on; paths keep their histories."""
        if (interval, multiplier) != (self._interval, self._multiplier):
            self._interval, self._multiplier = interval, multiplier
            self._order()

    def set_targets(self, targets: frozenset[Target]) -> None:
        """Probe exactly `targets` from now on; a target that stays or is `formerly` another one keeps its history, a
        changed one starts anew."""
        wanted = {target.key: target for target in targets}
        if wanted == self._targets:
            return
        self._order()
        same = {key for key, target in wanted.items() if self._targets.get(key) == target}
        names = {key: self._name(target) for key, target in wanted.items()}
        now = time.monotonic()
        self._paths = {key: self._paths.get(names[key], PathHealth(since=now)) for key in sorted(wanted)}
        self._since = {key: self._since[key] if key in same else self._number for key in wanted}
        self._targets = wanted

    def snapshot(self) -> dict[str, PathHealth]:
        """The health of every target, by key. Times of change are those of mcnet.probe.ping.Clock.awake."""
        return dict(self._paths)

    async def run(self) -> None:
        """Keep a process probing until cancelled."""
        loop = asyncio.get_running_loop()
        short = 0
        while True:
            began = loop.time()
            try:
                reason = await self._life()
            except (OSError, DecodeError, ValueError) as error:
                reason = str(error)
            self.on_end(reason)
            short = short + 1 if loop.time() - began < _LONG else 0
            if short >= len(_BACKOFF):
                self.problem = f"paths are not probed, since the process for it does not stay: {reason}"
            await asyncio.sleep(_BACKOFF[min(short, len(_BACKOFF) - 1)])

    def _name(self, target: Target) -> str:
        """What the path of `target` has been called until now, "" for a new one."""
        names = (target.key, target.formerly)
        return next((name for name in names if self._was(name, target)), "")

    def _was(self, name: str, target: Target) -> bool:
        former = self._targets.get(name)
        return former is not None and (former == target or target.is_formerly(former))

    def _order(self) -> None:
        self._number += 1
        self._ordered.set()

    async def _life(self) -> str:
        """One process from its start to its end; why it ended. Raises OSError, DecodeError, or ValueError for a line
        that is too long."""
        process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE)
        assert process.stdin is not None
        assert process.stdout is not None
        self.process_id = process.pid
        telling = asyncio.create_task(self._tell(process.stdin))
        try:
            while line := await process.stdout.readline():
                self._learn(decode_news(line))
            return f"it ended with status {await process.wait()}"
        finally:
            self.process_id = 0
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await _end(process)

    async def _tell(self, orders: asyncio.StreamWriter) -> None:
        """Write each order; of those that come while one is written only the last.

        A process that no longer reads ends soon, which `_life` sees.
        """
        known = {key: path for key, path in self._paths.items() if path.state != "unknown"}
        with suppress(OSError):
            while True:
                self._ordered.clear()
                targets = frozenset(self._targets.values())
                orders.write(encode_order(Order(self._number, self._interval, self._multiplier, targets, known)))
                await orders.drain()
                known = {}
                await self._ordered.wait()

    def _learn(self, news: News) -> None:
        self.problem = ""
        changed = False
        for key, path in news.paths.items():
            if self._since.get(key, news.number + 1) <= news.number:
                before = self._paths[key]
                changed = changed or before.standing != path.standing
                self._paths[key] = path
        if changed and self.on_change is not None:
            self.on_change()


async def _end(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()

"""Measures, again and again, the largest packet that the paths of cables carry. What follows is plan.carried's."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from mcnet.model.look import Path, Tried
from mcnet.plan.carried import Measured, judge, pause
from mcnet.probe.paths import try_paths

PATIENCE = 3.0
"""Seconds for a path to answer at all."""

Try = Callable[[Path], Awaitable[Tried]]


async def _try(path: Path) -> Tried:
    (tried,) = await try_paths((path,), patience=PATIENCE)
    return tried


class PathSizes:
    """A measurement for each of a changing set of paths, one path at a time."""

    def __init__(self, *, attempt: Try = _try) -> None:
        """`attempt` measures one path."""
        self.on_change: Callable[[], object] = lambda: None
        """Called when a path carries less, or more, than before."""
        self._attempt = attempt
        self._paths: dict[str, Path] = {}
        self._measured: dict[str, Measured] = {}
        self._due: dict[str, float] = {}
        self._news = asyncio.Event()

    def set(self, paths: Mapping[str, Path]) -> None:
        """Measure exactly these, by name; a path that is new, or goes another way than before, at once."""
        changed = {name for name, path in paths.items() if self._paths.get(name) != path}
        self._measured = {name: one for name, one in self._measured.items() if name in paths and name not in changed}
        self._due = {name: 0.0 if name in changed else self._due[name] for name in paths}
        self._paths = dict(paths)
        if changed:
            self._news.set()

    @property
    def carried(self) -> dict[str, int]:
        """Bytes of an IP packet inside, by the name of each path that carries less than its device takes."""
        return {name: one.carried for name, one in self._measured.items() if one.carried}

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            for name in [name for name, due in self._due.items() if due <= loop.time()]:
                await self._measure(name)
            wait = min((due - loop.time() for due in self._due.values()), default=None)
            try:
                async with asyncio.timeout(None if wait is None else max(0.0, wait)):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _measure(self, name: str) -> None:
        path = self._paths.get(name)
        if path is None:
            return
        tried = await self._attempt(path)
        if self._paths.get(name) != path:
            return  # another one by now
        before = self._measured.get(name, Measured())
        after = judge(before, tried)
        self._measured[name] = after
        self._due[name] = asyncio.get_running_loop().time() + pause(after, tried)
        if after.carried != before.carried:
            self.on_change()

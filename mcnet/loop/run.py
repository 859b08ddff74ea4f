"""Starts a daemon's main coroutine and stops it in order. Stopping leaves the data path as it is.

SIGTERM and SIGINT set the `Stop`; the daemon ends its own tasks. What doesn't end in time is cancelled.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from mcnet.loop import log as logs
from mcnet.model.errors import ExitCode, McnetError

GRACE = 3.0
"""Seconds that the main coroutine has to return once it is asked to stop; less than the 5 that pods are given."""

log = logs.Log("run")


class Stop:
    """Tells that the daemon is to end."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.reason = ""

    def set(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()


def run(main: Callable[[Stop], Awaitable[None]]) -> int:
    """Run `main` until it returns; the exit status: 0 after an orderly stop, that of the error else."""
    logs.setup()
    return asyncio.run(_run(main))


async def _run(main: Callable[[Stop], Awaitable[None]]) -> int:
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set, number.name)
    task = asyncio.ensure_future(main(stop))
    asked = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, asked), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            log.info("stopping", reason=stop.reason)
            await asyncio.wait((task,), timeout=GRACE)
        if not task.done():
            log.warning("not ended in time, cancelled", seconds=GRACE)
            task.cancel()
            await asyncio.wait((task,), timeout=GRACE)
            return ExitCode.WRONG
        return _result(task)
    finally:
        asked.cancel()


def _result(task: "asyncio.Future[None]") -> int:
    match task.exception():
        case None:
            return ExitCode.FINE
        case McnetError() as error:
            log.error(error.message, hint=error.hint)
            return error.exit_code
        case error:
            log.error("ended by a fault", error=error)
            return ExitCode.WRONG


async def supervise(stop: Stop, *coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until `stop` is set, then cancel them; if one ends or fails, cancel the others and raise."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    asked = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait((asked, *tasks), return_when=asyncio.FIRST_COMPLETED)
        for task in done - {asked}:
            task.result()
            raise RuntimeError(f"{task.get_coro()} has ended")
    finally:
        for task in (asked, *tasks):
            task.cancel()
        await asyncio.gather(asked, *tasks, return_exceptions=True)

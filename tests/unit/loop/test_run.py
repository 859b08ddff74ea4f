"""Starting and stopping a daemon: in order, in time, and with a status that tells."""

import asyncio
import os
import signal

import pytest

from mcnet.loop import run as runner
from mcnet.loop.run import Stop, run, supervise
from mcnet.model.errors import ApiError, UsageError


@pytest.fixture(autouse=True)
def _own_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet.loop.log.setup", lambda: None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_in_order(number: signal.Signals) -> None:
    ended = []

    async def main(stop: Stop) -> None:
        os.kill(os.getpid(), number)
        await stop.wait()
        ended.append(stop.reason)

    assert run(main) == 0
    assert ended == [number.name]


def test_what_does_not_end_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "GRACE", 0.05)

    async def main(stop: Stop) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    assert run(main) == 1


@pytest.mark.parametrize(("error", "status"), [(UsageError("x"), 2), (ApiError("x"), 1), (ZeroDivisionError(), 1)])
def test_errors_have_their_status(error: Exception, status: int) -> None:
    async def main(stop: Stop) -> None:
        raise error

    assert run(main) == status


async def test_supervise_ends_all_when_stopped() -> None:
    stop = Stop()
    ended = []

    async def forever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    task = asyncio.create_task(supervise(stop, forever("a"), forever("b")))
    await asyncio.sleep(0.01)
    stop.set("the test")
    await task
    assert sorted(ended) == ["a", "b"]


async def test_supervise_fails_with_the_first_failure() -> None:
    cancelled = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def end() -> None:
        await asyncio.sleep(0)

    with pytest.raises(ZeroDivisionError):
        await supervise(Stop(), forever(), fail())
    with pytest.raises(RuntimeError, match="has ended"):
        await supervise(Stop(), forever(), end())
    assert cancelled == [True, True]

"""The reconciling loop: level-triggered, never early, never twice for nothing, never stopped by a failure."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from mcnet.loop import reconcile
from mcnet.loop.metrics import LoopMetrics
from mcnet.loop.reconcile import Reconciler
from mcnet.model.errors import ApiError
from tests.fakes.eventually import eventually


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "BACKOFF", (0.01, 0.02))
    monkeypatch.setattr(reconcile, "VERIFY", 0.01)


@asynccontextmanager
async def running(round: Callable[[str], Awaitable[bool]], **arguments: float) -> AsyncIterator[Reconciler]:  # noqa: A002
    reconciler = Reconciler(round, **{"settle": 0.01} | arguments)  # type: ignore[arg-type]
    task = asyncio.create_task(reconciler.run())
    try:
        yield reconciler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_many_triggers_make_one_round() -> None:
    reasons = []

    async def round_(reason: str) -> bool:
        reasons.append(reason)
        return False

    async with running(round_) as reconciler:
        await eventually(lambda: reasons == ["start"])
        for _ in range(3):
            reconciler.trigger("pods")
            reconciler.trigger("nodes")
        await eventually(lambda: len(reasons) == 2)
        await asyncio.sleep(0.05)
    assert reasons == ["start", "pods, nodes"]


async def test_what_is_urgent_does_not_wait_for_more() -> None:
    reasons = []

    async def round_(reason: str) -> bool:
        reasons.append(reason)
        return False

    async with running(round_, settle=3600.0) as reconciler:
        await asyncio.sleep(0)
        reconciler.trigger("pods")
        await asyncio.sleep(0)
        assert reasons == []
        reconciler.trigger("a path", urgent=True)
        await eventually(lambda: reasons == ["start, pods, a path"])
        reconciler.trigger("another", urgent=True)
        await eventually(lambda: reasons == ["start, pods, a path", "another"])


async def test_a_trigger_during_a_round_makes_another() -> None:
    reasons = []
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def round_(reason: str) -> bool:
        reasons.append(reason)
        inside.set()
        await go_on.wait()
        return False

    async with running(round_) as reconciler:
        await inside.wait()
        reconciler.trigger("meanwhile")
        go_on.set()
        await eventually(lambda: reasons == ["start", "meanwhile"])


async def test_it_looks_again_without_a_trigger() -> None:
    reasons = []

    async def round_(reason: str) -> bool:
        reasons.append(reason)
        return False

    async with running(round_, resync=0.02):
        await eventually(lambda: reasons[1:3] == ["resync", "resync"])


async def test_a_change_is_verified_soon_and_ever_later() -> None:
    times = []

    async def round_(reason: str) -> bool:
        times.append(asyncio.get_running_loop().time())
        return True

    async with running(round_, settle=0.0):
        await eventually(lambda: len(times) == 5)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[3] > 0.07
    assert pauses[3] > pauses[0]


async def test_a_failure_is_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    calls = 0

    async def round_(reason: str) -> bool:
        nonlocal calls
        calls += 1
        if calls <= 3:
            raise ApiError("the same sentence")
        if calls == 4:
            raise ZeroDivisionError
        return False

    caplog.set_level(logging.INFO, "mcnet")
    reconciler = Reconciler(round_, settle=0.0, metrics=LoopMetrics(registry, "test"))
    task = asyncio.create_task(reconciler.run())
    await eventually(lambda: reconciler.failures == 3)
    assert (reconciler.synced, reconciler.fault) == (False, "")
    await eventually(lambda: reconciler.synced)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [record.getMessage() for record in caplog.records] == [
        "round failed", "round failed", "rounds succeed again",
    ]  # fmt: skip
    assert [bool(record.exc_info) for record in caplog.records] == [False, True, False]
    assert registry.get_sample_value("mcnet_rounds_total", {"loop": "test", "result": "failed"}) == 4
    assert registry.get_sample_value("mcnet_rounds_total", {"loop": "test", "result": "fine"}) == 1
    assert registry.get_sample_value("mcnet_round_failures", {"loop": "test"}) == 0
    assert registry.get_sample_value("mcnet_round_seconds_count", {"loop": "test"}) == 5


async def test_only_an_urgent_trigger_cuts_a_back_off_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "BACKOFF", (0.01, 60.0))
    reasons = []

    async def round_(reason: str) -> bool:
        reasons.append(reason)
        raise ApiError("away")

    async with running(round_) as reconciler:
        await eventually(lambda: reconciler.failures == 2)
        reconciler.trigger("nodes")
        await asyncio.sleep(0.05)
        assert len(reasons) == 2
        reconciler.trigger("probes", urgent=True)
        await eventually(lambda: reasons[2:] == ["nodes, probes"])


async def test_liveness_fails_for_a_stuck_round_and_an_ended_loop() -> None:
    inside = asyncio.Event()

    async def round_(reason: str) -> bool:
        inside.set()
        await asyncio.Event().wait()
        return False

    async with running(round_, stuck_after=0.02) as reconciler:
        await inside.wait()
        assert reconciler.fault == ""
        await eventually(lambda: "more than" in reconciler.fault)
    assert reconciler.fault == "the loop reconcile has ended"

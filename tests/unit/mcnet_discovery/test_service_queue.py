"""The queue of services: one look at a time for each, nothing lost, and only what failed waits."""

import asyncio

import pytest

from mcnet.model.service import ServiceName
from mcnet_discovery.service_queue import ServiceQueue
from tests.fakes.eventually import eventually

A, B = ServiceName("n", "a"), ServiceName("n", "b")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet_discovery.service_queue.BACKOFF", (0.01, 0.02))


async def test_each_waits_once_in_the_order_of_asking() -> None:
    queue = ServiceQueue()
    for service in (A, B, A):
        queue.add(service)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == [A, B]


async def test_who_asks_for_an_empty_queue_waits() -> None:
    queue = ServiceQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.add(A)
    assert await waiting == A


async def test_what_changes_in_a_workers_hands_is_looked_at_again_afterwards() -> None:
    queue = ServiceQueue()
    queue.add(A)
    await queue.get()
    queue.add(A)
    other = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not other.done()
    queue.done(A)
    assert await other == A
    queue.done(A)
    assert len(queue) == 0


async def test_what_failed_comes_again() -> None:
    queue = ServiceQueue()
    queue.add(A)
    for _ in range(4):
        assert await queue.get() == A
        queue.failed(A)
        assert len(queue) == 0
        await eventually(lambda: len(queue) == 1)


async def test_after_a_success_it_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet_discovery.service_queue.BACKOFF", (0.01, 100.0))
    queue = ServiceQueue()
    for finish in (queue.failed, queue.done, queue.failed):
        queue.add(A)
        assert await queue.get() == A
        finish(A)
    await eventually(lambda: len(queue) == 1)

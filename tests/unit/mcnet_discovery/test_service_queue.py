"""The queue of services: one look at a time for each, nothing lost, and only what failed waits."""

import asyncio

import pytest

from mcnet.model.service import ServiceName
from mcnet_discovery.service_queue import FAIR, ServiceQueue
from tests.fakes.eventually import eventually

A, B, C = (ServiceName("n", name) for name in "abc")


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


def lanes(*in_use: ServiceName) -> ServiceQueue:
    return ServiceQueue(lambda service: service in in_use)


async def test_what_is_in_use_comes_before_what_is_new_and_that_before_what_can_wait() -> None:
    queue = lanes(C)
    queue.add(A, later=True)
    queue.add(B)
    queue.add(C)
    assert [await queue.get() for _ in range(3)] == [C, B, A]


async def test_what_can_wait_comes_sooner_when_it_is_asked_for_and_never_later() -> None:
    queue = lanes()
    queue.add(A, later=True)
    queue.add(B)
    queue.add(A)
    queue.add(A, later=True)
    queue.add(C)
    assert len(queue) == 3
    assert [await queue.get() for _ in range(3)] == [B, A, C]


async def test_what_can_wait_does_not_wait_for_ever() -> None:
    queue = lanes(A)
    queue.add(B, later=True)
    found = []
    for _ in range(FAIR):
        queue.add(A)
        found.append(await queue.get())
        queue.done(found[-1])
    assert B in found


async def test_who_takes_only_what_is_in_use_leaves_the_rest() -> None:
    queue = lanes(B)
    queue.add(A)
    waiting = asyncio.create_task(queue.get(only_in_use=True))
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.add(B)
    assert await waiting == B
    assert await queue.get() == A


async def test_each_one_added_wakes_a_worker() -> None:
    queue = lanes(A)
    reserved = asyncio.create_task(queue.get(only_in_use=True))
    workers = [asyncio.create_task(queue.get()) for _ in range(2)]
    await asyncio.sleep(0)
    for service in (A, B, C):
        queue.add(service)
    async with asyncio.timeout(5):
        found = [await workers[0], await workers[1]]
    assert set(found) == {A, B}
    assert await queue.get() == C
    queue.done(A)
    queue.add(A)
    async with asyncio.timeout(5):
        assert await reserved == A


async def test_a_worker_that_is_gone_takes_nothing_with_it() -> None:
    queue = lanes()
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    queue.add(A)
    async with asyncio.timeout(5):
        assert await second == A


async def test_what_is_put_back_lets_others_go_first() -> None:
    queue = lanes()
    queue.add(A)
    queue.add(B)
    assert await queue.get() == A
    queue.put_back(A)
    assert [await queue.get(), await queue.get()] == [B, A]
    queue.put_back(A, later=True)
    queue.add(C)
    assert [await queue.get(), await queue.get()] == [C, A]

"""Lost paths leave beside the rounds, and again after one that put them back; a refusal stops nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address

import pytest

from mcnet.kernel.execute import Failure
from mcnet.loop import failover as loop_failover
from mcnet.loop.failover import Failover
from mcnet.model.errors import KernelError
from mcnet.model.kernel import Change, KernelState, NextHop, NextHopGroup, Remove
from mcnet.model.ownership import NextHopKind, nexthop_id
from mcnet.plan.failover import Lost
from tests.fakes.eventually import eventually

HOPS = [
    NextHop(nexthop_id(NextHopKind.CABLE_MEMBER4, number), "mcnet-cv", ip_address(f"245.0.0.{number}"), 4)
    for number in (1, 2, 3)
]
GROUP = NextHopGroup(nexthop_id(NextHopKind.CABLE_GROUP4, 8), 4, tuple((hop.id, 1) for hop in HOPS), 128)
STATE = KernelState(nexthops=frozenset(HOPS), groups=frozenset({GROUP}))
BUT_LAST = frozenset({replace(GROUP, members=GROUP.members[:2])})


class Recorder:
    """Takes changes; refuses them or fails as told."""

    def __init__(self) -> None:
        self.applied: list[Change] = []
        self.told: list[tuple[str, ...]] = []
        self.states: list[KernelState] = []
        self.refuse = False
        self.error: KernelError | None = None

    async def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        self.applied += changes
        if self.error is not None:
            raise self.error
        return tuple(Failure(change, KernelError("no")) for change in changes) if self.refuse else ()

    def done(self, changes: Sequence[Change], refused: Sequence[str], was: KernelState, now: KernelState) -> None:
        assert was != now
        self.told.append(tuple(refused))
        self.states.append(now)


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Failover, Recorder]]:
    recorder = Recorder()
    failover = Failover(recorder.apply, done=recorder.done)
    task = asyncio.create_task(failover.run())
    try:
        yield failover, recorder
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def removed(recorder: Recorder) -> list[int]:
    return [HOPS.index(change.item) for change in recorder.applied if isinstance(change, Remove)]  # type: ignore[arg-type]


async def test_what_is_lost_leaves_at_once_and_only_once() -> None:
    async with running() as (failover, recorder):
        failover.holds(STATE)
        failover.lost(Lost(frozenset(HOPS[:1])))
        await eventually(lambda: recorder.told == [()])
        failover.lost(Lost(frozenset(HOPS[:1])))
        failover.lost(Lost(frozenset(HOPS[:2])))
        await eventually(lambda: len(recorder.told) == 2)
        assert removed(recorder) == [0, 1]
        assert recorder.states[-1].nexthops == {HOPS[2]}


async def test_it_says_whether_there_is_anything_to_do() -> None:
    """If so, a round waits."""
    async with running() as (failover, recorder):
        assert not failover.lost(Lost(frozenset(HOPS[:1]))), "the kernel holds nothing"
        failover.holds(STATE)
        assert failover.lost(Lost(frozenset(HOPS[:1]))), "not done yet"
        await eventually(lambda: recorder.told == [()])
        assert not failover.lost(Lost(frozenset(HOPS[:1])))
        assert failover.lost(Lost(frozenset(HOPS[:2])))
        await eventually(lambda: removed(recorder) == [0, 1])
        assert not failover.lost(Lost()), "what has come is a round's"


async def test_the_last_one_stays_though_others_have_come_back() -> None:
    async with running() as (failover, recorder):
        failover.holds(STATE)
        failover.lost(Lost(frozenset(HOPS[:2])))
        await eventually(lambda: removed(recorder) == [0, 1])
        failover.lost(Lost(frozenset(HOPS[2:])))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert removed(recorder) == [0, 1], "no round has put the others back"


async def test_before_the_first_round_what_answers_again_comes_back() -> None:
    async with running() as (failover, recorder):
        failover.finds(STATE)
        failover.lost(Lost(frozenset(HOPS[:2])))
        await eventually(lambda: removed(recorder) == [0, 1])
        failover.lost(Lost(frozenset(HOPS[2:])))
        await eventually(
            lambda: recorder.states[-1:] == [replace(STATE, nexthops=frozenset(HOPS[:2]), groups=BUT_LAST)]
        )
        failover.lost(Lost())
        await eventually(lambda: recorder.states[-1] == STATE)
        failover.holds(STATE)
        failover.lost(Lost(frozenset(HOPS[:1])))
        await eventually(lambda: recorder.states[-1].nexthops == frozenset(HOPS[1:]))
        assert not failover.lost(Lost()), "what comes back is a round's from now on"


async def test_before_the_first_round_what_is_refused_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_failover, "RETRY", 0.01)
    async with running() as (failover, recorder):
        failover.finds(STATE)
        recorder.refuse = True
        failover.lost(Lost(frozenset(HOPS[:1])))
        await eventually(lambda: len(recorder.told) > 2)
        recorder.refuse = False
        await eventually(lambda: recorder.told[-1] == ())
        tries = len(recorder.told)
        await asyncio.sleep(0.05)
        assert len(recorder.told) == tries, "that was all"


async def test_a_round_that_put_it_back_is_put_right() -> None:
    async with running() as (failover, recorder):
        failover.holds(STATE)
        failover.lost(Lost(frozenset(HOPS[:1])))
        await eventually(lambda: removed(recorder) == [0])
        failover.holds(STATE)
        await eventually(lambda: removed(recorder) == [0, 0])


async def test_a_refusal_or_a_failure_is_told_and_left_to_the_round() -> None:
    async with running() as (failover, recorder):
        failover.holds(STATE)
        recorder.refuse = True
        failover.lost(Lost(frozenset(HOPS[:1])))
        await eventually(lambda: recorder.told == [("no",)])
        recorder.error = KernelError("no socket")
        failover.lost(Lost(frozenset(HOPS[1:2])))
        await eventually(lambda: recorder.told == [("no",), ("no socket",)])

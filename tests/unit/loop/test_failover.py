"""Lost paths leave beside the rounds, and again after one that put them back; a refusal stops nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest

from mcnet.kernel.execute import Failure
from mcnet.loop import failover as loop_failover
from mcnet.loop.failover import Failover
from mcnet.model.errors import KernelError
from mcnet.model.kernel import Add, Change, KernelState, Link, NextHop, NextHopGroup, Remove, Replace
from mcnet.model.ownership import NextHopKind, nexthop_id
from mcnet.plan.failover import Lost, after
from tests.fakes.eventually import eventually

HOPS = [
    NextHop(nexthop_id(NextHopKind.CABLE_MEMBER4, number), "mcnet-cv", ip_address(f"245.0.0.{number}"), 4)
    for number in (1, 2, 3)
]
GROUP = NextHopGroup(nexthop_id(NextHopKind.CABLE_GROUP4, 8), 4, tuple((hop.id, 1) for hop in HOPS), 128)
DEVICE = Link("mcnet-cv", 1400, "", None)
STATE = KernelState(links=frozenset({DEVICE}), nexthops=frozenset(HOPS), groups=frozenset({GROUP}))
EVERYTHING = (Add, Replace, Remove)


class Recorder:
    """A kernel that takes changes; refuses them or fails as told."""

    def __init__(self) -> None:
        self.applied: list[Change] = []
        self.told: list[tuple[str, ...]] = []
        self.states: list[KernelState] = []
        self.refuse: type[Change] | tuple[type[Change], ...] = ()
        self.error: KernelError | None = None
        self.unread: KernelError | None = None
        self.meanwhile: Callable[[], object] = lambda: None
        self.reads = 0
        self.kernel = STATE

    async def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        self.applied += changes
        self.meanwhile()
        if self.error is not None:
            raise self.error
        refused = [change for change in changes if isinstance(change, self.refuse)]
        self.kernel = after(self.kernel, [change for change in changes if change not in refused])
        return tuple(Failure(change, KernelError("no")) for change in refused)

    async def read(self) -> KernelState:
        self.reads += 1
        if self.unread is not None:
            raise self.unread
        return self.kernel

    def done(self, changes: Sequence[Change], refused: Sequence[str], was: KernelState, now: KernelState) -> None:
        assert was != now
        self.told.append(tuple(refused))
        self.states.append(now)

    @property
    def used(self) -> set[int]:
        """Members of the group, by their places among HOPS."""
        return {
            HOPS.index(hop)
            for hop in self.kernel.nexthops
            for one in self.kernel.groups
            for member, _ in one.members
            if member == hop.id
        }


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Failover, Recorder]]:
    recorder = Recorder()
    failover = Failover(recorder.apply, recorder.read, done=recorder.done)
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


def these(*places: int) -> Lost:
    return Lost(frozenset(HOPS[place] for place in places))


async def test_before_the_first_round_what_answers_again_comes_back() -> None:
    async with running() as (failover, recorder):
        failover.finds(STATE)
        for lost, used in (((0, 1), {2}), ((2,), {0, 1}), ((0, 1, 2), {0, 1, 2}), ((1, 2), {0}), ((), {0, 1, 2})):
            failover.lost(these(*lost))
            await eventually(lambda used=used: recorder.used == used)  # type: ignore[misc]
        assert (recorder.kernel, set(recorder.told)) == (STATE, {()})
        failover.holds(STATE)
        failover.lost(these(0))
        await eventually(lambda: recorder.used == {1, 2})
        assert not failover.lost(Lost()), "what comes back is a round's from now on"


async def test_before_the_first_round_the_kernel_is_looked_at_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has dropped what went with a device. What is the last one now was not when the daemon looked first."""
    monkeypatch.setattr(loop_failover, "PAUSE", 0.01)
    async with running() as (failover, recorder):
        failover.finds(STATE)
        await settled()
        recorder.kernel = after(STATE, [Remove(HOPS[0]), Remove(HOPS[1])])
        failover.lost(these(2))
        await eventually(lambda: recorder.used == {0, 1})
        recorder.kernel = after(STATE, [Remove(HOPS[0])])
        failover.lost(Lost())
        await eventually(lambda: recorder.used == {0, 1, 2})
        recorder.kernel = after(STATE, [Remove(HOPS[1])])
        failover.look()
        await eventually(lambda: recorder.used == {0, 1, 2})
        assert all(told == () for told in recorder.told)


async def test_before_the_first_round_a_busy_kernel_is_not_looked_at_all_the_time() -> None:
    async with running() as (failover, recorder):
        failover.finds(STATE)
        await settled()
        reads = recorder.reads
        for _ in range(30):
            failover.look()
            await asyncio.sleep(0.01)
        assert recorder.reads <= reads + 1
        recorder.refuse = EVERYTHING
        failover.lost(these(0))
        await eventually(lambda: recorder.told == [("no",)])
        for _ in range(30):
            failover.look()
            await asyncio.sleep(0.01)
        assert len(recorder.told) <= 2
        assert len(scheduled()) == 1


async def test_a_round_that_ends_meanwhile_knows_what_may_go() -> None:
    async with running() as (failover, recorder):
        failover.finds(STATE)
        failover.lost(these(0, 1))
        await eventually(lambda: recorder.used == {2})
        recorder.meanwhile = lambda: failover.holds(recorder.kernel)
        failover.lost(these(2))
        await eventually(lambda: recorder.used == {0, 1})
        await settled()
        assert HOPS[2] in recorder.kernel.nexthops
        assert [change for change in recorder.applied if isinstance(change, Remove)][2:] == []


async def test_before_the_first_round_nothing_goes_where_nothing_comes() -> None:
    """A group would be left with nothing but what is lost, or without anything."""
    async with running() as (failover, recorder):
        failover.finds(STATE)
        failover.lost(these(0, 1))
        await eventually(lambda: recorder.used == {2})
        recorder.refuse = Replace
        failover.lost(these(2))
        await eventually(lambda: recorder.told[-1] == ("no",))
        assert recorder.used == {2}


async def test_before_the_first_round_what_is_refused_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_failover, "RETRY", 0.05)
    async with running() as (failover, recorder):
        failover.finds(STATE)
        recorder.refuse = EVERYTHING
        for place in range(30):
            failover.lost(these(place % 2))
            await settled()
        many = len(recorder.told)
        await eventually(lambda: len(recorder.told) >= many + 3)
        assert len(scheduled()) == 1, "one that tries again"
        recorder.refuse = ()
        await eventually(lambda: recorder.told[-1] == ())
        assert recorder.used == {0, 2}
        recorder.unread = KernelError("no socket")
        failover.lost(Lost())
        await settled()
        assert recorder.used == {0, 2}
        recorder.unread = None
        await eventually(lambda: recorder.used == {0, 1, 2})


def scheduled() -> list[asyncio.TimerHandle]:
    """Of this loop, what looks again later."""
    found: list[asyncio.TimerHandle] = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    return [handle for handle in found if getattr(handle._callback, "__self__", None).__class__ is Failover]  # type: ignore[attr-defined]


async def settled() -> None:
    """All that can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


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
        recorder.refuse = EVERYTHING
        failover.lost(Lost(frozenset(HOPS[:1])))
        await eventually(lambda: recorder.told == [("no",)])
        recorder.error = KernelError("no socket")
        failover.lost(Lost(frozenset(HOPS[1:2])))
        await eventually(lambda: recorder.told == [("no",), ("no socket",)])

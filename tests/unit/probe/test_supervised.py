"""A prober in a process of its own: what it says comes through, and its end moves nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address

from mcnet.model.probe import Target
from mcnet.probe.supervised import SupervisedProber
from tests.fakes.eventually import eventually

NOWHERE = {key: Target(key, ip_address("192.0.2.1"), "nowhere") for key in "ab"}
ELSEWHERE = Target("a", ip_address("192.0.2.2"), "nowhere")
PATIENCE = 20.0


def states(prober: SupervisedProber) -> dict[str, str]:
    return {key: path.state for key, path in prober.snapshot().items()}


@asynccontextmanager
async def running(prober: SupervisedProber) -> AsyncIterator[None]:
    task = asyncio.create_task(prober.run())
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_changes_come_through_and_targets_come_and_go() -> None:
    told: list[dict[str, str]] = []
    prober = SupervisedProber(interval=0.1, multiplier=2)
    prober.on_change = lambda: told.append(states(prober))
    prober.set_targets(frozenset({NOWHERE["a"]}))
    assert states(prober) == {"a": "unknown"}
    async with running(prober):
        await eventually(lambda: states(prober) == {"a": "down"}, timeout=PATIENCE)
        assert told == [{"a": "down"}]
        prober.set_targets(frozenset(NOWHERE.values()))
        assert states(prober) == {"a": "down", "b": "unknown"}
        await eventually(lambda: states(prober) == {"a": "down", "b": "down"}, timeout=PATIENCE)
        prober.set_pace(interval=60.0, multiplier=3)
        prober.set_targets(frozenset({ELSEWHERE}))
        assert states(prober) == {"a": "unknown"}, "the same name for another path"
        number = prober._number
        prober.set_targets(frozenset({ELSEWHERE}))
        assert prober._number == number, "nothing new, nothing told"
        prober.set_targets(frozenset())
        assert prober.snapshot() == {}
    assert prober.process_id == 0


async def test_a_path_under_another_name_keeps_its_history() -> None:
    told: list[dict[str, str]] = []
    prober = SupervisedProber(interval=0.1, multiplier=2)
    prober.set_targets(frozenset({NOWHERE["a"]}))
    async with running(prober):
        await eventually(lambda: states(prober) == {"a": "down"}, timeout=PATIENCE)
        sent = prober.snapshot()["a"].sent
        prober.on_change = lambda: told.append(states(prober))
        prober.set_targets(frozenset({replace(NOWHERE["b"], formerly="a"), ELSEWHERE}))
        assert states(prober) == {"a": "unknown", "b": "down"}, "and its old one is another path now"
        await eventually(lambda: prober.snapshot()["b"].sent > sent + 2, timeout=PATIENCE)
        assert [one["b"] for one in told] == ["down"] * len(told), "in the process too"
        prober.set_targets(frozenset({replace(ELSEWHERE, key="c", formerly="b")}))
        assert states(prober) == {"c": "unknown"}, "that was another path"


async def test_a_killed_process_is_started_anew_and_moves_nothing() -> None:
    told: list[str] = []
    prober = SupervisedProber(interval=0.1, multiplier=2)
    prober.set_targets(frozenset({NOWHERE["a"]}))
    prober.on_end = told.append
    async with running(prober):
        await eventually(lambda: states(prober) == {"a": "down"}, timeout=PATIENCE)
        since = prober.snapshot()["a"].since
        changes: list[None] = []
        prober.on_change = lambda: changes.append(None)
        for _ in range(3):
            before = prober.process_id
            os.kill(before, signal.SIGKILL)
            await eventually(lambda: prober.process_id not in (0, before), timeout=PATIENCE)  # noqa: B023
            assert states(prober) == {"a": "down"}
        sent = prober.snapshot()["a"].sent
        await eventually(lambda: prober.snapshot()["a"].sent != sent, timeout=PATIENCE)
        assert prober.snapshot()["a"].since == since
        assert changes == []
        assert prober.problem == ""
    assert told == [f"it ended with status {-signal.SIGKILL}"] * 3


async def test_a_process_that_talks_nonsense_or_cannot_be_started_is_tried_again() -> None:
    for command, words in (
        ((sys.executable, "-c", "print('hello', flush=True); input()"), "not understood"),
        (("/nowhere/python3",), "No such file"),
        ((sys.executable, "-c", ""), "status 0"),
    ):
        told: list[str] = []
        prober = SupervisedProber(command=command)
        prober.on_end = told.append
        prober.set_targets(frozenset({NOWHERE["a"]}))
        async with running(prober):
            await eventually(lambda: bool(prober.problem), timeout=PATIENCE)  # noqa: B023
        assert words in told[0]
        assert words in prober.problem
        assert states(prober) == {"a": "unknown"}

"""Leadership: one at a time, taken over when the holder is silent, never on another machine's clock."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mcnet.kube import lease
from mcnet.kube.kinds import LEASE
from mcnet.kube.lease import Leadership
from mcnet.model.errors import UnreachableError
from tests.fakes.api import FakeServer
from tests.fakes.eventually import eventually


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet.kube.lease.RENEW", 0.02)
    monkeypatch.setattr("mcnet.kube.lease.GIVE_UP", 0.3)


@asynccontextmanager
async def candidate(server: FakeServer, identity: str, duration: int = 15) -> AsyncIterator[Leadership]:
    leadership = Leadership(
        server.api(), name="l", namespace="n", identity=identity, on_change=lambda: None, duration=duration
    )
    task = asyncio.create_task(leadership.run())
    try:
        yield leadership
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def holder(server: FakeServer) -> str:
    (obj,) = server.all(LEASE)
    return str(obj["spec"]["holderIdentity"])


async def test_one_leads_and_the_other_follows_when_it_lets_go() -> None:
    server = FakeServer()
    async with candidate(server, "a") as first:
        await eventually(lambda: first.held)
        async with candidate(server, "b") as second:
            await eventually(lambda: second.synced)
            assert not second.held
            assert holder(server) == "a"
        assert holder(server) == "a"
    assert holder(server) == ""
    assert not first.held
    async with candidate(server, "b") as second:
        await eventually(lambda: second.held)


async def test_renewals_keep_the_time_of_acquisition() -> None:
    server = FakeServer()
    async with candidate(server, "a"):
        await eventually(lambda: bool(server.all(LEASE)))
        first = server.all(LEASE)[0]["spec"]
        await eventually(lambda: server.all(LEASE)[0]["spec"]["renewTime"] > first["renewTime"])
        assert server.all(LEASE)[0]["spec"]["acquireTime"] == first["acquireTime"]


async def test_a_silent_holder_is_replaced_after_the_duration() -> None:
    server = FakeServer()
    old = lease.lease_body("l", holder="dead", seconds=1)
    old["metadata"]["namespace"] = "n"
    old["spec"]["renewTime"] = "2999-01-01T00:00:00Z"  # another machine's clock does not count
    server.add(old)
    async with candidate(server, "b") as second:
        await eventually(lambda: second.synced)
        assert not second.held
        await eventually(lambda: second.held)
    assert second.error == ""


async def test_without_the_server_leadership_ends() -> None:
    server = FakeServer()
    async with candidate(server, "a") as first:
        await eventually(lambda: first.held)
        server.go_down(UnreachableError("gone"))
        await eventually(lambda: bool(first.error))
        assert first.held
        await eventually(lambda: not first.held)
        server.come_up()
        await eventually(lambda: first.held)


async def test_a_late_renewal_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looked while it was overdue found no leader, and waits to hear of one."""
    told: list[bool] = []
    leadership = Leadership(
        FakeServer().api(), name="l", namespace="n", identity="a", on_change=lambda: told.append(leadership.held)
    )
    await leadership._round()
    await leadership._round()
    assert told == [True]
    later = time.monotonic() + lease.GIVE_UP
    monkeypatch.setattr("mcnet.kube.lease.time.monotonic", lambda: later)
    assert not leadership.held
    await leadership._round()
    assert told == [True, True]


async def test_two_at_once_make_one_leader() -> None:
    server = FakeServer()
    async with candidate(server, "a") as first, candidate(server, "b") as second:
        await eventually(lambda: first.synced and second.synced)
        await eventually(lambda: first.held or second.held)
        assert first.held != second.held


async def test_a_sign_of_life() -> None:
    server = FakeServer()
    for _ in range(2):
        await lease.renew(server.api(), name="west", namespace="n", holder="west", seconds=60, labels={"a": "b"})
    (obj,) = server.all(LEASE)
    assert obj["metadata"]["labels"] == {"a": "b"}
    assert obj["spec"]["leaseDurationSeconds"] == 60

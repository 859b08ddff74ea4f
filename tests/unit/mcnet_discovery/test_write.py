"""Writes: what is refused waits, what is outrun is looked at again, who lost the leadership stops."""

import time
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mcnet.kube.kinds import ENDPOINT
from mcnet.model.errors import ConflictError, ForbiddenError, McnetError, NotFoundError, UnreachableError
from mcnet.plan.mirror import Place, Verb, Write
from mcnet_discovery import write as write_module
from mcnet_discovery.metrics import DiscoveryMetrics
from mcnet_discovery.write import DROPPED, Writer
from tests.fakes.api import FakeServer
from tests.fakes.discovery import LOCAL, endpoint_object


class Bench:
    """A writer at one server, and what it asked for."""

    def __init__(self) -> None:
        self.server = FakeServer()
        self.registry = CollectorRegistry()
        self.pauses: list[float] = []
        self.writer = Writer(metrics=DiscoveryMetrics(self.registry), retry_in=self.pauses.append)
        self.leader = True

    async def perform(self, *names: str) -> bool:
        writes = [Write(Place.LOCAL, Verb.CREATE, endpoint_object("east", name, LOCAL), "test") for name in names]
        return await self.writer.perform(writes, {Place.LOCAL: self.server.api()}, lambda: self.leader)

    def names(self) -> list[str]:
        return [obj["metadata"]["name"] for obj in self.server.all(ENDPOINT)]

    def count(self, result: str) -> float | None:
        labels = {"place": "local", "kind": "Endpoint", "verb": "create", "result": result}
        return self.registry.get_sample_value("mcnet_mirror_writes_total", labels)

    def fail(self, name: str, error: McnetError, times: int = 1) -> Any:
        return self.server.fail(lambda request: request.attempt.endswith(name), error, times=times)


async def test_a_refused_object_waits_ever_longer_and_is_forgotten_once_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    bench = Bench()
    failure = bench.fail("east.a", ForbiddenError("no", status=403), times=100)
    for expected in (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 60.0):
        hits = failure.hits
        await bench.perform("a", "b" if hits == 0 else "a")
        await bench.perform("a")
        assert failure.hits == hits + 1
        assert bench.pauses[-1] == expected
        assert bench.writer.refusals == {"Endpoint east.a (local)": "no"}
        now += expected
    assert bench.names() == ["east.b"]
    await bench.perform()
    assert bench.writer.refusals == {}


@pytest.mark.parametrize("error", [ConflictError("x", status=409), NotFoundError("x", status=404)])
async def test_what_is_outrun_is_looked_at_again(error: McnetError) -> None:
    bench = Bench()
    bench.fail("east.a", error)
    assert await bench.perform("a", "b")
    assert (bench.names(), bench.pauses) == (["east.b"], [write_module.BACKOFF[0]])
    assert (bench.count("outrun"), bench.count("done")) == (1, 1)
    assert bench.writer.refusals == {}


async def test_a_server_that_is_away_is_not_asked_for_the_rest() -> None:
    bench = Bench()
    bench.fail("east.a", UnreachableError("away"))
    assert not await bench.perform("a", "b")
    assert (bench.names(), len(bench.server.requests), len(bench.pauses)) == ([], 1, 1)


async def test_who_is_no_longer_the_leader_writes_nothing() -> None:
    bench = Bench()
    bench.leader = False
    assert not await bench.perform("a")
    assert bench.server.requests == []


async def test_what_the_server_drops_is_refused_and_not_written_for_ever() -> None:
    bench = Bench()
    await bench.perform("a")
    (there,) = bench.server.all(ENDPOINT)
    bench.server.drop = lambda obj: obj["spec"].pop("future", None)
    wanted = there | {"spec": there["spec"] | {"future": 1}}
    write = Write(Place.LOCAL, Verb.REPLACE, wanted, "test")
    for _ in range(3):
        assert not await bench.writer.perform([write], {Place.LOCAL: bench.server.api()}, lambda: True)
    assert bench.writer.refusals == {"Endpoint east.a (local)": DROPPED}
    assert sum(request.method == "PUT" for request in bench.server.requests) == 1


async def test_thousands_are_written_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_module, "AT_ONCE", 2)
    bench = Bench()
    bench.fail("east.a", ForbiddenError("no", status=403), times=100)
    assert await bench.perform("a", "b", "c", "d")
    assert (bench.names(), bench.pauses) == (["east.b"], [1.0, 0.0])
    await bench.perform("a", "c", "d")
    assert bench.names() == ["east.b", "east.c", "east.d"], "what was refused takes nobody's place"
    assert bench.pauses == [1.0, 0.0], "nothing is left to do"

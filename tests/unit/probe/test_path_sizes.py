"""Which paths are measured, when, and what is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address

import pytest

from mcnet.model.look import Path, Tried, Tunnel
from mcnet.plan import carried
from mcnet.probe.path_sizes import PathSizes
from tests.fakes.eventually import eventually

ADDRESS = ip_address("192.0.2.1")
ONE = Path(Tunnel.CABLE, "west.n1", "mcnet-cw0a", ADDRESS, ADDRESS, ADDRESS, ADDRESS, 4500)
OTHER = replace(ONE, peer="west.n2", device="mcnet-cw1a")


class Network:
    """What paths carry, and how often each was asked."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.asked: list[str] = []

    async def measure(self, path: Path) -> Tried:
        self.asked.append(path.peer)
        await asyncio.sleep(0)
        largest = self.sizes.get(path.device, 1440)
        return Tried(path.tunnel, path.peer, 3, 3 if largest else 0, 1440, largest or None)


@asynccontextmanager
async def measuring(network: Network) -> AsyncIterator[tuple[PathSizes, list[str]]]:
    told: list[str] = []
    sizes = PathSizes(attempt=network.measure)
    sizes.on_change = lambda: told.append("changed")
    task = asyncio.create_task(sizes.run())
    try:
        yield sizes, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setattr(carried, "DOUBTFUL", 0.01)
    monkeypatch.setattr(carried, "AGAIN", 600.0)
    return Network()


async def test_a_narrow_path_is_told_once_it_is_confirmed(network: Network) -> None:
    network.sizes["mcnet-cw0a"] = 1340
    async with measuring(network) as (sizes, told):
        sizes.set({"one": ONE, "other": OTHER})
        await eventually(lambda: sizes.carried == {"one": 1340})
        assert told == ["changed"]
        assert network.asked.count("west.n1") == 2
        assert network.asked.count("west.n2") == 1


async def test_the_same_paths_again_change_nothing(network: Network) -> None:
    async with measuring(network) as (sizes, _):
        sizes.set({"one": ONE})
        await eventually(lambda: network.asked == ["west.n1"])
        sizes.set({"one": ONE})
        sizes.set({"one": ONE, "other": OTHER})
        await eventually(lambda: network.asked == ["west.n1", "west.n2"])


async def test_a_path_that_goes_another_way_is_measured_at_once_and_begins_anew(network: Network) -> None:
    network.sizes["mcnet-cw0a"] = 1340
    async with measuring(network) as (sizes, _):
        sizes.set({"one": ONE})
        await eventually(lambda: sizes.carried == {"one": 1340})
        sizes.set({"one": replace(ONE, device="mcnet-cw0b")})
        assert sizes.carried == {}
        await eventually(lambda: len(network.asked) == 3)


async def test_one_that_is_gone_is_forgotten(network: Network) -> None:
    network.sizes["mcnet-cw0a"] = 1340
    async with measuring(network) as (sizes, _):
        sizes.set({"one": ONE})
        await eventually(lambda: sizes.carried == {"one": 1340})
        sizes.set({})
        assert sizes.carried == {}


async def test_one_that_does_not_answer_is_asked_again(network: Network) -> None:
    network.sizes["mcnet-cw0a"] = 0
    async with measuring(network) as (sizes, told):
        sizes.set({"one": ONE})
        await eventually(lambda: len(network.asked) >= 3)
        assert (sizes.carried, told) == ({}, [])


async def test_it_is_measured_again_later_and_may_carry_all(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried, "AGAIN", 0.01)
    network.sizes["mcnet-cw0a"] = 1340
    async with measuring(network) as (sizes, told):
        sizes.set({"one": ONE})
        await eventually(lambda: sizes.carried == {"one": 1340})
        network.sizes.clear()
        await eventually(lambda: sizes.carried == {})
        assert told == ["changed", "changed"]

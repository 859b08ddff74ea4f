"""`mcnet gateway add | drain | undrain | weight | remove`: what is written, what is awaited, twice, dry and refused.

A class plays the daemons: it acts on labels and annotations of nodes whenever the command says that it waits.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mcnet.install.gateways import Waiting, add, drain, read, remove, undrain, weigh
from mcnet.kube import kinds
from mcnet.model.errors import McnetError, UnreachableError, UsageError
from mcnet.model.member import SYSTEM_NAMESPACE
from tests.fakes.api import FakeServer
from tests.fakes.gateways import East, West, node

pytestmark = pytest.mark.usefixtures("hurry")
NOW = Waiting(timeout=5.0, grace=0.0)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet.install.gateways.INTERVAL", 0.001)


class Told:
    """Keeps what is said, and lets others act whenever something is awaited."""

    def __init__(self, *act: Callable[[], None]) -> None:
        self._act = act
        self.said: list[str] = []
        self.waits: list[str] = []

    def doing(self, text: str) -> None:
        self.waits.append(text)
        for act in self._act:
            act()

    def done(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append("! " + text)


async def test_added_connected_and_kept_by_a_later_join() -> None:
    east = East(1)
    told = Told(east.act)
    assert await add(east.api(), "n2", NOW, told)
    assert (east.gateways, east.count) == (["n1", "n2"], 2)
    assert told.said == ["gateways: 1 → 2, so that a later join keeps it"]
    assert "there is no pod" in told.waits[0]
    version = east.version
    assert not await add(east.api(), "n2", NOW, told), "a second run changes nothing"
    assert east.version == version


async def test_what_a_new_gateway_lacks_is_said_in_time() -> None:
    east = East(1)
    east.stuck = True
    with pytest.raises(
        McnetError, match=r"n2 is a gateway, but not connected after 0\.01 s: .*there is no pod"
    ) as raised:
        await add(east.api(), "n2", replace(NOW, timeout=0.01), Told(east.act))
    assert raised.value.hint == "mcnet diagnose --context east"
    assert east.gateways == ["n1", "n2"]


async def test_drained_once_all_have_left() -> None:
    east, west = East(2), West(sends=True)
    told = Told(east.act, lambda: west.report(sends="mcnet.dev/gateway-drain" not in east.marks("n1")))
    wait = replace(NOW, others=(west.api(),))
    assert await drain(east.api(), "n1", wait, told)
    assert east.marks("n1") == {"mcnet.dev/gateway-drain": "true"}
    assert told.said == ["n1 has told all others that it drains", "Nobody sends by n1 any more, seen in west"]
    version = east.version
    assert not await drain(east.api(), "n1", wait, told), "a second run changes nothing"
    assert east.version == version
    assert await undrain(east.api(), "n1", told)
    assert east.marks("n1") == {}
    assert not await undrain(east.api(), "n1", told)


async def test_who_does_not_leave_is_named() -> None:
    east, west = East(2), West(sends=True)
    wait = replace(NOW, timeout=0.05, others=(west.api(),))
    with pytest.raises(McnetError, match=r"west/n1 still sends by n1 after 0\.05 s"):
        await drain(east.api(), "n1", wait, Told(east.act))
    with pytest.raises(McnetError, match=r"west/n1 still sends by n1"):
        await drain(east.api(), "n1", wait, Told(east.act))
    told = Told(east.act)
    assert await remove(east.api(), "n1", wait, told, force=True)
    assert "! west/n1 still sends by n1 after 0.05 s" in told.said
    assert east.gateways == ["n2"]


async def test_a_cluster_that_can_not_be_looked_at_has_its_time() -> None:
    east, west = East(2), West(sends=True)
    west.go_down(UnreachableError("away"))
    told = Told(east.act)
    await drain(east.api(), "n1", Waiting(timeout=5.0, grace=0.05, others=(west.api(),)), told)
    assert told.said[-1] == ("Nobody sends by n1 any more; west had 0.05 s, no context of yours leads there")
    assert any("all to follow" in text for text in told.waits)


async def test_a_daemon_that_does_not_follow_is_said() -> None:
    east = East(2)
    east.stuck = True
    with pytest.raises(McnetError, match=r"n1 is marked to drain, but n1 has not said so yet after 0\.01 s"):
        await drain(east.api(), "n1", replace(NOW, timeout=0.01), Told(east.act))


async def test_a_dead_daemon_is_not_waited_for() -> None:
    east = East(2)
    east.stuck = True
    east.remove(kinds.POD, "gateway-n1", SYSTEM_NAMESPACE)
    told = Told(east.act)
    await drain(east.api(), "n1", NOW, told)
    assert "n1 can't tell the others" in told.said[0]


@pytest.mark.parametrize("deed", [drain, remove])
async def test_the_last_one_only_by_force(deed: Any) -> None:
    east = East(2)
    told = Told(east.act)
    await drain(east.api(), "n1", NOW, told)
    with pytest.raises(McnetError, match="n2 is the only healthy gateway of east: without it west can't be reached"):
        await deed(east.api(), "n2", NOW, told)
    assert (east.marks("n2"), east.gateways) == ({}, ["n1", "n2"])
    assert await deed(east.api(), "n2", NOW, told, force=True)
    assert "! n2 carries on until another gateway of east is healthy" in told.said
    assert east.gateways == (["n1"] if deed is remove else ["n1", "n2"])


async def test_removed_with_its_marks_and_the_number_follows() -> None:
    east = East(3)
    told = Told(east.act)
    await weigh(east.api(), "n1", 50)
    assert await remove(east.api(), "n1", NOW, told)
    assert (east.gateways, east.count, east.marks("n1")) == (["n2", "n3"], 2, {})
    assert told.said[-1] == "gateways: 3 → 2, so that a later join keeps it"
    version = east.version
    assert not await remove(east.api(), "n1", NOW, told), "a second run changes nothing"
    assert east.version == version


async def test_a_removal_that_was_interrupted_is_finished() -> None:
    east = East(2)
    marked = node(3, gateway=False)
    marked["metadata"]["annotations"] = {"mcnet.dev/gateway-drain": "true"}
    east.add(marked)
    assert await remove(east.api(), "n3", NOW, Told())
    assert east.marks("n3") == {}
    east.add(marked)
    assert await add(east.api(), "n3", NOW, Told(east.act))
    assert (east.marks("n3"), east.gateways) == ({}, ["n1", "n2", "n3"])


async def test_weights_there_and_back() -> None:
    east = East(1)
    assert await weigh(east.api(), "n1", 50) == (100, 50)
    assert east.marks("n1") == {"mcnet.dev/gateway-weight": "50"}
    assert await weigh(east.api(), "n1", 50) == (50, 50)
    assert await weigh(east.api(), "n1", None) == (50, 100)
    assert east.marks("n1") == {}


async def test_a_dry_run_changes_nothing() -> None:
    east = East(2)
    version, told = east.version, Told()
    assert await add(east.api(), "n3", NOW, told, dry_run=True)
    assert await drain(east.api(), "n1", NOW, told, dry_run=True)
    assert await remove(east.api(), "n1", NOW, told, dry_run=True)
    assert await weigh(east.api(), "n1", 5, dry_run=True) == (100, 5)
    assert not await undrain(east.api(), "n1", told, dry_run=True)
    assert east.version == version


async def test_without_waiting_it_is_marked_only() -> None:
    east = East(2)
    told = Told()
    assert await drain(east.api(), "n1", Waiting(timeout=0), told)
    assert await add(east.api(), "n3", Waiting(timeout=0), told)
    assert not told.waits


async def test_a_cordoned_one_is_not_taken_back_by_undrain() -> None:
    east = East(2)
    cordoned = node(1, gateway=True)
    cordoned["spec"]["unschedulable"] = True
    east.add(cordoned)
    told = Told()
    assert not await undrain(east.api(), "n1", told)
    assert told.said == ["! n1 is cordoned and drains for that: kubectl --context east uncordon n1"]


@pytest.mark.parametrize("deed", [drain, remove, add])
async def test_a_node_that_is_not_there(deed: Any) -> None:
    with pytest.raises(UsageError, match="east has no node 'n9'"):
        await deed(East(1).api(), "n9", NOW, Told())


async def test_a_node_that_is_no_gateway() -> None:
    east = East(1)
    for deed in (drain(east.api(), "n2", NOW, Told()), weigh(east.api(), "n2", 5), undrain(east.api(), "n2", Told())):
        with pytest.raises(UsageError, match="n2 of east is no gateway"):
            await deed


async def test_a_cluster_that_has_not_joined() -> None:
    with pytest.raises(UsageError, match="fake has not joined"):
        await read(FakeServer().api())

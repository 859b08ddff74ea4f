"""The gateway daemon when paths are lost: what happens ahead of a round, and what a round does not undo."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from mcnet.codec import advert, endpoint, gateway
from mcnet.kernel.execute import Failure
from mcnet.kube.kinds import EVENT, GATEWAY, MEMBER
from mcnet.model import ownership
from mcnet.model.cluster import cluster_number
from mcnet.model.errors import UnreachableError
from mcnet.model.kernel import Add, Change, HostFacts, NextHop
from mcnet.model.probe import Mark
from mcnet.plan.addresses import cable_end
from mcnet_gateway import main
from mcnet_gateway.main import Gateway
from tests.fakes.eventually import eventually
from tests.fakes.node_daemons import NAMESPACE, Scene, node_object
from tests.fakes.worlds import WEST, WEST_1


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


def routed(scene: Scene) -> bool:
    return len(scene.kernel.parts[ownership.GATEWAY].routes) == 2


async def stuck(*_: object, **__: object) -> None:
    """What a round waits for does not come."""
    await asyncio.Event().wait()


def cables_used(scene: Scene) -> set[int]:
    """Remote rails in the groups."""
    groups = scene.kernel.parts[ownership.GATEWAY].read(()).groups
    return {member & 7 for group in groups for member, _ in group.members}


async def test_a_lost_cable_leaves_its_group_without_a_round(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.server.add(endpoint.encode(WEST_1, namespace=NAMESPACE))
    async with scene.gateway() as daemon:
        for name in ("west.n1", "west.n2"):
            scene.prober.say(name, "up")
        await eventually(lambda: cables_used(scene) == {0, 1})
        await eventually(lambda: advert.decode(scene.sender.datagram).reach == {cluster_number(WEST)})
        monkeypatch.setattr(scene.kernel, "host_facts", stuck)
        rounds = daemon._loop.rounds
        scene.prober.say("west.n1", "down")
        await eventually(lambda: cables_used(scene) == {1})
        assert advert.decode(scene.sender.datagram).reach == {cluster_number(WEST)}
        scene.prober.say("west.n2", "down")
        assert advert.decode(scene.sender.datagram).reach == frozenset(), "the nodes hear at once"
        assert daemon._loop.rounds == rounds
        assert cables_used(scene) == {1}, "the last one is for a round to take away"


async def test_a_round_comes_after_what_is_done_without_one(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take the processor away from that. What only a round can do, it does at once."""
    scene.server.add(endpoint.encode(WEST_1, namespace=NAMESPACE))
    async with scene.gateway() as daemon:
        for name in ("west.n1", "west.n2", "node n2"):
            scene.prober.say(name, "up")
        await eventually(lambda: cables_used(scene) == {0, 1})
        asked: list[tuple[str, bool]] = []
        monkeypatch.setattr(daemon._loop, "trigger", lambda reason, urgent=False: asked.append((reason, urgent)))
        monkeypatch.setattr(main, "OTHER_NODES", 0.01)
        scene.prober.say("west.n1", "down")
        await eventually(lambda: cables_used(scene) == {1})
        scene.prober.say("west.n1", "up")
        scene.prober.say("west.n2", "down")
        scene.prober.say("node n3", "down")
        await eventually(lambda: ("a node's probes", False) in asked)
        assert asked[:3] == [("a cable's probes", False), ("a cable's probes", True), ("a cable's probes", True)]


async def test_a_round_that_began_before_does_not_bring_a_lost_cable_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.server.add(endpoint.encode(WEST_1, namespace=NAMESPACE))
    apply, went_on, waiting = scene.kernel.apply, asyncio.Event(), asyncio.Event()

    async def late(changes: Sequence[Change]) -> tuple[Failure, ...]:
        if any(isinstance(change, Add) and isinstance(change.item, NextHop) for change in changes):
            waiting.set()
            await went_on.wait()
            monkeypatch.setattr(scene.kernel, "host_facts", stuck)
        return await apply(changes)

    async with scene.gateway() as daemon:
        scene.prober.say("west.n2", "up")
        await eventually(lambda: cables_used(scene) == {1})
        await eventually(lambda: routed(scene))
        monkeypatch.setattr(scene.kernel, "apply", late)
        monkeypatch.setattr(daemon._failover, "_apply", apply)
        scene.prober.say("west.n1", "up")
        await eventually(waiting.is_set)
        scene.prober.say("west.n1", "down")
        went_on.set()
        await eventually(lambda: len(scene.kernel.parts[ownership.GATEWAY].read(()).nexthops) == 1)
        await eventually(lambda: cables_used(scene) == {1})
        assert daemon._failover._state.nexthops == scene.kernel.parts[ownership.GATEWAY].read(()).nexthops


async def test_what_happens_while_no_api_server_is_there_is_counted_and_told_later(scene: Scene) -> None:
    def told() -> list[tuple[str, str]]:
        return [(one["reason"], one["type"]) for one in scene.server.all(EVENT) if one["reason"].startswith("Cable")]

    def counted(daemon: Gateway, reason: str, cause: str) -> float | None:
        labels = {"cable": "west.n1", "reason": reason, "cause": cause}
        return daemon._registry.get_sample_value("mcnet_cable_transitions_total", labels)

    async with scene.gateway() as daemon:
        scene.prober.say("west.n1", "up")
        await eventually(lambda: told() == [("CableConnected", "Normal")])
        scene.server.go_down(UnreachableError("away"))
        scene.prober.say("west.n1", "down")
        await eventually(lambda: counted(daemon, "CableLost", "silent") == 1)
        scene.prober.say("west.n1", "up")
        await eventually(lambda: counted(daemon, "CableConnected", "answers") == 2)
        assert len(told()) == 1
        scene.server.down = None
        both = [("CableConnected", "Normal"), ("CableConnected", "Normal"), ("CableLost", "Warning")]
        await eventually(lambda: sorted(told()) == both)
    async with scene.gateway() as daemon:
        await eventually(lambda: daemon._loop.synced and daemon._unready() == "")
        assert counted(daemon, "CableConnected", "answers") is None
    assert len(told()) == 3


async def both_carry(scene: Scene, daemon: Gateway) -> None:
    """Both cables are up and in use, and the round that made it so is over."""
    for name in ("west.n1", "west.n2"):
        scene.prober.say(name, "up")
    await eventually(lambda: cables_used(scene) == {0, 1})
    rounds = daemon._loop.rounds
    await eventually(lambda: daemon._loop.rounds > rounds)


async def test_what_failover_took_away_is_no_strangers_work(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.server.add(endpoint.encode(WEST_1, namespace=NAMESPACE))
    host_facts, opened = scene.kernel.host_facts, asyncio.Event()

    async def late() -> HostFacts:
        await opened.wait()
        return await host_facts()

    async with scene.gateway() as daemon:
        await both_carry(scene, daemon)
        monkeypatch.setattr(scene.kernel, "host_facts", late)
        scene.prober.say("west.n1", "down")
        await eventually(lambda: cables_used(scene) == {1})
        scene.prober.say("west.n1", "up")
        opened.set()
        await eventually(lambda: cables_used(scene) == {0, 1})
        assert daemon._metrics.repairs._value.get() == 0


async def test_a_cable_that_is_held_down_carries_where_nothing_else_does(scene: Scene) -> None:
    async with scene.gateway():
        scene.prober.say("west.n1", "up")
        await eventually(lambda: routed(scene))
        scene.prober.say("west.n1", "down")
        await eventually(lambda: not routed(scene))
        scene.prober.say("west.n1", "down", held_until=9.0)
        await eventually(lambda: routed(scene))
        scene.server.add(endpoint.encode(WEST_1, namespace=NAMESPACE))
        await eventually(lambda: "west.n2" in {target.key for target in scene.prober.targets})
        scene.prober.say("west.n2", "up")
        await eventually(lambda: cables_used(scene) == {1})


async def test_what_was_lost_before_the_start_leaves_without_an_api_server(scene: Scene) -> None:
    scene.server.add(endpoint.encode(WEST_1, namespace=NAMESPACE))
    found = {f"{cable_end(WEST, rail).address4} mcnet-cv" for rail in (0, 1)}
    async with scene.gateway() as daemon:
        await both_carry(scene, daemon)
    scene.prober.health.clear()
    scene.server.go_down(UnreachableError("away"))
    async with scene.gateway() as daemon:
        await eventually(lambda: {target.key for target in scene.prober.targets} == found)
        scene.prober.say(min(found), "down")
        await eventually(lambda: cables_used(scene) == {1})
        scene.prober.say(max(found), "down")
        await eventually(lambda: cables_used(scene) == {0, 1})
        scene.prober.say(max(found), "up")
        await eventually(lambda: cables_used(scene) == {1})
        assert daemon._outcome is None
        scene.server.come_up()
        await eventually(lambda: daemon._outcome is not None)
        assert {key: path.state for key, path in scene.prober.health.items()} == {"west.n1": "down", "west.n2": "up"}
        assert cables_used(scene) == {1}
        await both_carry(scene, daemon)
        assert daemon._metrics.repairs._value.get() == 0


async def test_what_was_found_out_before_the_first_round_is_told_by_the_second(scene: Scene) -> None:
    """Though no probe says anything new."""
    async with scene.gateway() as daemon:
        scene.prober.say("west.n1", "up")
        await eventually(lambda: routed(scene))
        await eventually(lambda: any(gateway.decode(one).cables for one in scene.server.all(GATEWAY)))
    scene.prober.health.clear()
    scene.server.go_down(UnreachableError("away"))
    async with scene.gateway() as daemon:
        await eventually(lambda: len(scene.prober.targets) == 1)
        (target,) = scene.prober.targets
        scene.prober.say(target.key, "down")
        scene.server.come_up()
        labels = {"cable": "west.n1", "reason": "CableLost", "cause": "silent"}
        name = "mcnet_cable_transitions_total"
        await eventually(lambda: daemon._registry.get_sample_value(name, labels) == 1, timeout=3)


async def test_a_cluster_that_is_none_any_more_is_not_watched(scene: Scene) -> None:
    async with scene.gateway() as daemon:
        scene.prober.say("west.n1", "up")
        await eventually(lambda: routed(scene))
    (member,) = scene.server.all(MEMBER)
    scene.server.remove(MEMBER, member["metadata"]["name"], member["metadata"].get("namespace", ""))
    async with scene.gateway() as daemon:
        await eventually(lambda: daemon._loop.synced and daemon._unready() == "")
        await eventually(lambda: (scene.prober.targets, daemon._inheritance.found.paths) == (frozenset(), {}))
        assert routed(scene), "only leaving removes"


async def test_a_node_that_is_no_gateway_any_more_watches_nothing(scene: Scene) -> None:
    scene.server.add(endpoint.encode(WEST_1, namespace=NAMESPACE))
    async with scene.gateway() as daemon:
        await both_carry(scene, daemon)
    scene.server.add(node_object(1, gateway=False))
    async with scene.gateway() as daemon:
        await eventually(lambda: daemon._loop.synced and daemon._unready() == "")
        await eventually(lambda: scene.prober.targets == frozenset())
        assert daemon._inheritance.found.paths == {}
        scene.prober.say(f"{cable_end(WEST, 0).address4} mcnet-cv", "down")
        for _ in range(10):
            await asyncio.sleep(0)
        assert cables_used(scene) == {0, 1}, "what is left is the route agent's to clear"


def marked(scene: Scene) -> Mark:
    return max(table.mark for table in scene.kernel.parts[ownership.GATEWAY].tables.values())


async def test_a_marked_cable_leaves_its_group_without_a_round(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.server.add(endpoint.encode(WEST_1, namespace=NAMESPACE))
    host_facts = scene.kernel.host_facts
    async with scene.gateway() as daemon:
        await both_carry(scene, daemon)
        monkeypatch.setattr(scene.kernel, "host_facts", stuck)
        scene.prober.say("west.n1", "up", mark=Mark.ISOLATED)
        await eventually(lambda: cables_used(scene) == {1})
        scene.prober.say("west.n2", "up", mark=Mark.ISOLATED)
        for _ in range(10):
            await asyncio.sleep(0)
        assert cables_used(scene) == {1}, "where all are marked alike, all stays"
    monkeypatch.setattr(scene.kernel, "host_facts", host_facts)
    async with scene.gateway() as daemon:
        scene.prober.say("west.n2", "up")
        scene.prober.say("west.n1", "up", mark=Mark.ISOLATED)
        await eventually(lambda: cables_used(scene) == {1})
        scene.prober.say("west.n1", "up", mark=Mark.SPARE)
        rounds = daemon._loop.rounds
        await eventually(lambda: daemon._loop.rounds > rounds)
        assert cables_used(scene) == {1}
        scene.prober.say("west.n2", "up", mark=Mark.ISOLATED)
        await eventually(lambda: cables_used(scene) == {0})
        for name in ("west.n1", "west.n2"):
            scene.prober.say(name, "up")
        await eventually(lambda: cables_used(scene) == {0, 1})


async def test_a_gateway_without_nodes_marks_its_answers_without_a_round(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    host_facts = scene.kernel.host_facts
    async with scene.gateway() as daemon:
        scene.prober.say("west.n1", "up")
        scene.prober.say("node n2", "up")
        await eventually(lambda: routed(scene))
        rounds = daemon._loop.rounds
        await eventually(lambda: daemon._loop.rounds > rounds)
        assert marked(scene) is Mark.NONE
        monkeypatch.setattr(scene.kernel, "host_facts", stuck)
        rounds = daemon._loop.rounds
        scene.prober.say("node n2", "down")
        await eventually(lambda: marked(scene) is Mark.ISOLATED)
        assert daemon._loop.rounds == rounds
    monkeypatch.setattr(scene.kernel, "host_facts", host_facts)
    scene.prober.health.clear()
    async with scene.gateway() as daemon:
        await eventually(lambda: daemon._loop.rounds > 0)
        assert marked(scene) is Mark.ISOLATED, "a restart knows nothing better"
        scene.prober.say("node n2", "down")
        rounds = daemon._loop.rounds
        await eventually(lambda: daemon._loop.rounds > rounds)
        assert marked(scene) is Mark.ISOLATED
        scene.prober.say("node n2", "down", held_until=9.0)
        await eventually(lambda: marked(scene) is Mark.SPARE)
        scene.prober.say("node n2", "up")
        await eventually(lambda: marked(scene) is Mark.NONE)
        assert daemon._metrics.repairs._value.get() == 0


async def test_a_gateway_that_drains_marks_its_answers(scene: Scene) -> None:
    async with scene.gateway():
        scene.prober.say("west.n1", "up")
        scene.prober.say("node n2", "up")
        await eventually(lambda: routed(scene))
        drained = node_object(1, gateway=True)
        drained["metadata"]["annotations"] = {"mcnet.dev/gateway-drain": "true"}
        scene.server.add(drained)
        await eventually(lambda: marked(scene) is Mark.SPARE)
        scene.server.add(node_object(1, gateway=True))
        await eventually(lambda: marked(scene) is Mark.NONE)

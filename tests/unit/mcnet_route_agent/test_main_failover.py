"""The route agent before its first round: what it finds in use is watched, though no API server answers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mcnet.codec import advert, endpoint
from mcnet.kernel.execute import Failure
from mcnet.kube.kinds import ENDPOINT, MEMBER
from mcnet.loop import failover as loop_failover
from mcnet.model import ownership
from mcnet.model.cluster import ClusterId
from mcnet.model.endpoint import endpoint_name
from mcnet.model.errors import KernelError, UnreachableError
from mcnet.model.kernel import Change, KernelState
from mcnet.plan import pace
from mcnet.plan.addresses import overlay_ends
from mcnet_route_agent.main import RouteAgent
from tests.fakes.eventually import eventually
from tests.fakes.node_daemons import NAMESPACE, Scene, node_object
from tests.fakes.worlds import EAST, EAST_PREFIXES, WEST, node
from tests.fakes.worlds import endpoint as endpoint_of

ENDS = overlay_ends([node(1), node(2), node(3)])
RAILS = {"n2": 1, "n3": 2}
SECOND, THIRD = (f"{ENDS[name].address4} mcnet-vx" for name in RAILS)
"""What the probes of the two gateways are called until a round knows their names."""


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(tmp_path, monkeypatch)
    made.server.add(*(node_object(number, gateway=number > 1) for number in (1, 2, 3)))
    for rail in RAILS.values():
        one = endpoint_of(EAST, rail, address=f"192.168.1.{rail + 1}", routed=EAST_PREFIXES)
        made.server.add(endpoint.encode(one, namespace=NAMESPACE))
    return made


def used(scene: Scene) -> set[int]:
    """Rails in the groups."""
    groups = scene.kernel.parts[ownership.ROUTE_AGENT].read(()).groups
    return {member & 0xFFFFFF for group in groups for member, _ in group.members}


def hear(scene: Scene, name: str, *reach: ClusterId) -> None:
    scene.listener.received(advert.encode(name, RAILS[name], reach), str(ENDS[name].address4))


def asked(scene: Scene) -> set[str]:
    return {target.key for target in scene.prober.targets}


async def both(scene: Scene, daemon: RouteAgent) -> None:
    """Both gateways are used, and the round that made it so is over."""
    await eventually(lambda: asked(scene) == set(RAILS))
    for name in RAILS:
        hear(scene, name, WEST)
        scene.prober.say(name, "up")
    await eventually(lambda: used(scene) == {1, 2})
    await another_round(daemon)


async def another_round(daemon: RouteAgent) -> None:
    rounds = daemon._loop.rounds
    await eventually(lambda: daemon._loop.rounds > rounds)


async def killed(scene: Scene) -> None:
    """A daemon that used both gateways ends, and so does its API server."""
    async with scene.route_agent() as daemon:
        await both(scene, daemon)
        assert scene.prober._multiplier == 3
    scene.prober.health.clear()
    scene.listener._heard.clear()
    scene.server.go_down(UnreachableError("away"))


@asynccontextmanager
async def restarted(scene: Scene) -> AsyncIterator[RouteAgent]:
    """Another daemon, which watches what that one used, still without an API server."""
    await killed(scene)
    async with scene.route_agent() as daemon:
        await eventually(lambda: asked(scene) == {SECOND, THIRD})
        yield daemon


async def test_what_was_lost_before_the_start_leaves_without_an_api_server(scene: Scene) -> None:
    async with restarted(scene) as daemon:
        assert scene.prober._multiplier == pace.BEFORE_THE_FIRST_ROUND
        scene.prober.say(SECOND, "down")
        await eventually(lambda: used(scene) == {2})
        assert daemon._view is None
        scene.server.come_up()
        await eventually(lambda: asked(scene) == set(RAILS))
        assert scene.prober._multiplier == 3
        assert scene.prober.health["n2"].state == "down", "it is not looked at anew"
        await another_round(daemon)
        assert used(scene) == {2}
        await both(scene, daemon)
        assert daemon._metrics.repairs._value.get() == 0


async def test_what_answers_again_comes_back_without_an_api_server(scene: Scene) -> None:
    """And is there when the other one goes."""
    async with restarted(scene):
        scene.prober.say(SECOND, "down")
        await eventually(lambda: used(scene) == {2})
        scene.prober.say(THIRD, "down")
        await eventually(lambda: used(scene) == {1, 2})
        scene.prober.say(SECOND, "up")
        await eventually(lambda: used(scene) == {1})
        scene.prober.say(THIRD, "up")
        await eventually(lambda: used(scene) == {1, 2})


async def test_gateways_are_heard_without_an_api_server(scene: Scene) -> None:
    async with restarted(scene):
        hear(scene, "n3")
        await eventually(lambda: used(scene) == {1})
        hear(scene, "n3", WEST)
        await eventually(lambda: used(scene) == {1, 2})


async def test_what_was_said_before_a_gateway_was_lost_it_has_to_say_again(scene: Scene) -> None:
    async with restarted(scene) as daemon:
        for name in RAILS:
            hear(scene, name, WEST)
        assert len(scene.listener.heard) == 2
        scene.prober.say(SECOND, "down")
        assert list(scene.listener.heard) == [str(ENDS["n3"].address4)]
        await eventually(lambda: used(scene) == {2})
        hear(scene, "n2", WEST)
        scene.server.come_up()
        await eventually(lambda: asked(scene) == set(RAILS))
        await another_round(daemon)
        scene.prober.say("n2", "up")
        await another_round(daemon)
        assert used(scene) == {2}
        hear(scene, "n2", WEST)
        await eventually(lambda: used(scene) == {1, 2})


async def test_what_was_found_out_before_the_first_round_counts_in_the_second(scene: Scene) -> None:
    """Though no probe says anything new."""
    async with restarted(scene) as daemon:
        scene.prober.say(SECOND, "down")
        scene.server.come_up()
        labels = {"gateway": "n2"}
        await eventually(lambda: daemon._registry.get_sample_value("mcnet_gateway_up", labels) == 0, timeout=3)


async def test_a_kernel_that_is_slower_than_the_lists_is_too_late(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await killed(scene)
    scene.server.come_up()
    read, reads, ended = scene.kernel.read, iter(range(99)), asyncio.Event()

    async def slow(*arguments: Any, **keywords: Any) -> KernelState:
        first = next(reads) == 0
        while first and not daemon._inheritance._over:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        ended.set()
        return await read(*arguments, **keywords)

    monkeypatch.setattr(scene.kernel, "read", slow)
    async with scene.route_agent() as daemon:
        await eventually(lambda: asked(scene) == set(RAILS))
        ended.clear()
        await ended.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        assert (asked(scene), daemon._inheritance.found.paths) == (set(RAILS), {})


async def test_the_first_round_is_not_undone_while_it_is_made(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that was there before the start is none any more; each change takes a while, and the kernel tells."""
    monkeypatch.setattr(loop_failover, "PAUSE", 0.0)
    await killed(scene)
    apply, seen = scene.kernel.apply, list[set[int]]()

    async def slow(changes: Sequence[Change]) -> tuple[Failure, ...]:
        failures: list[Failure] = []
        for change in changes:
            failures += await apply([change])
            seen.append(used(scene))
            scene.kernel.tell()
            await asyncio.sleep(0.02)
        return tuple(failures)

    async with scene.route_agent():
        await eventually(lambda: asked(scene) == {SECOND, THIRD})
        monkeypatch.setattr(scene.kernel, "apply", slow)
        scene.server.remove(ENDPOINT, endpoint_name(EAST, "n3"), NAMESPACE)
        scene.server.come_up()
        await eventually(lambda: asked(scene) == {"n2"})
        assert used(scene) == {1}
        assert seen[seen.index({1}) :] == [{1}] * (len(seen) - seen.index({1})), seen


async def test_a_node_that_is_in_no_clusterset_any_more_watches_nothing(scene: Scene) -> None:
    await killed(scene)
    scene.server.come_up()
    (member,) = scene.server.all(MEMBER)
    scene.server.remove(MEMBER, member["metadata"]["name"], member["metadata"].get("namespace", ""))
    async with scene.route_agent() as daemon:
        await eventually(lambda: daemon._loop.synced and daemon._unready() == "")
        await eventually(lambda: (scene.prober.targets, daemon._inheritance.found.paths) == (frozenset(), {}))


async def test_a_kernel_that_can_t_be_read_at_the_start_is_read_by_the_rounds(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, failed = scene.kernel.read, asyncio.Event()

    async def once(*arguments: Any, **keywords: Any) -> KernelState:
        if not failed.is_set():
            failed.set()
            raise KernelError("no buffer space left")
        return await read(*arguments, **keywords)

    monkeypatch.setattr(scene.kernel, "read", once)
    async with scene.route_agent():
        await eventually(lambda: used(scene) == {1, 2})
        assert failed.is_set()

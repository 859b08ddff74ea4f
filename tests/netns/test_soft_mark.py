"""The mark in real packets: set beside a round, read by another cluster's prober, and heeded by its gateway."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mcnet.model.kernel import Change
from mcnet.model.ownership import GATEWAY
from mcnet.model.probe import Mark, PathHealth, Target
from mcnet.plan import failover
from mcnet.plan.cable import own_address
from mcnet.plan.choice import Health
from mcnet.plan.failover import Lost
from mcnet.probe.ping import Prober
from tests.fakes.worlds import EAST, WEST
from tests.netns.clusters import KERNEL, Place, Scene, two_clusters
from tests.netns.namespaces import eventually

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with two_clusters() as made:
        yield made


async def beside(place: Place, lost: Lost) -> tuple[Change, ...]:
    """What the gateway changes without a round."""
    held = place.decision.state
    changes = failover.changes(held, lost)
    assert await KERNEL.apply(changes) == ()
    place.decision = replace(place.decision, state=failover.after(held, changes))
    return changes


def set_mark(place: Place, wanted: Mark) -> None:
    place.namespace.run(beside(place, Lost(mark=wanted)))
    (table,) = place.namespace.run(KERNEL.read(GATEWAY)).tables
    assert (table.mark, table.sealed, table.edited) == (wanted, True, False)  # type: ignore[union-attr]


def probes(place: Place) -> frozenset[Target]:
    assert place.own is not None
    return frozenset(
        Target(path.probe(family), path.address(family), path.device, own_address(place.own, path, family))
        for path in place.decision.probed
        for family in path.families
    )


def test_answers_are_marked_and_the_other_gateways_leave(scene: Scene) -> None:
    ours, theirs = scene.places[EAST, "n1"], scene.places[WEST, "n1"]
    names = {"west.n1", "west.n1 IPv6"}

    async def body() -> None:
        prober = Prober(interval=0.05)
        prober.set_targets(probes(ours))

        def those(wanted: str) -> set[str]:
            paths: dict[str, PathHealth] = prober.snapshot()
            return {key for key, path in paths.items() if path.state == wanted}

        def marks() -> dict[str, Mark]:
            return {key: path.mark for key, path in prober.snapshot().items() if path.mark}

        running = asyncio.create_task(prober.run())
        await eventually(lambda: len(those("up")) == 6)
        assert marks() == {}
        for wanted in (Mark.SPARE, Mark.ISOLATED):
            await asyncio.to_thread(set_mark, theirs, wanted)
            await eventually(lambda wanted=wanted: marks() == dict.fromkeys(names, wanted))
        assert len(those("up")) == 6, "it answers as before"
        health = dict.fromkeys(those("up"), Health.UP)
        changes = await beside(ours, failover.lost_cables(ours.decision.cables, health, marks()))
        assert len(changes) == 2, "a next hop of each family"
        groups = (await KERNEL.read(GATEWAY)).groups
        assert {member & 7 for group in groups for member, _ in group.members} == {1, 2}
        await asyncio.to_thread(set_mark, theirs, Mark.NONE)
        await eventually(lambda: marks() == {})
        running.cancel()

    ours.namespace.run(body())
    scene.settle()
    groups = ours.namespace.run(KERNEL.read(GATEWAY)).groups
    assert {member & 7 for group in groups for member, _ in group.members} == {0, 1, 2}


@pytest.mark.parametrize("mark", [Mark.SPARE, Mark.ISOLATED])
def test_a_mark_is_read_when_it_comes_and_not_with_the_next_round(scene: Scene, mark: Mark) -> None:
    """Which is ten minutes away here. Both families."""
    ours, theirs = scene.places[EAST, "n1"], scene.places[WEST, "n1"]

    async def body() -> None:
        for target in [one for one in probes(ours) if one.key.startswith("west.n1")]:
            prober = Prober(interval=600)
            prober.set_targets(frozenset({target}))

            def shown(prober: Prober = prober, key: str = target.key) -> PathHealth:
                return prober.snapshot()[key]

            first = asyncio.create_task(prober.run())
            await eventually(lambda shown=shown: shown().state == "up")
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await asyncio.to_thread(set_mark, theirs, mark)
            second = asyncio.create_task(prober.run())
            await eventually(lambda shown=shown: shown().mark is mark)
            assert shown().sent == 2
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
            await asyncio.to_thread(set_mark, theirs, Mark.NONE)

    ours.namespace.run(body())


@pytest.mark.parametrize("mark", [Mark.SPARE, Mark.ISOLATED])
def test_a_round_that_knows_nothing_keeps_the_mark(scene: Scene, mark: Mark) -> None:
    place = scene.places[WEST, "n2"]
    set_mark(place, mark)
    assert place.namespace.run(scene._round(place)) == 0
    set_mark(place, Mark.NONE)
    assert place.namespace.run(scene._round(place)) == 0

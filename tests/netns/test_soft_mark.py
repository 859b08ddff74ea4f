"""The mark in real packets: set beside a round, read by another cluster's prober, and heeded by its gateway."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mcnet.model.kernel import Change
from mcnet.model.ownership import GATEWAY
from mcnet.model.probe import PathHealth, Target
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


def mark(place: Place, wanted: bool) -> None:
    place.namespace.run(beside(place, Lost(marks=wanted)))
    (table,) = place.namespace.run(KERNEL.read(GATEWAY)).tables
    assert (table.marked, table.sealed, table.edited) == (wanted, True, False)  # type: ignore[union-attr]


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
            return {key for key, path in paths.items() if wanted in (path.state, "marked" if path.marked else "")}

        running = asyncio.create_task(prober.run())
        await eventually(lambda: len(those("up")) == 6)
        assert those("marked") == set()
        await asyncio.to_thread(mark, theirs, True)
        await eventually(lambda: those("marked") == names)
        assert len(those("up")) == 6, "it answers as before"
        health = dict.fromkeys(those("up"), Health.UP)
        changes = await beside(ours, failover.lost_cables(ours.decision.cables, health, those("marked")))
        assert len(changes) == 2, "a next hop of each family"
        groups = (await KERNEL.read(GATEWAY)).groups
        assert {member & 7 for group in groups for member, _ in group.members} == {1, 2}
        await asyncio.to_thread(mark, theirs, False)
        await eventually(lambda: those("marked") == set())
        running.cancel()

    ours.namespace.run(body())
    scene.settle()
    groups = ours.namespace.run(KERNEL.read(GATEWAY)).groups
    assert {member & 7 for group in groups for member, _ in group.members} == {0, 1, 2}


def test_a_round_that_knows_nothing_keeps_the_mark(scene: Scene) -> None:
    place = scene.places[WEST, "n2"]
    mark(place, True)
    assert place.namespace.run(scene._round(place)) == 0
    mark(place, False)
    assert place.namespace.run(scene._round(place)) == 0

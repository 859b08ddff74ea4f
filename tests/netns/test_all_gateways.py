"""Three gateways here and three there carry real packets: all nine cables, by weight, and none is lost in a drain."""

from collections import Counter
from collections.abc import Iterator

import pytest

from mcnet.model.cluster import ClusterId
from tests.fakes.worlds import EAST, WEST
from tests.netns.clusters import GATEWAYS, Scene, two_clusters
from tests.netns.flows import Flows, answering, connect_and_ask

pytestmark = pytest.mark.timeout(180)
FIRST, SECOND, THIRD = GATEWAYS
NINE = {(one, other) for one in GATEWAYS for other in GATEWAYS}
MANY = range(20000, 20600)
"""Source ports."""
Ways = dict[int, tuple[str, str]]
"""By source port: the gateway that sent a flow off, and the one of the other cluster that it came to."""


@pytest.fixture(scope="module")
def built() -> Iterator[Scene]:
    with two_clusters() as made, answering(made.worker(WEST)):
        yield made


@pytest.fixture
def scene(built: Scene) -> Scene:
    """All gateways carry the same, and nothing has been counted."""
    built.down.clear()
    for cluster in (EAST, WEST):
        for name in GATEWAYS:
            built.mark(cluster, name, weight=100, draining=False)
    built.settle()
    built.forget()
    return built


def flows(scene: Scene, ports: range = MANY, *, family: int = 4) -> Flows:
    return Flows(scene.worker(EAST), scene.worker(WEST), ports, family=family)


def gone_by(scene: Scene, ports: range = MANY, *, family: int = 4) -> tuple[Ways, Ways]:
    """Send a packet by each source port; by which gateways (here, there) it went, and (there, here) its answer."""
    asked = flows(scene, ports, family=family)
    asked.once()
    assert asked.answered == len(ports)
    there = {source: way for (source, _), way in scene.paths(EAST, WEST).items() if source in ports}
    back = {target: way for (_, target), way in scene.paths(WEST, EAST).items() if target in ports}
    assert there.keys() == back.keys() == set(ports)
    return there, back


def test_each_node_hashes_by_ports_and_by_a_seed_of_its_own(scene: Scene) -> None:
    """Without a seed the namespaces of one kernel, unlike nodes, would all choose alike."""
    directory = "/proc/sys/net/ipv4/fib_multipath_hash"
    seeds = {place.run(f"cat {directory}_seed") for place in scene.places.values()}
    assert len(seeds) == len(scene.places)
    for place in scene.places.values():
        assert place.run(f"cat {directory}_policy") == "1\n"


@pytest.mark.parametrize("family", [4, 6])
def test_every_one_of_nine_cables_carries_flows_and_answers_take_their_own_way(scene: Scene, family: int) -> None:
    there, back = gone_by(scene, family=family)
    assert set(there.values()) == NINE
    assert set(back.values()) == NINE
    other = [port for port in MANY if there[port] != back[port][::-1]]
    assert len(other) > len(MANY) / 2, "most answers come back by another cable, and none was dropped for it"


@pytest.mark.parametrize("family", [4, 6])
def test_connections_are_made_though_their_halves_cross_different_gateways(scene: Scene, family: int) -> None:
    answers = connect_and_ask(scene.worker(EAST), scene.worker(WEST), 60, family=family)
    assert answers == [b"%d\n" % number for number in range(60)]


def test_a_flow_keeps_its_way(scene: Scene) -> None:
    assert gone_by(scene, MANY[:200]) == gone_by(scene, MANY[:200])


@pytest.mark.parametrize("cluster", [EAST, WEST])
def test_weights_are_kept(scene: Scene, cluster: ClusterId) -> None:
    """On the nodes of its own cluster, and on the gateways of the other one."""
    for name, weight in zip(GATEWAYS, (100, 50, 50), strict=True):
        scene.mark(cluster, name, weight=weight)
    scene.rebuild()
    there, _ = gone_by(scene)
    shares = Counter(way[0 if cluster == EAST else 1] for way in there.values())
    for name, part in zip(GATEWAYS, (0.5, 0.25, 0.25), strict=True):
        # 600 flows: five standard deviations are at most 0.1.
        assert shares[name] / len(MANY) == pytest.approx(part, abs=0.1)


@pytest.mark.parametrize("cluster", [EAST, WEST])
def test_a_drain_moves_all_flows_and_loses_no_packet(scene: Scene, cluster: ClusterId) -> None:
    side = 0 if cluster == EAST else 1
    ongoing = flows(scene, MANY[:60])
    with ongoing.going_on():
        before, _ = gone_by(scene, MANY[100:300])
        scene.mark(cluster, SECOND, draining=True)
        scene.settle()
        scene.forget()
        after, back = gone_by(scene, MANY[100:300])
        scene.mark(cluster, SECOND, draining=False)
        scene.settle()
    assert ongoing.sent > 60
    assert ongoing.answered == ongoing.sent
    assert SECOND in {way[side] for way in before.values()}
    assert {way[side] for way in after.values()} == {FIRST, THIRD}
    assert {way[1 - side] for way in back.values()} == {FIRST, THIRD}
    stayed = {port for port in before if before[port][side] != SECOND}
    assert all(after[port][side] == before[port][side] for port in stayed), "flows of the others stay where they are"


def test_the_last_gateway_carries_though_it_drains(scene: Scene) -> None:
    for name in GATEWAYS:
        scene.mark(WEST, name, draining=True)
    ongoing = flows(scene, MANY[:60])
    with ongoing.going_on():
        scene.settle()
        scene.down |= {f"{WEST}.{FIRST}", f"{WEST}.{SECOND}"}
        scene.settle()
        scene.forget()
        there, _ = gone_by(scene, MANY[100:200])
    assert ongoing.answered == ongoing.sent
    assert {way[1] for way in there.values()} == {THIRD}


def test_a_cable_that_is_lost_moves_its_own_flows_only(scene: Scene) -> None:
    before, _ = gone_by(scene)
    scene.down.add(f"{WEST}.{FIRST}")
    scene.settle()
    after, _ = gone_by(scene)
    assert {way[1] for way in after.values()} == {SECOND, THIRD}
    assert all(after[port] == way for port, way in before.items() if way[1] != FIRST)

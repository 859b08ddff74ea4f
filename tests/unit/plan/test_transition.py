"""From one cable to another: two gateways that hear of changes at different times never send what the other drops."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.codec.cable_keys import public_key
from mcnet.model.cluster import ClusterId, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import KernelState, Vxlan
from mcnet.plan import cable, gateway, transition, wireguard_cable
from mcnet.plan.choice import Health
from mcnet.plan.diff import diff
from mcnet.plan.transition import GRACE
from tests.fakes.identities import identity_of
from tests.fakes.kernel import FakeKernel
from tests.fakes.worlds import EAST, EAST_0, KNOWN_WEST, MEMBER, WEST, WEST_0, host, prefixes

OTHER = {EAST: WEST, WEST: EAST}
KNOWN_EAST = replace(KNOWN_WEST, id=EAST, pod_prefixes=prefixes("10.10.0.0/16"), service_prefixes=(),
                     identity=identity_of(EAST).public)  # fmt: skip
MEMBERS = {
    EAST: MEMBER,
    WEST: replace(MEMBER, cluster=WEST, pod_prefixes=prefixes("10.20.0.0/16"), service_prefixes=()),
}
ENDPOINTS = {EAST: replace(EAST_0, prefixes=prefixes("10.10.0.0/16")),
             WEST: replace(WEST_0, prefixes=prefixes("10.20.0.0/16"))}  # fmt: skip


@dataclass
class Side:
    """A gateway: its kernel, its key, and what it has heard of."""

    cluster: ClusterId
    options: ClusterSet
    heard: Endpoint
    epoch: int = 0
    kernel: FakeKernel = field(default_factory=lambda: FakeKernel(foreign=[EAST_0.private_addresses[0]]))
    clock: Mapping[str, float] = field(default_factory=dict)

    @property
    def own(self) -> Endpoint:
        offer = wireguard_cable.offer(identity_of(self.cluster), "n1", self.epoch)
        plain = ENDPOINTS[self.cluster]
        return replace(plain, drivers=(offer, *plain.drivers))

    @property
    def state(self) -> KernelState:
        return self.kernel.read(())

    @property
    def device(self) -> str:
        """That carries what it sends; "" for nothing."""
        return next((hop.device for hop in self.state.nexthops), "")


class Pair:
    """Two gateways and the network between them, which carries what both sides have set up alike."""

    def __init__(self, driver: str = "wireguard") -> None:
        self.options = ClusterSet(driver)
        self.sides = {
            one: Side(one, self.options, replace(ENDPOINTS[OTHER[one]], drivers=())) for one in (EAST, WEST)
        }
        self.now = 0.0

    def hear(self, cluster: ClusterId) -> None:
        """The latest of the other side and of the clusterset has come."""
        side = self.sides[cluster]
        side.heard, side.options = self.sides[OTHER[cluster]].own, self.options

    async def round(self, cluster: ClusterId) -> None:
        side = self.sides[cluster]
        world = gateway.World(
            member=MEMBERS[cluster],
            own=side.own,
            nodes=(),
            clusters=(KNOWN_EAST, KNOWN_WEST),
            endpoints=(side.own, side.heard),
            health={},
            host=host(routable=False),
            actual=side.state,
            options=side.options,
            identity=identity_of(cluster),
            clock=side.clock,
            now=self.now,
        )
        probed = gateway.decide(world).probed
        health = {
            path.probe(family): Health.UP if self.carries(cluster, path.device) else Health.DOWN
            for path in probed
            for family in path.families
        }
        decision = gateway.decide(replace(world, health=health))
        assert await side.kernel.apply(diff(decision.state, side.state)) == ()
        side.clock = dict(decision.clock)

    async def pass_time(self, seconds: float = 10.0) -> None:
        """Everybody hears everything in time."""
        self.now += seconds
        for cluster in self.sides:
            self.hear(cluster)
            await self.round(cluster)

    def carries(self, cluster: ClusterId, device: str) -> bool:
        """Whether the other side takes what this one sends by `device`."""
        here, there = self.sides[cluster].state, self.sides[OTHER[cluster]].state
        mine = {one.name: one for one in here.wireguard}.get(device)
        if mine is None:
            return self._carries_vxlan(here, there, device)
        (peer,) = mine.peers
        assert peer.endpoint is not None
        return any(
            public_key(other.private_key) == peer.public_key
            and other.port == peer.endpoint[1]
            and (public_key(mine.private_key), peer.preshared_key)
            in {(one.public_key, one.preshared_key) for one in other.peers}
            for other in there.wireguard
        )

    @staticmethod
    def _carries_vxlan(here: KernelState, there: KernelState, device: str) -> bool:
        links = [{link.name: link for link in state.links}.get(device) for state in (here, there)]
        if not all(link is not None and isinstance(link.vxlan, Vxlan) for link in links):
            return False
        return all(any(entry.device == device for entry in state.fdb) for state in (here, there))

    def check(self) -> None:
        for cluster, side in self.sides.items():
            assert side.device, f"{cluster} sends nothing"
            assert self.carries(cluster, side.device), f"what {cluster} sends by {side.device} is lost"


async def connected(driver: str = "wireguard") -> Pair:
    pair = Pair(driver)
    for _ in range(4):
        await pair.pass_time()
    pair.check()
    return pair


@pytest.mark.parametrize("driver", ["wireguard", "vxlan"])
async def test_two_gateways_connect(driver: str) -> None:
    pair = await connected(driver)
    assert {side.device for side in pair.sides.values()} == {"mcnet-cw0a" if driver == "wireguard" else "mcnet-cv"}


STEPS = st.lists(
    st.tuples(st.sampled_from(["hear", "round"]), st.sampled_from([EAST, WEST])) | st.just(("time", EAST)),
    max_size=14,
)


@pytest.mark.timeout(120)
@settings(max_examples=150)
@given(st.sampled_from([EAST, WEST]), STEPS)
async def test_no_packet_is_lost_while_a_key_changes(rotating: ClusterId, steps: list[tuple[str, ClusterId]]) -> None:
    pair = await connected()
    pair.sides[rotating].epoch += 1
    await _walk(pair, steps)
    assert {side.device for side in pair.sides.values()} == {"mcnet-cw0b"}
    for side in pair.sides.values():
        assert {link.name for link in side.state.links} == {"mcnet-cw0b"}, "the old device is gone"


@settings(max_examples=100)
@given(st.sampled_from([("wireguard", "vxlan"), ("vxlan", "wireguard")]), STEPS)
async def test_no_packet_is_lost_while_the_driver_changes(
    drivers: tuple[str, str], steps: list[tuple[str, ClusterId]]
) -> None:
    pair = await connected(drivers[0])
    pair.options = ClusterSet(drivers[1])
    await _walk(pair, steps)
    device = {"vxlan": "mcnet-cv", "wireguard": "mcnet-cw0a"}[drivers[1]]
    for side in pair.sides.values():
        assert {link.name for link in side.state.links} == {side.device} == {device}


async def _walk(pair: Pair, steps: list[tuple[str, ClusterId]]) -> None:
    """The steps in this order, and then time enough for everybody; nothing may be lost at any point."""
    for step, cluster in steps:
        match step:
            case "hear":
                pair.hear(cluster)
            case "round":
                await pair.round(cluster)
            case _:
                await pair.pass_time()
        pair.check()
    for _ in range(8):
        await pair.pass_time()
        pair.check()


async def test_a_key_that_the_other_side_never_hears_of_changes_nothing() -> None:
    pair = await connected()
    east = pair.sides[EAST]
    east.epoch += 1
    for _ in range(10):
        pair.now += GRACE
        await pair.round(EAST)
        await pair.round(WEST)
        pair.check()
    assert east.device == "mcnet-cw0a"
    assert {link.name for link in east.state.links} == {"mcnet-cw0a", "mcnet-cw0b"}


async def test_what_is_to_be_encrypted_does_not_go_in_the_clear_for_long() -> None:
    """The other side offers no wireguard: the old cable ends all the same."""
    pair = await connected("vxlan")
    east = pair.sides[EAST]
    east.options = ClusterSet("wireguard")
    east.heard = replace(east.heard, drivers=ENDPOINTS[WEST].drivers)
    await pair.round(EAST)
    assert east.device == "mcnet-cv"
    pair.now += GRACE
    await pair.round(EAST)
    assert east.device == ""
    assert not east.state.links


async def test_a_restarted_daemon_leaves_the_cables_as_they_are() -> None:
    pair = await connected()
    pair.sides[EAST].epoch += 1
    await pair.round(EAST)
    east = pair.sides[EAST]
    east.clock = {}
    before = east.state
    await pair.round(EAST)
    assert east.state == before


async def test_a_gateway_that_has_left_keeps_no_cable() -> None:
    pair = await connected()
    east = pair.sides[EAST]
    east.epoch += 1
    await pair.round(EAST)
    east.heard = east.own
    await pair.round(EAST)
    assert not east.state.links
    assert not east.state.wireguard


def with_epoch(cluster: ClusterId, epoch: int) -> Endpoint:
    offer = wireguard_cable.offer(identity_of(cluster), "n1", epoch)
    return replace(ENDPOINTS[cluster], drivers=(offer, *ENDPOINTS[cluster].drivers))


def test_probes_of_other_keys_are_others_and_a_former_cable_keeps_its_own() -> None:
    """Two devices take turns: what is said of one with its keys of before does not count for the new ones."""
    before, seen = "", set()
    for step in range(8):
        own, remote = with_epoch(EAST, step // 2), with_epoch(WEST, (step + 1) // 2)
        (path,) = cable.paths(ClusterSet("wireguard"), own, (remote,))
        assert path.probe(4) not in seen
        others = {one.probe(4) for one in cable.alternatives(own, (path,))}
        assert path.probe(4) not in others
        assert not before or before in others, "what carried until now is probed on"
        before = path.probe(4)
        seen.add(before)


@pytest.mark.parametrize(
    ("carries", "stays"),
    [("mcnet-cv", "mcnet-cv"), ("mcnet-cw0b", "mcnet-cw0b"), ("", "mcnet-cw0b"), ("x", "mcnet-cw0b")],
)
def test_of_former_cables_the_one_that_carries_goes_on_else_one_that_is_encrypted(carries: str, stays: str) -> None:
    own, remote = with_epoch(EAST, 1), with_epoch(WEST, 1)
    wanted = cable.paths(ClusterSet("wireguard"), own, (remote,))
    former = [one for one in cable.alternatives(own, wanted) if one.device in ("mcnet-cv", "mcnet-cw0b")]
    assert len(former) == 2
    for order in (former, former[::-1]):
        (used,) = transition.in_use(wanted, order, health={}, hops={remote.name: carries} if carries else {})
        assert used.device == stays

"""The gateway daemon as a whole, on an API server and a kernel in memory."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from mcnet.codec import advert, cluster, clusterset, endpoint, gateway, identity, member
from mcnet.codec.nat_discovery import Place
from mcnet.kube.kinds import CLUSTER, ENDPOINT, ENDPOINT_SLICE, EVENT, GATEWAY, LEASE, MEMBER, SERVICE
from mcnet.kube.transport import Request
from mcnet.loop import reconcile
from mcnet.model import ownership
from mcnet.model.cluster import ClusterSet, cluster_number
from mcnet.model.errors import ApiError, ConflictError, KernelError, McnetError, UnreachableError
from mcnet.model.gateway import CableState
from mcnet.model.kernel import Address
from mcnet.model.libreswan import IkeConnection, PlutoRequest, PlutoStatus, PlutoVerb
from mcnet.model.node import PUBLIC_ADDRESS_ANNOTATION, WEIGHT_ANNOTATION
from mcnet.plan import libreswan_cable
from mcnet.plan.nat_discovery import Path as NatPath
from mcnet.plan.nat_discovery import Way
from tests.fakes import worlds
from tests.fakes.eventually import eventually
from tests.fakes.kernel import FakeKernel
from tests.fakes.node_daemons import KEYS, NAMESPACE, Scene, node_object
from tests.fakes.worlds import KNOWN_WEST, WEST, WEST_0, WIREGUARD_OPTIONS, secured


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


def routed(scene: Scene) -> bool:
    return len(scene.kernel.parts[ownership.GATEWAY].routes) == 2


def reported(scene: Scene, state: CableState) -> bool:
    reports = [gateway.decode(one) for one in scene.server.all(GATEWAY)]
    return [cable.state for report in reports for cable in report.cables] == [state]


def connected(scene: Scene) -> bool:
    return routed(scene) and reported(scene, CableState.CONNECTED) and scene.own_endpoint() is not None


async def test_from_nothing_to_a_connected_cable(scene: Scene) -> None:
    async with scene.gateway():
        await eventually(lambda: reported(scene, CableState.CONNECTING))
        assert not routed(scene), "no route before a probe is answered"
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))
    (lease,) = scene.server.all(LEASE)
    assert (lease["metadata"]["name"], lease["spec"]["holderIdentity"]) == ("rail-0", "n1")
    published = endpoint.decode(scene.own_endpoint() or {})
    assert identity.verify(scene.own_endpoint() or {}, KEYS.public)
    assert published.sequence > 1_700_000_000
    assert {target.key for target in scene.prober.targets} == {"west.n1", "node n2"}
    assert advert.decode(scene.sender.datagram).reach == {cluster_number(WEST)}
    assert len(scene.sender.targets) == 2
    assert [event["reason"] for event in scene.server.all(EVENT)].count("CableConnected") == 1
    for kind in (ENDPOINT, GATEWAY, LEASE):
        own = [one for one in scene.server.all(kind) if one["metadata"]["name"] in {"east.n1", "n1", "rail-0"}]
        assert [one["metadata"]["ownerReferences"][0]["uid"] for one in own] == ["uid-1"]


async def test_a_restart_changes_nothing(scene: Scene) -> None:
    async with scene.gateway():
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))
    kernel = scene.kernel.parts[ownership.GATEWAY]
    before, kernel.operations = kernel.read(()), 0
    published = scene.own_endpoint()
    scene.prober.health.clear()
    async with scene.gateway() as second:
        await eventually(lambda: second._loop.synced and second._unready() == "")
        rounds = second._loop.rounds
        second._loop.trigger("look again")
        await eventually(lambda: second._loop.rounds > rounds)
    assert (kernel.operations, kernel.read(())) == (0, before)
    assert scene.own_endpoint() == published


async def test_a_lost_cable_is_withdrawn_told_and_reported(scene: Scene) -> None:
    async with scene.gateway():
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))
        scene.prober.say("west.n1", "down")
        await eventually(lambda: reported(scene, CableState.ERROR))
        assert not routed(scene)
        assert advert.decode(scene.sender.datagram).reach == frozenset()
    assert "CableLost" in [event["reason"] for event in scene.server.all(EVENT)]


async def test_failover_does_not_wait_for_the_api_server(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene.gateway():
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))
        monkeypatch.setattr(reconcile, "BACKOFF", (60.0,))
        scene.server.go_down(UnreachableError("away"))
        for state in ("down", "up", "down"):
            scene.prober.say("west.n1", state)
            await eventually(lambda state=state: routed(scene) == (state == "up"))


async def test_nothing_is_applied_before_all_inputs_are_there(scene: Scene) -> None:
    failure = scene.server.fail(
        lambda request: request.path.endswith("/clusters"), UnreachableError("away"), times=1_000_000
    )
    async with scene.gateway() as daemon:
        await eventually(lambda: failure.hits > 2)
        assert daemon._unready() == "not listed yet: clusters"
        assert daemon._loop.fault == ""
    assert scene.kernel.parts[ownership.GATEWAY].operations == 0


async def test_without_a_member_the_kernel_is_left_alone(scene: Scene) -> None:
    async with scene.gateway():
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))
        scene.server.remove(MEMBER, "mcnet", NAMESPACE)
        scene.server.remove(CLUSTER, "west", NAMESPACE)
        scene.kernel.parts[ownership.GATEWAY].operations = 0
        scene.kernel.tell()
    assert routed(scene)
    assert scene.kernel.parts[ownership.GATEWAY].operations == 0


async def test_a_former_gateway_leaves_the_clearing_to_the_route_agent(scene: Scene) -> None:
    async with scene.gateway() as daemon:
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))
        scene.server.add(node_object(1, gateway=False))
        await eventually(lambda: daemon._outcome is None)
        scene.server.remove(ENDPOINT, "east.n1", NAMESPACE)
        scene.server.remove(GATEWAY, "n1", NAMESPACE)
        scene.kernel.parts[ownership.GATEWAY].routes.clear()
        rounds, published = daemon._loop.rounds, daemon._publishing.rounds
        scene.kernel.tell()
        daemon._publishing.trigger("look again")
        await eventually(lambda: daemon._loop.rounds > rounds and daemon._publishing.rounds > published)
    assert not routed(scene)
    assert (scene.own_endpoint(), scene.server.all(GATEWAY)) == (None, [])


async def test_a_gateway_again_begins_anew(scene: Scene) -> None:
    """The other side has dropped the cables meanwhile: that they were up once says nothing."""
    async with scene.gateway() as daemon:
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))
        scene.server.add(node_object(1, gateway=False))
        await eventually(lambda: daemon._outcome is None)
        assert not scene.prober.targets
        assert advert.decode(scene.sender.datagram).reach == frozenset()
        foreign = scene.kernel.parts[ownership.GATEWAY].foreign
        scene.kernel.parts[ownership.GATEWAY] = FakeKernel(foreign=foreign)  # as the route agent clears it
        scene.server.add(node_object(1, gateway=True))
        await eventually(lambda: reported(scene, CableState.CONNECTING))
        assert not routed(scene)
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))


def behind_nat(scene: Scene) -> None:
    """Both clusters with WireGuard; west has published a public address."""
    west = secured(replace(WEST_0, public_addresses=(ip_address("198.51.100.9"),)))
    scene.server.add(
        clusterset.encode(WIREGUARD_OPTIONS, namespace=NAMESPACE),
        cluster.encode(KNOWN_WEST, namespace=NAMESPACE),
        endpoint.encode(west, namespace=NAMESPACE),
    )


def sends_to(scene: Scene) -> list[Address]:
    devices = scene.kernel.parts[ownership.GATEWAY].wireguard.values()
    return [peer.endpoint[0] for device in devices for peer in device.peers if peer.endpoint]


async def test_the_way_that_nat_discovery_finds_is_taken(scene: Scene) -> None:
    behind_nat(scene)
    async with scene.gateway():
        await eventually(lambda: sends_to(scene) == [WEST_0.private_addresses[0]])
        assert scene.nat.asked["west.n1"].public == ip_address("198.51.100.9")
        scene.nat.say("west.n1", NatPath(Way.PUBLIC, translated=True))
        await eventually(lambda: sends_to(scene) == [ip_address("198.51.100.9")])


async def test_a_path_that_dies_is_looked_for_again(scene: Scene) -> None:
    behind_nat(scene)
    async with scene.gateway():
        await eventually(lambda: bool(scene.prober.targets))
        assert not scene.nat.given
        for target in scene.prober.targets:  # which of the two devices it is depends on the day
            scene.prober.say(target.key, "down")
        await eventually(lambda: "west.n1" in scene.nat.given)


async def test_how_others_see_it_is_published_and_taken_back_where_that_is_not_wanted(scene: Scene) -> None:
    behind_nat(scene)
    seen = Place(ip_address("203.0.113.5"), 4490)

    def published() -> tuple[Address, ...] | None:
        return endpoint.decode(scene.own_endpoint() or {}).public_addresses if scene.own_endpoint() else None

    async with scene.gateway():
        await eventually(lambda: published() == ())
        scene.nat.say("west.n1", NatPath(Way.PUBLIC, translated=True, seen=seen))
        await eventually(lambda: published() == (seen.address,))
        scene.server.add(node_object(1, gateway=True) | {"metadata": annotated("198.51.100.77")})
        await eventually(lambda: published() == (ip_address("198.51.100.77"),))
        scene.server.add(member.encode(replace(worlds.MEMBER, air_gapped=True)))
        await eventually(lambda: published() == ())


def annotated(public: str) -> dict[str, object]:
    return node_object(1, gateway=True)["metadata"] | {"annotations": {PUBLIC_ADDRESS_ANNOTATION: public}}


async def test_a_cable_that_carries_less_is_used_for_less(scene: Scene) -> None:
    """From the first measurement that counts until it carries all again; only what is up is measured."""

    def sizes() -> set[int]:
        return {route.mtu for route in scene.kernel.parts[ownership.GATEWAY].routes.values() if route.nexthop}

    async with scene.gateway():
        await eventually(lambda: bool(scene.prober.targets))
        assert not scene.sizes.wanted
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene) and "west.n1" in scene.sizes.wanted)
        assert sizes() == {0}
        path = scene.sizes.wanted["west.n1"]
        assert (path.device, path.outer_target) == ("mcnet-cv", WEST_0.private_addresses[0])
        scene.sizes.say("west.n1", 1348)
        await eventually(lambda: sizes() == {1348})
        scene.sizes.say("west.n1", 0)
        await eventually(lambda: sizes() == {0})


class FakePluto:
    """A pluto in memory: what it has, what it was asked, and whether it refuses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running, self.refusing = False, ""
        self.has: set[str] = set()
        self.written: frozenset[IkeConnection] = frozenset()
        self.asked: list[PlutoRequest] = []
        for name in ("runs", "write", "status", "perform"):
            monkeypatch.setattr(f"mcnet.kernel.libreswan.{name}", getattr(self, name))

    def runs(self) -> bool:
        return self.running

    def write(self, connections: frozenset[IkeConnection]) -> None:
        self.written = connections

    async def status(self) -> PlutoStatus:
        self.running = True
        if self.refusing:
            raise KernelError(self.refusing)
        addresses = frozenset((one.local.address, one.local.port) for one in self.written)
        return PlutoStatus(frozenset(self.has), frozenset(self.has), (), addresses)

    async def perform(self, requests: tuple[PlutoRequest, ...]) -> tuple[KernelError, ...]:
        for request in requests:
            self.asked.append(request)
            if request.verb is PlutoVerb.ADD:
                self.has.add(request.name)
            if request.verb is PlutoVerb.DELETE:
                self.has.discard(request.name)
        return ()


def by_libreswan(scene: Scene) -> None:
    west = secured(WEST_0)
    scene.server.add(
        clusterset.encode(ClusterSet("libreswan"), namespace=NAMESPACE),
        cluster.encode(KNOWN_WEST, namespace=NAMESPACE),
        endpoint.encode(replace(west, drivers=(*west.drivers, libreswan_cable.offer(0))), namespace=NAMESPACE),
    )


async def test_pluto_gets_what_the_clusterset_asks_for_and_is_left_alone_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    pluto = FakePluto(monkeypatch)
    async with scene.gateway() as daemon:
        await eventually(lambda: scene.own_endpoint() is not None and daemon._agreeing.rounds > 0)
        assert not pluto.running, "nobody asked for it"
        by_libreswan(scene)
        await eventually(lambda: bool(pluto.has))
        assert {one.name for one in pluto.written} == pluto.has
        assert any(name.startswith("ipsec") for name in scene.kernel.parts[ownership.GATEWAY].links)
        scene.server.add(clusterset.encode(ClusterSet("vxlan"), namespace=NAMESPACE))
        await eventually(lambda: any(standing.path.driver == "vxlan" for standing in daemon._outcome.decision.cables))
        assert pluto.has, "the former cable stays until the wanted one is up"
        scene.server.remove(CLUSTER, "west", NAMESPACE)
        await eventually(lambda: not pluto.has)


async def test_a_pluto_that_refuses_holds_up_nothing_and_is_named(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    pluto = FakePluto(monkeypatch)
    pluto.refusing = "ask pluto for status: no mcnet-cable pod of this node answers"
    by_libreswan(scene)
    async with scene.gateway():
        await eventually(lambda: pluto.refusing in problems(scene))
        assert scene.own_endpoint() is not None
        pluto.refusing = ""
        await eventually(lambda: bool(pluto.has) and not problems(scene))


async def test_a_load_balancer_comes_and_goes_with_the_setting(scene: Scene) -> None:
    def services() -> list[str]:
        return [one["metadata"]["name"] for one in scene.server.all(SERVICE)]

    async with scene.gateway() as daemon:
        await eventually(lambda: scene.own_endpoint() is not None)
        assert services() == []
        scene.server.add(member.encode(replace(worlds.MEMBER, load_balancer=True)))
        await eventually(lambda: services() == ["mcnet-gateway-0"] and bool(scene.server.all(ENDPOINT_SLICE)))
        (service,) = scene.server.all(SERVICE)
        assert service["metadata"]["ownerReferences"][0]["uid"] == "uid-1"
        assert [str(one) for one in daemon._public._sources] == ["lb:mcnet-gateway-0"]
        scene.server.add(member.encode(worlds.MEMBER))
        await eventually(lambda: services() == [] and not scene.server.all(ENDPOINT_SLICE))


async def test_weight_and_drain_are_published_at_once(scene: Scene) -> None:
    def said() -> tuple[int, int, bool] | None:
        own = scene.own_endpoint()
        reports = [gateway.decode(one) for one in scene.server.all(GATEWAY)]
        if own is None or not reports:
            return None
        return endpoint.decode(own).weight, reports[0].weight, reports[0].draining

    async with scene.gateway():
        await eventually(lambda: said() == (100, 100, False))
        plain = node_object(1, gateway=True)
        marked = plain | {"metadata": plain["metadata"] | {"annotations": {WEIGHT_ANNOTATION: "30"}}}
        scene.server.add(marked)
        await eventually(lambda: said() == (30, 30, False))
        scene.server.add(marked | {"spec": plain["spec"] | {"unschedulable": True}})
        await eventually(lambda: said() == (0, 30, True))
        scene.server.add(marked)
        await eventually(lambda: said() == (30, 30, False))


async def test_a_wrong_annotation_is_said(scene: Scene) -> None:
    scene.server.add(node_object(1, gateway=True) | {"metadata": annotated("everywhere")})
    async with scene.gateway():
        await eventually(lambda: bool(problems(scene)))
    assert problems(scene) == (
        "annotation mcnet.dev/public-address of node n1: 'everywhere' is no address and names no place to look "
        "one up",
    )


def problems(scene: Scene) -> tuple[str, ...]:
    return next((gateway.decode(one).problems for one in scene.server.all(GATEWAY)), ())


async def test_one_bad_object_stops_nothing_and_is_named(scene: Scene) -> None:
    bad = endpoint.encode(WEST_0, namespace=NAMESPACE)
    bad["metadata"]["name"] = "west.other"
    bad["spec"]["rail"] = "none"
    scene.server.add(bad)
    async with scene.gateway():
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))
    (report,) = (gateway.decode(one) for one in scene.server.all(GATEWAY))
    assert any("west.other" in problem for problem in report.problems)


async def test_a_second_gateway_takes_the_next_rail(scene: Scene) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": "n2"}}
    scene.server.add(lease | {"metadata": {"name": "rail-0", "namespace": NAMESPACE}})
    two = next(one for one in scene.server.objects.values() if one["metadata"]["name"] == "n2")
    scene.server.add({**two, "metadata": {**two["metadata"], "labels": {"mcnet.dev/gateway": "true"}}})
    async with scene.gateway():
        await eventually(lambda: scene.own_endpoint() is not None)
    assert (scene.own_endpoint() or {})["spec"]["rail"] == 1


async def test_a_route_deleted_by_hand_comes_back(scene: Scene) -> None:
    async with scene.gateway():
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))
        scene.kernel.parts[ownership.GATEWAY].routes.clear()
        scene.kernel.tell()
        await eventually(lambda: routed(scene))
        await eventually(lambda: "Repaired" in [event["reason"] for event in scene.server.all(EVENT)])
    (event,) = (event for event in scene.server.all(EVENT) if event["reason"] == "Repaired")
    assert (event["regarding"]["kind"], event["regarding"]["name"]) == ("Gateway", "n1")
    assert event["note"].count("was missing") == 2


async def test_an_earlier_endpoint_that_is_back_is_published_anew(scene: Scene) -> None:
    async with scene.gateway():
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))
        old = scene.own_endpoint() or {}
        sequence = old["spec"]["sequence"]
        scene.server.add(old | {"spec": old["spec"] | {"sequence": sequence - 100}})
        await eventually(lambda: ((scene.own_endpoint() or {})["spec"]["sequence"]) > sequence)


async def test_thousands_of_problems_make_a_short_report(scene: Scene) -> None:
    bad = [endpoint.encode(replace(WEST_0, gateway=f"n{number}"), namespace=NAMESPACE) for number in range(2, 700)]
    for one in bad:
        one["spec"]["mtu"] = -1
    scene.server.add(*bad)
    async with scene.gateway():
        await eventually(lambda: bool(scene.server.all(GATEWAY)) and "status" in scene.server.all(GATEWAY)[0])
    problems = scene.server.all(GATEWAY)[0]["status"]["problems"]
    assert len(problems) == 21
    assert problems[-1] == "and over 600 more"


FAILURES = [UnreachableError("away"), ApiError("broken", status=500), ConflictError("conflict", status=409)]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("before", [True, False], ids=["refused", "answer lost"])
async def test_every_write_may_fail_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: McnetError, before: bool
) -> None:
    clean = Scene(tmp_path, monkeypatch)
    async with clean.gateway():
        clean.prober.say("west.n1", "up")
        await eventually(lambda: connected(clean))
    attempts = list(dict.fromkeys(request.attempt for request in clean.server.requests if request.method != "GET"))
    assert len(attempts) >= 4
    for attempt in attempts:
        scene = Scene(tmp_path, monkeypatch)

        def same(request: Request, attempt: str = attempt) -> bool:
            # An event's name is made by chance.
            return request.attempt.split()[:2] == attempt.split()[:2] and request.method != "GET"

        failure = scene.server.fail(same, error, before=before)
        async with scene.gateway() as daemon:
            scene.prober.say("west.n1", "up")
            await eventually(lambda scene=scene: connected(scene))
            assert daemon._loop.fault == ""
        assert failure.hits == 1, attempt


async def test_every_refusal_of_the_kernel_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = Scene(tmp_path, monkeypatch)
    clean.prober.say("west.n1", "up")
    async with clean.gateway():
        await eventually(lambda: connected(clean))
    for number in range(clean.kernel.parts[ownership.GATEWAY].operations):
        scene = Scene(tmp_path, monkeypatch)
        scene.prober.say("west.n1", "up")
        kernel = scene.kernel.parts[ownership.GATEWAY]
        kernel.fail_at = number
        async with scene.gateway():
            await eventually(lambda scene=scene: connected(scene))
        assert kernel.hits == 1

"""The route agent as a whole, on an API server and a kernel in memory."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcnet.codec import advert, endpoint, gateway, member, node_state
from mcnet.kube.kinds import CLUSTER, ENDPOINT, EVENT, GATEWAY, NODE_STATE
from mcnet.model import ownership
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import ApiError, UnreachableError
from mcnet.model.kernel import Link, Route, RouteType
from mcnet.plan.addresses import overlay_ends
from tests.fakes.eventually import eventually
from tests.fakes.node_daemons import NAMESPACE, Scene, node_object
from tests.fakes.worlds import DROPPING, EAST, EAST_PREFIXES, MEMBER, WEST, node
from tests.fakes.worlds import endpoint as endpoint_of

SECOND = endpoint_of(EAST, 1, address="192.168.1.2", routed=EAST_PREFIXES)
"""The gateway n2 of east."""


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(tmp_path, monkeypatch)
    made.server.add(node_object(1, gateway=False), node_object(2, gateway=True))
    made.server.add(endpoint.encode(SECOND, namespace=NAMESPACE))
    return made


def over(scene: Scene) -> set[RouteType]:
    """Types of the routes to remote prefixes."""
    routes = scene.kernel.parts[ownership.ROUTE_AGENT].routes.values()
    return {route.type for route in routes if route.table == ownership.OVERLAY_TABLE}


def hear(scene: Scene, *reach: str) -> None:
    source = str(overlay_ends([node(1), node(2)])["n2"].address4)
    scene.listener.received(advert.encode("n2", 1, [WEST] if reach else []), source)


def ready(scene: Scene) -> bool:
    return [node_state.decode(one).ready for one in scene.server.all(NODE_STATE)] == [True]


async def test_from_nothing_to_routes_over_the_gateway(scene: Scene) -> None:
    async with scene.route_agent() as daemon:
        await eventually(lambda: ready(scene) and over(scene) == {RouteType.UNICAST})
        assert daemon._unready() == ""
    (state,) = (node_state.decode(one) for one in scene.server.all(NODE_STATE))
    assert [str(address) for address in state.overlay_addresses] == ["244.30.1.2"]
    assert [str(address) for address in state.routable_addresses] == ["10.10.0.1"]
    assert dict(state.original_sysctls)["ipv4/ip_forward"] == "0"
    assert {target.key for target in scene.prober.targets} == {"n2"}


async def test_a_cluster_that_has_left_is_rejected_for_a_while(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene.route_agent() as daemon:
        await eventually(lambda: over(scene) == {RouteType.UNICAST})
        scene.server.remove(CLUSTER, "west", NAMESPACE)
        await eventually(lambda: over(scene) == {RouteType.UNREACHABLE})
        assert [node_state.decode(one).problems for one in scene.server.all(NODE_STATE)] == [()]
        monkeypatch.setattr("mcnet.plan.departed.REJECTED", 0.0)
        daemon._loop.trigger("the time is over")
        await eventually(lambda: over(scene) == set())


async def test_the_time_of_a_cluster_that_has_left_ends_by_itself(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcnet.plan.departed.REJECTED", 0.2)
    async with scene.route_agent():
        await eventually(lambda: over(scene) == {RouteType.UNICAST})
        scene.server.remove(CLUSTER, "west", NAMESPACE)
        await eventually(lambda: over(scene) == set())


async def test_adverts_decide_who_reaches_what(scene: Scene) -> None:
    async with scene.route_agent():
        await eventually(lambda: over(scene) == {RouteType.UNICAST})
        hear(scene)
        await eventually(lambda: over(scene) == {RouteType.UNREACHABLE})
        hear(scene, "west")
        await eventually(lambda: over(scene) == {RouteType.UNICAST})


async def test_nodes_hear_what_passes(scene: Scene) -> None:
    source = str(overlay_ends([node(1), node(2)])["n2"].address4)

    def sizes() -> set[int]:
        return {one.mtu for one in scene.kernel.parts[ownership.ROUTE_AGENT].routes.values() if one.nexthop}

    async with scene.route_agent():
        await eventually(lambda: sizes() == {0})
        scene.listener.received(advert.encode("n2", 1, [WEST], {WEST: 1346}), source)
        await eventually(lambda: sizes() == {1346})
        scene.listener.received(advert.encode("n2", 1, [WEST], {WEST: 5}), source)
        await eventually(lambda: sizes() == {1280})
        hear(scene, "west")
        await eventually(lambda: sizes() == {0})


async def test_a_gateway_that_was_away_gets_traffic_only_when_it_says_so_again(scene: Scene) -> None:
    ends = overlay_ends([node(1), node(2), node(3)])
    third = endpoint_of(EAST, 2, address="192.168.1.3", routed=EAST_PREFIXES)
    scene.server.add(node_object(3, gateway=True), endpoint.encode(third, namespace=NAMESPACE))

    def used() -> set[object]:
        return {hop.via for hop in scene.kernel.parts[ownership.ROUTE_AGENT].read(()).nexthops}

    async with scene.route_agent() as daemon:
        await eventually(lambda: ready(scene))
        hear(scene, "west")
        scene.listener.received(advert.encode("n3", 2, [WEST]), str(ends["n3"].address4))
        both = {ends["n2"].address4, ends["n3"].address4}
        await eventually(lambda: used() == both)
        scene.prober.say("n2", "down")
        await eventually(lambda: used() == {ends["n3"].address4})
        scene.prober.say("n2", "up")
        rounds = daemon._loop.rounds
        await eventually(lambda: daemon._loop.rounds > rounds)
        assert used() == {ends["n3"].address4}, "re-booted: nobody knows yet what it reaches"
        hear(scene, "west")
        await eventually(lambda: used() == both)


async def test_lost_gateways_leave_the_groups_without_a_round(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = overlay_ends([node(1), node(2), node(3)])
    third = endpoint_of(EAST, 2, address="192.168.1.3", routed=EAST_PREFIXES)
    scene.server.add(node_object(3, gateway=True), endpoint.encode(third, namespace=NAMESPACE))

    def used() -> set[int]:
        """Rails in the groups."""
        groups = scene.kernel.parts[ownership.ROUTE_AGENT].read(()).groups
        return {member & 0xFFFFFF for group in groups for member, _ in group.members}

    def third_says(*reach: ClusterId) -> None:
        scene.listener.received(advert.encode("n3", 2, reach), str(ends["n3"].address4))

    async def stuck(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    async with scene.route_agent() as daemon:
        await eventually(lambda: ready(scene))
        hear(scene, "west")
        third_says(WEST)
        await eventually(lambda: used() == {1, 2})
        host_facts = scene.kernel.host_facts
        monkeypatch.setattr(scene.kernel, "host_facts", stuck)
        scene.prober.say("n2", "down")
        await eventually(lambda: used() == {2})
        third_says()
        scene.prober.say("n3", "down")
        rounds = daemon._loop.rounds
        for _ in range(10):
            await asyncio.sleep(0)
        assert (used(), daemon._loop.rounds) == ({2}, rounds), "never the last one"
    monkeypatch.setattr(scene.kernel, "host_facts", host_facts)
    scene.prober.health.clear()
    async with scene.route_agent():
        hear(scene, "west")
        third_says(WEST)
        await eventually(lambda: {target.key for target in scene.prober.targets} == {"n2", "n3"})
        for name in ("n2", "n3"):
            scene.prober.say(name, "up")
        await eventually(lambda: used() == {1, 2})
        monkeypatch.setattr(scene.kernel, "host_facts", stuck)
        third_says()
        await eventually(lambda: used() == {1})


async def test_an_advert_in_anothers_name_counts_for_nothing(scene: Scene) -> None:
    async with scene.route_agent() as daemon:
        await eventually(lambda: over(scene) == {RouteType.UNICAST})
        rounds = daemon._loop.rounds
        scene.listener.received(advert.encode("n2", 1, []), "244.30.1.77")
        await eventually(lambda: daemon._loop.rounds > rounds)
        assert over(scene) == {RouteType.UNICAST}


async def test_a_restart_changes_nothing(scene: Scene) -> None:
    async with scene.route_agent():
        await eventually(lambda: ready(scene) and over(scene) == {RouteType.UNICAST})
    kernel = scene.kernel.parts[ownership.ROUTE_AGENT]
    kernel.operations = 0
    async with scene.route_agent() as second:
        await eventually(lambda: second._loop.synced and second._unready() == "")
        rounds = second._loop.rounds
        second._loop.trigger("look again")
        await eventually(lambda: second._loop.rounds > rounds)
    assert kernel.operations == 0


def agent_routes(scene: Scene) -> frozenset[Route]:
    return scene.kernel.parts[ownership.ROUTE_AGENT].read(()).routes


async def test_a_node_that_is_no_gateway_any_more_is_cleared(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before others have heard of it: what they still send by it goes on."""
    monkeypatch.setattr("mcnet_route_agent.main.RETIREMENT", 1.0)
    scene.server.add(node_object(1, gateway=True))
    async with scene.gateway():
        scene.prober.say("west.n1", "up")
        await eventually(lambda: scene.own_endpoint() is not None and bool(scene.server.all(GATEWAY)))
    assert scene.kernel.parts[ownership.GATEWAY].links
    scene.server.add(node_object(1, gateway=False))
    async with scene.route_agent():
        await eventually(lambda: scene.own_endpoint() is None and not scene.server.all(GATEWAY))
        assert scene.kernel.parts[ownership.GATEWAY].links
        assert any(route.table == ownership.DELIVERY_TABLE for route in agent_routes(scene))
        await eventually(lambda: not scene.kernel.parts[ownership.GATEWAY].links)
        await eventually(lambda: not any(route.table == ownership.DELIVERY_TABLE for route in agent_routes(scene)))
    left = scene.kernel.parts[ownership.GATEWAY].read(())
    assert [*left.links, *left.routes, *left.nexthops, *left.groups, *left.tables] == []
    assert [one["metadata"]["name"] for one in scene.server.all(ENDPOINT)] == ["east.n2", "west.n1"]


async def test_what_a_former_gateway_reports_too_late_is_taken_back(scene: Scene) -> None:
    """After its Endpoint has gone, and again: its daemon may hear of the label later than this one."""
    async with scene.route_agent():
        await eventually(lambda: ready(scene))
        for _ in range(2):
            scene.server.add(
                gateway.bare(node="n1", namespace=NAMESPACE), gateway.bare(node="n2", namespace=NAMESPACE)
            )
            await eventually(lambda: [one["metadata"]["name"] for one in scene.server.all(GATEWAY)] == ["n2"])


async def test_a_device_deleted_by_hand_comes_back(scene: Scene) -> None:
    kernel = scene.kernel.parts[ownership.ROUTE_AGENT]
    async with scene.route_agent():
        await eventually(lambda: ready(scene) and over(scene) == {RouteType.UNICAST})
        before: dict[str, Link] = dict(kernel.links)
        kernel.links.clear()
        scene.kernel.tell()
        await eventually(lambda: kernel.links == before)


async def test_what_somebody_changed_is_told_once_and_counted_a_restart_and_a_new_plan_are_not(scene: Scene) -> None:
    kernel = scene.kernel.parts[ownership.ROUTE_AGENT]
    async with scene.route_agent() as daemon:
        await eventually(lambda: ready(scene) and over(scene) == {RouteType.UNICAST})
        hear(scene)
        await eventually(lambda: over(scene) == {RouteType.UNREACHABLE})
        hear(scene, "west")
        await eventually(lambda: over(scene) == {RouteType.UNICAST})
    kernel.links.clear()
    async with scene.route_agent() as daemon:
        await eventually(lambda: bool(kernel.links) and daemon._unready() == "")
        assert repaired(scene) == []
        route = next(route for route in kernel.routes.values() if route.table == ownership.REJECT_TABLE)
        del kernel.routes[route.key]
        scene.kernel.tell()
        await eventually(lambda: bool(repaired(scene)))
        assert daemon._registry.get_sample_value("mcnet_kernel_repairs_total") == 1
    (event,) = repaired(scene)
    assert event["regarding"]["kind"] == "NodeState"
    assert event["note"] == f"route {route.prefix} in table 27908 unreachable was missing"


async def test_a_gateway_that_is_lost_and_back_is_told_with_its_cause_and_a_restart_is_not(scene: Scene) -> None:
    def told() -> list[tuple[str, str, str]]:
        events = [one for one in scene.server.all(EVENT) if one["reason"].startswith("Gateway")]
        return [(one["type"], one["reason"], one["regarding"]["kind"]) for one in events]

    lost, back = ("Warning", "GatewayLost", "NodeState"), ("Normal", "GatewayBack", "NodeState")
    async with scene.route_agent() as daemon:
        await eventually(lambda: ready(scene))
        hear(scene, "west")
        scene.prober.say("n2", "up")
        rounds = daemon._loop.rounds
        await eventually(lambda: daemon._loop.rounds > rounds)
        away = scene.server.fail(lambda request: request.method == "POST", UnreachableError("away"), times=1)
        scene.prober.say("n2", "down")
        await eventually(lambda: away.hits == 1)
        scene.prober.say("n2", "up")
        await eventually(lambda: sorted(told()) == [back, lost])
        counted = {"gateway": "n2", "reason": "GatewayLost", "cause": "silent"}
        assert daemon._registry.get_sample_value("mcnet_gateway_transitions_total", counted) == 1
    async with scene.route_agent() as daemon:
        await eventually(lambda: daemon._loop.rounds > 0 and daemon._unready() == "")
    assert len(told()) == 2


def repaired(scene: Scene) -> list[dict[str, Any]]:
    return [event for event in scene.server.all(EVENT) if event["reason"] == "Repaired"]


@pytest.mark.parametrize("error", [UnreachableError("away"), ApiError("broken", status=500)], ids=["away", "broken"])
async def test_the_data_path_stands_whatever_the_api_server_says_to_reports(
    scene: Scene, error: UnreachableError | ApiError
) -> None:
    failure = scene.server.fail(lambda request: request.method != "GET", error, times=3)
    async with scene.route_agent() as daemon:
        await eventually(lambda: over(scene) == {RouteType.UNICAST})
        await eventually(lambda: ready(scene))
        assert daemon._loop.fault == ""
    assert failure.hits == 3


async def test_the_way_of_delivery_changes_in_two_steps(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway keeps the overlay's routes until all nodes have heard of the other way."""
    monkeypatch.setattr("mcnet_route_agent.main.DELIVERY_GRACE", 0.5)
    scene.server.add(node_object(1, gateway=True))
    part = scene.kernel.parts[ownership.ROUTE_AGENT]

    def delivering() -> bool:
        return any(route.table == ownership.DELIVERY_TABLE for route in part.routes.values())

    def accepting() -> bool:
        return any(("delivery", "cni") in table.notes for table in part.tables.values())

    async with scene.route_agent():
        await eventually(lambda: delivering() and not accepting())
        scene.server.add(member.encode(replace(MEMBER, delivery="cni")))
        await eventually(accepting)
        await eventually(lambda: not delivering())
        scene.server.add(member.encode(MEMBER))
        await eventually(delivering)
        await eventually(lambda: not accepting())


async def test_rules_in_other_programs_chains_come_with_the_option(scene: Scene) -> None:
    scene.kernel.chains = DROPPING
    part = scene.kernel.parts[ownership.ROUTE_AGENT]
    async with scene.route_agent():
        await eventually(lambda: ready(scene))
        assert part.host_rules == set()
        scene.server.add(member.encode(replace(MEMBER, manage_host_firewall=True)))
        await eventually(lambda: {rule.chain for rule in part.host_rules} == {"input", "FORWARD"})

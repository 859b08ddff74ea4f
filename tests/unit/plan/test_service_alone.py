"""A service while the broker is not known: own endpoints are followed, and nothing of others is lost."""

import copy
from typing import Any

from hypothesis import given, settings

from mcnet.model.service import Port, ServiceType, derived_name
from mcnet.plan.mirror import Place, Verb
from tests.fakes.service_world import World
from tests.fakes.services import (
    EAST,
    WEB,
    WEST,
    export_object,
    exported,
    pod_slice_object,
    record_object,
    service_object,
    slice_object,
    sliced,
)
from tests.unit.plan.test_services_convergence import inputs, outcome, worlds

JsonObject = dict[str, Any]


def both() -> World:
    """West and east export WEB; all of it is imported. Now discovery starts, and the broker is away."""
    world = World(
        local=[export_object(), service_object(), pod_slice_object(WEST, 1, 2)],
        broker=[record_object(exported(EAST)), slice_object(EAST, sliced(EAST, 1, 2))],
    )
    world.settle()
    assert world.addresses() == {"10.1.0.1", "10.1.0.2", "10.2.0.1", "10.2.0.2"}
    world.known = False
    return world


def test_own_endpoints_are_followed_and_those_of_others_stay() -> None:
    world = both()
    world.put(Place.LOCAL, pod_slice_object(WEST, 2, 3))
    assert [(one.verb, one.kind) for one in world.settle()] == [(Verb.REPLACE, "EndpointSlice")]
    assert world.addresses() == {"10.1.0.1", "10.1.0.2", "10.2.0.2", "10.2.0.3"}


def test_what_was_unexported_loses_its_own_endpoints_alone() -> None:
    world = both()
    del world.objects[Place.LOCAL, "ServiceExport", "web"]
    world.settle()
    assert world.addresses() == {"10.1.0.1", "10.1.0.2"}
    assert world.find("ServiceImport")
    assert world.find("Service", derived_name(WEB))
    world.known = True
    world.settle()
    assert world.all(Place.BROKER, "ExportedService")[0]["metadata"]["name"].startswith("east.")


def test_a_new_export_is_imported_in_its_own_cluster_and_pending() -> None:
    world = World(local=[export_object(), service_object(), pod_slice_object(WEST, 1)])
    world.known = False
    world.settle()
    assert world.addresses() == {"10.2.0.1"}
    assert world.condition("Ready") == ("False", "Pending")
    found = world.find("ServiceImport")
    assert found is not None
    assert found["status"]["clusters"] == [{"cluster": "west"}]
    assert world.all(Place.BROKER, "ExportedService") == ()


def test_what_an_export_says_already_stays() -> None:
    world = both()
    assert world.condition("Ready") == ("True", "Exported")
    world.put(Place.LOCAL, pod_slice_object(WEST, 4))
    world.settle()
    assert world.condition("Ready") == ("True", "Exported")


def test_a_service_that_others_have_shaped_is_left_alone() -> None:
    for ports, kind in (
        ((Port("http", "TCP", 81),), ServiceType.CLUSTERSET_IP),
        ((Port("http", "TCP", 80),), ServiceType.HEADLESS),
    ):
        record = record_object(exported(EAST, -1, ports=ports, type=kind))
        world = World(
            local=[export_object(), service_object(), pod_slice_object(WEST, 1)],
            broker=[record, slice_object(EAST, sliced(EAST, 1))],
        )
        world.settle()
        before = copy.deepcopy(world.objects)
        world.known = False
        world.put(Place.LOCAL, pod_slice_object(WEST, 3))
        assert world.settle() == []
        assert {key: obj for key, obj in world.objects.items() if key in before and "mcnet" in key[2]} == {
            key: obj for key, obj in before.items() if "mcnet" in key[2]
        }


def test_leftovers_of_a_service_that_nobody_knows_of_stay_until_somebody_does() -> None:
    world = both()
    del world.objects[Place.LOCAL, "ServiceImport", "web"]
    assert world.settle() == []
    assert len(world.addresses()) == 4


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_a_start_without_the_broker_changes_nothing(world: World) -> None:
    world.settle()
    world.known = False
    assert world.settle() == []


@settings(max_examples=100, deadline=None)
@given(worlds(), worlds())
def test_whatever_was_done_meanwhile_the_end_is_the_same(first: World, second: World) -> None:
    """Inputs change while nothing is known; once all is, what comes of it is what a fresh start makes of them."""
    first.settle()
    first.known = False
    for key in inputs(first):
        if key[0] is Place.LOCAL:
            del first.objects[key]
    for (place, _, _), obj in inputs(second).items():
        if place is Place.LOCAL:
            first.put(place, obj)
    first.settle()
    first.known = True
    for key in inputs(first):
        if key[0] is Place.BROKER:
            del first.objects[key]
    for (place, _, _), obj in inputs(second).items():
        if place is Place.BROKER:
            first.put(place, obj)
    first.settle()
    second.settle()
    assert outcome(first) == outcome(second)

"""A service comes from any state to the one that its inputs ask for, in every cluster alike."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.model.cluster import ClusterId
from mcnet.plan.mirror import Place
from tests.fakes.service_world import Key, World, is_ours
from tests.fakes.services import (
    EAST,
    NORTH,
    WEST,
    export_object,
    exported,
    exports,
    pod_slice_object,
    record_object,
    service_object,
    slice_object,
    sliced,
)

JsonObject = dict[str, Any]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any records and slices at the broker, any part of an export here."""
    broker = []
    for cluster in draw(st.lists(st.sampled_from([EAST, NORTH]), unique=True)):
        broker.append(record_object(draw(exports(cluster))))
        for source in draw(st.lists(st.sampled_from(["a", "b"]), unique=True)):
            last = draw(st.lists(st.integers(1, 4), unique=True))
            broker.append(slice_object(cluster, sliced(cluster, *last, source=source)))
    local: list[JsonObject] = []
    if draw(st.booleans()):
        local.append(export_object(age=draw(st.integers(-2, 2))))
    if draw(st.booleans()):
        more = draw(st.sampled_from([{}, {"clusterIP": "None", "clusterIPs": ["None"]}, {"type": "ExternalName"}]))
        local.append(service_object(**more))
    if draw(st.booleans()):
        local.append(pod_slice_object(WEST, *draw(st.lists(st.integers(1, 4), unique=True))))
    return World(local=local, broker=broker)


def inputs(world: World) -> dict[Key, JsonObject]:
    """What is not west's discovery's to write."""
    return {
        key: obj
        for key, obj in world.objects.items()
        if (key[0] is Place.BROKER and not key[2].startswith("west."))
        or key[1] == "ServiceExport"
        or (key[1] == "Service" and key[2] == "web")
        or (key[1] == "EndpointSlice" and key[0] is Place.LOCAL and not is_ours(obj))
    }


def outcome(world: World) -> dict[Key, Any]:
    """All that was written, without what API servers make up."""
    made = {}
    for key, obj in world.objects.items():
        metadata = {name: obj["metadata"].get(name) for name in ("labels", "annotations")}
        spec = {
            name: value
            for name, value in (obj.get("spec") or {}).items()
            if name not in ("clusterIPs", "ips", "ipFamilies")
        }
        made[key] = (
            metadata | {"spec": spec} | {name: obj.get(name) for name in ("endpoints", "ports", "addressType")}
        )
    return made


@settings(max_examples=150, deadline=None)
@given(worlds(), worlds())
def test_from_any_state_to_any_other(first: World, second: World) -> None:
    """What was before makes no difference, and a second run changes nothing."""
    first.settle()
    for key in inputs(first):
        del first.objects[key]
    for (place, _, _), obj in inputs(second).items():
        first.put(place, obj)
    first.settle()
    assert first.settle() == []
    second.settle()
    assert outcome(first) == outcome(second)


@settings(max_examples=60, deadline=None)
@given(worlds(), st.lists(st.integers(0, 100), max_size=6))
def test_cut_short_anywhere_it_ends_the_same(world: World, cuts: list[int]) -> None:
    whole = copy.deepcopy(world)
    whole.settle()
    for cut in cuts:
        for write in world.plan().writes[: cut % 4]:
            world.perform(write)
    world.settle()
    assert outcome(world) == outcome(whole)


@pytest.mark.parametrize("cluster", [EAST, NORTH])
def test_each_importer_makes_the_same_import(cluster: ClusterId) -> None:
    records = [record_object(exported(EAST, 1)), record_object(exported(NORTH, 0, labels=(("a", "b"),)))]
    world, other = World(broker=records), World(broker=records)
    other.cluster = ClusterId("south")
    world.settle()
    other.settle()
    made, same = world.find("ServiceImport"), other.find("ServiceImport")
    assert made
    assert same
    assert {key: value for key, value in made["spec"].items() if key != "ips"} == {
        key: value for key, value in same["spec"].items() if key != "ips"
    }
    assert {"cluster": str(cluster)} in made["status"]["clusters"]

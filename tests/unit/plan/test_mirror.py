"""The mirror's plan: any state of both places ends like a fresh start, and a second run does nothing."""

import copy
import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import clusterset as clusterset_codec
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import Endpoint, endpoint_name
from mcnet.model.kernel import IPv4Address, IPv4Network
from mcnet.model.member import CLUSTER_LABEL
from mcnet.model.trust import PINS_NAME
from mcnet.plan.mirror import Objects, Place, Verb, World, Write, plan
from mcnet_discovery.observe import faults
from tests.fakes.identities import identity_of, signed_object

WEST, EAST, NORTH = ClusterId("west"), ClusterId("east"), ClusterId("north")
OWNER = {"apiVersion": "v1", "kind": "ServiceAccount", "name": "member-west", "uid": "u"}
STATUS = {"version": "1", "protocolVersion": 1}
Json = dict[str, Any]


def clusterset(namespace: str, driver: str = "vxlan") -> Json:
    return clusterset_codec.encode(ClusterSet(default_driver=driver), namespace=namespace)


def cluster(namespace: str, name: ClusterId, number: int = 1, status: Json | None = None) -> Json:
    pods, services = (IPv4Network(f"10.{number}.0.0/16"),), (IPv4Network(f"10.{100 + number}.0.0/16"),)
    value = Cluster(name, pods, services, identity_of(name).public)
    return cluster_codec.encode(value, namespace=namespace) | ({"status": status} if status else {})


def endpoint(namespace: str, name: ClusterId, gateway: str, rail: int = 0) -> Json:
    return signed_object(Endpoint(name, gateway, rail, (IPv4Address("192.0.2.1"),)), namespace)


class Places:
    """Both places in memory: performs writes as API servers do."""

    def __init__(self, local: list[Json], broker: list[Json]) -> None:
        self.contents = {
            place: {(obj["kind"], obj["metadata"]["name"]): copy.deepcopy(obj) for obj in objects}
            for place, objects in ((Place.LOCAL, local), (Place.BROKER, broker))
        }

    def world(self) -> World:
        return World(
            faults=faults(self._objects(Place.LOCAL), self._objects(Place.BROKER)),
            cluster=WEST, local=self._objects(Place.LOCAL), broker=self._objects(Place.BROKER),
            namespace="local", broker_namespace="broker", status=STATUS, owner=OWNER,
            pins=self.contents[Place.LOCAL].get(("ConfigMap", PINS_NAME)),
        )  # fmt: skip

    def _objects(self, place: Place) -> Objects:
        kinds: dict[str, list[Json]] = {"ClusterSet": [], "Cluster": [], "Endpoint": []}
        for (kind, _), obj in sorted(self.contents[place].items()):
            if kind in kinds:
                kinds[kind].append(obj)
        return Objects(*(tuple(objects) for objects in kinds.values()))

    def perform(self, write: Write) -> None:
        there, key = self.contents[write.place], (write.kind, write.name)
        match write.verb:
            case Verb.CREATE:
                assert key not in there
                there[key] = {name: value for name, value in write.obj.items() if name != "status"}
            case Verb.REPLACE:
                status = {"status": there[key]["status"]} if "status" in there[key] else {}
                there[key] = {name: value for name, value in write.obj.items() if name != "status"} | status
            case Verb.REPLACE_STATUS:
                there[key] = there[key] | {"status": write.obj["status"]}
            case Verb.DELETE:
                del there[key]

    def settle(self) -> int:
        """Plan and perform until nothing is left to do; how many rounds it took."""
        for rounds in range(5):
            writes = plan(self.world()).writes
            if not writes:
                return rounds
            for write in writes:
                self.perform(write)
        raise AssertionError(f"does not settle: {writes}")

    def picture(self) -> dict[Place, list[Json]]:
        """Without the pins: these remember more than a fresh start can know."""
        return {
            place: [there[key] for key in sorted(there) if key[0] != "ConfigMap"]
            for place, there in self.contents.items()
        }


def unlabelled(obj: Json) -> Json:
    """As somebody has edited it."""
    return obj | {"metadata": {name: value for name, value in obj["metadata"].items() if name != "labels"}}


STATUSES: list[Json | None] = [
    None,
    {"version": "0"},
    {"version": "2", "requested": {"podPrefixes": ["10.9.0.0/16"]}},
]
MEMBERS = (WEST, EAST, NORTH)
CASES = itertools.product(MEMBERS, (1, 2), STATUSES), itertools.product(MEMBERS, ("node-1", "node-2.example"), (0, 1))


def pool(place: str, clusters: list[Any], endpoints: list[Any]) -> list[Json]:
    """All objects that a place may hold in these tests."""
    objects = [cluster(place, *case) for case in clusters] + [endpoint(place, *case) for case in endpoints]
    return objects + [unlabelled(obj) for obj in objects]


CLUSTER_CASES, ENDPOINT_CASES = (list(cases) for cases in CASES)
POOLS = {place: pool(place, CLUSTER_CASES, ENDPOINT_CASES) for place in ("local", "broker")}


def contents(place: str, *, clusterset_there: bool) -> st.SearchStrategy[list[Json]]:
    head = [clusterset(place)] if clusterset_there else []
    return st.lists(st.sampled_from(POOLS[place]), max_size=6).map(lambda objects: head + objects)


def authoritative(places: Places) -> Places:
    """The same without any copy: what a fresh start would find. The own Cluster's original may lie locally."""
    local = [
        obj
        for (kind, name), obj in places.contents[Place.LOCAL].items()
        if (kind == "Endpoint" and name.startswith("west.")) or (kind, name) == ("Cluster", "west")
    ]
    broker = [
        obj
        for (kind, name), obj in places.contents[Place.BROKER].items()
        if not (kind == "Endpoint" and name.startswith("west."))
    ]
    return Places(local, broker)


def plain(picture: dict[Place, list[Json]]) -> dict[Place, list[Json]]:
    """Without labels, which are not the mirror's to write on originals; an empty status is as good as none."""
    return {
        place: [
            obj | {"metadata": obj["metadata"] | {"labels": {}}, "status": obj.get("status", {})} for obj in objects
        ]
        for place, objects in picture.items()
    }


@settings(max_examples=60)
@given(contents("local", clusterset_there=False), contents("broker", clusterset_there=True))
def test_any_state_ends_like_a_fresh_start(local: list[Json], broker: list[Json]) -> None:
    places = Places(local, broker)
    fresh = authoritative(places)
    assert places.settle() <= 3
    fresh.settle()
    assert plain(places.picture()) == plain(fresh.picture())


@settings(max_examples=40)
@given(
    contents("local", clusterset_there=False),
    st.lists(st.tuples(contents("broker", clusterset_there=True), st.integers(0, 9)), max_size=3),
)
def test_any_sequence_of_states_ends_like_a_fresh_start(
    local: list[Json], steps: list[tuple[list[Json], int]]
) -> None:
    """The broker changes under our feet, and rounds break off after some writes."""
    places = Places(local, [clusterset("broker")])
    for broker, performed in steps:
        places.contents[Place.BROKER] = Places([], broker).contents[Place.BROKER]
        for write in plan(places.world()).writes[:performed]:
            places.perform(write)
    fresh = authoritative(places)
    places.settle()
    fresh.settle()
    assert plain(places.picture()) == plain(fresh.picture())


@given(contents("local", clusterset_there=True), contents("broker", clusterset_there=True))
def test_a_settled_state_needs_nothing(local: list[Json], broker: list[Json]) -> None:
    places = Places(local, broker)
    places.settle()
    assert plan(places.world()).writes == ()


@given(contents("local", clusterset_there=True), contents("broker", clusterset_there=True))
def test_only_own_objects_are_written_at_the_broker(local: list[Json], broker: list[Json]) -> None:
    for write in plan(Places(local, broker).world()).writes:
        if write.place is Place.BROKER:
            assert write.name.split(".")[0] == "west"
            assert write.verb is not Verb.DELETE or write.kind == "Endpoint"
            assert write.verb is not Verb.REPLACE or write.kind == "Endpoint"


@given(contents("local", clusterset_there=True), contents("broker", clusterset_there=False))
def test_an_emptied_broker_is_not_taken_for_the_truth(local: list[Json], broker: list[Json]) -> None:
    decision = plan(Places(local, broker).world())
    assert decision.writes == ()
    assert [problem.name for problem in decision.problems] == ["ClusterSet mcnet"]


def test_a_bad_object_stops_no_other_and_its_copy_stays() -> None:
    bad = endpoint("broker", EAST, "node-1")
    bad["spec"]["mtu"] = "wide"
    good = endpoint("broker", NORTH, "node-1")
    older = endpoint("local", EAST, "node-1")
    places = Places([older], [clusterset("broker"), cluster("broker", NORTH), bad, good])
    decision = plan(places.world())
    assert [(one.name, one.why) for one in decision.problems] == [
        ("Endpoint east.node-1", "spec.mtu: 'wide' is not of type int")
    ]
    places.settle()
    assert places.contents[Place.LOCAL]["Endpoint", "east.node-1"] == older
    assert ("Endpoint", "north.node-1") in places.contents[Place.LOCAL]


def test_an_endpoint_under_another_clusters_name_is_refused() -> None:
    forged = endpoint("broker", NORTH, "node-1")
    forged["metadata"]["name"] = endpoint_name(EAST, "node-1")
    decision = plan(Places([], [clusterset("broker"), forged]).world())
    assert [problem.name for problem in decision.problems] == ["Endpoint east.node-1"]
    assert all(write.kind != "Endpoint" for write in decision.writes)


def test_the_own_cluster_is_made_again_at_the_broker_with_its_owner() -> None:
    places = Places([cluster("local", WEST)], [clusterset("broker")])
    places.settle()
    remote = places.contents[Place.BROKER]["Cluster", "west"]
    assert remote["metadata"]["ownerReferences"] == [OWNER]
    assert remote["metadata"]["labels"][CLUSTER_LABEL] == "west"
    assert remote["metadata"]["namespace"] == "broker"
    assert remote["status"] == STATUS
    assert places.contents[Place.LOCAL]["Cluster", "west"]["status"] == STATUS


def test_without_knowing_the_owner_the_own_cluster_waits() -> None:
    world = replace(Places([cluster("local", WEST)], [clusterset("broker")]).world(), owner=None)
    writes = plan(world).writes
    assert [write for write in writes if write.place is Place.BROKER] == []
    assert [write for write in writes if write.verb is Verb.DELETE] == []


def test_copies_keep_what_others_put_on_them() -> None:
    there = endpoint("local", EAST, "node-1", rail=1)
    there["metadata"] |= {"resourceVersion": "7", "annotations": {"note": "mine"}}
    there["metadata"]["labels"]["team"] = "net"
    (write,) = (
        one
        for one in plan(
            Places(
                [there], [clusterset("broker"), cluster("broker", EAST), endpoint("broker", EAST, "node-1")]
            ).world()
        ).writes
        if one.kind == "Endpoint"
    )
    assert (write.verb, write.obj["metadata"]["resourceVersion"]) == (Verb.REPLACE, "7")
    assert write.obj["metadata"]["annotations"] == {"note": "mine"}
    assert write.obj["metadata"]["labels"]["team"] == "net"
    assert write.obj["spec"]["rail"] == 0


@pytest.mark.parametrize("place", [Place.LOCAL, Place.BROKER])
def test_the_labels_of_copies_are_restored(place: Place) -> None:
    name = EAST if place is Place.LOCAL else WEST
    objects = {"local": [endpoint("local", name, "node-1")], "broker": [endpoint("broker", name, "node-1")]}
    objects[place.value] = [unlabelled(objects[place.value][0])]
    places = Places(objects["local"], [clusterset("broker"), cluster("broker", EAST), *objects["broker"]])
    places.settle()
    copy_there = places.contents[place]["Endpoint", f"{name}.node-1"]
    assert copy_there["metadata"]["labels"] == {CLUSTER_LABEL: name, "app.kubernetes.io/managed-by": "mcnet"}


def test_deletes_come_last() -> None:
    local = [endpoint("local", EAST, "node-1"), cluster("local", NORTH), cluster("local", EAST)]
    broker = [clusterset("broker"), cluster("broker", EAST)]
    broker += [endpoint("broker", EAST, "node-2"), endpoint("broker", WEST, "node-9")]
    writes = plan(Places(local, broker).world()).writes
    assert writes[0].name == PINS_NAME, "what is copied is what the pins let through"
    assert [write.verb for write in writes[1:]] == [Verb.REPLACE, Verb.CREATE, Verb.CREATE, *[Verb.DELETE] * 3]


def test_what_is_in_use_changes_before_anything_new_comes() -> None:
    local = [unlabelled(endpoint("local", EAST, "node-9"))]
    broker = [clusterset("broker"), cluster("broker", EAST)]
    broker += [endpoint("broker", EAST, "node-1"), endpoint("broker", EAST, "node-9")]
    verbs = [write.verb for write in plan(Places(local, broker).world()).writes if write.name != PINS_NAME]
    assert verbs == [Verb.REPLACE, Verb.CREATE, Verb.CREATE, Verb.CREATE]


def test_a_cluster_with_other_keys_has_its_networks_here_and_the_keys_that_it_is_known_by() -> None:
    """Also where it was away in between: else what is sent to it would go to the default route."""
    places = Places([], [clusterset("broker"), cluster("broker", EAST), endpoint("broker", EAST, "node-1")])
    places.settle()
    before = places.contents[Place.LOCAL]["Cluster", "east"]
    other = cluster_codec.with_identity(cluster("broker", EAST, 3), identity_of("east", 2).public)
    for there in ([], [other, endpoint("broker", EAST, "node-1")]):
        places.contents[Place.BROKER] = Places([], [clusterset("broker"), *there]).contents[Place.BROKER]
        places.settle()
    copy_there = places.contents[Place.LOCAL]["Cluster", "east"]
    assert copy_there["spec"]["identity"] == before["spec"]["identity"]
    assert copy_there["spec"]["podPrefixes"] == ["10.3.0.0/16"]
    assert ("Endpoint", "east.node-1") not in places.contents[Place.LOCAL]
    (problem,) = plan(places.world()).problems
    assert (problem.name, "mcnet member trust east" in problem.why) == ("Cluster east", True)

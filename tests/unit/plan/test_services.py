"""One service from any state to the right one, with API servers as simple as can be."""

import copy
from typing import Any

import pytest

from mcnet.model.cluster import ClusterId
from mcnet.model.service import ServiceName, ServiceType, derived_name
from mcnet.plan.mirror import Place, Verb
from mcnet.plan.services import Seen, Setting, plan
from tests.fakes.service_world import World
from tests.fakes.services import (
    BROKER,
    EAST,
    NORTH,
    WEB,
    WEST,
    export_object,
    exported,
    importer,
    pod_slice_object,
    record_object,
    service_object,
    slice_object,
    sliced,
)

JsonObject = dict[str, Any]


def exporting() -> World:
    """West exports WEB; nothing else is there yet."""
    return World(local=[export_object(), service_object(), pod_slice_object(WEST, 1, 2)])


def importing(*more: JsonObject) -> World:
    """East exports WEB; nothing is in west yet."""
    return World(
        local=more, broker=[record_object(exported(EAST)), slice_object(EAST, sliced(EAST, 1, 2))]
    )  # fmt: skip


def test_an_export_goes_to_the_broker_and_comes_back_as_an_import() -> None:
    world = exporting()
    world.settle()
    (record,) = world.all(Place.BROKER, "ExportedService")
    assert record["metadata"]["name"].startswith("west.")
    assert record["metadata"]["labels"] == {"mcnet.dev/cluster": "west"}
    (found,) = world.all(Place.BROKER, "EndpointSlice")
    assert all(set(end) == {"addresses", "conditions"} for end in found["endpoints"])
    assert world.addresses() == {"10.2.0.1", "10.2.0.2"}
    assert world.condition("Ready") == ("True", "Exported")
    assert world.condition("Valid") == ("True", "Valid")
    assert world.condition("Conflict") == ("False", "NoConflicts")


def test_a_new_export_costs_as_many_writes_as_it_has_parts() -> None:
    writes = [(one.place.value, one.verb.name, one.kind) for one in exporting().settle()]
    assert sorted(writes) == [
        ("broker", "CREATE", "EndpointSlice"),
        ("broker", "CREATE", "ExportedService"),
        ("local", "CREATE", "EndpointSlice"),
        ("local", "CREATE", "Service"),
        ("local", "CREATE", "ServiceImport"),
        ("local", "REPLACE_STATUS", "ServiceExport"),
        ("local", "REPLACE_STATUS", "ServiceImport"),
    ]


def test_a_changed_endpoint_costs_one_write_at_each_place() -> None:
    world = exporting()
    world.settle()
    world.put(Place.LOCAL, pod_slice_object(WEST, 2, 3))
    writes = [(one.place.value, one.verb.name, one.kind) for one in world.settle()]
    assert sorted(writes) == [("broker", "REPLACE", "EndpointSlice"), ("local", "REPLACE", "EndpointSlice")]
    assert world.addresses() == {"10.2.0.2", "10.2.0.3"}


def test_an_import_has_the_ips_of_its_derived_service() -> None:
    world = importing()
    world.settle()
    derived, made = world.find("Service", derived_name(WEB)), world.find("ServiceImport")
    assert derived
    assert made
    assert made["spec"]["ips"] == derived["spec"]["clusterIPs"]
    assert made["status"]["clusters"] == [{"cluster": "east"}]
    assert "ownerReferences" not in derived["metadata"]
    assert derived["metadata"]["labels"]["multicluster.kubernetes.io/service-name"] == "web"
    (found,) = world.all(Place.LOCAL, "EndpointSlice")
    assert found["metadata"]["labels"]["kubernetes.io/service-name"] == derived_name(WEB)


def test_an_import_that_a_user_deletes_comes_back_with_its_ip() -> None:
    world = importing()
    world.settle()
    made = world.find("ServiceImport")
    assert made
    for obj in (made, *world.all(Place.LOCAL, "EndpointSlice")):  # its slices are its own, and go with it
        del world.objects[Place.LOCAL, obj["kind"], obj["metadata"]["name"]]
    world.settle()
    again = world.find("ServiceImport")
    assert again
    assert again["spec"] == made["spec"]
    assert again["metadata"]["uid"] != made["metadata"]["uid"]
    assert world.addresses() == {"10.1.0.1", "10.1.0.2"}


def test_a_derived_service_that_its_import_owns_is_given_free() -> None:
    world = importing()
    world.settle()
    derived = world.find("Service", derived_name(WEB))
    assert derived
    derived["metadata"]["ownerReferences"] = [{"kind": "ServiceImport", "uid": "1"}]
    assert [(one.verb, one.kind) for one in world.settle()] == [(Verb.REPLACE, "Service")]
    derived = world.find("Service", derived_name(WEB))
    assert derived
    assert not derived["metadata"]["ownerReferences"]


def test_a_derived_service_without_its_import_goes_when_nobody_exports_any_more() -> None:
    world = importing()
    (write,) = world.plan().writes
    world.perform(write)
    for kind in ("ExportedService", "EndpointSlice"):
        (obj,) = world.all(Place.BROKER, kind)
        del world.objects[Place.BROKER, kind, obj["metadata"]["name"]]
    world.settle()
    assert world.objects == {}


def test_a_headless_import_has_neither_ip_nor_derived_service() -> None:
    record = record_object(exported(EAST, type=ServiceType.HEADLESS))
    world = World(broker=[record, slice_object(EAST, sliced(EAST, 1))])
    world.settle()
    made = world.find("ServiceImport")
    assert made
    assert (made["spec"]["type"], made["spec"].get("ips")) == ("Headless", None)
    assert world.find("Service", derived_name(WEB)) is None
    (found,) = world.all(Place.LOCAL, "EndpointSlice")
    assert "kubernetes.io/service-name" not in found["metadata"]["labels"]


def test_unexported_everything_goes_but_what_is_the_users() -> None:
    world = exporting()
    world.settle()
    del world.objects[Place.LOCAL, "ServiceExport", "web"]
    world.settle()
    assert {(kind, name) for _, kind, name in world.objects} == {("Service", "web"), ("EndpointSlice", "web-abc")}


def test_in_a_namespace_that_is_not_there_nothing_is_made() -> None:
    world = importing()
    world.namespace = False
    assert world.settle() == []
    world.namespace = True
    world.settle()
    assert world.addresses() == {"10.1.0.1", "10.1.0.2"}


def test_conflicts_are_told_and_go_again() -> None:
    world = exporting()
    world.settle()
    world.put(Place.BROKER, record_object(exported(EAST, -5, session_affinity="ClientIP")))
    world.settle()
    assert world.condition("Conflict") == ("True", "SessionAffinityConflict,SessionAffinityConfigConflict")
    derived = world.find("Service", derived_name(WEB))
    assert derived
    assert derived["spec"]["sessionAffinity"] == "ClientIP"
    name = world.all(Place.BROKER, "ExportedService")[0]["metadata"]["name"]
    del world.objects[Place.BROKER, "ExportedService", name]
    world.settle()
    assert world.condition("Conflict") == ("False", "NoConflicts")


def test_a_transition_has_its_time_and_keeps_it() -> None:
    world = exporting()
    world.settle()
    world.now = "2026-03-01T00:00:00Z"
    assert world.settle() == []
    world.put(Place.BROKER, record_object(exported(EAST, -5, labels=(("a", "b"),))))
    world.settle()
    export = world.find("ServiceExport")
    assert export
    times = {one["type"]: one["lastTransitionTime"] for one in export["status"]["conditions"]}
    assert times["Conflict"] == "2026-03-01T00:00:00Z"
    assert times["Valid"] == times["Ready"] == "2026-02-01T00:00:00Z"


def foreign(kind: str, name: str, **more: Any) -> JsonObject:
    version = {"ServiceImport": "multicluster.x-k8s.io/v1beta1", "Service": "v1"}[kind]
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "shop"}} | more


def test_a_service_import_of_somebody_else_is_left_alone() -> None:
    theirs = foreign("ServiceImport", "web", spec={"type": "Headless", "ports": []})
    world = importing(theirs)
    before = copy.deepcopy(world.objects)
    assert world.settle() == []
    assert world.objects == before
    assert "not mcnet's" in world.plan().problems[0]


def test_a_service_under_the_derived_name_is_left_alone() -> None:
    world = importing(service_object(derived_name(WEB)))
    before = copy.deepcopy(world.find("Service", derived_name(WEB)))
    world.settle()
    assert world.find("Service", derived_name(WEB)) == before
    made = world.find("ServiceImport")
    assert made
    assert made["spec"].get("ips") is None
    assert [one["reason"] for one in made["status"]["conditions"]] == ["Pending"]
    assert any("no clusterset IP" in one for one in world.plan().problems)
    (found,) = world.all(Place.LOCAL, "EndpointSlice")
    assert "kubernetes.io/service-name" not in found["metadata"]["labels"]


def test_what_users_add_to_an_import_stays_and_what_is_exported_no_more_goes() -> None:
    world = World(broker=[record_object(exported(EAST, labels=(("team", "a"),), annotations=(("note", "b"),)))])
    world.settle()
    made = world.find("ServiceImport")
    assert made
    assert made["metadata"]["labels"]["team"] == "a"
    made["metadata"]["labels"]["mine"] = "x"
    made["metadata"]["annotations"]["mcnet.dev/traffic"] = "remote-only"
    world.put(Place.BROKER, record_object(exported(EAST)))
    world.settle()
    made = world.find("ServiceImport")
    assert made
    assert made["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "mcnet", "mine": "x"}
    assert made["metadata"]["annotations"] == {"mcnet.dev/traffic": "remote-only"}


def test_without_the_broker_nothing_goes_and_own_endpoints_follow() -> None:
    world = exporting()
    world.put(Place.BROKER, record_object(exported(EAST, 5)))
    world.put(Place.BROKER, slice_object(EAST, sliced(EAST, 1)))
    world.settle()
    world.reachable = False
    assert world.settle() == []
    world.put(Place.LOCAL, pod_slice_object(WEST, 3))
    world.settle()
    assert world.addresses() == {"10.1.0.1", "10.2.0.3"}
    assert world.condition("Ready") == ("True", "Exported")


def test_an_export_that_has_not_reached_the_broker_is_pending_and_serves_its_own_cluster() -> None:
    world = exporting()
    world.reachable = False
    world.settle()
    assert world.condition("Ready") == ("False", "Pending")
    assert world.addresses() == {"10.2.0.1", "10.2.0.2"}


def test_what_the_broker_refuses_is_told() -> None:
    world = exporting()
    for write in world.plan(failed="no quota").writes:
        if write.place is Place.LOCAL:
            world.perform(write)
    assert world.condition("Ready") == ("False", "Failed")


def test_an_import_that_is_stuck_says_how_far_it_has_come() -> None:
    world = importing()
    (derived,) = world.plan().writes
    assert (derived.verb, derived.kind) == (Verb.CREATE, "Service")
    for write in world.plan(stuck=True).writes:
        if write.kind != "Service":
            world.perform(write)
    assert not any(one.verb is Verb.REPLACE_STATUS for one in world.plan().writes)
    (status,) = (one for one in world.plan(stuck=True).writes if one.verb is Verb.REPLACE_STATUS)
    assert status.obj["status"]["clusters"] == [{"cluster": "east"}]
    assert [one["reason"] for one in status.obj["status"]["conditions"]] == ["Pending"]


def test_a_lost_cluster_goes_and_comes_back() -> None:
    world = importing()
    world.settle()
    world.lost = frozenset({EAST})
    world.settle()
    assert world.addresses() == set()
    assert world.find("ServiceImport")
    world.lost = frozenset()
    world.settle()
    assert world.addresses() == {"10.1.0.1", "10.1.0.2"}


@pytest.mark.parametrize(
    ("traffic", "used", "said"),
    [
        ("remote-only", {"10.1.0.1", "10.1.0.2"}, ""),
        ("failover=wets,west", {"10.2.0.1", "10.2.0.2"}, "names wets, which is no member"),
        ("weights=west:1,wets:1", {"10.2.0.1", "10.2.0.2"}, "names wets, which is no member"),
        ("weights=west", {"10.1.0.1", "10.1.0.2", "10.2.0.1", "10.2.0.2"}, "says 'weights=west', which is none of"),
    ],
)
def test_the_annotation_of_an_import_holds_for_its_cluster(traffic: str, used: set[str], said: str) -> None:
    world = exporting()
    world.put(Place.BROKER, record_object(exported(EAST, 5)))
    world.put(Place.BROKER, slice_object(EAST, sliced(EAST, 1, 2)))
    world.settle()
    made = world.find("ServiceImport")
    assert made
    made["metadata"].setdefault("annotations", {})["mcnet.dev/traffic"] = traffic
    world.settle()
    assert world.addresses() == used
    problems = world.plan().problems
    assert [said in one for one in problems] == ([True] if said else [])


def only_for(*clusters: ClusterId, **more: Any) -> JsonObject:
    return record_object(exported(EAST, to=(EAST, *clusters), **more))


def test_what_is_not_for_a_cluster_is_not_imported_there() -> None:
    world = World(broker=[only_for(NORTH), slice_object(EAST, sliced(EAST, 1))])
    assert world.settle() == []
    world.put(Place.BROKER, only_for(NORTH, WEST))
    world.settle()
    assert world.addresses() == {"10.1.0.1"}
    world.put(Place.BROKER, only_for(NORTH))
    world.settle()
    assert world.all(Place.LOCAL, "ServiceImport") == ()
    assert world.all(Place.LOCAL, "EndpointSlice") == ()


def test_what_is_not_for_a_cluster_changes_nothing_of_the_service_there() -> None:
    """An older export of other values: it neither wins nor is told as a conflict, since they meet in no cluster."""
    world = exporting()
    world.objects[Place.LOCAL, "ServiceExport", "web"]["metadata"]["annotations"] = {"mcnet.dev/export-to": "west"}
    world.put(Place.BROKER, only_for(NORTH, age=-5, session_affinity="ClientIP"))
    world.settle()
    derived = world.find("Service", derived_name(WEB))
    assert derived
    assert derived["spec"]["sessionAffinity"] == "None"
    assert world.condition("Conflict") == ("False", "NoConflicts")
    del world.objects[Place.LOCAL, "ServiceExport", "web"]["metadata"]["annotations"]
    world.settle()
    assert world.condition("Conflict")[0] == "True", "north has both"


def test_an_exporter_imports_its_own_whomever_it_is_for() -> None:
    world = exporting()
    world.objects[Place.LOCAL, "ServiceExport", "web"]["metadata"]["annotations"] = {"mcnet.dev/export-to": "east"}
    world.settle()
    (record,) = world.all(Place.BROKER, "ExportedService")
    assert record["spec"]["to"] == ["east", "west"]
    assert world.addresses() == {"10.2.0.1", "10.2.0.2"}


def test_an_aggregated_service_is_its_pods_at_home() -> None:
    world = exporting()
    world.objects[Place.LOCAL, "ServiceExport", "web"]["metadata"]["annotations"] = {
        "mcnet.dev/export-mode": "aggregate"
    }
    world.settle()
    (found,) = world.all(Place.BROKER, "EndpointSlice")
    assert [end["addresses"] for end in found["endpoints"]] == [["10.96.0.9"]]
    assert world.addresses() == {"10.2.0.1", "10.2.0.2"}


def test_system_namespaces_are_never_touched() -> None:
    service = ServiceName("kube-system", "web")
    record = record_object(exported(EAST))
    seen = Seen(service=service, records=(record,), service_import=foreign("ServiceImport", "web"))
    made = plan(seen, Setting(importer(), BROKER, "v1beta1", "now"))
    assert made.writes == ()
    assert "kube-system" in made.problems[0]


def test_an_export_from_a_system_namespace_is_answered_and_taken_back() -> None:
    service = ServiceName("kube-system", "web")
    mine = record_object(exported(WEST))
    export = export_object(namespace="kube-system")
    seen = Seen(service=service, export=export, source=service_object(namespace="kube-system"), records=(mine,))
    made = plan(seen, Setting(importer(), BROKER, "v1beta1", "now"))
    assert [(one.verb, one.kind) for one in made.writes] == [
        (Verb.DELETE, "ExportedService"),
        (Verb.REPLACE_STATUS, "ServiceExport"),
    ]
    reasons = [one["reason"] for one in made.writes[1].obj["status"]["conditions"]]
    assert reasons == ["RefusedNamespace", "Failed", "NoConflicts"]


def test_a_stranger_is_not_imported() -> None:
    stranger = exported(ClusterId("stranger"))
    world = World(broker=[record_object(stranger)])
    assert world.settle() == []
    assert "stranger is no member" in world.plan().problems[0]


def test_what_cannot_be_understood_stops_nothing_else() -> None:
    world = importing()
    broken = record_object(exported(NORTH))
    broken["spec"]["ports"] = [{"port": 99999}]
    world.put(Place.BROKER, broken)
    bad = slice_object(EAST, sliced(EAST, 5, source="other"))
    bad["endpoints"][0]["addresses"] = ["localhost"]
    world.put(Place.BROKER, bad)
    world.settle()
    assert world.addresses() == {"10.1.0.1", "10.1.0.2"}
    assert len(world.plan().problems) == 2


def test_a_slice_of_another_family_is_made_anew() -> None:
    world = importing()
    world.settle()
    (found,) = world.all(Place.LOCAL, "EndpointSlice")
    found["addressType"] = "IPv6"
    verbs = [one.verb for one in world.settle()]
    assert verbs == [Verb.DELETE, Verb.CREATE]


def test_the_clusterset_ip_stays_while_the_service_changes() -> None:
    world = importing()
    world.settle()
    made = world.find("ServiceImport")
    assert made
    before = made["spec"]["ips"]
    world.put(
        Place.BROKER,
        record_object(exported(EAST, 1, ports=(), session_affinity="ClientIP", session_affinity_timeout=5)),
    )
    world.settle()
    made = world.find("ServiceImport")
    assert made
    assert made["spec"]["ips"] == before
    assert made["spec"]["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 5}}

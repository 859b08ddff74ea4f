"""KEP-1645, and what the API says of its fields, as far as it takes no cluster to show it (docs/conformance.md)."""

import re
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given

from mcnet.codec import endpoint_slice, service, service_export, service_import
from mcnet.install.manifests import manifests
from mcnet.model.member import Member
from mcnet.model.service import MergedService, Port, Reason, ServiceEndpoint, ServiceSlice, ServiceType
from mcnet.plan.service_export import conditions, publish
from mcnet.plan.service_import import Imported, Importer, imported
from mcnet.plan.service_import_objects import Target, There, import_writes
from mcnet.plan.service_merge import merge
from mcnet.render.engine import render
from mcnet.render.values import CorednsValues, DnsValues
from tests.fakes.services import EAST, HTTP, NORTH, WEST, export_object, exported, exporters, service_object, sliced

REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
"""As metav1.Condition has it; at most 1024 characters."""
BOTH = ("IPv4", "IPv6")
SIX = ServiceSlice("east.six", "IPv6", (HTTP,), (ServiceEndpoint((ip_address("fd01::1"),)),))


def merged_of(*records: Any) -> MergedService:
    merged = merge(records)
    assert merged is not None
    return merged


def dual(*families: str) -> Importer:
    """West, whose own services have these families."""
    prefixes = {EAST: (ip_network("10.1.0.0/16"), ip_network("fd01::/64")), NORTH: (ip_network("10.3.0.0/16"),)}
    return Importer(WEST, families, prefixes)


def objects(made: Importer, merged: MergedService, there: There) -> list[Any]:
    found = {EAST: [sliced(EAST, 1), SIX]}
    return [one.obj for one in import_writes(Target(made, "v1beta1", "now"), merged, found, there)[0]]


def test_a_dual_stack_service_has_a_clusterset_ip_and_slices_of_each_family() -> None:
    merged = merged_of(exported(EAST, ip_families=BOTH))
    (derived,) = objects(dual(*BOTH), merged, There(None, None, ()))
    assert (derived["spec"]["ipFamilies"], derived["spec"]["ipFamilyPolicy"]) == (list(BOTH), "RequireDualStack")
    derived["spec"]["clusterIPs"] = ["10.96.0.7", "fd00::7"]
    (created,) = objects(dual(*BOTH), merged, There(None, derived, ()))
    assert created["spec"]["ipFamilies"] == list(BOTH)
    assert created["spec"]["ips"] == ["10.96.0.7", "fd00::7"]
    created["metadata"]["uid"] = "uid-1"
    slices = [
        one for one in objects(dual(*BOTH), merged, There(created, derived, ())) if one["kind"] == "EndpointSlice"
    ]
    assert sorted(one["addressType"] for one in slices) == list(BOTH)
    assert all({one["metadata"]["labels"]["kubernetes.io/service-name"]} == {derived["metadata"]["name"]}
               for one in slices)  # fmt: skip


def test_a_family_that_the_importing_cluster_lacks_is_left_out_and_without_any_it_says_so() -> None:
    assert imported(dual("IPv4"), merged_of(exported(EAST, ip_families=BOTH)), {}).families == ("IPv4",)
    six = merged_of(exported(EAST, ip_families=("IPv6",)))
    (created,) = objects(dual("IPv4"), six, There(None, None, ()))
    assert "ips" not in created["spec"]
    created["metadata"]["uid"] = "uid-1"
    slices = objects(dual("IPv4"), six, There(created, None, ()))
    (status,) = objects(dual("IPv4"), six, There(created, None, tuple(slices)))
    (ready,) = status["status"]["conditions"]
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "False", "IPFamilyNotSupported")


@pytest.mark.parametrize("kind", ServiceType)
def test_each_slice_has_endpoints_of_one_cluster_only(kind: ServiceType) -> None:
    merged = merged_of(exported(EAST, type=kind), exported(NORTH, 1, type=kind))
    made: Imported = imported(dual("IPv4"), merged, {EAST: [sliced(EAST, 1)], NORTH: [sliced(NORTH, 1, 2)]})
    assert {cluster: {str(end.addresses[0]) for end in one.endpoints} for cluster, one in made.slices} == {
        EAST: {"10.1.0.1"},
        NORTH: {"10.3.0.1", "10.3.0.2"},
    }


def test_conflicts_do_not_keep_a_service_from_being_exported_and_imported() -> None:
    """The union of all backends stays reachable, whatever else differs."""
    other = exported(NORTH, 1, (Port("dns", "UDP", 53),), session_affinity="ClientIP", ip_families=("IPv6",))
    merged = merged_of(exported(EAST), other)
    made = imported(dual("IPv4"), merged, {EAST: [sliced(EAST, 1)], NORTH: [sliced(NORTH, 1)]})
    assert {cluster for cluster, _ in made.slices} == {EAST, NORTH}
    assert Reason.IP_FAMILY_CONFLICT in {one.reason for one in merged.conflicts}
    source = endpoint_slice.decode(endpoint_slice.encode_broker(
        sliced(EAST, 1), cluster=EAST, service=merged.service, namespace="mcnet-broker"
    ))  # fmt: skip
    mine = publish(EAST, service_export.decode(export_object()), service.decode(service_object()), [source])
    valid, ready, conflict = conditions(mine, merged)
    assert (valid.status, ready.status, conflict.status) == (True, True, True)


@given(exporters())
def test_conditions_are_such_as_the_api_takes(records: Any) -> None:
    merged = merge(records)
    if merged is None:
        return
    mine = publish(EAST, service_export.decode(export_object()), service.decode(service_object()), ())
    said = service_export.with_conditions(
        export_object(), conditions(mine, merged), now="2026-01-01T00:00:00Z"
    )["status"]["conditions"]  # fmt: skip
    assert [one["type"] for one in said] == ["Valid", "Ready", "Conflict"]
    for one in said:
        assert REASON.fullmatch(one["reason"])
        assert len(one["reason"]) <= 1024
        assert len(one["message"]) <= 32768
        assert one["status"] in ("True", "False")
        assert one["observedGeneration"] == 1
        assert one["lastTransitionTime"]


def test_a_conflict_says_what_is_contended_who_won_and_why() -> None:
    merged = merged_of(exported(EAST), exported(WEST, 1, session_affinity="ClientIP"))
    (conflict,) = merged.conflicts
    for part in ("session affinity", "west", "east", "oldest", "None"):
        assert part in conflict.message


def test_a_headless_import_has_the_ports_of_all_its_exports() -> None:
    kind = {"type": ServiceType.HEADLESS}
    merged = merged_of(exported(EAST, 0, **kind), exported(WEST, 1, (Port("dns", "UDP", 53),), **kind))
    spec = service_import.encode(merged, version="v1beta1", ips=(), families=("IPv4",))["spec"]
    assert [one["name"] for one in spec["ports"]] == ["http", "dns"]
    assert "sessionAffinity" not in spec


def test_a_pod_of_a_stateful_set_keeps_its_host_name_in_each_cluster() -> None:
    headless = replace(service.decode(service_object()), headless=True, cluster_ips=())
    made = {}
    for cluster in (EAST, NORTH):
        pods = ServiceSlice(
            "db-abc", "IPv4", (HTTP,),
            tuple(replace(one, hostname=f"db-{n}") for n, one in enumerate(sliced(cluster, 1, 2).endpoints)),
        )  # fmt: skip
        made[cluster] = publish(cluster, service_export.decode(export_object()), headless, [pods]).slices
    kind = {"type": ServiceType.HEADLESS}
    found = imported(dual("IPv4"), merged_of(exported(EAST, **kind), exported(NORTH, 1, **kind)), made)
    hosts = {(cluster, end.hostname, str(end.addresses[0])) for cluster, one in found.slices for end in one.endpoints}
    assert hosts == {
        (EAST, "db-0", "10.1.0.1"), (EAST, "db-1", "10.1.0.2"),
        (NORTH, "db-0", "10.3.0.1"), (NORTH, "db-1", "10.3.0.2"),
    }  # fmt: skip


def test_nobody_but_mcnet_is_given_the_right_to_write_imports() -> None:
    """ServiceImports are the controller's alone: no role of ours adds to those that users have."""
    reader = CorednsValues(account="coredns", namespace="kube-system")
    objects = [*manifests(Member(WEST, (), ()), DnsValues()), *render("coredns", reader), *render("mcs")]
    writers = set()
    for one in objects:
        assert not any("aggregate-to" in label for label in one["metadata"].get("labels") or {})
        for rule in one.get("rules") or () if one["kind"] in ("Role", "ClusterRole") else ():
            if "serviceimports" in rule["resources"] and set(rule["verbs"]) - {"get", "list", "watch"}:
                writers.add(one["metadata"]["name"])
    assert writers == {"mcnet-services"}, "the role of discovery"

"""What a cluster publishes: which services, which of their endpoints, and what it answers the user."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from mcnet.codec import endpoint_slice, service, service_export
from mcnet.model.service import ExportMode, Reason, ServiceName, ServiceType
from mcnet.plan.service_export import Published, conditions, publish
from mcnet.plan.service_merge import merge
from tests.fakes.services import (
    EAST,
    NORTH,
    WEST,
    export_object,
    exported,
    pod_slice_object,
    service_object,
)

EXPORT = service_export.decode(export_object())
SERVICE = service.decode(service_object())
PODS = endpoint_slice.decode(pod_slice_object(EAST, 1, 2))
PODS_BY_NAME = endpoint_slice.decode(pod_slice_object(EAST, 1, 2), pod_names=True)


def published(export: Any = EXPORT, made: Any = SERVICE, slices: Any = (PODS,)) -> Published:
    return publish(EAST, export, made, slices)


def test_a_service_crosses_with_its_pods() -> None:
    made = published()
    assert made.record is not None
    assert (made.record.type, made.record.mode) == (ServiceType.CLUSTERSET_IP, ExportMode.ENDPOINTS)
    assert made.record.exported_at == EXPORT.exported_at
    (found,) = made.slices
    assert [str(one.addresses[0]) for one in found.endpoints] == ["10.1.0.1", "10.1.0.2"]
    assert found.name.startswith("east.")
    assert found.ports[0].port == 8080


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_these_types_are_exported(kind: str) -> None:
    assert published(made=replace(SERVICE, type=kind)).record is not None


def test_a_headless_service_has_host_names_and_others_have_none() -> None:
    headless = replace(SERVICE, headless=True, cluster_ips=())
    (found,) = published(made=headless, slices=(PODS_BY_NAME,)).slices
    assert [one.hostname for one in found.endpoints] == ["web-1", "web-2"]
    (found,) = published(slices=(PODS_BY_NAME,)).slices
    assert [one.hostname for one in found.endpoints] == ["", ""]


def test_an_aggregated_service_crosses_as_its_cluster_ip() -> None:
    export = replace(EXPORT, mode=ExportMode.AGGREGATE)
    ips = (ip_address("10.96.0.9"), ip_address("fd00::9"))
    made = published(export, replace(SERVICE, cluster_ips=ips))
    assert {(one.family, one.endpoints[0].addresses, one.endpoints[0].ready) for one in made.slices} == {
        ("IPv4", (ips[0],), True),
        ("IPv6", (ips[1],), False),
    }
    assert {one.ports for one in made.slices} == {SERVICE.ports}


def test_aggregating_needs_a_cluster_ip() -> None:
    export = replace(EXPORT, mode=ExportMode.AGGREGATE)
    made = published(export, replace(SERVICE, headless=True, cluster_ips=()))
    assert made.record is not None
    assert made.record.mode is ExportMode.ENDPOINTS
    assert len(made.slices) == 1
    valid, *_ = conditions(made, None)
    assert (valid.status, valid.message) == (
        True,
        "mcnet.dev/export-mode aggregate means nothing for a headless service, which has no ClusterIP: its endpoints "
        "cross",
    )
    assert published(export).fault == ""
    weights = replace(EXPORT, traffic="weights=east:1")
    assert "mean nothing for a headless service" in published(weights, replace(SERVICE, headless=True)).fault
    assert published(weights).fault == ""


def test_in_its_own_cluster_an_aggregated_service_is_its_pods() -> None:
    made = published(replace(EXPORT, mode=ExportMode.AGGREGATE))
    assert made.own == published().slices
    assert {one.addresses for found in made.slices for one in found.endpoints} == {SERVICE.cluster_ips}


def annotated(**annotations: str) -> Any:
    obj = export_object()
    obj["metadata"]["annotations"] = {
        f"mcnet.dev/{name.replace('_', '-')}": text for name, text in annotations.items()
    }
    return service_export.decode(obj)


@pytest.mark.parametrize(
    ("text", "to"),
    [
        ("west", (EAST, WEST)),
        ("west, east,west", (EAST, WEST)),
        ("east", (EAST,)),
        ("", (EAST,)),
        ("West", (EAST,)),
        ("north,", (EAST, NORTH)),
        ("*", (EAST,)),
    ],
)
def test_for_whom_a_record_is(text: str, to: tuple[str, ...]) -> None:
    record = published(annotated(export_to=text)).record
    assert record is not None
    assert record.to == to


@pytest.mark.parametrize("traffic", ["failover=west,wets", "weights=west:1,wets:1"])
def test_traffic_to_who_is_no_member_is_told(traffic: str) -> None:
    made = publish(EAST, annotated(traffic=traffic), SERVICE, (PODS,), members=(EAST, WEST))
    assert made.fault == "mcnet.dev/traffic names wets, which is no member of the clusterset: east, west"


def test_an_export_that_names_nobody_is_for_all() -> None:
    record = published().record
    assert record is not None
    assert record.to is None


@pytest.mark.parametrize(
    ("text", "members", "said"),
    [
        ("west", (EAST, WEST), ""),
        ("west,wets", (), ""),
        (
            "west,wets",
            (EAST, WEST),
            "mcnet.dev/export-to names wets, which is no member of the clusterset: east, west",
        ),
        ("west,WEST", (EAST, WEST), "mcnet.dev/export-to names 'WEST', which can be no cluster"),
        ("", (EAST, WEST), "mcnet.dev/export-to names '', which can be no cluster"),
        ("x" * 300, (EAST, WEST), f"mcnet.dev/export-to names '{'x' * 79}…', which can be no cluster"),
    ],
)
def test_names_that_mean_nobody_are_told(text: str, members: tuple[str, ...], said: str) -> None:
    made = publish(EAST, annotated(export_to=text), SERVICE, (PODS,), members=members)  # type: ignore[arg-type]
    assert made.record is not None
    assert made.fault == said
    assert conditions(made, None)[0].message == said


def test_slices_have_one_order_and_names_of_their_own() -> None:
    other = replace(PODS, name="web-xyz")
    assert published(slices=(PODS, other)) == published(slices=(other, PODS))
    names = {one.name for one in published(slices=(PODS, other)).slices}
    elsewhere = replace(EXPORT, service=ServiceName("shop", "web2"))
    assert len(names) == 2
    assert names.isdisjoint(one.name for one in publish(EAST, elsewhere, SERVICE, (PODS, other)).slices)


REFUSALS: list[tuple[str, Any, Any, Reason]] = [
    ("no service", EXPORT, None, Reason.NO_SERVICE),
    ("ExternalName", EXPORT, replace(SERVICE, type="ExternalName"), Reason.INVALID_SERVICE_TYPE),
    ("derived", EXPORT, replace(SERVICE, derived=True), Reason.REFUSED_SERVICE),
] + [
    (one, replace(EXPORT, service=ServiceName(one, "web")), SERVICE, Reason.REFUSED_NAMESPACE)
    for one in ("kube-system", "kube-public", "kube-node-lease", "mcnet-system", "mcnet-broker")
]  # fmt: skip


@pytest.mark.parametrize(
    ("export", "made", "reason"), [case[1:] for case in REFUSALS], ids=[one[0] for one in REFUSALS]
)
def test_what_is_refused(export: Any, made: Any, reason: Reason) -> None:
    answer = published(export, made)
    assert (answer.record, answer.slices) == (None, ())
    valid, ready, conflict = conditions(answer, None)
    assert (valid.status, valid.reason) == (False, reason.value)
    assert (ready.status, conflict.status) == (False, False)
    assert valid.message


def test_the_conditions_of_an_export() -> None:
    made = published()
    assert made.record is not None
    alone = merge([made.record])
    valid, ready, conflict = conditions(made, alone)
    assert [(one.status, one.reason) for one in (valid, ready, conflict)] == [
        (True, "Valid"),
        (True, "Exported"),
        (False, "NoConflicts"),
    ]
    _, ready, _ = conditions(made, alone, pending="later")
    assert (ready.status, ready.reason, ready.message) == (False, "Pending", "later")
    _, ready, _ = conditions(made, alone, pending="later", failed="never")
    assert (ready.status, ready.reason, ready.message) == (False, "Failed", "never")


def test_several_conflicts_are_one_condition() -> None:
    made = published()
    assert made.record is not None
    merged = merge([made.record, exported(WEST, 5, (), labels=(("a", "b"),))])
    *_, conflict = conditions(made, merged)
    assert (conflict.status, conflict.reason) == (True, "PortConflict,LabelsConflict")


@pytest.mark.parametrize(
    "annotations", [{"mcnet.dev/export-mode": "pigeon"}, {"mcnet.dev/traffic": "everywhere"}], ids=str
)
def test_an_annotation_that_means_nothing_takes_no_service_away(annotations: dict[str, str]) -> None:
    obj = export_object()
    obj["metadata"]["annotations"] = annotations
    answer = published(service_export.decode(obj))
    valid, *_ = conditions(answer, None)
    assert answer.record is not None
    assert valid.status
    assert next(iter(annotations)) in valid.message

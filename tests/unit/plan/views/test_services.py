"""Services across clusters as each cluster has them: what is well, what is not and why, and what is only noted."""

from dataclasses import replace
from typing import Any

import pytest

from mcnet.codec.service_state import decode_endpoints, decode_export, decode_import
from mcnet.model.gateway import CableState
from mcnet.model.service import ServiceName, derived_name
from mcnet.model.service_state import ExportState
from mcnet.plan.cluster_view import Picture, ServicesView
from mcnet.plan.views.services import rows
from tests.fakes import service_objects as fakes
from tests.fakes.pictures import changed, clusterset
from tests.fakes.service_objects import EXPORTED, NO_SERVICE, WEB, condition

PICTURE = clusterset({"east": 1, "west": 1})
IMPORT = decode_import(fakes.service_import("east"))
EXPORT = decode_export(fakes.export(*EXPORTED))
SLICE = decode_endpoints(fakes.imported_slice("east", "10.1.0.1", "10.1.0.2"))
EAST = ServicesView(exports=(EXPORT,), imports=(IMPORT,), endpoints=(SLICE,), namespaces=frozenset({"shop"}))
WEST = replace(EAST, exports=())
LOGS = "kubectl --context {}-admin -n mcnet-system logs -l app.kubernetes.io/component=discovery --tail 20"


def picture(east: ServicesView | None = EAST, west: ServicesView | None = WEST) -> Picture:
    return changed(changed(PICTURE, 0, services=east), 1, services=west)


def row(of: Picture, cluster: str) -> dict[str, Any]:
    (found,) = [one for one in rows(of) if one["cluster"] == cluster]
    return found


def export(*conditions: dict[str, Any]) -> ExportState:
    return decode_export(fakes.export(*conditions))


def test_all_is_well() -> None:
    assert row(picture(), "west") == {
        "cluster": "west", "namespace": "shop", "name": "web", "service": "shop/web", "state": "ready",
        "type": "ClusterSetIP", "exported": False, "ips": ["10.102.0.77"],
        "ports": [{"name": "http", "protocol": "TCP", "port": 80}],
        "clusters": [{"cluster": "east", "ready": 2, "total": 2}], "conflicts": [], "mode": "", "traffic": "",
        "to": [],
        "derived": derived_name(WEB), "why": "", "next": "", "note": "",
    }  # fmt: skip
    east = row(picture(), "east")
    assert (east["exported"], east["mode"], east["state"]) == (True, "endpoints", "ready")
    assert rows(picture(None, None)) == [], "nobody has asked"
    assert rows(picture(ServicesView(), ServicesView())) == []


def test_every_service_has_a_row_in_every_cluster_by_name() -> None:
    other = ServiceName("a", "z")
    both = replace(WEST, imports=(IMPORT, replace(IMPORT, service=other)))
    found = [(one["cluster"], one["service"]) for one in rows(picture(west=both))]
    assert found == [("east", "shop/web"), ("west", "a/z"), ("west", "shop/web")]


def test_a_cluster_that_a_service_is_not_for_is_no_fault() -> None:
    only = replace(EAST, exports=(replace(EXPORT, to=("east", "north")),))  # type: ignore[arg-type]
    east = row(picture(only, replace(WEST, imports=(), endpoints=())), "east")
    assert (east["state"], east["to"]) == ("ready", ["east", "north"])
    west = row(picture(only, replace(WEST, imports=(), endpoints=())), "west")
    assert (west["state"], west["why"], west["note"]) == (
        "not for it",
        "",
        "it is exported, but not to west: to east, north only",
    )
    for_it = replace(EAST, exports=(replace(EXPORT, to=("west",)),))  # type: ignore[arg-type]
    assert row(picture(for_it, replace(WEST, imports=(), endpoints=())), "west")["state"] == "missing"
    assert row(picture(for_it), "west")["note"] == ""


PENDING = condition("Ready", False, "Pending", "The broker can't be reached now")
FAILED = condition("Ready", False, "Failed", "The broker refused it")
DERIVED = condition("Valid", False, "RefusedService", "It is derived")


@pytest.mark.parametrize(
    ("found", "state", "why", "following"),
    [
        (export(), "pending", "nobody has looked at the ServiceExport", LOGS.format("east")),
        (export(*NO_SERVICE), "refused", "There is no Service web in the namespace shop",
         "kubectl --context east-admin -n shop get services"),
        (export(DERIVED, FAILED), "refused", "It is derived",
         "mcnet unexport service web -n shop --context east-admin"),
        (export(EXPORTED[0], PENDING), "pending", "it is not exported: The broker can't be reached now",
         LOGS.format("east")),
        (export(EXPORTED[0], FAILED), "error", "it is not exported: The broker refused it", LOGS.format("east")),
    ],
)  # fmt: skip
def test_an_export_that_does_not_count(found: ExportState, state: str, why: str, following: str) -> None:
    of = picture(replace(EAST, exports=(found,), imports=(), endpoints=()), ServicesView())
    (only,) = rows(of)
    assert (only["cluster"], only["state"], only["next"]) == ("east", state, following)
    assert only["why"].startswith(why)


def test_conflicts_are_told_where_the_export_is() -> None:
    found = condition("Conflict", True, "PortConflict,LabelsConflict", "The ports differ. The labels differ")
    east = row(picture(replace(EAST, exports=(export(*EXPORTED[:2], found),))), "east")
    assert (east["state"], east["conflicts"]) == ("conflict", ["PortConflict", "LabelsConflict"])
    assert east["why"] == "The ports differ. The labels differ"
    assert "mcnet unexport service web -n shop --context east-admin" in east["next"]


def test_not_imported_though_exported() -> None:
    found = row(picture(west=replace(WEST, imports=(), endpoints=())), "west")
    assert (found["state"], found["why"]) == ("missing", "east exports it, but it is not imported here")
    assert found["next"] == LOGS.format("west")
    own = row(picture(replace(EAST, imports=(), endpoints=())), "east")
    assert (own["state"], own["why"]) == ("missing", "east exports it, but it is not imported here")


def test_without_the_namespace_nothing_is_imported_and_that_is_right() -> None:
    found = row(picture(west=ServicesView(namespaces=frozenset({"default"}))), "west")
    assert (found["state"], found["why"], found["type"]) == ("no namespace", "", "")
    assert found["note"] == "it has no namespace shop: services are imported only where their namespace is"


@pytest.mark.parametrize(
    ("change", "state", "why", "following"),
    [
        ({"ours": False}, "error", "there is a ServiceImport of that name that is not mcnet's",
         "kubectl --context west-admin -n shop get serviceimport web -o yaml"),
        ({"conditions": ()}, "pending", "nothing is said of the import", LOGS.format("west")),
        ({"conditions": decode_import(fakes.service_import(ready=False)).conditions}, "pending",
         "it is not usable here: not yet", LOGS.format("west")),
        ({"conditions": export(condition("Ready", False, "IPFamilyNotSupported", "no IPv6")).conditions}, "error",
         "it is not usable here: no IPv6", "mcnet show networks --context west-admin"),
    ],
)  # fmt: skip
def test_an_import_that_does_not_serve(change: dict[str, Any], state: str, why: str, following: str) -> None:
    found = row(picture(west=replace(WEST, imports=(replace(IMPORT, **change),))), "west")
    assert (found["state"], found["next"]) == (state, following)
    assert found["why"].startswith(why)


def test_endpoints_are_counted_over_all_slices_of_a_cluster() -> None:
    idle = replace(SLICE, cluster="west", ready=(), total=3)
    of = picture(west=replace(WEST, endpoints=(idle, SLICE, SLICE)))
    found = row(of, "west")
    assert found["clusters"] == [
        {"cluster": "east", "ready": 4, "total": 4}, {"cluster": "west", "ready": 0, "total": 3},
    ]  # fmt: skip
    assert (found["state"], found["note"].startswith("no endpoint of west is in use here")) == ("ready", True)


@pytest.mark.parametrize("endpoints", [(), (replace(SLICE, ready=()),)])
def test_without_a_ready_endpoint_it_does_not_serve(endpoints: tuple[Any, ...]) -> None:
    found = row(picture(west=replace(WEST, endpoints=endpoints)), "west")
    assert (found["state"], found["why"]) == ("no endpoints", "no endpoint is ready, in whichever cluster")
    assert found["next"] == "mcnet diagnose service web -n shop"


def test_clusters_that_no_cable_leads_to_are_named() -> None:
    cables = (replace(PICTURE.members[1].gateways[0].cables[0], state=CableState.ERROR),)
    report = (replace(PICTURE.members[1].gateways[0], cables=cables),)
    found = row(changed(picture(west=replace(WEST, endpoints=())), 1, gateways=report), "west")
    assert (found["state"], found["next"]) == ("no endpoints", "mcnet show connections --context west-admin")
    assert found["why"] == "no cable leads to east, and no other endpoint is ready"
    own = replace(SLICE, cluster="west")
    found = row(changed(picture(west=replace(WEST, endpoints=(own,))), 1, gateways=report), "west")
    assert (found["state"], found["note"]) == ("ready", "no cable leads to east: its endpoints are not used")


def test_what_can_t_be_read_is_noted_and_what_is_not_installed_is_wrong() -> None:
    found = row(picture(west=ServicesView(unread="viewer may not list serviceexports")), "west")
    assert (found["state"], found["why"]) == ("unknown", "")
    assert found["note"] == "its services can't be read: viewer may not list serviceexports"
    found = row(picture(west=ServicesView(unread="not listed within 5 s", late=True)), "west")
    assert (found["state"], found["why"]) == ("unknown", "its services are not known: not listed within 5 s")
    assert found["next"] == "mcnet show services --timeout 60 --context west-admin"
    found = row(picture(west=ServicesView(installed=False)), "west")
    assert (found["state"], found["next"]) == ("missing", "mcnet join broker-info.mcnet --context west-admin")


def test_headless_services_have_no_clusterset_ip() -> None:
    headless = decode_import(fakes.service_import("east", headless=True))
    found = row(picture(west=replace(WEST, imports=(headless,))), "west")
    assert (found["type"], found["ips"], found["derived"], found["state"]) == ("Headless", [], "", "ready")

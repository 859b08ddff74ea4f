"""What clusters report of services, as it is read from outside: conditions and their age, imports, endpoints."""

from ipaddress import ip_address
from typing import Any

import pytest

from mcnet.codec.errors import DecodeError
from mcnet.codec.service_state import decode_endpoints, decode_export, decode_import
from mcnet.model.service import Port, derived_name
from mcnet.model.service_state import ExportState, ImportedEndpoints, ImportState, ReportedCondition
from tests.fakes import service_objects as fakes
from tests.fakes.service_objects import EXPORTED, WEB, condition


def test_an_export() -> None:
    annotations = {"mcnet.dev/export-mode": "aggregate", "mcnet.dev/traffic": "local-only"}
    found = decode_export(fakes.export(*EXPORTED, annotations=annotations))
    assert (found.service, found.mode, found.traffic) == (WEB, "aggregate", "local-only")
    assert [(one.type, one.true) for one in found.conditions] == [
        ("Valid", True),
        ("Ready", True),
        ("Conflict", False),
    ]
    ready = found.condition("Ready")
    assert ready is not None
    assert (ready.reason, ready.message) == ("Exported", "The service is exported to the clusterset")
    assert decode_export(fakes.export()) == ExportState(WEB)
    assert decode_export(fakes.export(annotations={"mcnet.dev/export-to": "west, East,east"})).to == ("east", "west")


@pytest.mark.parametrize(
    ("observed", "generation", "current"),
    [(1, 1, True), (None, 2, True), (1, 2, False), (3, 2, True), (1, None, True)],
)
def test_what_is_said_of_an_earlier_generation_is_not_current(
    observed: int | None, generation: int | None, current: bool
) -> None:
    more: dict[str, Any] = {} if observed is None else {"observedGeneration": observed}
    metadata = {} if generation is None else {"generation": generation}
    found = decode_export(fakes.export(condition("Valid", True, "Valid", **more), **metadata))
    assert [one.current for one in found.conditions] == [current]
    assert (found.condition("Valid") is not None) is current
    assert found.conditions[0].true is current


def test_an_import() -> None:
    assert decode_import(fakes.service_import("east", "west")) == ImportState(
        WEB, "ClusterSetIP", (ip_address("10.102.0.77"),), (Port("http", "TCP", 80),), ("east", "west"),
        (ReportedCondition("Ready", "True", "Ready"),),
    )  # fmt: skip
    headless = decode_import(fakes.service_import("east", headless=True, ours=False))
    assert (headless.headless, headless.ips, headless.ours) == (True, (), False)


def test_imported_endpoints() -> None:
    obj = fakes.imported_slice("east", "10.1.0.1", "10.1.0.2")
    obj["endpoints"][1]["conditions"]["ready"] = False
    assert decode_endpoints(obj) == ImportedEndpoints(
        WEB, "east", (ip_address("10.1.0.1"),), 2, (Port("http", "TCP", 8080),), derived_name(WEB)
    )
    assert decode_endpoints(fakes.imported_slice("east", attached=False)).attached == ""


@pytest.mark.parametrize(
    ("label", "value", "says"),
    [
        ("multicluster.kubernetes.io/source-cluster", "Not.An ID", "is no cluster ID"),
        ("multicluster.kubernetes.io/source-cluster", None, "is missing"),
        ("multicluster.kubernetes.io/service-name", "a.b", "is not a DNS label"),
    ],
)
def test_slices_that_name_nobody(label: str, value: str | None, says: str) -> None:
    obj = fakes.imported_slice("east", "10.1.0.1")
    obj["metadata"]["labels"][label] = value
    with pytest.raises(DecodeError, match=says):
        decode_endpoints(obj)

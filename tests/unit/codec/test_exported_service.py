"""ExportedService: what of another cluster's record is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mcnet.codec import exported_service
from mcnet.codec.errors import DecodeError
from mcnet.model.service import ServiceName, record_name
from tests.fakes.mutations import put
from tests.fakes.services import EAST, WEST, exported, record_object

OBJECT = record_object(
    exported(
        EAST, internal_traffic_policy="Local", labels=(("a", "b"),), annotations=(("a", "b"),),
        traffic_distribution="PreferClose", traffic="local-only", to=(EAST, WEST),
    )
)  # fmt: skip

REFUSED: list[tuple[tuple[str | int, ...], Any]] = [
    (("metadata", "name"), record_name(EAST, ServiceName("shop", "other"))),
    (("metadata", "name"), OBJECT["metadata"]["name"].replace("east", "East")),
    (("spec", "namespace"), "shop.example"),
    (("spec", "name"), "web.example"),
    (("spec", "exportedAt"), "2026-01-31T12:00:00"),
    (("spec", "exportedAt"), ""),
    (("spec", "exportedAt"), "yesterday"),
    (("spec", "type"), "LoadBalancer"),
    (("spec", "mode"), "pigeon"),
    (("spec", "ports"), [{"name": "a", "port": 1}] * 2),
    (("spec", "ports"), [{"name": f"p{n}", "port": 1} for n in range(101)]),
    (("spec", "sessionAffinity"), "Sticky"),
    (("spec", "internalTrafficPolicy"), "Nearby"),
    (("spec", "ipFamilies"), ["IPv4", "IPv4"]),
    (("spec", "ipFamilies"), ["IPX"]),
    (("spec", "labels"), {"no label!": "x"}),
    (("spec", "labels"), {"a": "no label value!"}),
    (("spec", "labels"), {f"a{n}": "" for n in range(65)}),
    (("spec", "annotations"), {"a": "x" * 20_000}),
    (("spec", "annotations"), {"not a name": ""}),
    (("spec", "trafficDistribution"), "x" * 64),
    (("spec", "traffic"), "a\nb"),
    (("spec", "to"), []),
    (("spec", "to"), ["east", "West"]),
    (("spec", "to"), [f"c{n}" for n in range(9001)]),
    (("spec", "to"), "east"),
]


@pytest.mark.parametrize(("path", "value"), REFUSED, ids=lambda one: str(one)[:40])
def test_what_is_refused(path: Any, value: Any) -> None:
    exported_service.decode(OBJECT)
    with pytest.raises(DecodeError):
        exported_service.decode(put(OBJECT, path, value))


def test_times_are_compared_in_one_zone_and_in_seconds() -> None:
    obj = put(OBJECT, ("spec", "exportedAt"), "2026-01-31T14:00:00.9+02:00")
    assert exported_service.decode(obj).exported_at == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_affinity_without_a_timeout_has_the_one_that_api_servers_give() -> None:
    obj = put(OBJECT, ("spec", "sessionAffinity"), "ClientIP")
    assert exported_service.decode(obj).session_affinity_timeout == 10800


def test_names_tell_services_and_clusters_apart() -> None:
    pairs = [ServiceName("a-b", "c"), ServiceName("a", "b-c"), ServiceName("a", "b")]
    names = {record_name(cluster, service) for cluster in (EAST, WEST) for service in pairs}
    assert len(names) == 6
    assert record_name(EAST, ServiceName("shop", "web")) == OBJECT["metadata"]["name"]

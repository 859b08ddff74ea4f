"""Exports, slices and Services as values and objects, for any test; hypothesis strategies of them."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from hypothesis import strategies as st

from mcnet.codec import endpoint_slice, exported_service
from mcnet.model.cluster import ClusterId
from mcnet.model.service import (
    ExportedService,
    ExportMode,
    Port,
    ServiceEndpoint,
    ServiceName,
    ServiceSlice,
    ServiceType,
    broker_slice_name,
)
from mcnet.plan.service_import import Importer

JsonObject = dict[str, Any]

WEB = ServiceName("shop", "web")
EAST, WEST, NORTH = (ClusterId(name) for name in ("east", "west", "north"))
NUMBERS = {EAST: 1, WEST: 2, NORTH: 3}
HTTP = Port("http", "TCP", 80)
START = datetime(2026, 1, 1, tzinfo=UTC)
BROKER = "mcnet-broker"


def exported(cluster: ClusterId, age: int = 0, ports: tuple[Port, ...] = (HTTP,), **more: Any) -> ExportedService:
    """An export of WEB, made `age` seconds after START."""
    values: dict[str, Any] = {"type": ServiceType.CLUSTERSET_IP, "ip_families": ("IPv4",)} | more
    return ExportedService(cluster, WEB, START + timedelta(seconds=age), ports=ports, **values)


def address(cluster: ClusterId, last: int) -> IPv4Address:
    """A pod's, within the prefix of its cluster."""
    return IPv4Address(f"10.{NUMBERS[cluster]}.0.{last}")


def sliced(
    cluster: ClusterId, *last: int, ports: tuple[Port, ...] = (Port("http", "TCP", 8080),), ready: bool = True,
    source: str = "web-abc",
) -> ServiceSlice:  # fmt: skip
    """A slice of WEB at the broker."""
    endpoints = tuple(ServiceEndpoint((address(cluster, one),), ready, ready) for one in last)
    return ServiceSlice(broker_slice_name(cluster, WEB, source), "IPv4", ports, endpoints)


def importer(cluster: ClusterId = WEST, *, lost: frozenset[ClusterId] = frozenset()) -> Importer:
    """A cluster that knows east, west and north."""
    prefixes = {one: (IPv4Network(f"10.{number}.0.0/16"),) for one, number in NUMBERS.items()}
    return Importer(cluster, ("IPv4",), prefixes, lost)


def record_object(record: ExportedService) -> JsonObject:
    return exported_service.encode(record, namespace=BROKER)


def slice_object(cluster: ClusterId, made: ServiceSlice) -> JsonObject:
    return endpoint_slice.encode_broker(made, cluster=cluster, service=WEB, namespace=BROKER)


def service_object(name: str = "web", *, namespace: str = "shop", **spec: Any) -> JsonObject:
    """A user's Service as an API server keeps it."""
    made: JsonObject = {
        "type": "ClusterIP",
        "clusterIP": "10.96.0.9",
        "clusterIPs": ["10.96.0.9"],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
        "sessionAffinity": "None",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}],
        "selector": {"app": name},
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": made | spec}


def pod_slice_object(cluster: ClusterId, *last: int, name: str = "web-abc", service: str = "web") -> JsonObject:
    """An EndpointSlice as the cluster's own controller makes it."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {
                "kubernetes.io/service-name": service,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [str(address(cluster, one))],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": "node-1",
                "zone": "a",
                "targetRef": {"kind": "Pod", "name": f"web-{one}", "namespace": "shop"},
            }
            for one in last
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def export_object(name: str = "web", *, namespace: str = "shop", age: int = 0, **more: Any) -> JsonObject:
    """A ServiceExport as an API server keeps it."""
    metadata = {
        "name": name, "namespace": namespace, "generation": 1,
        "creationTimestamp": (START + timedelta(seconds=age)).isoformat().replace("+00:00", "Z"),
    }  # fmt: skip
    return {"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceExport", "metadata": metadata} | more


ports = st.lists(
    st.builds(
        Port, st.sampled_from(["", "http", "web", "tcp-80"]), st.sampled_from(["TCP", "UDP"]),
        st.sampled_from([80, 81, 443]), st.sampled_from(["", "http"]),
    ),
    max_size=4, unique_by=(lambda port: port.name, lambda port: (port.protocol, port.port)),
).map(tuple)  # fmt: skip
"""Of one Service: neither a name twice nor a protocol and number."""
pairs = st.dictionaries(st.sampled_from(["a", "b.example/c"]), st.sampled_from(["", "x", "y"]), max_size=2).map(
    lambda found: tuple(sorted(found.items()))
)
families = st.sampled_from([("IPv4",), ("IPv6",), ("IPv4", "IPv6"), ("IPv6", "IPv4"), ()])


@st.composite
def exports(draw: st.DrawFn, cluster: ClusterId) -> ExportedService:
    """Any export of WEB."""
    affinity = draw(st.sampled_from(["None", "ClientIP"]))
    return ExportedService(
        cluster, WEB, START + timedelta(seconds=draw(st.integers(0, 2))), draw(st.sampled_from(ServiceType)),
        draw(ports), affinity, draw(st.integers(1, 86400)) if affinity == "ClientIP" else 0,
        draw(st.sampled_from(["", "Cluster", "Local"])), draw(st.sampled_from(["", "PreferClose"])),
        draw(families), draw(pairs), draw(pairs), draw(st.booleans()), draw(st.sampled_from(ExportMode)),
        draw(st.sampled_from(["", "prefer-local", "remote-only", "failover=east", "weights=east:3,west:1"])),
        draw(audiences(cluster)),
    )  # fmt: skip


def audiences(cluster: ClusterId) -> st.SearchStrategy[tuple[ClusterId, ...] | None]:
    """Whom a record of the cluster may be for: all, or some and itself."""
    some = st.sets(st.sampled_from([EAST, WEST, NORTH])).map(lambda found: tuple(sorted({*found, cluster})))
    return st.none() | some


@st.composite
def exporters(draw: st.DrawFn) -> list[ExportedService]:
    """Exports of some clusters, at most one of each."""
    clusters = draw(st.lists(st.sampled_from([EAST, WEST, NORTH]), unique=True))
    return [draw(exports(cluster)) for cluster in clusters]

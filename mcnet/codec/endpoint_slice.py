"""EndpointSlice (discovery.k8s.io/v1): of a Service in its own cluster, at the broker, and imported.

What an endpoint says of its own cluster (node, zone, hints, target) is not read but for a pod's name, and never
written: equal node names would make kube-proxy call a remote pod local. Which endpoints an importer believes is
mcnet.plan's.
"""

from typing import Final

from mcnet.codec.fields import Fields, JsonObject, fields_of, texts
from mcnet.codec.service_port import decode_name, decode_ports, decode_service, encode_port
from mcnet.model.cluster import CLUSTER_ID_PATTERN, ClusterId
from mcnet.model.kernel import Address
from mcnet.model.member import CLUSTER_LABEL
from mcnet.model.service import (
    DNS_LABEL,
    KUBE_SERVICE_LABEL,
    SERVICE_NAME_LABEL,
    SERVICE_NAMESPACE_LABEL,
    SLICE_MANAGER,
    SLICE_MANAGER_LABEL,
    SOURCE_CLUSTER_LABEL,
    ServiceEndpoint,
    ServiceName,
    ServiceSlice,
)

API_VERSION: Final = "discovery.k8s.io/v1"
KIND: Final = "EndpointSlice"
FAMILIES: Final = {"IPv4": 4, "IPv6": 6}
MOST_ENDPOINTS: Final = 1000
MOST_ADDRESSES: Final = 100
"""Of a slice and of an endpoint (discovery.k8s.io/v1)."""


def decode(obj: JsonObject, *, pod_names: bool = False) -> ServiceSlice:
    """The slice; raises DecodeError, also for the address type FQDN. With `pod_names` an endpoint without hostname
    has its pod's, if that is a DNS label: what KEP-1645 asks for endpoints of headless services."""
    fields = fields_of(obj)
    family = fields.text("addressType")
    if family not in FAMILIES:
        raise fields.wrong("addressType", f"{family!r} is neither IPv4 nor IPv6")
    items = fields.children("endpoints")
    if len(items) > MOST_ENDPOINTS:
        raise fields.wrong("endpoints", f"has {len(items)} endpoints, more than {MOST_ENDPOINTS}")
    endpoints = tuple(_endpoint(item, FAMILIES[family], pod_names) for item in items)
    return ServiceSlice(fields.name, family, decode_ports(fields, "ports"), endpoints)


def decode_owner(obj: JsonObject) -> tuple[ClusterId, ServiceName]:
    """Whose a slice at the broker is, by its name, and of which service. Raises DecodeError."""
    fields = fields_of(obj)
    labels = fields.child("metadata").child("labels")
    cluster = fields.name.partition(".")[0]
    if not CLUSTER_ID_PATTERN.fullmatch(cluster) or labels.text(SOURCE_CLUSTER_LABEL, "") != cluster:
        raise labels.wrong(SOURCE_CLUSTER_LABEL, "is not the cluster that the object's name begins with")
    return ClusterId(cluster), decode_service(labels, SERVICE_NAMESPACE_LABEL, SERVICE_NAME_LABEL)


def encode_broker(made: ServiceSlice, *, cluster: ClusterId, service: ServiceName, namespace: str) -> JsonObject:
    """The slice as its cluster keeps it at the broker."""
    labels = {
        CLUSTER_LABEL: str(cluster),
        SERVICE_NAMESPACE_LABEL: service.namespace,
        **_labels(cluster, service),
    }
    return _encode(made, {"name": made.name, "namespace": namespace, "labels": labels})


def encode_imported(
    made: ServiceSlice, *, cluster: ClusterId, service: ServiceName, owner: JsonObject, derived: str
) -> JsonObject:
    """The slice in an importing cluster; `owner` is the owner reference to the ServiceImport, `derived` the derived
    Service that kube-proxy is to use it for, "" for a headless one."""
    labels = _labels(cluster, service) | ({KUBE_SERVICE_LABEL: derived} if derived else {})
    metadata = {"name": made.name, "namespace": service.namespace, "labels": labels, "ownerReferences": [owner]}
    return _encode(made, metadata)


def _labels(cluster: ClusterId, service: ServiceName) -> dict[str, str]:
    return {
        SERVICE_NAME_LABEL: service.name,
        SOURCE_CLUSTER_LABEL: str(cluster),
        SLICE_MANAGER_LABEL: SLICE_MANAGER,
    }


def _encode(made: ServiceSlice, metadata: JsonObject) -> JsonObject:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata,
        "addressType": made.family,
        "endpoints": [_encode_endpoint(endpoint) for endpoint in made.endpoints],
        "ports": [encode_port(port) for port in made.ports],
    }


def _encode_endpoint(endpoint: ServiceEndpoint) -> JsonObject:
    made: JsonObject = {
        "addresses": texts(endpoint.addresses),
        "conditions": {
            "ready": endpoint.ready,
            "serving": endpoint.serving,
            "terminating": endpoint.terminating,
        },
    }
    return made | ({"hostname": endpoint.hostname} if endpoint.hostname else {})


def _endpoint(fields: Fields, version: int, pod_names: bool) -> ServiceEndpoint:
    conditions = fields.child("conditions")
    ready = conditions.flag("ready", True)
    return ServiceEndpoint(
        addresses=_addresses(fields, version),
        ready=ready,
        serving=conditions.flag("serving", ready),
        terminating=conditions.flag("terminating"),
        hostname=decode_name(fields, "hostname", "") or (_pod_name(fields) if pod_names else ""),
    )


def _addresses(fields: Fields, version: int) -> tuple[Address, ...]:
    addresses = fields.addresses("addresses")
    if not 1 <= len(addresses) <= MOST_ADDRESSES:
        raise fields.wrong("addresses", f"has {len(addresses)} addresses, not 1 to {MOST_ADDRESSES}")
    for address in addresses:
        if address.version != version:
            raise fields.wrong("addresses", f"{address} is not of the slice's family")
    return addresses


def _pod_name(fields: Fields) -> str:
    """Of a pod whose name is none (with dots, or too long) none is made up."""
    target = fields.child("targetRef")
    name = target.text("name", "")
    return name if target.text("kind", "") == "Pod" and DNS_LABEL.fullmatch(name) else ""

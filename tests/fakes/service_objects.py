"""Objects of services across clusters, as users and controllers leave them at an API server."""

from typing import Any

from mcnet.codec import member as member_codec
from mcnet.model.cluster import ClusterId
from mcnet.model.member import SYSTEM_NAMESPACE, Member
from mcnet.model.service import ServiceName, derived_name, imported_slice_name, record_name

JsonObject = dict[str, Any]
MCS = "multicluster.x-k8s.io/v1beta1"
WEB = ServiceName("shop", "web")


def member_object(cluster: str = "west") -> JsonObject:
    return member_codec.encode(Member(ClusterId(cluster), (), ()))


def namespace(name: str = WEB.namespace) -> JsonObject:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def service(
    name: ServiceName = WEB, *, port: int = 80, labels: dict[str, str] | None = None, **spec: Any
) -> JsonObject:
    made: JsonObject = {"type": "ClusterIP", "clusterIP": "10.102.0.9", "clusterIPs": ["10.102.0.9"]}
    made |= {"ports": [{"name": "http", "protocol": "TCP", "port": port}]}
    metadata = {"name": name.name, "namespace": name.namespace, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": made | spec}


def condition(type_: str, status: bool, reason: str, message: str = "", **more: Any) -> JsonObject:
    said = {"type": type_, "status": "True" if status else "False", "reason": reason, "message": message}
    return said | {"lastTransitionTime": "2026-01-02T12:00:00Z"} | more


EXPORTED = (
    condition("Valid", True, "Valid"),
    condition("Ready", True, "Exported", "The service is exported to the clusterset"),
    condition("Conflict", False, "NoConflicts"),
)
NO_SERVICE = (
    condition("Valid", False, "NoService", "There is no Service web in the namespace shop"),
    condition("Ready", False, "Failed", "The service is not exported"),
    condition("Conflict", False, "NoConflicts"),
)


def export(*conditions: JsonObject, name: ServiceName = WEB, **metadata: Any) -> JsonObject:
    made = {"name": name.name, "namespace": name.namespace, "uid": "1", **metadata}
    status = {"conditions": list(conditions)} if conditions else {}
    return {"apiVersion": MCS, "kind": "ServiceExport", "metadata": made, "status": status}


def service_import(
    *clusters: str, name: ServiceName = WEB, headless: bool = False, ours: bool = True, ready: bool = True
) -> JsonObject:
    labels = {"app.kubernetes.io/managed-by": "mcnet"} if ours else {}
    ports = [{"name": "http", "protocol": "TCP", "port": 80}]
    spec: JsonObject = {"type": "Headless" if headless else "ClusterSetIP", "ports": ports}
    spec |= {} if headless else {"ips": ["10.102.0.77"]}
    status = {
        "clusters": [{"cluster": one} for one in clusters],
        "conditions": [condition("Ready", ready, "Ready" if ready else "Pending", "" if ready else "not yet")],
    }
    metadata = {"name": name.name, "namespace": name.namespace, "uid": "2", "labels": labels}
    return {"apiVersion": MCS, "kind": "ServiceImport", "metadata": metadata, "spec": spec, "status": status}


def derived(name: ServiceName = WEB, ip: str = "10.102.0.77") -> JsonObject:
    labels = {"app.kubernetes.io/managed-by": "mcnet", "multicluster.kubernetes.io/service-name": name.name}
    of = ServiceName(name.namespace, derived_name(name))
    return service(of, labels=labels, clusterIP=ip, clusterIPs=[ip] if ip else [])


def imported_slice(
    cluster: str, *addresses: str, ready: bool = True, name: ServiceName = WEB, attached: bool = True
) -> JsonObject:
    """An EndpointSlice that discovery has imported from `cluster`."""
    labels = {
        "multicluster.kubernetes.io/service-name": name.name,
        "multicluster.kubernetes.io/source-cluster": cluster,
        "endpointslice.kubernetes.io/managed-by": "discovery.mcnet.dev",
    }
    labels |= {"kubernetes.io/service-name": derived_name(name)} if attached else {}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": imported_slice_name(name, f"{cluster}.0"), "namespace": name.namespace, "labels": labels,
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [one], "conditions": {"ready": ready}} for one in addresses],
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
    }  # fmt: skip


def record(cluster: str, name: ServiceName = WEB) -> JsonObject:
    """An ExportedService at the broker, as far as those look at it who only ask whether it is there."""
    metadata = {"name": record_name(ClusterId(cluster), name), "namespace": SYSTEM_NAMESPACE}
    spec = {"namespace": name.namespace, "name": name.name}
    return {"apiVersion": "mcnet.dev/v1alpha1", "kind": "ExportedService", "metadata": metadata, "spec": spec}

"""ServiceImports and their EndpointSlices as objects, the way discovery writes them."""

from collections.abc import Iterable
from typing import Any

from mcnet.codec.dns_objects import SERVICE_NAME_LABEL, SOURCE_CLUSTER_LABEL
from mcnet.kube.kinds import SERVICE_IMPORT

HTTP = {"name": "http", "protocol": "TCP", "port": 80}


def import_object(
    name: str,
    namespace: str,
    *,
    ips: Iterable[str] = (),
    ports: Iterable[dict[str, Any]] = (HTTP,),
    kind: str = "ClusterSetIP",
    version: str = SERVICE_IMPORT.api_version,
) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": "ServiceImport",
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": "1"},
        "spec": {"type": kind, "ips": list(ips), "ports": list(ports)},
    }


def headless_object(name: str, namespace: str) -> dict[str, Any]:
    return import_object(name, namespace, kind="Headless")


def endpoint(*addresses: str, hostname: str = "", ready: bool | None = True) -> dict[str, Any]:
    found: dict[str, Any] = {"addresses": list(addresses), "conditions": {} if ready is None else {"ready": ready}}
    return found | ({"hostname": hostname} if hostname else {})


def slice_object(
    name: str,
    namespace: str,
    service: str,
    cluster: str,
    endpoints: Iterable[dict[str, Any]],
    *,
    ports: Iterable[dict[str, Any]] = (HTTP,),
    family: int = 4,
) -> dict[str, Any]:
    labels = {SERVICE_NAME_LABEL: service, SOURCE_CLUSTER_LABEL: cluster}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "resourceVersion": "1"},
        "addressType": f"IPv{family}",
        "endpoints": list(endpoints),
        "ports": list(ports),
    }

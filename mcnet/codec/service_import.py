"""ServiceImport (multicluster.x-k8s.io): a service of the clusterset as its consumers see it.

v1alpha1 and v1beta1 have one schema (sigs.k8s.io/mcs-api 0.5), so the version is only written, never asked for.
"""

from collections.abc import Iterable
from typing import Final

from mcnet.codec.conditions import encode_conditions
from mcnet.codec.fields import JsonObject, fields_of, without_empty
from mcnet.codec.service import affinity_fields
from mcnet.codec.service_port import encode_port
from mcnet.model.kernel import Address
from mcnet.model.member import MANAGED_LABEL
from mcnet.model.service import (
    MCS_GROUP,
    TRAFFIC_ANNOTATION,
    Condition,
    MergedService,
    ServiceType,
)

KIND: Final = "ServiceImport"


def encode(merged: MergedService, *, version: str, ips: tuple[Address, ...], families: tuple[str, ...]) -> JsonObject:
    """The object without status. `ips` are the derived Service's ClusterIPs, none as long as there is none."""
    spec: JsonObject = {
        "type": merged.type.value,
        "ports": [encode_port(port) for port in merged.ports],
    }
    spec |= without_empty(
        {
            "ips": [str(ip) for ip in ips],
            "ipFamilies": list(families),
            "internalTrafficPolicy": merged.internal_traffic_policy,
            "trafficDistribution": merged.traffic_distribution,
        }
    )
    if merged.type is ServiceType.CLUSTERSET_IP:
        spec |= affinity_fields(merged)
    metadata: JsonObject = {
        "name": merged.service.name,
        "namespace": merged.service.namespace,
        "labels": dict(merged.labels) | {MANAGED_LABEL: "mcnet"},
    }
    if merged.annotations:
        metadata["annotations"] = dict(merged.annotations)
    return {"apiVersion": f"{MCS_GROUP}/{version}", "kind": KIND, "metadata": metadata, "spec": spec}


def traffic(obj: JsonObject) -> str:
    """What its own annotation says of the traffic's way. Raises DecodeError if that is no text."""
    return fields_of(obj).child("metadata").child("annotations").text(TRAFFIC_ANNOTATION, "")


def with_status(obj: JsonObject, *, clusters: Iterable[str], conditions: Iterable[Condition], now: str) -> JsonObject:
    """The object with this status; equal to `obj` if it has it. `now` is RFC 3339."""
    before = obj.get("status") or {}
    generation = obj["metadata"].get("generation") or 0
    made = {
        "clusters": [{"cluster": cluster} for cluster in clusters],
        "conditions": encode_conditions(conditions, before.get("conditions"), generation=generation, now=now),
    }
    return obj | {"status": before | made}

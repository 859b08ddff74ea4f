"""Service (core/v1): a user's as its own cluster has it, and the derived Service of an import."""

from typing import Final

from mcnet.codec.exported_service import AFFINITIES, FAMILIES, POLICIES
from mcnet.codec.fields import Fields, JsonObject, fields_of, without_empty
from mcnet.codec.service_port import decode_ports, decode_service, encode_port, one_of
from mcnet.model.member import MANAGED_LABEL
from mcnet.model.service import SERVICE_NAME_LABEL, MergedService, Port, Service, derived_name

TYPES: Final = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
_PORT_FIELDS: Final = ("name", "protocol", "port", "appProtocol")


def decode(obj: JsonObject) -> Service:
    """The Service; raises DecodeError."""
    fields = fields_of(obj)
    spec, metadata = fields.child("spec"), fields.child("metadata")
    labels = metadata.child("labels")
    ips = spec.texts("clusterIPs") or tuple(filter(None, [spec.text("clusterIP", "")]))
    headless = "None" in ips
    return Service(
        service=decode_service(metadata),
        type=one_of(spec, "type", TYPES, "ClusterIP"),
        headless=headless,
        cluster_ips=() if headless else spec.addresses("clusterIPs"),
        ports=decode_ports(spec, "ports"),
        session_affinity=one_of(spec, "sessionAffinity", AFFINITIES, "None"),
        session_affinity_timeout=_timeout(spec),
        internal_traffic_policy=one_of(spec, "internalTrafficPolicy", POLICIES),
        traffic_distribution=spec.text("trafficDistribution", ""),
        ip_families=tuple(one for one in spec.texts("ipFamilies") if one in FAMILIES),
        publish_not_ready_addresses=spec.flag("publishNotReadyAddresses"),
        derived=labels.text(MANAGED_LABEL, "") == "mcnet" and labels.text(SERVICE_NAME_LABEL, "") != "",
    )


def encode_derived(merged: MergedService, *, ports: tuple[Port, ...], families: tuple[str, ...]) -> JsonObject:
    """The derived Service of an import, whose ClusterIPs are the clusterset IPs. Which clusters' endpoints it leads
    to is decided by its slices: so no policy of traffic is given on. It has no owner: it is there before the
    ServiceImport, and outlives one that a user deletes, so that the import comes back with the same IP."""
    spec: JsonObject = {
        "type": "ClusterIP",
        "ports": [encode_port(port) for port in ports],
        "ipFamilies": list(families),
        "ipFamilyPolicy": "RequireDualStack" if len(families) > 1 else "SingleStack",
        "internalTrafficPolicy": "Cluster",
    }
    spec |= affinity_fields(merged)
    metadata = {
        "name": derived_name(merged.service),
        "namespace": merged.service.namespace,
        "labels": {MANAGED_LABEL: "mcnet", SERVICE_NAME_LABEL: merged.service.name},
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def affinity_fields(merged: MergedService) -> JsonObject:
    """Session affinity as Service and ServiceImport write it."""
    made: JsonObject = {"sessionAffinity": merged.session_affinity}
    seconds = merged.session_affinity_timeout
    return made | ({"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": seconds}}} if seconds else {})


def comparable_spec(spec: JsonObject) -> JsonObject:
    """A derived Service's spec without what API servers add: of that only what `encode_derived` writes is left."""
    ports = spec.get("ports") or []
    slim = [{key: port[key] for key in _PORT_FIELDS if key in port} for port in ports]
    return without_empty(
        {
            "type": spec.get("type"),
            "ports": [{"name": "", "protocol": "TCP"} | port for port in slim],
            "ipFamilies": spec.get("ipFamilies"),
            "ipFamilyPolicy": spec.get("ipFamilyPolicy"),
            "internalTrafficPolicy": spec.get("internalTrafficPolicy"),
            "sessionAffinity": spec.get("sessionAffinity"),
            "sessionAffinityConfig": spec.get("sessionAffinityConfig"),
        }
    )


def _timeout(spec: Fields) -> int:
    return spec.child("sessionAffinityConfig").child("clientIP").number("timeoutSeconds", 0)

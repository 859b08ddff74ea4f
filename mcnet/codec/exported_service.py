"""ExportedService: a cluster's export of a service as the broker keeps it, one record per cluster and service."""

import re
from datetime import UTC, datetime
from typing import Final

from mcnet.codec.broker import rfc3339
from mcnet.codec.fields import Fields, JsonObject, fields_of, own_object, without_empty
from mcnet.codec.service_port import decode_ports, decode_service, encode_port, one_of
from mcnet.model.cluster import CLUSTER_ID_PATTERN, ClusterId
from mcnet.model.service import ExportedService, ExportMode, ServiceType, record_name

AFFINITIES: Final = ("None", "ClientIP")
POLICIES: Final = ("Cluster", "Local")
FAMILIES: Final = ("IPv4", "IPv6")
LONGEST_AFFINITY: Final = 86400
"""Seconds (core/v1 ClientIPConfig)."""
DEFAULT_AFFINITY: Final = 10800
"""What API servers put where nothing is said."""
LONGEST_TRAFFIC: Final = 1024
MOST_CLUSTERS: Final = 9000
"""That a record may be for."""
MOST_LABELS: Final = 64
LONGEST_ANNOTATIONS: Final = 16384
"""Characters of all annotations of one export together."""
_LABEL_NAME: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def encode(record: ExportedService, *, namespace: str) -> JsonObject:
    """The object."""
    name = record_name(record.cluster, record.service)
    made = own_object("ExportedService", name=name, namespace=namespace, cluster=record.cluster)
    return made | {"spec": _spec(record)}


def decode(obj: JsonObject) -> ExportedService:
    """The record; raises DecodeError. Whose it is says its name, which the broker's policy holds to its writer."""
    fields = fields_of(obj)
    spec = fields.child("spec")
    cluster = fields.name.partition(".")[0]
    service = decode_service(spec)
    if not CLUSTER_ID_PATTERN.fullmatch(cluster) or fields.name != record_name(ClusterId(cluster), service):
        raise spec.wrong("name", f"the object's name is not that of {service} of a cluster")
    exported_at = spec.parsed("exportedAt", _moment)
    if exported_at is None:
        raise spec.wrong("exportedAt", "is missing")
    affinity = one_of(spec, "sessionAffinity", AFFINITIES, "None")
    return ExportedService(
        cluster=ClusterId(cluster),
        service=service,
        exported_at=exported_at,
        type=ServiceType(one_of(spec, "type", tuple(one.value for one in ServiceType), "ClusterSetIP")),
        ports=decode_ports(spec, "ports"),
        session_affinity=affinity,
        session_affinity_timeout=_timeout(spec) if affinity == "ClientIP" else 0,
        internal_traffic_policy=one_of(spec, "internalTrafficPolicy", POLICIES),
        traffic_distribution=_bounded(spec, "trafficDistribution", 63),
        ip_families=_families(spec),
        labels=decode_labels(spec, "labels"),
        annotations=decode_annotations(spec, "annotations"),
        publish_not_ready_addresses=spec.flag("publishNotReadyAddresses"),
        mode=ExportMode(one_of(spec, "mode", tuple(one.value for one in ExportMode), "endpoints")),
        traffic=_bounded(spec, "traffic", LONGEST_TRAFFIC),
        to=decode_audience(spec),
    )


def decode_audience(spec: Fields) -> tuple[ClusterId, ...] | None:
    """The clusters that the record is for, None for all. Raises DecodeError, also for none at all: what is not for
    somebody is no reason for anybody to take it as for all."""
    if not spec.present("to"):
        return None
    names = spec.texts("to")
    if not names or len(names) > MOST_CLUSTERS or not all(map(CLUSTER_ID_PATTERN.fullmatch, names)):
        raise spec.wrong("to", f"are not 1 to {MOST_CLUSTERS} cluster IDs")
    return tuple(sorted({ClusterId(name) for name in names}))


def decode_labels(fields: Fields, key: str) -> tuple[tuple[str, str], ...]:
    """Labels that an API server takes. Raises DecodeError."""
    labels = fields.mapping(key)
    if len(labels) > MOST_LABELS:
        raise fields.wrong(key, f"has {len(labels)} labels, more than {MOST_LABELS}")
    for name, value in labels:
        if not _is_key(name) or not _LABEL_VALUE.fullmatch(value):
            raise fields.wrong(key, f"{name}={value} is not a label")
    return labels


def decode_annotations(fields: Fields, key: str) -> tuple[tuple[str, str], ...]:
    """Annotations that an API server takes, and not too many. Raises DecodeError."""
    annotations = fields.mapping(key)
    if sum(len(name) + len(value) for name, value in annotations) > LONGEST_ANNOTATIONS:
        raise fields.wrong(key, f"holds more than {LONGEST_ANNOTATIONS} characters")
    for name, _ in annotations:
        if not _is_key(name):
            raise fields.wrong(key, f"{name!r} is not the name of an annotation")
    return annotations


def _spec(record: ExportedService) -> JsonObject:
    return without_empty(
        {
            "namespace": record.service.namespace,
            "name": record.service.name,
            "exportedAt": rfc3339(record.exported_at),
            "type": record.type.value,
            "ports": [encode_port(port) for port in record.ports],
            "sessionAffinity": record.session_affinity,
            "sessionAffinityTimeout": record.session_affinity_timeout or None,
            "internalTrafficPolicy": record.internal_traffic_policy,
            "trafficDistribution": record.traffic_distribution,
            "ipFamilies": list(record.ip_families),
            "labels": dict(record.labels),
            "annotations": dict(record.annotations),
            "publishNotReadyAddresses": record.publish_not_ready_addresses or None,
            "mode": record.mode.value,
            "traffic": record.traffic,
            "to": None if record.to is None else list(record.to),
        }
    )


def _moment(text: str) -> datetime:
    """Raises ValueError, also for a time without zone, which would mean another one in each cluster."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    try:
        return moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error


def _timeout(spec: Fields) -> int:
    seconds = spec.number("sessionAffinityTimeout", 0)
    if not 0 <= seconds <= LONGEST_AFFINITY:
        raise spec.wrong("sessionAffinityTimeout", f"{seconds} is not within 0 to {LONGEST_AFFINITY}")
    return seconds or DEFAULT_AFFINITY


def _families(spec: Fields) -> tuple[str, ...]:
    families = spec.texts("ipFamilies")
    if not set(families) <= set(FAMILIES) or len(set(families)) < len(families):
        raise spec.wrong("ipFamilies", "are not one or two of IPv4, IPv6")
    return families


def _bounded(spec: Fields, key: str, longest: int) -> str:
    text = spec.text(key, "")
    if len(text) > longest or not text.isprintable():
        raise spec.wrong(key, f"is not a text of at most {longest} characters")
    return text


def _is_key(name: str) -> bool:
    prefix, slash, plain = name.rpartition("/")
    return bool(_LABEL_NAME.fullmatch(plain)) and (not slash or bool(_PREFIX.fullmatch(prefix)))

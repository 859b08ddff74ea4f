"""ServiceExport (multicluster.x-k8s.io): what a user writes, and the status that its cluster answers."""

from collections.abc import Iterable
from datetime import UTC, datetime

from mcnet.codec.conditions import encode_conditions
from mcnet.codec.exported_service import LONGEST_TRAFFIC, decode_annotations, decode_labels
from mcnet.codec.fields import JsonObject, fields_of
from mcnet.codec.service_port import decode_service
from mcnet.model.service import (
    EXPORT_MODE_ANNOTATION,
    TRAFFIC_ANNOTATION,
    Condition,
    ExportMode,
    ServiceExport,
)


def decode(obj: JsonObject) -> ServiceExport:
    """The export; raises DecodeError."""
    fields = fields_of(obj)
    metadata, spec = fields.child("metadata"), fields.child("spec")
    annotations = metadata.child("annotations")
    traffic = annotations.text(TRAFFIC_ANNOTATION, "")
    if len(traffic) > LONGEST_TRAFFIC:
        raise annotations.wrong(TRAFFIC_ANNOTATION, f"has more than {LONGEST_TRAFFIC} characters")
    mode = annotations.text(EXPORT_MODE_ANNOTATION, ExportMode.ENDPOINTS.value)
    modes = tuple(one.value for one in ExportMode)
    fault = "" if mode in modes else f"{EXPORT_MODE_ANNOTATION} is none of {', '.join(modes)}"
    created = metadata.parsed("creationTimestamp", datetime.fromisoformat)
    if created is None or created.tzinfo is None:
        raise metadata.wrong("creationTimestamp", "is missing, or has no time zone")
    return ServiceExport(
        service=decode_service(metadata),
        exported_at=created.astimezone(UTC),
        labels=decode_labels(spec, "exportedLabels"),
        annotations=decode_annotations(spec, "exportedAnnotations"),
        mode=ExportMode.ENDPOINTS if fault else ExportMode(mode),
        traffic=traffic,
        fault=fault,
    )


def with_conditions(obj: JsonObject, conditions: Iterable[Condition], *, now: str) -> JsonObject:
    """The object with these conditions in its status; equal to `obj` if they are there. `now` is RFC 3339."""
    status = obj.get("status") or {}
    generation = obj["metadata"].get("generation") or 0
    made = encode_conditions(conditions, status.get("conditions"), generation=generation, now=now)
    return obj | {"status": status | {"conditions": made}}

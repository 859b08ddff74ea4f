"""ServiceExport (multicluster.x-k8s.io): what a user writes, and the status that its cluster answers."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from mcnet.codec.conditions import encode_conditions
from mcnet.codec.exported_service import LONGEST_TRAFFIC, decode_annotations, decode_labels
from mcnet.codec.fields import Fields, JsonObject, fields_of
from mcnet.codec.service_port import decode_service
from mcnet.model.cluster import CLUSTER_ID_PATTERN, ClusterId
from mcnet.model.service import (
    EXPORT_MODE_ANNOTATION,
    EXPORT_TO_ANNOTATION,
    TRAFFIC_ANNOTATION,
    Condition,
    ExportMode,
    ServiceExport,
)

LONGEST_AUDIENCE: Final = 16384
"""Characters of the annotation that names clusters."""
LONGEST_SHOWN: Final = 80


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
    wrong_mode = "" if mode in modes else f"{EXPORT_MODE_ANNOTATION} is none of {', '.join(modes)}"
    to, strange = decode_audience(annotations)
    created = metadata.parsed("creationTimestamp", datetime.fromisoformat)
    if created is None or created.tzinfo is None:
        raise metadata.wrong("creationTimestamp", "is missing, or has no time zone")
    return ServiceExport(
        service=decode_service(metadata),
        exported_at=created.astimezone(UTC),
        labels=decode_labels(spec, "exportedLabels"),
        annotations=decode_annotations(spec, "exportedAnnotations"),
        mode=ExportMode.ENDPOINTS if wrong_mode else ExportMode(mode),
        to=to,
        traffic=traffic,
        fault=". ".join(filter(None, [wrong_mode, strange])),
    )


def decode_audience(annotations: Fields) -> tuple[tuple[ClusterId, ...] | None, str]:
    """The clusters that may import the service, None for all, and what of the annotation means nothing: that is left
    out, so that a slip of the pen lets in fewer and not everybody. Raises DecodeError."""
    if not annotations.present(EXPORT_TO_ANNOTATION):
        return None, ""
    text = annotations.text(EXPORT_TO_ANNOTATION)
    if len(text) > LONGEST_AUDIENCE:
        raise annotations.wrong(EXPORT_TO_ANNOTATION, f"has more than {LONGEST_AUDIENCE} characters")
    names = [part.strip() for part in text.split(",")]
    found = sorted({ClusterId(name) for name in names if CLUSTER_ID_PATTERN.fullmatch(name)})
    wrong = next((name for name in names if not CLUSTER_ID_PATTERN.fullmatch(name)), None)
    if wrong is None:
        return tuple(found), ""
    shown = wrong if len(wrong) <= LONGEST_SHOWN else wrong[: LONGEST_SHOWN - 1] + "…"
    return tuple(found), f"{EXPORT_TO_ANNOTATION} names {shown!r}, which can be no cluster"


def with_conditions(obj: JsonObject, conditions: Iterable[Condition], *, now: str) -> JsonObject:
    """The object with these conditions in its status; equal to `obj` if they are there. `now` is RFC 3339."""
    status = obj.get("status") or {}
    generation = obj["metadata"].get("generation") or 0
    made = encode_conditions(conditions, status.get("conditions"), generation=generation, now=now)
    return obj | {"status": status | {"conditions": made}}

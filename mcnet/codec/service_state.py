"""ServiceExport, ServiceImport and imported EndpointSlices as those read them who look from outside: what the
controllers have reported. What they write is in the modules of the single kinds.
"""

from mcnet.codec import endpoint_slice as slice_codec
from mcnet.codec.exported_service import LONGEST_TRAFFIC
from mcnet.codec.fields import Fields, JsonObject, fields_of
from mcnet.codec.service_export import decode_audience
from mcnet.codec.service_port import decode_name, decode_ports, decode_service
from mcnet.model.cluster import CLUSTER_ID_PATTERN, ClusterId
from mcnet.model.member import MANAGED_LABEL
from mcnet.model.service import (
    EXPORT_MODE_ANNOTATION,
    KUBE_SERVICE_LABEL,
    SERVICE_NAME_LABEL,
    SOURCE_CLUSTER_LABEL,
    TRAFFIC_ANNOTATION,
    ServiceName,
)
from mcnet.model.service_state import ExportState, ImportedEndpoints, ImportState, ReportedCondition


def decode_export(obj: JsonObject) -> ExportState:
    """The export and its conditions; raises DecodeError."""
    fields = fields_of(obj)
    metadata = fields.child("metadata")
    annotations = metadata.child("annotations")
    return ExportState(
        service=decode_service(metadata),
        conditions=_conditions(fields),
        mode=annotations.text(EXPORT_MODE_ANNOTATION, ""),
        traffic=annotations.text(TRAFFIC_ANNOTATION, "")[:LONGEST_TRAFFIC],
        to=decode_audience(annotations)[0],
    )


def decode_import(obj: JsonObject) -> ImportState:
    """The import, whosever it is; raises DecodeError."""
    fields = fields_of(obj)
    metadata, spec = fields.child("metadata"), fields.child("spec")
    return ImportState(
        service=decode_service(metadata),
        type=spec.text("type", ""),
        ips=spec.addresses("ips"),
        ports=decode_ports(spec, "ports"),
        clusters=tuple(ClusterId(one.text("cluster")) for one in fields.child("status").children("clusters")),
        conditions=_conditions(fields),
        traffic=metadata.child("annotations").text(TRAFFIC_ANNOTATION, "")[:LONGEST_TRAFFIC],
        ours=metadata.child("labels").text(MANAGED_LABEL, "") == "mcnet",
    )


def decode_endpoints(obj: JsonObject) -> ImportedEndpoints:
    """What an imported slice counts for; raises DecodeError, also for one that names no cluster."""
    fields = fields_of(obj)
    metadata = fields.child("metadata")
    labels = metadata.child("labels")
    cluster = labels.text(SOURCE_CLUSTER_LABEL)
    if not CLUSTER_ID_PATTERN.fullmatch(cluster):
        raise labels.wrong(SOURCE_CLUSTER_LABEL, f"{cluster!r} is no cluster ID")
    made = slice_codec.decode(obj)
    return ImportedEndpoints(
        service=ServiceName(decode_name(metadata, "namespace"), decode_name(labels, SERVICE_NAME_LABEL)),
        cluster=ClusterId(cluster),
        ready=tuple(address for end in made.endpoints if end.ready for address in end.addresses[:1]),
        total=len(made.endpoints),
        ports=made.ports,
        attached=labels.text(KUBE_SERVICE_LABEL, ""),
    )


def _conditions(fields: Fields) -> tuple[ReportedCondition, ...]:
    """Those that say of which generation they are and mean an earlier one are not current. Annotations make no new
    generation (Kubernetes' API conventions, "metadata")."""
    generation = fields.child("metadata").number("generation", 0)
    return tuple(
        ReportedCondition(
            type=one.text("type"),
            status=one.text("status"),
            reason=one.text("reason", ""),
            message=one.text("message", ""),
            current=one.number("observedGeneration", generation) >= generation,
        )
        for one in fields.child("status").children("conditions")
    )

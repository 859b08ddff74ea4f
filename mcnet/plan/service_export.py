"""What a cluster publishes of a service that it exports, and what the ServiceExport's conditions say of it.

How it merges with other clusters' exports is mcnet.plan.service_merge's.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mcnet.model.cluster import ClusterId
from mcnet.model.kernel import Address
from mcnet.model.service import (
    EXPORT_MODE_ANNOTATION,
    EXPORT_TO_ANNOTATION,
    TRAFFIC_ANNOTATION,
    Condition,
    ExportedService,
    ExportMode,
    MergedService,
    Reason,
    Service,
    ServiceEndpoint,
    ServiceExport,
    ServiceSlice,
    ServiceType,
    broker_slice_name,
    is_refused_namespace,
)
from mcnet.plan import service_traffic
from mcnet.plan.service_audience import strangers
from mcnet.plan.service_weights import WEIGHTS_OF_HEADLESS

REFUSED_TYPE: Final = "ExternalName"
"""A name elsewhere has no endpoints (KEP-1645, "Service Types")."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a service is not exported."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Published:
    """The record and the slices for the broker, or why there are none."""

    record: ExportedService | None = None
    slices: tuple[ServiceSlice, ...] = ()
    own: tuple[ServiceSlice, ...] = ()
    """What the exporting cluster itself imports: always the pods. A ClusterIP is nothing that another Service there
    could send to, since kube-proxy translates a connection's destination once."""
    refusal: Refusal | None = None
    fault: str = ""
    """What of the ServiceExport means nothing, though it is exported."""


def publish(
    cluster: ClusterId,
    export: ServiceExport,
    service: Service | None,
    slices: Sequence[ServiceSlice],
    *,
    members: Collection[ClusterId] = (),
) -> Published:
    """What `cluster` publishes. `slices` are the Service's own EndpointSlices; `members` the clusterset's, none if
    they are not known."""
    if refusal := _refusal(export, service):
        return Published(refusal=refusal)
    assert service is not None
    record = ExportedService(
        cluster=cluster,
        service=export.service,
        exported_at=export.exported_at,
        type=ServiceType.HEADLESS if service.headless else ServiceType.CLUSTERSET_IP,
        ports=service.ports,
        session_affinity=service.session_affinity,
        session_affinity_timeout=service.session_affinity_timeout,
        internal_traffic_policy=service.internal_traffic_policy,
        traffic_distribution=service.traffic_distribution,
        ip_families=service.ip_families,
        labels=export.labels,
        annotations=export.annotations,
        publish_not_ready_addresses=service.publish_not_ready_addresses,
        mode=ExportMode.ENDPOINTS if service.headless else export.mode,
        traffic=export.traffic,
        to=None if export.to is None else tuple(sorted({*export.to, cluster})),
    )
    wrong = ". ".join(filter(None, _faults(export, service, members)))
    pods = tuple(_named(record, one) for one in _sorted(slices))
    crossing = _aggregated(record, service, slices) if record.mode is ExportMode.AGGREGATE else pods
    return Published(record, crossing, pods, fault=wrong)


def _faults(export: ServiceExport, service: Service, members: Collection[ClusterId]) -> Iterable[str]:
    """What of the annotations means nothing here."""
    yield export.fault
    yield service_traffic.fault(export.traffic)
    yield from meaningless(service, export.mode, export.traffic)
    yield strangers(EXPORT_TO_ANNOTATION, export.to or (), members)
    yield strangers(TRAFFIC_ANNOTATION, service_traffic.named(export.traffic), members)


def meaningless(service: Service, mode: ExportMode, traffic: str) -> Iterable[str]:
    """What is well said, but not of a service like this one."""
    if service.headless and mode is ExportMode.AGGREGATE:
        yield (
            f"{EXPORT_MODE_ANNOTATION} {mode.value} means nothing for a headless service, which has no ClusterIP: "
            "its endpoints cross"
        )
    if service.headless and service_traffic.weights(traffic):
        yield WEIGHTS_OF_HEADLESS


def conditions(
    published: Published, merged: MergedService | None, *, pending: str = "", failed: str = ""
) -> tuple[Condition, ...]:
    """The conditions of the ServiceExport. `merged` is what its cluster's record is part of; `pending` says why the
    record is not at the broker yet, `failed` why it was refused there."""
    if refusal := published.refusal:
        return (
            Condition("Valid", False, refusal.reason.value, refusal.message),
            Condition("Ready", False, Reason.FAILED.value, "The service is not exported"),
            Condition("Conflict", False, Reason.NO_CONFLICTS.value, ""),
        )
    valid = Condition("Valid", True, Reason.VALID.value, published.fault)
    return valid, _ready(pending, failed), _conflict(merged)


def _ready(pending: str, failed: str) -> Condition:
    if failed:
        return Condition("Ready", False, Reason.FAILED.value, failed)
    if pending:
        return Condition("Ready", False, Reason.PENDING.value, pending)
    return Condition("Ready", True, Reason.EXPORTED.value, "The service is exported to the clusterset")


def _conflict(merged: MergedService | None) -> Condition:
    conflicts = merged.conflicts if merged else ()
    if not conflicts:
        return Condition("Conflict", False, Reason.NO_CONFLICTS.value, "")
    reasons = ",".join(one.reason.value for one in conflicts)
    return Condition("Conflict", True, reasons, ". ".join(one.message for one in conflicts))


def _refusal(export: ServiceExport, service: Service | None) -> Refusal | None:
    namespace, name = export.service
    if is_refused_namespace(namespace):
        message = f"Nothing of the namespace {namespace} is exported: it holds a cluster's own system"
        return Refusal(Reason.REFUSED_NAMESPACE, message)
    if service is None:
        return Refusal(Reason.NO_SERVICE, f"There is no Service {name} in the namespace {namespace}")
    if service.type == REFUSED_TYPE:
        message = f"The Service is of type {service.type}, which has no endpoints to export"
        return Refusal(Reason.INVALID_SERVICE_TYPE, message)
    if service.derived:
        message = "The Service is derived from an import: export the services that it leads to, where they are"
        return Refusal(Reason.REFUSED_SERVICE, message)
    return None


def _named(record: ExportedService, made: ServiceSlice) -> ServiceSlice:
    """The slice as it is at the broker. Host names are for headless services only."""
    endpoints = made.endpoints
    if record.type is ServiceType.CLUSTERSET_IP:
        endpoints = tuple(replace(one, hostname="") if one.hostname else one for one in endpoints)
    return replace(made, name=broker_slice_name(record.cluster, record.service, made.name), endpoints=endpoints)


def _aggregated(
    record: ExportedService, service: Service, slices: Iterable[ServiceSlice]
) -> tuple[ServiceSlice, ...]:
    """One slice for each ClusterIP. It is ready as long as any endpoint of that family is."""
    slices = tuple(slices)
    return tuple(
        _sorted(
            ServiceSlice(
                name=broker_slice_name(record.cluster, record.service, f"ClusterIP {_family(ip)}"),
                family=_family(ip),
                ports=service.ports,
                endpoints=(_whole(ip, [one for one in slices if one.family == _family(ip)]),),
            )
            for ip in service.cluster_ips
        )
    )


def _whole(ip: Address, slices: Iterable[ServiceSlice]) -> ServiceEndpoint:
    ready = any(endpoint.ready for one in slices for endpoint in one.endpoints)
    return ServiceEndpoint((ip,), ready=ready, serving=ready)


def _family(ip: Address) -> str:
    return f"IPv{ip.version}"


def _sorted(slices: Iterable[ServiceSlice]) -> list[ServiceSlice]:
    return sorted(slices, key=lambda one: one.name)

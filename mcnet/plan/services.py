"""One service, level-triggered: all that both places hold of it in, the writes that bring it further out.

A write may need what an earlier one brings (the ServiceImport's UID, the derived Service's IP): the plan is made
again of what came of it, until there is nothing left to write. Reading and writing are the daemon's.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from mcnet.codec import endpoint_slice as slice_codec
from mcnet.codec import exported_service as record_codec
from mcnet.codec import service as service_codec
from mcnet.codec import service_export as export_codec
from mcnet.codec.errors import DecodeError
from mcnet.codec.fields import JsonObject
from mcnet.model.cluster import ClusterId
from mcnet.model.service import (
    Condition,
    ExportedService,
    MergedService,
    Reason,
    ServiceName,
    ServiceSlice,
    is_refused_namespace,
)
from mcnet.plan.mirror import Place, Verb, Write
from mcnet.plan.service_audience import concerning, is_for
from mcnet.plan.service_difference import differs
from mcnet.plan.service_export import Published, Refusal, conditions, publish
from mcnet.plan.service_import import Importer
from mcnet.plan.service_import_objects import Target, There, import_writes
from mcnet.plan.service_merge import merge

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Seen:
    """All that there is of one service, as JSON."""

    service: ServiceName
    namespace: bool = True
    """Whether its namespace exists in the own cluster and is not going."""
    export: JsonObject | None = None
    source: JsonObject | None = None
    """The Service of that name in the own cluster."""
    source_slices: tuple[JsonObject, ...] = ()
    records: tuple[JsonObject, ...] = ()
    """ExportedServices at the broker, the own one included; likewise the slices."""
    broker_slices: tuple[JsonObject, ...] = ()
    service_import: JsonObject | None = None
    derived: JsonObject | None = None
    imported_slices: tuple[JsonObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for all services."""

    importer: Importer
    broker_namespace: str
    version: str
    """Of the MCS API, as the own API server serves it."""
    now: str
    """RFC 3339."""
    reachable: bool = True
    """Whether the broker can be written to now."""


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """Writes in the order to do them, and what was left out, as sentences."""

    writes: tuple[Write, ...] = ()
    problems: tuple[str, ...] = ()


def plan(seen: Seen, setting: Setting, *, failed: str = "", stuck: bool = False) -> ServicePlan:
    """The writes for one service. `failed` says why the broker refused what was written there last, `stuck` whether
    the own API server did."""
    problems: list[str] = []
    if is_refused_namespace(seen.service.namespace):
        return _refused(seen, setting)
    published = _published(seen, setting.importer, problems)
    own_writes = _own_objects(seen, setting, published)
    others = _others(seen, setting.importer, problems)
    writes = list(own_writes)
    waiting = bool(own_writes) and setting.reachable and not failed
    if seen.export and published and not waiting:
        unpublished = any(write.kind == "ExportedService" for write in own_writes)
        pending = "The broker can't be reached now" if unpublished else ""
        said = conditions(published, _with_own(published, others), pending=pending, failed=failed)
        writes += _export_status(seen.export, said, setting.now)
    if seen.namespace:
        slices = _slices(seen, setting.importer.cluster, published, problems)
        target = Target(setting.importer, setting.version, setting.now, stuck)
        present = There(seen.service_import, seen.derived, seen.imported_slices)
        here = [one for one in others if is_for(one.to, setting.importer.cluster)]
        made, left_out = import_writes(target, merge([*here, *_own_record(published)]), slices, present)
        writes += made
        problems += left_out
    return ServicePlan(tuple(writes), tuple(problems))


def _refused(seen: Seen, setting: Setting) -> ServicePlan:
    """Of a system namespace: what is ours at the broker goes, nothing here is touched, the user is told."""
    published = _published(seen, setting.importer, [])
    writes = _own_objects(seen, setting, None)
    if seen.export and published:
        writes += _export_status(seen.export, conditions(published, None), setting.now)
    cluster = setting.importer.cluster
    foreign = any(_cluster_of(obj) != cluster for obj in seen.records)
    why = f"nothing of the namespace {seen.service.namespace} is imported: it holds the cluster's own system"
    return ServicePlan(tuple(writes), (why,) if foreign else ())


def _published(seen: Seen, importer: Importer, problems: list[str]) -> Published | None:
    """What the own cluster publishes; None without a ServiceExport, or with one that can't be understood."""
    if seen.export is None or not seen.namespace:
        return None
    try:
        export = export_codec.decode(seen.export)
    except DecodeError as error:
        problems.append(f"ServiceExport: {error}")
        return Published(refusal=Refusal(Reason.REFUSED_SERVICE, f"The ServiceExport is not usable: {error}"))
    try:
        service = service_codec.decode(seen.source) if seen.source else None
    except DecodeError as error:
        problems.append(f"Service: {error}")
        return Published(refusal=Refusal(Reason.REFUSED_SERVICE, f"The Service is not usable: {error}"))
    headless = service is not None and service.headless
    slices = _decoded(
        lambda obj: slice_codec.decode(obj, pod_names=headless), seen.source_slices, "EndpointSlice", problems
    )
    return publish(importer.cluster, export, service, slices, members=importer.members)


def _with_own(published: Published, others: Iterable[ExportedService]) -> MergedService | None:
    """What the own export makes of the service together with those that it may be in conflict with."""
    record = published.record
    return merge([*concerning(record, others), record]) if record else None


def _own_record(published: Published | None) -> tuple[ExportedService, ...]:
    return (published.record,) if published and published.record else ()


def _own_objects(seen: Seen, setting: Setting, published: Published | None) -> list[Write]:
    """The own record and slices at the broker."""
    cluster, namespace = setting.importer.cluster, setting.broker_namespace
    records = [record_codec.encode(record, namespace=namespace) for record in _own_record(published)]
    slices = [
        slice_codec.encode_broker(one, cluster=cluster, service=seen.service, namespace=namespace)
        for one in (published.slices if published else ())
    ]
    return [
        *differs(Place.BROKER, records, (obj for obj in seen.records if _cluster_of(obj) == cluster)),
        *differs(Place.BROKER, slices, (obj for obj in seen.broker_slices if _cluster_of(obj) == cluster)),
    ]


def _others(seen: Seen, importer: Importer, problems: list[str]) -> list[ExportedService]:
    """The other members' records."""
    theirs = [obj for obj in seen.records if _cluster_of(obj) != importer.cluster]
    found = []
    for one in _decoded(record_codec.decode, theirs, "ExportedService", problems):
        if one.cluster in importer.prefixes:
            found.append(one)
        else:
            problems.append(f"{one.cluster} is no member of the clusterset: its export is left out")
    return found


def _slices(
    seen: Seen, cluster: ClusterId, published: Published | None, problems: list[str]
) -> dict[ClusterId, list[ServiceSlice]]:
    """By cluster: the own ones as they are here, so that the broker is not needed for them; the others' as they are
    there."""
    found: dict[ClusterId, list[ServiceSlice]] = {cluster: list(published.own)} if published else {}
    for obj in seen.broker_slices:
        if _cluster_of(obj) == cluster:
            continue
        try:
            owner, service = slice_codec.decode_owner(obj)
            made = slice_codec.decode(obj)
        except DecodeError as error:
            problems.append(f"EndpointSlice at the broker: {error}")
            continue
        if service == seen.service:
            found.setdefault(owner, []).append(made)
    return found


def _export_status(obj: JsonObject, wanted: Iterable[Condition], now: str) -> list[Write]:
    made = export_codec.with_conditions(obj, wanted, now=now)
    return [] if made == obj else [Write(Place.LOCAL, Verb.REPLACE_STATUS, made, "conditions")]


def _decoded(
    decode: Callable[[JsonObject], Value], objects: Iterable[JsonObject], kind: str, problems: list[str]
) -> list[Value]:
    values = []
    for obj in objects:
        try:
            values.append(decode(obj))
        except DecodeError as error:
            problems.append(f"{kind}: {error}")
    return values


def _cluster_of(obj: JsonObject) -> str:
    return str(obj["metadata"]["name"]).partition(".")[0]

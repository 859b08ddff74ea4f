"""The objects of one import in an importing cluster: ServiceImport, derived Service, EndpointSlices.

Objects of others under these names are never touched, but told of.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mcnet.codec import endpoint_slice as slice_codec
from mcnet.codec import service as service_codec
from mcnet.codec import service_import as import_codec
from mcnet.codec.errors import DecodeError
from mcnet.codec.fields import JsonObject, plain_address
from mcnet.model.cluster import ClusterId
from mcnet.model.kernel import Address
from mcnet.model.service import (
    MCS_GROUP,
    TRAFFIC_ANNOTATION,
    Condition,
    MergedService,
    Reason,
    ServiceSlice,
    ServiceType,
    derived_name,
)
from mcnet.plan import service_traffic
from mcnet.plan.mirror import Place, Verb, Write
from mcnet.plan.service_audience import strangers
from mcnet.plan.service_difference import (
    deletion,
    derived_writes,
    differs,
    import_write,
    is_going,
    is_ours,
    with_exported,
)
from mcnet.plan.service_import import Imported, Importer, imported

GONE = "nobody exports the service any more"


@dataclass(frozen=True, slots=True)
class Target:
    """The importing cluster; `version` of the MCS API, `now` as RFC 3339. `stuck`: something of it was refused here,
    so the status is to say how far it has come, and not to wait for the rest."""

    importer: Importer
    version: str
    now: str
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class There:
    """What is there already: the ServiceImport of the service's name, the Service of the derived Service's name
    (whosever they are), and our slices."""

    service_import: JsonObject | None
    derived: JsonObject | None
    slices: tuple[JsonObject, ...]


def import_writes(
    target: Target,
    merged: MergedService | None,
    slices: Mapping[ClusterId, Sequence[ServiceSlice]],
    present: There,
) -> tuple[list[Write], list[str]]:
    """The writes, and what was left out."""
    there, derived = present.service_import, present.derived
    if merged is None:
        return _removal(there, derived, present.slices), []
    if there is not None and not is_ours(there):
        why = f"there is a ServiceImport {merged.service} that is not mcnet's: the service is not imported"
        return _removal(None, derived, present.slices), [why]
    traffic, problems = _traffic(there, target.importer)
    made = imported(target.importer, merged, slices, traffic=traffic)
    problems += made.problems
    needs_derived = merged.type is ServiceType.CLUSTERSET_IP and bool(made.families)
    foreign = derived is not None and not is_ours(derived)
    if needs_derived and foreign:
        problems.append(f"there is a Service {derived_name(merged.service)} that is not mcnet's: no clusterset IP")
    lacking = needs_derived and derived is None
    if there is None and lacking and not target.stuck:
        # First its IP, so that the ServiceImport is written once, whole.
        return _derived(merged, made, derived, needed=True), problems
    ips = _ips(derived) if needs_derived and not foreign else ()
    wanted = import_codec.encode(merged, version=target.version, ips=ips, families=made.families)
    if there is None:
        writes = [Write(Place.LOCAL, Verb.CREATE, with_exported(wanted, None), "new import")]
        return [*(_derived(merged, made, derived, needed=True) if lacking else ()), *writes], problems
    if is_going(there):
        return [], problems
    writes = import_write(with_exported(wanted, there), there)
    owner = _owner(there, target.version)
    if not foreign:
        writes += _derived(merged, made, derived, needed=needs_derived)
    writes += _slices(merged, made, owner, present.slices, derived=needs_derived and not foreign)
    if not writes or (target.stuck and all(write.kind != import_codec.KIND for write in writes)):
        writes += _status(target, merged, made, there, ips)
    return writes, problems


def _removal(there: JsonObject | None, derived: JsonObject | None, slices: Iterable[JsonObject]) -> list[Write]:
    """Deletes what is ours; the ServiceImport last, by which the rest is found."""
    ours = [obj for obj in (derived, there) if obj is not None and is_ours(obj)]
    return [deletion(Place.LOCAL, obj, GONE) for obj in (*slices, *ours) if not is_going(obj)]


def _traffic(there: JsonObject | None, importer: Importer) -> tuple[str, list[str]]:
    """What the ServiceImport's own annotation says, and what is wrong with it."""
    try:
        traffic = import_codec.traffic(there) if there else ""
    except DecodeError as error:
        return "", [f"ServiceImport: {error}"]
    if fault := service_traffic.fault(traffic):
        return "", [fault]
    unknown = strangers(TRAFFIC_ANNOTATION, service_traffic.named(traffic), importer.members)
    return traffic, [unknown] if unknown else []


def _owner(there: JsonObject, version: str) -> JsonObject:
    metadata = there["metadata"]
    return {
        "apiVersion": f"{MCS_GROUP}/{version}",
        "kind": import_codec.KIND,
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def _ips(derived: JsonObject | None) -> tuple[Address, ...]:
    """The ClusterIPs of the derived Service, which its API server has given."""
    texts = ((derived or {}).get("spec") or {}).get("clusterIPs") or ()
    return tuple(plain_address(text) for text in texts if text not in ("", "None"))


def _derived(merged: MergedService, made: Imported, there: JsonObject | None, *, needed: bool) -> list[Write]:
    if needed:
        wanted = service_codec.encode_derived(merged, ports=made.ports, families=made.families)
        return derived_writes(wanted, there)
    return [deletion(Place.LOCAL, there, "the import has no clusterset IP")] if there and not is_going(there) else []


def _slices(
    merged: MergedService, made: Imported, owner: JsonObject, there: Iterable[JsonObject], *, derived: bool
) -> list[Write]:
    name = derived_name(merged.service) if derived else ""
    wanted = [
        slice_codec.encode_imported(one, cluster=cluster, service=merged.service, owner=owner, derived=name)
        for cluster, one in made.slices
    ]
    return differs(Place.LOCAL, wanted, there)


def _status(
    target: Target, merged: MergedService, made: Imported, there: JsonObject, ips: tuple[Address, ...]
) -> list[Write]:
    wanted = import_codec.with_status(
        there, clusters=made.clusters, conditions=(_ready(merged, made, ips),), now=target.now
    )
    return [] if wanted == there else [Write(Place.LOCAL, Verb.REPLACE_STATUS, wanted, "clusters and conditions")]


def _ready(merged: MergedService, made: Imported, ips: tuple[Address, ...]) -> Condition:
    if merged.type is ServiceType.HEADLESS or ips:
        return Condition("Ready", True, Reason.READY.value, "")
    if not made.families:
        families = " and ".join(merged.ip_families)
        message = f"The service has {families}, which this cluster's services don't have"
        return Condition("Ready", False, Reason.IP_FAMILY_NOT_SUPPORTED.value, message)
    return Condition("Ready", False, Reason.PENDING.value, "The service has no clusterset IP yet")

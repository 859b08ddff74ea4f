"""`mcnet export service` and `unexport service`: a ServiceExport written or deleted as its user would, and what came
of it. What follows from a ServiceExport is the controllers' (daemons/mcnet_discovery).
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from mcnet.codec.errors import DecodeError
from mcnet.codec.service_state import decode_export, decode_import
from mcnet.install.exportable import (
    kubectl,
    mcs_kinds,
    member_of,
    option,
    require_members,
    require_namespace,
    require_source,
)
from mcnet.install.progress import Progress
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.kube.mcs import McsKinds
from mcnet.model.cluster import CLUSTER_ID_PATTERN, ClusterId
from mcnet.model.errors import ConflictError, McnetError, NotFoundError, UsageError
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.model.service import (
    EXPORT_MODE_ANNOTATION,
    EXPORT_TO_ANNOTATION,
    TRAFFIC_ANNOTATION,
    ExportMode,
    Reason,
    Service,
    ServiceName,
)
from mcnet.model.service_state import ExportState
from mcnet.plan import service_traffic
from mcnet.plan.service_export import meaningless

DEFAULT: Final = "default"
"""The word that takes an option back."""
TRIES: Final = 3
"""Times that a change is made again because somebody else changed the object meanwhile."""


class Outcome(Enum):
    """What was done to the ServiceExport."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Exported:
    """`obj` is the ServiceExport as it is now, or as it would be; `kinds` in which version; `changes` what of its
    annotations is new; `meaningless` what of them is nothing to a service like this one, as sentences."""

    outcome: Outcome
    obj: JsonObject
    kinds: McsKinds
    changes: tuple[str, ...] = ()
    meaningless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unexported:
    """`keepers` are controllers that own the ServiceExport and may make it anew."""

    outcome: Outcome
    kinds: McsKinds
    cluster: ClusterId | None = None
    """None where the cluster is no member, so that nobody is there who would do more."""
    keepers: tuple[str, ...] = ()


def annotations(mode: str, traffic: str, to: str = "") -> dict[str, str | None]:
    """The annotations that the options ask for, None for one that is to go; an option that is "" asks for nothing.
    Raises UsageError."""
    wanted: dict[str, str | None] = {}
    if mode:
        # The default is written by writing nothing.
        wanted[EXPORT_MODE_ANNOTATION] = mode if mode == ExportMode.AGGREGATE.value else None
    if traffic:
        if traffic != DEFAULT and service_traffic.fault(traffic):
            ways = ", ".join(service_traffic.FORMS)
            raise UsageError(f"--traffic: {traffic!r} is none of the ways there are", f"one of {ways}, or {DEFAULT}")
        wanted[TRAFFIC_ANNOTATION] = None if traffic == DEFAULT else traffic
    if to:
        wanted[EXPORT_TO_ANNOTATION] = None if to == DEFAULT else ",".join(_clusters(to))
    return wanted


def _clusters(text: str) -> list[str]:
    """Raises UsageError for what can be no cluster."""
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if not CLUSTER_ID_PATTERN.fullmatch(name):
            raise UsageError(
                f"--to: {name!r} is no ID of a cluster", f"IDs separated by commas, or {DEFAULT} for all"
            )
    return sorted(set(names))


async def export(
    api: Api, service: ServiceName, wanted: Mapping[str, str | None], *, dry_run: bool = False
) -> Exported:
    """Writes the ServiceExport; a second run changes nothing. Raises UsageError where nothing could come of it."""
    await member_of(api, needed=True)
    served = await mcs_kinds(api)
    source = await require_source(api, service)
    if clusters := _named(wanted):
        await require_members(api, clusters)
    for _ in range(TRIES):
        made = await _written(api, served, service, wanted, dry_run=dry_run)
        if made is not None:
            return replace(made, meaningless=_meaningless(source, made.obj))
    raise McnetError(
        f"the ServiceExport {service} is made and deleted by somebody else all the time",
        f"{kubectl(api)} -n {service.namespace} get serviceexport {service.name} -o yaml --show-managed-fields",
    )


def _named(wanted: Mapping[str, str | None]) -> list[str]:
    """The clusters that the options name."""
    to = wanted.get(EXPORT_TO_ANNOTATION)
    return [*(to.split(",") if to else ()), *service_traffic.named(wanted.get(TRAFFIC_ANNOTATION) or "")]


async def _written(
    api: Api, served: McsKinds, service: ServiceName, wanted: Mapping[str, str | None], *, dry_run: bool
) -> Exported | None:
    """None if somebody else has made or deleted it meanwhile."""
    kind = served.service_export
    there = await api.find(kind, service.name, service.namespace)
    if there is None:
        new = _new(kind, service, wanted)
        try:
            obj = await api.create(kind, new, service.namespace, dry_run=dry_run)
        except ConflictError:
            return None
        return Exported(Outcome.CREATED, new if dry_run else obj, served)
    before = there["metadata"].get("annotations") or {}
    news = {key: value for key, value in wanted.items() if before.get(key) != value}
    if not news:
        return Exported(Outcome.UNCHANGED, there, served)
    changes = tuple(f"{key} {value}" if value else f"without {key}" for key, value in sorted(news.items()))
    if dry_run:
        after = {key: value for key, value in (before | news).items() if value is not None}
        obj = there | {"metadata": there["metadata"] | {"annotations": after}}
        return Exported(Outcome.CHANGED, obj, served, changes)
    patch = {"metadata": {"annotations": news}}
    try:
        obj = await api.merge_patch(kind, service.name, patch, service.namespace)
    except NotFoundError:
        return None
    return Exported(Outcome.CHANGED, obj, served, changes)


def _meaningless(source: Service, obj: JsonObject) -> tuple[str, ...]:
    """Of all its annotations, also those that were there before."""
    state = _state(obj)
    mode = ExportMode.AGGREGATE if state.mode == ExportMode.AGGREGATE.value else ExportMode.ENDPOINTS
    return tuple(meaningless(source, mode, state.traffic))


async def settle(api: Api, made: Exported, service: ServiceName, *, timeout: float, progress: Progress) -> JsonObject:
    """Waits until the export is Valid and Ready, and returns the ServiceExport. Raises McnetError with why if it is
    refused, or not through within `timeout` seconds."""
    kind = made.kinds.service_export
    progress.doing(f"waiting for discovery to export {service}")
    with suppress(TimeoutError):  # what there is by then says why
        await api.wait_for(kind, service.name, service.namespace, _is_over, timeout)
    obj = await api.find(kind, service.name, service.namespace)
    if obj is None:
        raise McnetError(f"the ServiceExport {service} was deleted by somebody else", _again(api, service))
    state = _state(obj)
    if why := _why(state):
        raise McnetError(why, _following(api, service, state))
    return obj


def conflict(obj: JsonObject) -> str:
    """In what the exports of several clusters differ, as its cluster says; "" if in nothing."""
    found = _state(obj).condition("Conflict")
    return found.message or found.reason if found and found.true else ""


async def unexport(api: Api, service: ServiceName, *, dry_run: bool = False) -> Unexported:
    """Deletes the ServiceExport, if it is there."""
    served = await mcs_kinds(api)
    kind = served.service_export
    cluster = await member_of(api, needed=False)
    there = await api.find(kind, service.name, service.namespace)
    if there is None:
        await require_namespace(api, service)
        return Unexported(Outcome.UNCHANGED, served, cluster)
    owners = there["metadata"].get("ownerReferences") or ()
    keepers = tuple(f"{one.get('kind', '')} {one.get('name', '')}" for one in owners)
    if not dry_run:
        await api.delete(kind, service.name, service.namespace, uid=str(there["metadata"].get("uid", "")))
    return Unexported(Outcome.DELETED, served, cluster, keepers)


async def settle_unexport(
    api: Api, done: Unexported, service: ServiceName, *, timeout: float, progress: Progress
) -> None:
    """Waits until the own import says that this cluster is out. Raises McnetError if it does not within `timeout`
    seconds."""
    if done.cluster is None:
        return
    cluster, kinds, name, namespace = done.cluster, done.kinds, service.name, service.namespace
    progress.doing(f"waiting for discovery to take {service} back")

    def is_out(obj: JsonObject | None) -> bool:
        if obj is None:
            return True
        try:
            state = decode_import(obj)
        except DecodeError:
            return False
        return not state.ours or cluster not in state.clusters

    try:
        await api.wait_for(kinds.service_export, name, namespace, lambda obj: obj is None, timeout)
        await api.wait_for(kinds.service_import, name, namespace, is_out, timeout)
    except TimeoutError as error:
        raise McnetError(
            f"the ServiceExport {service} is deleted, but {cluster} still serves it after {timeout:g} s", _logs(api)
        ) from error


def _new(kind: Kind, service: ServiceName, wanted: Mapping[str, str | None]) -> JsonObject:
    metadata: JsonObject = {"name": service.name, "namespace": service.namespace}
    written = {key: value for key, value in wanted.items() if value is not None}
    metadata |= {"annotations": written} if written else {}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def _state(obj: JsonObject) -> ExportState:
    try:
        return decode_export(obj)
    except DecodeError as error:
        raise McnetError(f"the ServiceExport is not usable: {error}") from error


def _is_over(obj: JsonObject | None) -> bool:
    """Whether nothing more is to be expected: it is exported, refused for good, or gone. That there is no Service is
    what may have been seen before there was one; that the broker can't be reached may end."""
    if obj is None:
        return True
    state = _state(obj)
    valid, ready = state.condition("Valid"), state.condition("Ready")
    if valid is None or ready is None:
        return False
    if not valid.true:
        return valid.reason in (Reason.REFUSED_SERVICE.value, Reason.REFUSED_NAMESPACE.value)
    return ready.true or ready.reason == Reason.FAILED.value


def _why(state: ExportState) -> str:
    """Why it is not exported; "" if it is."""
    valid, ready = state.condition("Valid"), state.condition("Ready")
    if valid is None or ready is None:
        return f"nobody has looked at the ServiceExport {state.service}: discovery does not run, or is late"
    for found in (valid, ready):
        if not found.true:
            return f"{state.service} is not exported: {found.message or found.reason}"
    return ""


def _following(api: Api, service: ServiceName, state: ExportState) -> str:
    if state.condition("Valid") is None:
        return _logs(api)
    return f"mcnet diagnose service {service.name} -n {service.namespace}"


def _again(api: Api, service: ServiceName) -> str:
    return f"mcnet export service {service.name} -n {service.namespace}{option(api)}"


def _logs(api: Api) -> str:
    return f"{kubectl(api)} -n {SYSTEM_NAMESPACE} logs -l app.kubernetes.io/component=discovery --tail 20"

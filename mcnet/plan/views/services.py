"""Services across clusters: each as each cluster has it, exported from it or imported into it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mcnet.model.cluster import ClusterId
from mcnet.model.service import Reason, ServiceName, derived_name
from mcnet.model.service_state import ExportState, ImportedEndpoints, ImportState, ReportedCondition
from mcnet.plan import service_health
from mcnet.plan.cluster_view import ClusterView, Picture, Row, ServicesView, logs
from mcnet.plan.service_audience import is_for, named

READY: Final = "ready"
CONFLICT: Final = "conflict"
PENDING: Final = "pending"
REFUSED: Final = "refused"
ERROR: Final = "error"
MISSING: Final = "missing"
NO_ENDPOINTS: Final = "no endpoints"
NO_NAMESPACE: Final = "no namespace"
NOT_FOR_IT: Final = "not for it"
UNKNOWN: Final = "unknown"

Said = tuple[str, str, str]
"""State, why it is not well, and the next command."""


@dataclass(frozen=True, slots=True)
class _One:
    """A service in a cluster. `counts`: by cluster its endpoints that are ready here, and how many there are;
    `others` are the other clusters that export it; `here`: whether its namespace is."""

    view: ClusterView
    service: ServiceName
    export: ExportState | None
    made: ImportState | None
    counts: Mapping[ClusterId, tuple[int, int]]
    others: tuple[ClusterId, ...]
    here: bool
    lost: frozenset[ClusterId]
    """Clusters that no cable leads to."""
    for_others: tuple[ExportState, ...] = ()
    """What other clusters export, but not to this one."""

    @property
    def conflict(self) -> ReportedCondition | None:
        found = self.export.condition("Conflict") if self.export else None
        return found if found and found.true else None


def rows(picture: Picture) -> list[Row]:
    """For each cluster, what it exports or imports, and what it lacks of what others export."""
    exporters = _exporters(picture)
    return [row for view in picture.members if view.services for row in _of_cluster(view, view.services, exporters)]


Exports = Mapping[ServiceName, list[tuple[ClusterId, ExportState]]]


def _exporters(picture: Picture) -> Exports:
    """The clusters that say that an export of theirs is at the broker."""
    found: dict[ServiceName, list[tuple[ClusterId, ExportState]]] = {}
    for view in picture.members:
        for export in view.services.exports if view.services else ():
            ready = export.condition("Ready")
            if ready and ready.true:
                found.setdefault(export.service, []).append((view.cluster, export))
    return found


def _of_cluster(view: ClusterView, services: ServicesView, exporters: Exports) -> Iterable[Row]:
    if services.late:
        following = f"mcnet show services --timeout 60 --context {view.context}"
        yield _row(view, None, (UNKNOWN, f"its services are not known: {services.unread}", following))
        return
    if services.unread:
        yield _row(view, None, (UNKNOWN, "", "")) | {"note": f"its services can't be read: {services.unread}"}
        return
    if not services.installed:
        why = "it does not have the kinds of the MCS API (multicluster.x-k8s.io): no service is exported or imported"
        yield _row(view, None, (MISSING, why, f"mcnet join broker-info.mcnet --context {view.context}"))
        return
    exports = {one.service: one for one in services.exports}
    imports = {one.service: one for one in services.imports}
    endpoints: dict[ServiceName, list[ImportedEndpoints]] = {}
    for found in services.endpoints:
        endpoints.setdefault(found.service, []).append(found)
    lost = service_health.cut_off(view.gateways, (cluster.id for cluster in view.clusters))
    for service in sorted({*exports, *imports, *exporters}):
        made = imports.get(service)
        others = [pair for pair in exporters.get(service, ()) if pair[0] != view.cluster]
        one = _One(
            view,
            service,
            exports.get(service),
            made,
            _counts(made, endpoints.get(service, ())),
            tuple(cluster for cluster, export in others if is_for(export.to, view.cluster)),
            service.namespace in services.namespaces,
            lost,
            tuple(export for _, export in others if not is_for(export.to, view.cluster)),
        )
        said = _said(one)
        yield _row(view, service, said) | _values(one) | {"note": _note(one, said)}


def _counts(made: ImportState | None, slices: Iterable[ImportedEndpoints]) -> dict[ClusterId, tuple[int, int]]:
    """By cluster, how many of its endpoints are ready here, and how many there are."""
    found = dict.fromkeys(sorted(made.clusters), (0, 0)) if made else {}
    for one in sorted(slices, key=lambda one: one.cluster):
        ready, total = found.get(one.cluster, (0, 0))
        found[one.cluster] = (ready + len(one.ready), total + one.total)
    return found


def _said(one: _One) -> Said:
    """What is wrong first, on the service's way: its export, its import, its endpoints, conflicts."""
    if one.export and (found := _export_said(one.view, one.export)):
        return found
    if one.made is None:
        return _absent(one)
    if found := _import_said(one.view, one.made):
        return found
    return _endpoints_said(one) or _conflict_said(one) or (READY, "", "")


def _endpoints_said(one: _One) -> Said | None:
    if any(ready for ready, _ in one.counts.values()):
        return None
    if cut := one.lost.intersection(one.counts):
        why = f"no cable leads to {', '.join(sorted(cut))}, and no other endpoint is ready"
        return NO_ENDPOINTS, why, f"mcnet show connections --context {one.view.context}"
    following = f"mcnet diagnose service {one.service.name} -n {one.service.namespace}"
    return NO_ENDPOINTS, "no endpoint is ready, in whichever cluster", following


def _conflict_said(one: _One) -> Said | None:
    conflict = one.conflict
    if conflict is None:
        return None
    back = f"mcnet unexport service {one.service.name} -n {one.service.namespace} --context {one.view.context}"
    return CONFLICT, conflict.message or conflict.reason, f"make the exports alike, or take one back: {back}"


def _export_said(view: ClusterView, export: ExportState) -> Said | None:
    valid, ready = export.condition("Valid"), export.condition("Ready")
    if valid is None or ready is None:
        return PENDING, "nobody has looked at the ServiceExport: discovery does not run, or is late", _logs(view)
    if not valid.true:
        namespace, name = export.service
        following = f"mcnet unexport service {name} -n {namespace} --context {view.context}"
        if valid.reason == Reason.NO_SERVICE.value:
            following = f"kubectl --context {view.context} -n {namespace} get services"
        return REFUSED, valid.message or valid.reason, following
    if not ready.true:
        state = PENDING if ready.reason == Reason.PENDING.value else ERROR
        return state, f"it is not exported: {ready.message or ready.reason}", _logs(view)
    return None


def _absent(one: _One) -> Said:
    if not one.here:
        return NO_NAMESPACE, "", ""
    if one.for_others and not (one.others or one.export):
        return NOT_FOR_IT, "", ""
    by = ", ".join(one.others) or one.view.cluster
    return MISSING, f"{by} exports it, but it is not imported here", _logs(one.view)


def _import_said(view: ClusterView, made: ImportState) -> Said | None:
    namespace, name = made.service
    if not made.ours:
        why = "there is a ServiceImport of that name that is not mcnet's: the service is not imported"
        return ERROR, why, f"kubectl --context {view.context} -n {namespace} get serviceimport {name} -o yaml"
    ready = made.condition("Ready")
    if ready is None:
        return PENDING, "nothing is said of the import: discovery does not run, or is late", _logs(view)
    if not ready.true:
        following = _logs(view)
        state = PENDING
        if ready.reason == Reason.IP_FAMILY_NOT_SUPPORTED.value:
            state, following = ERROR, f"mcnet show networks --context {view.context}"
        return state, f"it is not usable here: {ready.message or ready.reason}", following
    return None


def _note(one: _One, said: Said) -> str:
    state = said[0]
    if state == NO_NAMESPACE:
        namespace = one.service.namespace
        return f"it has no namespace {namespace}: services are imported only where their namespace is"
    if state == NOT_FOR_IT:
        to = {cluster for export in one.for_others for cluster in export.to or ()}
        return f"it is exported, but not to {one.view.cluster}: to {named(to)} only"
    idle = [cluster for cluster, (ready, _) in one.counts.items() if not ready]
    if state not in (READY, CONFLICT) or not idle:
        return ""
    if cut := [cluster for cluster in idle if cluster in one.lost]:
        return f"no cable leads to {', '.join(cut)}: its endpoints are not used"
    return f"no endpoint of {', '.join(idle)} is in use here: none is ready, or traffic goes elsewhere"


def _values(one: _One | None) -> Row:
    export, made = (one.export, one.made) if one else (None, None)
    conflict = one.conflict if one else None
    counts = one.counts if one else {}
    ports = made.ports if made else ()
    return {
        "type": made.type if made else "",
        "exported": export is not None,
        "ips": [str(ip) for ip in made.ips] if made else [],
        "ports": [{"name": port.name, "protocol": port.protocol, "port": port.port} for port in ports],
        "clusters": [
            {"cluster": cluster, "ready": ready, "total": total} for cluster, (ready, total) in counts.items()
        ],
        "conflicts": conflict.reason.split(",") if conflict else [],
        "to": list(export.to) if export and export.to is not None else [],
        "mode": export.mode or "endpoints" if export else "",
        "traffic": (made.traffic if made else "") or (export.traffic if export else ""),
        "derived": derived_name(made.service) if made and made.ips else "",
    }


def _row(view: ClusterView, service: ServiceName | None, said: Said) -> Row:
    """Without what an export or import adds; without a service about the whole cluster."""
    state, why, following = said
    return {
        "cluster": view.cluster,
        "namespace": service.namespace if service else "",
        "name": service.name if service else "",
        "service": str(service) if service else "",
        "state": state,
        **_values(None),
        "why": why,
        "next": following,
        "note": "",
    }


def _logs(view: ClusterView) -> str:
    return logs(view, "discovery")

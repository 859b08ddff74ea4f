"""Rungs that API servers tell of: exported, at the broker, imported, with a derived Service and endpoints. Pure."""

from collections.abc import Iterable, Sequence

from mcnet.diagnose.service.evidence import Evidence, Place, is_valid
from mcnet.model.cluster import ClusterId
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.model.service import Reason, derived_name
from mcnet.model.service_state import ExportState, ImportState
from mcnet.plan.service_audience import named


def exported(evidence: Evidence) -> Judgement:
    findings = [finding for place in evidence.places for finding in _export_findings(evidence, place)]
    exporters = [place for place in evidence.read if place.export]
    others = [one for one in evidence.exporters if one in evidence.unknown]
    if not exporters and not others and not any(one.verdict is Verdict.WRONG for one in findings):
        findings.append(_nobody(evidence))
    by = [*(place.cluster for place in exporters), *(f"{one} (says the broker)" for one in others)]
    return Judgement(f"by {', '.join(by)}" if by else "by no cluster", tuple(findings))


def _export_findings(evidence: Evidence, place: Place) -> Iterable[Finding]:
    about = place.about
    if place.unread:
        yield Finding(Verdict.UNKNOWN, about, f"its services can't be read: {place.unread}")
        return
    if not place.installed:
        said = "it does not have the kinds of the MCS API (multicluster.x-k8s.io)"
        yield Finding(Verdict.WRONG, about, said, f"mcnet join broker-info.mcnet{place.option}")
        return
    if place.export is None:
        return
    valid = place.export.condition("Valid")
    if valid is None:
        said = "nobody has looked at the ServiceExport: discovery does not run, or is late"
        yield Finding(Verdict.WRONG, about, said, place.logs)
    elif not valid.true:
        remedy = _mend_export(evidence, place, valid.reason)
        yield Finding(Verdict.WRONG, about, valid.message or valid.reason, remedy)
    elif said := _conflict(place.export):
        remedy = f"mcnet unexport service {evidence.arguments}{place.option}"
        yield Finding(Verdict.WARNING, about, f"its exports differ: {said}", remedy)


def _mend_export(evidence: Evidence, place: Place, reason: str) -> str:
    if reason == Reason.NO_SERVICE.value:
        return f"{place.kubectl} -n {evidence.service.namespace} get services"
    return f"mcnet unexport service {evidence.arguments}{place.option}"


def _conflict(export: ExportState) -> str:
    found = export.condition("Conflict")
    return (found.message or found.reason) if found and found.true else ""


def _nobody(evidence: Evidence) -> Finding:
    about = f"service {evidence.service}"
    if evidence.unknown and evidence.records is None:
        said = f"no cluster that could be read exports it; {', '.join(evidence.unknown)} could not be"
        return Finding(Verdict.UNKNOWN, about, said, f"mcnet export service {evidence.arguments} --context CONTEXT")
    sources = [place for place in evidence.read if place.source]
    elsewhere = f"; {', '.join(evidence.unknown)} could not be looked at" if evidence.unknown else ""
    if sources:
        where = ", ".join(place.cluster for place in sources)
        said = f"no cluster exports it, though {where} {_have(sources)} a Service of that name"
        return Finding(Verdict.WRONG, about, said, f"mcnet export service {evidence.arguments}{sources[0].option}")
    where = ", ".join(place.cluster for place in evidence.read)
    said = f"no cluster exports it, and there is no Service of that name in {where}{elsewhere}"
    remedy = f"mcnet export service {evidence.arguments} --context CONTEXT" if elsewhere else "mcnet show services"
    return Finding(Verdict.WRONG, about, said, remedy)


def at_broker(evidence: Evidence) -> Judgement:
    findings = [*_not_ready(evidence)]
    if evidence.records is None:
        said = f"what it holds can't be read: {evidence.broker_unread}"
        findings.append(Finding(Verdict.UNKNOWN, "the broker", said, "mcnet diagnose broker"))
        return Judgement("not read", tuple(findings))
    for place in evidence.read:
        has = place.cluster in evidence.records
        if is_valid(place) and not has and not any(one.about == place.about for one in findings):
            said = "the broker has no record of its export"
            findings.append(Finding(Verdict.WRONG, place.about, said, place.logs))
        if has and place.export is None:
            said = "the broker has a record of an export that is no more"
            findings.append(Finding(Verdict.WARNING, place.about, said, place.logs))
    held = ", ".join(sorted(evidence.records))
    return Judgement(f"records of {held}" if held else "no record", tuple(findings))


def _not_ready(evidence: Evidence) -> Iterable[Finding]:
    for place in evidence.read:
        if place.export is None or not is_valid(place):
            continue
        ready = place.export.condition("Ready")
        if ready is None or not ready.true:
            said = (ready.message or ready.reason) if ready else "nothing is said of the way to the broker"
            remedy = f"mcnet diagnose broker{place.option}" if ready and ready.reason == Reason.PENDING.value else ""
            about = place.about
            yield Finding(Verdict.WRONG, about, f"its export is not at the broker: {said}", remedy or place.logs)


def imported(evidence: Evidence) -> Judgement:
    left_out = [place for place in evidence.importing if _is_left_out(evidence, place)]
    meant = [place for place in evidence.importing if place not in left_out]
    findings = [finding for place in meant for finding in _import_findings(evidence, place)]
    if not meant:
        findings += [_not_for_it(evidence, place) for place in left_out]
    without = [place for place in evidence.read if not place.namespace]
    if not evidence.importing:
        namespace = evidence.service.namespace
        findings += [
            Finding(
                Verdict.WRONG,
                place.about,
                f"it has no namespace {namespace}: services are imported only where their namespace is",
                f"{place.kubectl} create namespace {namespace}",
            )
            for place in without
        ]
    made = ", ".join(place.cluster for place in evidence.importing if place.service_import)
    looked = f"into {made}" if made else "into no cluster"
    if without:
        names = ", ".join(place.cluster for place in without)
        looked += f"; {names} {_have(without)} no namespace {evidence.service.namespace}"
    if left_out:
        looked += f"; not exported to {', '.join(place.cluster for place in left_out)}"
    return Judgement(looked, tuple(findings))


def _is_left_out(evidence: Evidence, place: Place) -> bool:
    """Whether nothing is to be expected there, since nobody exports the service to it."""
    return bool(
        place.service_import is None and evidence.exporters and not evidence.exporters_for(place.cluster)
    )  # fmt: skip


def _not_for_it(evidence: Evidence, place: Place) -> Finding:
    exporter = evidence.exporters[0]
    to = evidence.audience(exporter) or ()
    said = f"the service is not exported to {place.cluster}: {exporter} exports it to {named(to)} only"
    home = evidence.place(exporter)
    option = home.option if home and home.option else " --context CONTEXT"
    wanted = ",".join(sorted({*to, place.cluster}))
    remedy = f"mcnet export service {evidence.arguments} --to {wanted}{option}"
    return Finding(Verdict.WRONG, place.about, said, remedy)


def _import_findings(evidence: Evidence, place: Place) -> Iterable[Finding]:
    about, made = place.about, place.service_import
    namespace, name = evidence.service
    if made is None:
        exporters = evidence.exporters_for(place.cluster)
        by = f", though the service is exported by {', '.join(exporters)}" if exporters else ""
        yield Finding(Verdict.WRONG, about, f"there is no ServiceImport{by}", place.logs)
        return
    if not made.ours:
        said = "its ServiceImport is not mcnet's, which leaves it alone: the service is not imported"
        yield Finding(Verdict.WRONG, about, said, f"{place.kubectl} -n {namespace} get serviceimport {name} -o yaml")
        return
    ready = made.condition("Ready")
    if ready is None or not ready.true:
        said = (ready.message or ready.reason) if ready else "nothing is said of it"
        remedy = place.logs
        if ready and ready.reason == Reason.IP_FAMILY_NOT_SUPPORTED.value:
            remedy = f"mcnet show networks{place.option}"
        yield Finding(Verdict.WRONG, about, f"its ServiceImport is not ready: {said}", remedy)
    elif missing := [one for one in evidence.exporters_for(place.cluster) if one not in made.clusters]:
        said = f"what {', '.join(missing)} exports is not part of its ServiceImport"
        yield Finding(Verdict.WARNING, about, said, place.logs)


def derived(evidence: Evidence) -> Judgement:
    imports = evidence.imports
    if all(made.headless for _, made in imports):
        return Judgement("headless: it needs none")
    findings = [finding for place, made in imports if not made.headless for finding in _derived_findings(place, made)]
    ips = [f"{place.cluster} {', '.join(map(str, made.ips))}" for place, made in imports if made.ips]
    return Judgement("; ".join(ips) or "no clusterset IP", tuple(findings))


def _derived_findings(place: Place, made: ImportState) -> Iterable[Finding]:
    about, derived, name = place.about, place.derived, derived_name(made.service)
    if derived is None:
        yield Finding(Verdict.WRONG, about, f"there is no derived Service {name}", place.logs)
    elif not derived.derived:
        said = f"the Service {name} is somebody else's, and mcnet leaves it alone: there is no clusterset IP"
        remedy = f"{place.kubectl} -n {made.service.namespace} get service {name} -o yaml"
        yield Finding(Verdict.WRONG, about, said, remedy)
    elif not derived.cluster_ips:
        said = f"the derived Service {name} has got no ClusterIP"
        remedy = f"{place.kubectl} -n {made.service.namespace} describe service {name}"
        yield Finding(Verdict.WRONG, about, said, remedy)
    elif derived.cluster_ips != made.ips:
        theirs, ours = ", ".join(map(str, derived.cluster_ips)), ", ".join(map(str, made.ips)) or "none"
        said = f"the derived Service {name} has {theirs}, but the ServiceImport says {ours}"
        yield Finding(Verdict.WRONG, about, said, place.logs)


def endpoints(evidence: Evidence) -> Judgement:
    findings: list[Finding] = []
    said = []
    for place, made in evidence.imports:
        ready = sum(len(one.ready) for one in place.endpoints)
        said.append(f"{place.cluster} {ready} of {sum(one.total for one in place.endpoints)}")
        findings += _endpoint_findings(evidence, place, made)
    return Judgement(f"ready: {'; '.join(said)}" if said else "none", tuple(findings))


def _endpoint_findings(evidence: Evidence, place: Place, made: ImportState) -> Iterable[Finding]:
    about = place.about
    loose = [one for one in place.endpoints if not made.headless and one.attached != derived_name(made.service)]
    if loose:
        said = f"{len(loose)} of its imported EndpointSlices do not belong to the derived Service"
        yield Finding(Verdict.WRONG, about, said, place.logs)
    using = {one.cluster for one in place.endpoints if one.ready}
    idle = [one for one in made.clusters if one not in using]
    verdict = Verdict.WARNING if using else Verdict.WRONG
    if using and evidence.chosen:
        idle = [one for one in idle if one in place.lost]
    for cluster in idle:
        yield Finding(verdict, about, *_idle(evidence, place, cluster))
    if not made.clusters:
        yield Finding(verdict, about, "there is no endpoint of any cluster", place.logs)


def _idle(evidence: Evidence, place: Place, cluster: ClusterId) -> tuple[str, str]:
    """Why no endpoint of `cluster` is in use, and what shows more."""
    home = evidence.place(cluster)
    of = home.kubectl if home else "kubectl --context CONTEXT"
    selector = f"kubernetes.io/service-name={evidence.service.name}"
    look = f"{of} -n {evidence.service.namespace} get endpointslices -l {selector}"
    if total := sum(one.total for one in place.endpoints if one.cluster == cluster):
        return f"none of {total} endpoints of {cluster} is ready", look
    if cluster in place.lost:
        return f"no cable leads to {cluster}, so its endpoints are not used", f"mcnet show connections{place.option}"
    at_home = [one for one in home.endpoints if one.cluster == cluster and one.ready] if home else []
    if home and not at_home:
        return f"the service has no ready endpoint in {cluster}", look
    if evidence.chosen:
        said = f"no endpoint of {cluster} is in use: the annotation mcnet.dev/traffic sends traffic elsewhere"
        return said, f"mcnet show services -o wide{place.option}"
    events = f"{place.kubectl} -n {SYSTEM_NAMESPACE} get events.events.k8s.io --field-selector reason=ServiceNotWhole"
    return f"no endpoint of {cluster} is in use: discovery has left them out, or the service has none", events


def _have(places: Sequence[Place]) -> str:
    return "has" if len(places) == 1 else "have"

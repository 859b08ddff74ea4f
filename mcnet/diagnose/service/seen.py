"""Rungs that pods tell of: the name is answered, and a connection comes about. Pure."""

from collections.abc import Iterable
from typing import Final

from mcnet.diagnose.broker import API_NAME
from mcnet.diagnose.service.evidence import Evidence, Place, Tried
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.service_state import ImportState

REFUSED: Final = "refused"
"""In the words of a connection that a host answers with a reset."""


def answered(evidence: Evidence) -> Judgement:
    findings: list[Finding] = []
    said = []
    for place, made in evidence.imports:
        if place.reached is None:
            findings.append(Finding(Verdict.UNKNOWN, place.about, f"no pod could look: {place.unreached}"))
            continue
        lookup = place.reached.names.get(evidence.name)
        said.append(f"{place.cluster} {', '.join(lookup.addresses) if lookup and lookup.addresses else 'no address'}")
        findings += _name_findings(evidence, place, made)
    return Judgement("; ".join(said) or "not looked up", tuple(findings))


def _name_findings(evidence: Evidence, place: Place, made: ImportState) -> Iterable[Finding]:
    about = place.about
    names = place.reached.names if place.reached else {}
    lookup, other = names.get(evidence.name), names.get(API_NAME)
    if lookup is None or lookup.problem:
        why = lookup.problem if lookup else "it was not looked up"
        if other and other.problem:
            said = f"{evidence.name} is not answered in its pods, and no other name is: {why}"
            yield Finding(Verdict.WRONG, about, said, f"mcnet diagnose dns{place.option}")
        else:
            said = f"{evidence.name} is not answered in its pods, though {API_NAME} is: {why}"
            yield Finding(Verdict.WRONG, about, said, f"mcnet join broker-info.mcnet{place.option}")
        return
    known = {str(one) for one in made.ips} or {str(one) for found in place.endpoints for one in found.ready}
    if wrong := sorted(set(lookup.addresses) - known):
        what = "an endpoint that is ready" if made.headless else f"a clusterset IP ({', '.join(sorted(known))})"
        said = f"{evidence.name} is answered with {', '.join(wrong)}, which is not {what}"
        remedy = f"{place.kubectl} -n kube-system get pods -l k8s-app=kube-dns -o wide"
        yield Finding(Verdict.WRONG, about, said, remedy)


def connected(evidence: Evidence) -> Judgement:
    findings: list[Finding] = []
    said = []
    for place, made in evidence.imports:
        if place.reached is None:
            findings.append(Finding(Verdict.UNKNOWN, place.about, f"no pod could try: {place.unreached}"))
            continue
        tried = place.reached.connections
        done = sum(one.tries - len(one.problems) for one in tried)
        said.append(f"{place.cluster} {done} of {sum(one.tries for one in tried)} connections")
        findings += [_failed(evidence, place, one) for one in tried if one.problems]
        if untried := [f"{port.protocol} {port.port}" for port in made.ports if port.protocol != "TCP"]:
            said[-1] += f" ({', '.join(untried)} can't be tried)"
    return Judgement("; ".join(said) or "not tried", tuple(findings))


def _failed(evidence: Evidence, place: Place, tried: Tried) -> Finding:
    about = f"{place.cluster} → {tried.address} port {tried.port}"
    problems = "; ".join(dict.fromkeys(tried.problems))
    said = f"{len(tried.problems)} of {tried.tries} connections from a pod failed: {problems}"
    if REFUSED in problems.lower():
        source = next((one for one in evidence.read if one.export and one.source), None)
        of = source.kubectl if source else "kubectl --context CONTEXT"
        remedy = f"{of} -n {evidence.service.namespace} describe service {evidence.service.name}"
    else:
        remedy = "mcnet diagnose connections cable-port mtu network-policies"
    return Finding(Verdict.WRONG, about, said, remedy)

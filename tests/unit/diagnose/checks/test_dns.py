"""Names: answered, not answered and why, and the command that brings the DNS servers back."""

import json
from dataclasses import replace
from typing import Any

import pytest

from mcnet.diagnose.broker import API_NAME
from mcnet.diagnose.checks.dns import LAST_APPLIED, Evidence, judge, wanted_replicas
from mcnet.diagnose.inside import Lookup
from mcnet.model.diagnosis import Verdict

ANSWERED = {API_NAME: Lookup(("10.96.0.1",)), "broker.example": Lookup(("192.0.2.7",))}
SILENT = Lookup(problem="no answer within 4 s")


def deployment(replicas: int, ready: int = 0, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "metadata": {"name": "coredns", "annotations": annotations},
        "spec": {"replicas": replicas},
        "status": {"readyReplicas": ready},
    }


WELL = Evidence(
    cluster="west",
    kubectl="kubectl --context w",
    host="broker.example",
    names=ANSWERED,
    addresses=("10.96.0.1",),
    deployments=(deployment(2, 2),),
)
KUBECTL = "kubectl --context w -n kube-system"


def test_answered_is_fine() -> None:
    assert judge(WELL).findings == ()
    assert judge(WELL).looked == "2 of 2 names answered in a pod"
    by_address = replace(WELL, host="192.0.2.7", names={API_NAME: Lookup(("10.96.0.1",))})
    assert judge(by_address).looked == "1 of 1 names answered in a pod; the broker 192.0.2.7 needs no name"


@pytest.mark.parametrize(
    ("change", "verdict", "said", "remedy"),
    [
        ({"names": {API_NAME: SILENT}, "deployments": (deployment(0),)}, Verdict.WRONG,
         "is not answered: no answer within 4 s; the Deployment coredns is scaled to 0",
         f"{KUBECTL} scale deployment/coredns --replicas=2"),
        ({"names": {API_NAME: SILENT}, "deployments": (deployment(2),)}, Verdict.WRONG,
         "none of 2 pods of coredns is ready", f"{KUBECTL} rollout restart deployment/coredns"),
        ({"names": {API_NAME: SILENT}, "deployments": ()}, Verdict.WRONG, "is not answered",
         f"{KUBECTL} logs -l k8s-app=kube-dns"),
        ({"names": ANSWERED | {API_NAME: Lookup(("10.9.9.9",))}}, Verdict.WRONG,
         "is 10.9.9.9, but the Service has 10.96.0.1", KUBECTL),
        ({"names": ANSWERED | {"broker.example": Lookup(problem="Name or service not known")}}, Verdict.WRONG,
         "the broker's name broker.example is not answered in the pods of west: Name or service not known", KUBECTL),
        ({"names": None, "unlooked": "no image"}, Verdict.UNKNOWN, "no pod could look names up: no image", ""),
    ],
)  # fmt: skip
def test_what_is_not_fine(change: dict[str, Any], verdict: Verdict, said: str, remedy: str) -> None:
    (finding,) = judge(replace(WELL, **change)).findings
    assert finding.verdict is verdict
    assert said in finding.said
    assert finding.remedy.startswith(remedy)


def test_a_resolver_that_answers_nothing_is_said_once() -> None:
    evidence = replace(WELL, names={API_NAME: SILENT, "broker.example": SILENT})
    assert len(judge(evidence).findings) == 1


@pytest.mark.parametrize(
    ("annotation", "replicas"),
    [(json.dumps({"spec": {"replicas": 3}}), 3), (json.dumps({"spec": {"replicas": 0}}), 2), ("{", 2), ("[]", 2)],
)
def test_replicas_as_last_applied(annotation: str, replicas: int) -> None:
    assert wanted_replicas(deployment(0, annotations={LAST_APPLIED: annotation})) == replicas
    assert wanted_replicas(deployment(0)) == 2

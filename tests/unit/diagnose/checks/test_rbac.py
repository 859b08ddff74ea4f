"""Rights: what the rendered roles grant, what the server denies, and objects that differ."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.diagnose.checks.rbac import Evidence, Right, gather, judge, rendered, rights
from mcnet.model.diagnosis import Verdict
from mcnet.model.errors import ForbiddenError
from tests.fakes.api import FakeServer
from tests.unit.diagnose.world import site

WANTED = rendered()
WELL = Evidence(
    kubectl="kubectl --context west -n mcnet-system",
    option=" --context west",
    wanted=WANTED,
    found=WANTED,
    asked=len(rights(WANTED)),
)
JOIN = "mcnet join broker-info.mcnet --context west"


def with_found(kind: str, name: str, change: Any) -> Evidence:
    """The evidence with one object changed; `change` gets a copy and returns what is there instead."""
    found = [
        change(copy.deepcopy(obj)) if (obj["kind"], obj["metadata"]["name"]) == (kind, name) else obj
        for obj in WANTED
    ]
    assert found != list(WANTED)
    return replace(WELL, found=tuple(found))


def test_as_rendered_is_fine() -> None:
    assert judge(WELL).findings == ()


def test_every_daemon_has_its_rights_one_by_one() -> None:
    granted = rights(WANTED)
    assert {right.account for right in granted} == {"mcnet-gateway", "mcnet-route-agent", "mcnet-discovery"}
    assert Right("mcnet-gateway", "list", "", "nodes", everywhere=True) in granted
    assert Right("mcnet-discovery", "get", "", "secrets", "mcnet-broker") in granted
    assert Right("mcnet-gateway", "patch", "mcnet.dev", "gateways/status") in granted
    assert len(granted) > 100


@pytest.mark.parametrize(
    ("right", "words"),
    [
        (Right("a", "list", "", "nodes", everywhere=True), "list nodes"),
        (Right("a", "get", "", "secrets", "mcnet-broker"), "get secrets/mcnet-broker"),
        (Right("a", "patch", "mcnet.dev", "gateways/status"), "patch gateways.mcnet.dev --subresource=status"),
    ],
)
def test_a_right_in_the_words_of_kubectl(right: Right, words: str) -> None:
    assert str(right) == words


def test_what_is_denied_is_named() -> None:
    denied = (Right("mcnet-gateway", "list", "", "nodes"), Right("mcnet-gateway", "watch", "", "nodes"))
    (finding,) = judge(replace(WELL, denied=denied)).findings
    assert (finding.verdict, finding.about) == (Verdict.WRONG, "ServiceAccount mcnet-gateway")
    assert finding.said == "it may not: list nodes; watch nodes"
    assert finding.remedy == JOIN


def test_a_missing_object() -> None:
    (finding,) = judge(with_found("Role", "mcnet-gateway", lambda obj: None)).findings
    assert (finding.about, finding.said, finding.remedy) == ("Role mcnet-gateway", "it is not there", JOIN)


def _without_leases(role: dict[str, Any]) -> dict[str, Any]:
    role["rules"] = [rule for rule in role["rules"] if "leases" not in rule["resources"]]
    return role


def _everything(role: dict[str, Any]) -> dict[str, Any]:
    role["rules"].append({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})
    return role


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_leases, "it lacks create leases.coordination.k8s.io, delete leases.coordination.k8s.io"),
        (_everything, "it also allows * *.*"),
    ],
)
def test_a_role_that_was_changed(change: Any, said: str) -> None:
    (finding,) = judge(with_found("Role", "mcnet-gateway", change)).findings
    assert finding.verdict is Verdict.WARNING
    assert finding.said.startswith(said)


def test_rules_written_otherwise_are_the_same() -> None:
    def split(role: dict[str, Any]) -> dict[str, Any]:
        role["rules"] = [
            {**rule, "verbs": [verb], "resources": [resource]}
            for rule in reversed(role["rules"])
            for verb in rule["verbs"]
            for resource in rule["resources"]
        ]
        return role

    assert judge(with_found("Role", "mcnet-gateway", split)).findings == ()


def test_a_binding_to_another_role_has_to_be_made_anew() -> None:
    def elsewhere(binding: dict[str, Any]) -> dict[str, Any]:
        return binding | {"roleRef": binding["roleRef"] | {"name": "view"}}

    (finding,) = judge(with_found("RoleBinding", "mcnet-gateway", elsewhere)).findings
    assert finding.remedy == f"kubectl --context west -n mcnet-system delete rolebinding mcnet-gateway && {JOIN}"
    assert "binds to view" in finding.said


def test_a_binding_of_nobody() -> None:
    (finding,) = judge(
        with_found("ClusterRoleBinding", "mcnet-gateway", lambda obj: obj | {"subjects": None})
    ).findings
    assert finding.said == "it lacks ServiceAccount mcnet-system/mcnet-gateway"


def test_a_server_that_does_not_tell_is_unknown() -> None:
    (finding,) = judge(replace(WELL, unasked="forbidden")).findings
    assert finding.verdict is Verdict.UNKNOWN


@given(st.recursive(st.none() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)))
def test_no_role_is_too_odd(rules: object) -> None:
    judge(with_found("Role", "mcnet-gateway", lambda obj: obj | {"rules": rules}))


async def test_gathered_by_asking_for_every_right() -> None:
    server = FakeServer(
        allowed_to=lambda user, asked: not (user.endswith("gateway") and asked["resource"] == "nodes")
    )
    server.add(*WANTED)
    evidence = await gather(site(server))
    assert evidence.asked == len(rights(WANTED))
    assert [str(right) for right in evidence.denied] == ["get nodes", "list nodes", "watch nodes"]
    findings = judge(evidence).findings
    assert [finding.about for finding in findings] == ["ServiceAccount mcnet-gateway"]


async def test_gathered_without_the_right_to_ask() -> None:
    server = FakeServer()
    server.add(*WANTED)
    refusal = ForbiddenError("create SubjectAccessReview at https://fake: no", status=403)
    server.fail(lambda request: "subjectaccessreviews" in request.path, refusal, times=10**6)
    evidence = await gather(site(server))
    assert evidence.unasked.startswith("create SubjectAccessReview")
    assert [finding.verdict for finding in judge(evidence).findings] == [Verdict.UNKNOWN]

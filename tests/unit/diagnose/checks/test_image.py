"""Images: edited by hand, half upgraded, given out twice; the command that mends each."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.diagnose.checks.image import Evidence, gather, judge
from mcnet.model.diagnosis import Verdict
from tests.fakes.api import FakeServer
from tests.unit.diagnose.world import node, site

OLD, NEW = "registry/mcnet:1", "registry/mcnet:2"
KUBECTL = "kubectl --context west -n mcnet-system"


def workload(component: str, image: str = NEW) -> dict[str, Any]:
    kind = "Deployment" if component == "discovery" else "DaemonSet"
    labels = {"app.kubernetes.io/name": "mcnet", "app.kubernetes.io/component": component}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": f"mcnet-{component}", "namespace": "mcnet-system", "labels": labels},
        "spec": {"template": {"spec": {"containers": [{"name": component, "image": image}]}}},
    }


def pod(
    component: str, on: str, image: str = NEW, identity: str = "sha256:a", *, ready: bool = True
) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "mcnet", "app.kubernetes.io/component": component}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"mcnet-{component}-{on}", "namespace": "mcnet-system", "labels": labels},
        "spec": {"nodeName": on, "containers": [{"name": component, "image": image}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"imageID": identity}],
        },
    }


COMPONENTS = ("discovery", "route-agent", "gateway")
WELL = Evidence(
    kubectl=KUBECTL,
    option=" --context west",
    image=NEW,
    workloads=tuple(map(workload, COMPONENTS)),
    pods=tuple(pod(component, on) for component in COMPONENTS for on in ("n1", "n2")),
    platforms={"n1": "amd64 containerd", "n2": "amd64 containerd"},
)


def test_one_image_everywhere_is_fine() -> None:
    assert judge(WELL).findings == ()
    assert judge(WELL).looked == f"6 pods run {NEW}"


def test_an_image_edited_by_hand_is_set_back() -> None:
    workloads = (*WELL.workloads[:2], workload("gateway", OLD))
    pods = (*WELL.pods[:4], pod("gateway", "n1", OLD), pod("gateway", "n2", OLD))
    (finding,) = judge(replace(WELL, workloads=workloads, pods=pods)).findings
    assert (finding.verdict, finding.about) == (Verdict.WRONG, "DaemonSet mcnet-gateway")
    assert finding.said == f"it is to run {OLD}, but the member's image is {NEW}"
    assert finding.remedy == f"{KUBECTL} set image daemonset/mcnet-gateway gateway={NEW}"


def test_without_annotation_join_says_the_image_again() -> None:
    workloads = (*WELL.workloads[:2], workload("gateway", OLD))
    findings = judge(replace(WELL, image="", workloads=workloads, pods=())).findings
    assert {finding.remedy for finding in findings} == {"mcnet join broker-info.mcnet --context west"}


@pytest.mark.parametrize("annotation", ["", OLD])
def test_an_annotation_that_alone_is_different_is_what_is_wrong(annotation: str) -> None:
    (finding,) = judge(replace(WELL, image=annotation)).findings
    assert finding.about == "namespace mcnet-system"
    command = "kubectl --context west annotate namespace mcnet-system --overwrite mcnet.dev/image="
    assert finding.remedy == command + NEW


def test_a_pod_that_the_upgrade_did_not_reach() -> None:
    pods = (*WELL.pods[:5], pod("gateway", "n2", OLD))
    (finding,) = judge(replace(WELL, pods=pods)).findings
    assert finding.about == "pod mcnet-gateway-n2 on n2"
    assert finding.remedy == f"{KUBECTL} delete pod mcnet-gateway-n2"


def test_an_upgrade_that_is_stuck_goes_back() -> None:
    pods = (*WELL.pods[:4], pod("gateway", "n1", ready=False), pod("gateway", "n2", OLD))
    (finding,) = judge(replace(WELL, pods=pods)).findings
    assert "don't become ready" in finding.said
    assert finding.remedy == f"mcnet join broker-info.mcnet --context west --image {OLD}"


def test_one_name_with_two_contents() -> None:
    pods = (*WELL.pods[:5], pod("gateway", "n2", identity="sha256:b"))
    (finding,) = judge(replace(WELL, pods=pods)).findings
    assert finding.about == f"image {NEW}"
    assert "another content on n2 than on n1" in finding.said
    assert "--image-pull-policy Always" in finding.remedy


def test_other_architectures_and_forms_of_identity_are_no_difference() -> None:
    pods = (pod("gateway", "n1", identity="sha256:a"), pod("gateway", "n2", identity="sha256:b"))
    platforms = {"n1": "amd64 containerd", "n2": "arm64 containerd"}
    assert judge(replace(WELL, pods=pods, platforms=platforms)).findings == ()
    pods = (pod("gateway", "n1", identity="sha256:a"), pod("gateway", "n2", identity="registry/mcnet@sha256:b"))
    assert judge(replace(WELL, pods=pods)).findings == ()


@pytest.mark.parametrize("part", ["spec", "status"])
def test_a_pod_without_containers_or_status_is_left_out(part: str) -> None:
    odd = pod("gateway", "n1")
    for value in ({}, None):
        odd[part] = value
        judge(replace(WELL, pods=(odd,), workloads=({**workload("gateway"), "spec": value},)))


@given(st.lists(st.tuples(st.sampled_from((OLD, NEW)), st.sampled_from("ab"), st.booleans()), max_size=5))
def test_fine_exactly_if_all_are_the_same(found: list[tuple[str, str, bool]]) -> None:
    pods = tuple(
        pod("gateway", f"n{number}", image, identity, ready=ready)
        for number, (image, identity, ready) in enumerate(found)
    )
    same = {(image, identity) for image, identity, _ in found}
    well = all(image == NEW for image, _ in same) and len(same) < 2
    assert (judge(replace(WELL, pods=pods, platforms={})).findings == ()) is well


async def test_gathered_are_our_own_workloads_and_pods() -> None:
    server = FakeServer()
    annotations = {"mcnet.dev/image": NEW}
    namespace = {"name": "mcnet-system", "annotations": annotations}
    server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": namespace}, node("n1"))
    other = pod("gateway", "n9")
    other["metadata"]["labels"] = {"app": "other"}
    server.add(*WELL.workloads, *WELL.pods, other)
    evidence = await gather(site(server))
    assert (evidence.image, len(evidence.workloads), len(evidence.pods)) == (NEW, 3, 6)
    assert judge(evidence).findings == ()

"""Versions: upgrades that are not finished, and skew between daemons, command and Kubernetes."""

from dataclasses import replace
from typing import Any

import pytest

from mcnet.model.cluster import ClusterSet
from mcnet.model.gateway import Gateway
from mcnet.plan.cluster_view import Picture
from mcnet.plan.views.versions import rows
from tests.fakes.pictures import changed, clusterset


def pod(component: str, node: str, image: str = "mcnet:0.1.0", ready: bool = True) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{component}-{node}", "labels": {"app.kubernetes.io/component": component}},
        "spec": {"nodeName": node, "containers": [{"image": image}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def workload(component: str, pods: int, **status: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "kind": "Deployment" if component == "discovery" else "DaemonSet",
        "metadata": {"labels": {"app.kubernetes.io/component": component}},
    }
    if component == "discovery":
        counts = {"readyReplicas": pods, "updatedReplicas": pods}
        return made | {"spec": {"replicas": pods}, "status": counts | status}
    counts = {"desiredNumberScheduled": pods, "numberReady": pods, "updatedNumberScheduled": pods}
    return made | {"status": counts | status}


PODS = (
    pod("discovery", "east-n1"), pod("discovery", "east-n2"), pod("gateway", "east-n1"),
    pod("route-agent", "east-n1"), pod("route-agent", "east-n2"),
)  # fmt: skip
WORKLOADS = (workload("discovery", 2), workload("gateway", 1), workload("route-agent", 2))
PICTURE = changed(clusterset({"east": 1}), pods=PODS, workloads=WORKLOADS)


def row(picture: Picture, component: str) -> dict[str, Any]:
    (found,) = [one for one in rows(picture) if one["component"] == component]
    return found


def test_all_is_well() -> None:
    assert [(one["cluster"], one["component"], one["state"]) for one in rows(PICTURE)] == [
        ("", "this command", "current"),
        ("east", "discovery", "current"),
        ("east", "gateway", "current"),
        ("east", "route-agent", "current"),
    ]
    found = row(PICTURE, "route-agent")
    assert (found["desired"], found["ready"], found["updated"]) == (2, 2, 2)
    assert found["versions"] == {"0.1.0": ["east-n1", "east-n2"]}
    assert (found["images"], found["kubernetes"]) == ({"mcnet:0.1.0": 2}, "v1.37.2")
    assert not any(one.get("why") for one in rows(PICTURE))


def test_a_half_finished_upgrade_by_what_nodes_report() -> None:
    states = PICTURE.members[0].node_states
    picture = changed(PICTURE, node_states=(states[0], replace(states[1], version="0.2.0")))
    found = row(picture, "route-agent")
    assert (found["state"], found["versions"]) == ("mixed", {"0.1.0": ["east-n1"], "0.2.0": ["east-n2"]})
    assert found["why"] == "an upgrade is not finished: 0.1.0 on east-n1; 0.2.0 on east-n2"
    assert found["next"] == "kubectl --context east-admin -n mcnet-system rollout status daemonset mcnet-route-agent"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pods": (*PODS[:-1], pod("route-agent", "east-n2", "mcnet:0.2.0"))}, "mcnet:0.2.0 in 1 of the pods"),
        ({"workloads": (*WORKLOADS[:2], workload("route-agent", 2, updatedNumberScheduled=1))}, "1 of 2 pods are of"),
    ],
)
def test_a_half_finished_upgrade_by_pods_and_counts(changes: dict[str, Any], said: str) -> None:
    found = row(changed(PICTURE, **changes), "route-agent")
    assert found["state"] == "mixed"
    assert said in found["why"]


def test_pods_that_are_not_ready() -> None:
    picture = changed(
        PICTURE, workloads=(*WORKLOADS[:1], workload("gateway", 1, numberReady=0), *WORKLOADS[2:]),
        pods=(*PODS[:2], pod("gateway", "east-n1", ready=False), *PODS[3:]),
    )  # fmt: skip
    found = row(picture, "gateway")
    assert (found["state"], found["why"]) == ("not ready", "0 of 1 pods are ready: running, but not ready")


def test_a_daemon_that_is_not_there() -> None:
    found = row(changed(PICTURE, workloads=WORKLOADS[1:]), "discovery")
    assert (found["state"], found["why"]) == ("not ready", "there is no mcnet-discovery")


@pytest.mark.parametrize(
    ("reported", "following"),
    [("0.9.0", "install mcnet 0.9.0 here"), ("0.0.9", "mcnet join broker-info.mcnet --context east-admin (upgrades")],
)
def test_skew_with_this_command(reported: str, following: str) -> None:
    old = PICTURE.members[0].gateways[0]
    found = row(changed(PICTURE, gateways=(replace(old, version=reported),)), "gateway")
    assert (found["state"], found["why"]) == ("other version", f"it runs mcnet {reported}, this command is 0.1.0")
    assert found["next"].startswith(following)


def test_a_gateway_that_has_not_reported_is_told_from_the_others() -> None:
    picture = changed(
        PICTURE, gateways=(*PICTURE.members[0].gateways, Gateway("east-n2", PICTURE.members[0].cluster, None)),
        pods=(*PODS, pod("gateway", "east-n2")),
    )  # fmt: skip
    assert row(picture, "gateway")["versions"] == {"0.1.0": ["east-n1"], "": ["east-n2"]}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kubernetes": "v1.26.1"}, "it runs Kubernetes v1.26.1, mcnet needs 1.27 or newer"),
        ({"clusterset": ClusterSet(protocol_version=7)}, "protocol version 7"),
    ],
)
def test_skew_of_the_cluster(changes: dict[str, Any], why: str) -> None:
    assert why in row(changed(PICTURE, **changes), "gateway")["why"]

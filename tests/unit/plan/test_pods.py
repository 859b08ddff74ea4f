"""How far a rollout is, and why a pod is not ready, from status as controllers and kubelets write it."""

from typing import Any

import pytest

from mcnet.plan.pods import hopeless_reason, is_rolled_out, is_running, pod_problem, progress_of, runs_on


def daemon_set(*, generation: int = 2, observed: int = 2, **status: int) -> dict[str, Any]:
    counts = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberReady": 2, **status}
    status_ = {"observedGeneration": observed, **counts}
    return {"kind": "DaemonSet", "metadata": {"generation": generation}, "spec": {}, "status": status_}


def deployment(**status: int) -> dict[str, Any]:
    counts = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, **status}
    return {"kind": "Deployment", "metadata": {"generation": 1}, "spec": {"replicas": 2}, "status": counts}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (None, (0, None)),
        (daemon_set(), (2, 2)),
        (daemon_set(observed=1), (0, None)),
        (daemon_set(updatedNumberScheduled=1), (1, 2)),
        (daemon_set(numberReady=0), (0, 2)),
        (daemon_set(desiredNumberScheduled=0, updatedNumberScheduled=0, numberReady=0), (0, 0)),
        (deployment(), (2, 2)),
        (deployment(readyReplicas=1), (1, 2)),
        (deployment(replicas=3, updatedReplicas=2), (1, 2)),  # an old pod is still there
        ({"kind": "DaemonSet", "metadata": {"generation": 1}, "spec": {}}, (0, None)),
    ],
)
def test_progress(obj: dict[str, Any] | None, expected: tuple[int, int | None]) -> None:
    assert progress_of(obj) == expected


def test_rolled_out_needs_the_expected_number() -> None:
    none_yet = daemon_set(desiredNumberScheduled=0, updatedNumberScheduled=0, numberReady=0)
    assert is_rolled_out(none_yet)
    assert not is_rolled_out(none_yet, 1)
    assert is_rolled_out(daemon_set(), 2)
    assert not is_rolled_out(None)


def pod(phase: str, *, waiting: dict[str, str] | None = None, ready: str = "False", scheduled: str = "True") -> Any:
    containers = [{"state": {"waiting": waiting}}] if waiting else []
    conditions = [
        {"type": "Ready", "status": ready},
        {"type": "PodScheduled", "status": scheduled, "message": "0/2 nodes are available"},
    ]
    return {"status": {"phase": phase, "containerStatuses": containers, "conditions": conditions}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (pod("Running", ready="True"), ""),
        (pod("Running"), "running, but not ready"),
        (
            pod("Pending", waiting={"reason": "ImagePullBackOff", "message": "not found"}),
            "ImagePullBackOff: not found",
        ),
        (pod("Pending", waiting={"reason": "ContainerCreating"}), "Pending"),
        (pod("Pending", scheduled="False"), "not scheduled: 0/2 nodes are available"),
        ({}, "Pending"),
    ],
)
def test_problem(found: dict[str, Any], expected: str) -> None:
    assert pod_problem(found) == expected


def test_hopeless() -> None:
    assert hopeless_reason(pod("Pending", waiting={"reason": "ErrImagePull"})) == "ErrImagePull"
    assert hopeless_reason(pod("Pending", waiting={"reason": "ContainerCreating"})) == ""
    assert hopeless_reason({}) == ""


def test_running() -> None:
    running = {"status": {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}}
    assert is_running(running)
    assert is_running({"status": {"phase": "Running"}})
    assert not is_running(pod("Running", waiting={"reason": "CrashLoopBackOff"}))
    assert not is_running(pod("Pending"))
    assert not is_running({})


@pytest.mark.parametrize(
    ("node", "phase", "runs"),
    [
        ("n1", "Running", True),
        ("n1", "Pending", True),
        ("n1", None, True),
        ("n1", "Succeeded", False),
        ("n1", "Failed", False),
        ("n2", "Running", False),
        (None, "Pending", False),
    ],
)
def test_what_runs_on_a_node(node: str | None, phase: str | None, runs: bool) -> None:
    spec = {"nodeName": node} if node else {}
    assert runs_on({"spec": spec} | ({"status": {"phase": phase}} if phase else {}), "n1") is runs

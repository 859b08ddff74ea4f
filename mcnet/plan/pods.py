"""What the status of pods, DaemonSets and Deployments means: how far a rollout is, why a pod is not ready."""

from collections.abc import Iterable
from typing import Any, Final

JsonObject = dict[str, Any]

HOPELESS: Final = (
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError",
    "CreateContainerError", "RunContainerError",
)  # fmt: skip
"""Reasons of a waiting container that waiting does not cure."""


def is_rolled_out(obj: JsonObject | None, pods: int | None = None) -> bool:
    """Whether all pods of the DaemonSet or Deployment are of the current version and ready."""
    done, wanted = progress_of(obj)
    return wanted is not None and done == wanted and (pods is None or wanted == pods)


def progress_of(obj: JsonObject | None) -> tuple[int, int | None]:
    """How many pods are of the current version and ready, and how many there should be; None: not known yet."""
    if obj is None:
        return 0, None
    status = obj.get("status") or {}
    if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 1):
        return 0, None
    if obj["kind"] == "Deployment":
        wanted = int(obj["spec"].get("replicas", 1))
        done = min(status.get("updatedReplicas", 0), status.get("readyReplicas", 0))
        stale = status.get("replicas", 0) > status.get("updatedReplicas", 0)
        return (done if not stale else min(done, wanted - 1)), wanted
    wanted = int(status.get("desiredNumberScheduled", 0))
    # With OnDelete, pods of an older version are meant to stay.
    if (obj["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
        return status.get("numberReady", 0), wanted
    return min(status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)), wanted


def pod_problem(pod: JsonObject) -> str:
    """Why a pod is not ready, in a few words; "" if it is."""
    status = pod.get("status") or {}
    conditions = {found["type"]: found for found in status.get("conditions") or []}
    if (conditions.get("Ready") or {}).get("status") == "True":
        return ""
    for container in status.get("containerStatuses") or []:
        state = container.get("state") or {}
        waiting = state.get("waiting") or state.get("terminated")
        if waiting and waiting.get("reason") not in (None, "ContainerCreating"):
            return ": ".join(part for part in (waiting["reason"], waiting.get("message", "")) if part)[:300]
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        return f"not scheduled: {scheduled.get('message', '')}"[:300]
    return "running, but not ready" if status.get("phase") == "Running" else str(status.get("phase", "Pending"))


def runs_on(pod: JsonObject, node: str) -> bool:
    """Whether the node has the pod, and its containers have not all ended."""
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return pod["spec"].get("nodeName") == node and not ended


def is_running(pod: JsonObject) -> bool:
    """Whether the pod's containers run, ready or not."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    return status.get("phase") == "Running" and all("running" in (one.get("state") or {}) for one in containers)


def problem_on(node: str, pods: Iterable[JsonObject]) -> str:
    """Why a daemon, of whose DaemonSet `pods` are, does not run on `node`; "" if it does. One running pod is enough
    (there are more in an update)."""
    here = [pod for pod in pods if (pod.get("spec") or {}).get("nodeName") == node]
    if any(map(is_running, here)):
        return ""
    return pod_problem(here[0]) if here else "there is no pod"


def hopeless_reason(pod: JsonObject) -> str:
    """Why the pod's container will never start; "" if it may."""
    statuses: list[dict[str, Any]] = (pod.get("status") or {}).get("containerStatuses") or []
    for container in statuses:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in HOPELESS:
            return str(waiting["reason"])
    return ""

"""What runs where: each component's pods, images and the versions they report, beside this command's own."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from mcnet.model.cluster import PROTOCOL_VERSION
from mcnet.plan import versions
from mcnet.plan.cluster_view import ClusterView, JsonObject, Picture, Row, describe_pods, kubectl
from mcnet.plan.pods import pod_problem

CURRENT: Final = "current"
MIXED: Final = "mixed"
"""Pods of more than one version: an upgrade that is under way, or was left half-finished."""
OTHER: Final = "other version"
NOT_READY: Final = "not ready"
COMPONENTS: Final = ("discovery", "gateway", "route-agent")
COMMAND: Final = "this command"


def rows(picture: Picture) -> list[Row]:
    """This command, then three rows for each cluster."""
    own = {"cluster": "", "component": COMMAND, "state": CURRENT, "versions": {picture.version: []}, "images": {}}
    return [own] + [_row(picture, view, one) for view in picture.members for one in COMPONENTS]


def _row(picture: Picture, view: ClusterView, component: str) -> Row:
    workload = next((one for one in view.workloads if _component(one) == component), None)
    pods = [pod for pod in view.pods if _component(pod) == component]
    reported = _reported(view, component, pods)
    images = Counter(_image(pod) for pod in pods)
    desired, ready, updated = _counts(workload)
    row: dict[str, Any] = {
        "cluster": view.cluster,
        "component": component,
        "desired": desired,
        "ready": ready,
        "updated": updated,
        "versions": reported,
        "images": dict(sorted(images.items())),
        "kubernetes": view.kubernetes,
    }
    state, why, following = _judge(picture, view, row, workload, pods)
    return row | {"state": state, "why": why, "next": following}


def _judge(
    picture: Picture, view: ClusterView, row: Row, workload: JsonObject | None, pods: list[JsonObject]
) -> tuple[str, str, str]:
    component = row["component"]
    name = f"mcnet-{component}"
    again = f"mcnet join broker-info.mcnet --context {view.context}"
    if workload is None:
        return NOT_READY, f"there is no {name}", again
    rollout = f"{kubectl(view)} rollout status {workload['kind'].lower()} {name}"
    if len(row["images"]) > 1 or len(row["versions"]) > 1 or row["updated"] < row["desired"]:
        return MIXED, f"an upgrade is not finished: {_mixture(row)}", rollout
    if row["ready"] < row["desired"]:
        why = next((problem for pod in pods if (problem := pod_problem(pod))), "no pod is there yet")
        return NOT_READY, f"{row['ready']} of {row['desired']} pods are ready: {why}", describe_pods(view, component)
    for found in row["versions"]:
        if found and found != picture.version:
            newer = _order(found) > _order(picture.version)
            return (
                OTHER,
                f"it runs mcnet {found}, this command is {picture.version}",
                f"install mcnet {found} here" if newer else f"{again} (upgrades the daemons)",
            )
    why, following = _platform(view)
    return (OTHER if why else CURRENT), why, following


def _platform(view: ClusterView) -> tuple[str, str]:
    """What speaks against the cluster itself, and what to do."""
    version = versions.parse(view.kubernetes)
    if version is not None and version < versions.MEMBER_MINIMUM:
        why = f"it runs Kubernetes {view.kubernetes}, mcnet needs {versions.MEMBER_MINIMUM} or newer"
        return why, "upgrade that cluster"
    if view.clusterset and view.clusterset.protocol_version != PROTOCOL_VERSION:
        why = f"its clusterset speaks protocol version {view.clusterset.protocol_version}, this command"
        return f"{why} {PROTOCOL_VERSION}", "use the mcnet that fits the daemons"
    return "", ""


def _mixture(row: Row) -> str:
    if len(row["versions"]) > 1:
        said = [f"{version or 'nothing reported'} on {', '.join(on)}" for version, on in row["versions"].items()]
        return "; ".join(said)
    if len(row["images"]) > 1:
        return ", ".join(f"{image} in {count} of the pods" for image, count in row["images"].items())
    return f"{row['updated']} of {row['desired']} pods are of the current template"


def _reported(view: ClusterView, component: str, pods: list[JsonObject]) -> dict[str, list[str]]:
    """Nodes with a pod by the version that is reported from there; discovery reports once for the cluster."""
    found: dict[str, list[str]] = {}
    nodes = sorted({str((pod.get("spec") or {}).get("nodeName", "")) for pod in pods} - {""})
    match component:
        case "gateway":
            reports: Mapping[str, str] = {one.node: one.version for one in view.gateways}
        case "route-agent":
            reports = {one.node: one.version for one in view.node_states}
        case _:
            record = next((one for one in view.clusters if one.id == view.cluster), None)
            return {record.version: nodes} if record and record.version else {}
    for node in nodes:
        found.setdefault(reports.get(node, ""), []).append(node)
    return found


def _counts(workload: JsonObject | None) -> tuple[int, int, int]:
    """How many pods there should be, are ready, and are of the current template."""
    if workload is None:
        return 0, 0, 0
    status = workload.get("status") or {}
    if workload["kind"] == "Deployment":
        desired = int((workload.get("spec") or {}).get("replicas", 1))
        return desired, int(status.get("readyReplicas", 0)), int(status.get("updatedReplicas", 0))
    desired = int(status.get("desiredNumberScheduled", 0))
    return desired, int(status.get("numberReady", 0)), int(status.get("updatedNumberScheduled", 0))


def _component(obj: JsonObject) -> str:
    return str((obj["metadata"].get("labels") or {}).get("app.kubernetes.io/component", ""))


def _image(pod: JsonObject) -> str:
    containers = (pod.get("spec") or {}).get("containers") or [{}]
    return str(containers[0].get("image", ""))


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])

"""Whether all daemons run, are ready, and stay so."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mcnet.diagnose.check import Check
from mcnet.diagnose.site import Site
from mcnet.install.rollout import WORKLOADS
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.plan.pods import pod_problem, progress_of

RESTARTS: Final = 3
"""Restarts of one container from which on it counts as restarting."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Our workloads by name (None: missing) and their pods."""

    kubectl: str
    workloads: dict[str, JsonObject | None]
    pods: tuple[JsonObject, ...]


async def gather(site: Site) -> Evidence:
    found = [*await site.listed(kinds.DAEMON_SET), *await site.listed(kinds.DEPLOYMENT)]
    by_name = {str(obj["metadata"]["name"]): obj for obj in found}
    pods = await site.listed(kinds.POD)
    ours = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get("app.kubernetes.io/name") == "mcnet"]
    return Evidence(site.kubectl, {one.name: by_name.get(one.name) for one in WORKLOADS}, tuple(ours))


def judge(evidence: Evidence) -> Judgement:
    findings = [*_workloads(evidence), *(one for pod in evidence.pods for one in _pod(evidence, pod))]
    ready = sum(not pod_problem(pod) for pod in evidence.pods)
    return Judgement(f"{ready} of {len(evidence.pods)} pods are ready", tuple(findings))


def _workloads(evidence: Evidence) -> Iterable[Finding]:
    for name, workload in evidence.workloads.items():
        kind = "Deployment" if name == "mcnet-discovery" else "DaemonSet"
        if workload is None:
            remedy = "mcnet join broker-info.mcnet, which puts back what is missing"
            yield Finding(Verdict.WRONG, f"{kind} {name}", "it is not there", remedy)
            continue
        done, wanted = progress_of(workload)
        if wanted is None or done < wanted:
            said = f"{done} of {'?' if wanted is None else wanted} pods are ready and of the current version"
            yield Finding(Verdict.WRONG, f"{kind} {name}", said, f"{evidence.kubectl} get pods -o wide")


def _pod(evidence: Evidence, pod: JsonObject) -> Iterable[Finding]:
    name = str(pod["metadata"]["name"])
    about = f"pod {name} on {(pod.get('spec') or {}).get('nodeName', 'no node')}"
    if why := pod_problem(pod):
        yield Finding(Verdict.WRONG, about, why, f"{evidence.kubectl} describe pod {name}")
    containers = (pod.get("status") or {}).get("containerStatuses") or []
    restarts = sum(int(container.get("restartCount", 0)) for container in containers)
    if restarts >= RESTARTS:
        last = _last_end(containers)
        said = f"it has been restarted {restarts} times{last}"
        yield Finding(Verdict.WARNING, about, said, f"{evidence.kubectl} logs {name} --previous --tail 20")


def _last_end(containers: list[JsonObject]) -> str:
    for container in containers:
        ended = (container.get("lastState") or {}).get("terminated") or {}
        if ended:
            return f", the last time with status {ended.get('exitCode')} ({ended.get('reason', 'no reason')})"
    return ""


CHECK = Check(
    name="pods",
    title="Daemons",
    matters="without its daemons a node keeps its data path as it is, but follows no change and no failure",
    gather=gather,
    judge=judge,
)

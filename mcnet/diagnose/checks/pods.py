"""Whether all daemons run, are ready, and stay so."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mcnet.diagnose.check import Check
from mcnet.diagnose.site import Site
from mcnet.install import cluster_dns
from mcnet.install.rollout import DNS, WORKLOADS
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.errors import ApiError
from mcnet.plan.pods import hopeless_reason, pod_problem, progress_of

KINDS: Final = {one.name: one.kind.kind for one in (*WORKLOADS, DNS)}
RESTARTS: Final = 3
"""Restarts of one container from which on it counts as restarting."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Our workloads by name (None: missing) and their pods."""

    kubectl: str
    join: str
    """The command that puts back what is missing or was changed by hand."""
    workloads: dict[str, JsonObject | None]
    pods: tuple[JsonObject, ...]


async def gather(site: Site) -> Evidence:
    found = [*await site.listed(kinds.DAEMON_SET), *await site.listed(kinds.DEPLOYMENT)]
    by_name = {str(obj["metadata"]["name"]): obj for obj in found}
    pods = await site.listed(kinds.POD)
    ours = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get("app.kubernetes.io/name") == "mcnet"]
    join = f"mcnet join broker-info.mcnet{site.option}"
    wanted = (*WORKLOADS, DNS) if DNS.name in by_name or await _asks_dns(site) else WORKLOADS
    return Evidence(site.kubectl, join, {one.name: by_name.get(one.name) for one in wanted}, tuple(ours))


async def _asks_dns(site: Site) -> bool:
    """Whether the cluster's own DNS needs mcnet's; not where it may not be looked at."""
    try:
        return await cluster_dns.daemon(site.api) is not None
    except ApiError:
        return False


def judge(evidence: Evidence) -> Judgement:
    findings = [*_workloads(evidence), *(one for pod in evidence.pods for one in _pod(evidence, pod))]
    ready = sum(not pod_problem(pod) for pod in evidence.pods)
    return Judgement(f"{ready} of {len(evidence.pods)} pods are ready", tuple(findings))


def _workloads(evidence: Evidence) -> Iterable[Finding]:
    for name, workload in evidence.workloads.items():
        kind = KINDS[name]
        if workload is None:
            yield Finding(Verdict.WRONG, f"{kind} {name}", "it is not there", evidence.join)
            continue
        done, wanted = progress_of(workload)
        if wanted == 0:
            yield Finding(
                Verdict.WRONG, f"{kind} {name}", "no pod is wanted: scaled to 0, or no node fits", evidence.join
            )
        elif wanted is None or done < wanted:
            said = f"{done} of {'?' if wanted is None else wanted} pods are ready and of the current version"
            yield Finding(Verdict.WRONG, f"{kind} {name}", said, f"{evidence.kubectl} get pods -o wide")


def _pod(evidence: Evidence, pod: JsonObject) -> Iterable[Finding]:
    name = str(pod["metadata"]["name"])
    about = f"pod {name} on {(pod.get('spec') or {}).get('nodeName', 'no node')}"
    if why := pod_problem(pod):
        remedy = evidence.join if hopeless_reason(pod) else f"{evidence.kubectl} describe pod {name}"
        yield Finding(Verdict.WRONG, about, why, remedy)
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

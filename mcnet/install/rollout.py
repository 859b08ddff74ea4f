"""Waits until the daemons run and the first cable carries traffic, telling how far it is. Applying is `join`'s."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mcnet.codec import gateway as gateway_codec
from mcnet.codec.batch import decode_all
from mcnet.install.progress import Progress
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.errors import McnetError
from mcnet.model.gateway import CableState, Gateway
from mcnet.model.member import SYSTEM_NAMESPACE

CONNECTION_INTERVAL = 0.5
"""Seconds between two looks at the gateways' reports while the first connection is awaited."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One of our workloads. `pods` is how many there have to be, None where its controller says it."""

    kind: Kind
    name: str
    pods: int | None = None


WORKLOADS: Final = (
    Workload(kinds.DEPLOYMENT, "mcnet-discovery"),
    Workload(kinds.DAEMON_SET, "mcnet-route-agent"),
    Workload(kinds.DAEMON_SET, "mcnet-gateway"),
)


async def await_rollout(api: Api, *, gateways: int, timeout: float, progress: Progress) -> None:
    """Returns once every daemon runs in the wanted version. Raises McnetError naming the pod that doesn't."""
    states = {workload.name: "…" for workload in WORKLOADS}

    def tell(name: str, text: str) -> None:
        states[name] = text
        progress.doing("Daemons: " + ", ".join(f"{one.removeprefix('mcnet-')} {at}" for one, at in states.items()))

    wanted = [
        Workload(one.kind, one.name, gateways) if one.name == "mcnet-gateway" else one for one in WORKLOADS
    ]
    try:
        async with asyncio.TaskGroup() as group:
            for workload in wanted:
                group.create_task(_await_one(api, workload, timeout, tell))
    except* TimeoutError:
        raise McnetError(*await _why(api, timeout)) from None
    progress.done("Daemons run: " + ", ".join(f"{name.removeprefix('mcnet-')} {at}" for name, at in states.items()))


async def await_connection(
    api: Api, *, timeout: float, progress: Progress, others: tuple[str, ...]
) -> tuple[Gateway, ...]:
    """Returns the gateways' reports once one cable to one of `others` is connected. Raises McnetError with the
    reason that the gateways give."""
    gateways: tuple[Gateway, ...] = ()
    try:
        async with asyncio.timeout(timeout):
            while True:
                gateways = decode_all(
                    gateway_codec.decode, await api.list(kinds.GATEWAY, SYSTEM_NAMESPACE), []
                )
                cables = [cable for gateway in gateways for cable in gateway.cables]
                if any(cable.state is CableState.CONNECTED and cable.cluster in others for cable in cables):
                    return gateways
                progress.doing(f"Waiting for the first connection to {', '.join(others)}: {_state(gateways)}")
                await asyncio.sleep(CONNECTION_INTERVAL)
    except TimeoutError as error:
        raise McnetError(
            f"no cable to {', '.join(others)} was connected within {timeout:g} s: {_state(gateways)}",
            f"mcnet show connections --context {api.context}" if api.context else "mcnet show connections",
        ) from error


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
    if obj["kind"] == kinds.DEPLOYMENT.kind:
        wanted = int(obj["spec"].get("replicas", 1))
        done = min(status.get("updatedReplicas", 0), status.get("readyReplicas", 0))
        stale = status.get("replicas", 0) > status.get("updatedReplicas", 0)
        return (done if not stale else min(done, wanted - 1)), wanted
    wanted = int(status.get("desiredNumberScheduled", 0))
    return min(status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)), wanted


async def _await_one(api: Api, workload: Workload, timeout: float, tell: Callable[[str, str], None]) -> None:
    def ready(obj: JsonObject | None) -> bool:
        done, wanted = progress_of(obj)
        tell(workload.name, f"{done}/{'?' if wanted is None else wanted}")
        return is_rolled_out(obj, workload.pods)

    await api.wait_for(workload.kind, workload.name, SYSTEM_NAMESPACE, ready, timeout)


async def _why(api: Api, timeout: float) -> tuple[str, str]:
    """Message and hint about the first pod that is not ready."""
    pods = await api.list(kinds.POD, SYSTEM_NAMESPACE, labels="app.kubernetes.io/name=mcnet")
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        if why := pod_problem(pod):
            name = pod["metadata"]["name"]
            node = (pod.get("spec") or {}).get("nodeName", "no node")
            return (
                f"the daemons don't all run after {timeout:g} s: pod {name} on {node}: {why}",
                f"kubectl --context {api.context} -n {SYSTEM_NAMESPACE} describe pod {name}",
            )
    return (
        f"the daemons don't all run after {timeout:g} s, though no pod says why",
        f"kubectl --context {api.context} -n {SYSTEM_NAMESPACE} get pods -o wide",
    )


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


def _state(gateways: tuple[Gateway, ...]) -> str:
    cables = [cable for gateway in gateways for cable in gateway.cables]
    if not gateways:
        return "no gateway has reported yet"
    if not cables:
        problems = [problem for gateway in gateways for problem in gateway.problems]
        return problems[0] if problems else "the gateways know no cable yet"
    worst = cables[0]
    return f"{worst.gateway} of {worst.cluster} is {worst.state.value}" + (f" ({worst.reason})" if worst.reason else "")

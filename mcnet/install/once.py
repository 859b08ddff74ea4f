"""Runs a module of our image once, in a throw-away pod, and returns what it printed. The pod is always removed."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject
from mcnet.model.errors import ApiError, McnetError, UnreachableError
from mcnet.plan.pods import hopeless_reason, pod_problem
from mcnet.render.engine import render
from mcnet.render.values import NodePodValues

GRACE = 15.0
"""Seconds beyond the pod's own limit, for a kubelet to say that it has ended."""
GONE = 30.0
"""Seconds that an earlier pod of the same name may take to go."""
AT_ONCE: Final = 20
"""Pods at a time: so that hundreds of nodes don't swamp an API server."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a pod ended. `problem` is "" if it succeeded; `output` is what it printed."""

    values: NodePodValues
    output: str = ""
    problem: str = ""
    reason: str = field(default="")
    """The kubelet's reason where the container did not even start ("ImagePullBackOff")."""
    asked: float = 0.0
    """Seconds since the epoch by this machine's clock: before it was created, and after it was known to be over."""
    told: float = 0.0


async def run_once(api: Api, pods: Iterable[NodePodValues]) -> list[Outcome]:
    """Runs the pods beside each other; one that fails does not stop the others. Raises what the API server's
    refusal of a pod raises."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(values: NodePodValues) -> Outcome:
        async with limit:
            return await _run(api, values)

    return list(await asyncio.gather(*(one(values) for values in pods)))


async def _run(api: Api, values: NodePodValues) -> Outcome:
    (pod,) = render("node", values)
    await api.delete(kinds.POD, values.name, values.namespace)
    try:
        await api.wait_for(kinds.POD, values.name, values.namespace, lambda found: found is None, GONE)
    except TimeoutError:
        return Outcome(values, problem=f"a pod {values.name} of an earlier run is still there")
    asked = time.time()
    await api.create(kinds.POD, pod, values.namespace)
    try:
        return replace(await _outcome(api, values), asked=asked, told=time.time())
    finally:
        await asyncio.shield(_remove(api, values))


async def _outcome(api: Api, values: NodePodValues) -> Outcome:
    try:
        pod = await api.wait_for(kinds.POD, values.name, values.namespace, _is_over, values.seconds + GRACE)
    except TimeoutError:
        last = await api.find(kinds.POD, values.name, values.namespace)
        return Outcome(values, problem=f"no result after {values.seconds} s: {pod_problem(last or {})}")
    assert pod is not None
    reason = hopeless_reason(pod)
    if reason:
        return Outcome(values, problem=pod_problem(pod), reason=reason)
    output = await _log(api, values)
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return Outcome(values, output)
    if status.get("reason") == "DeadlineExceeded":
        return Outcome(values, output, f"it was not done after {values.seconds} s")
    lines = output.strip().splitlines()
    return Outcome(values, output, lines[-1] if lines else pod_problem(pod))


async def _log(api: Api, values: NodePodValues) -> str:
    try:
        return await api.logs(values.name, values.namespace)
    except ApiError as error:
        return f"its output could not be read: {error.message}"


async def _remove(api: Api, values: NodePodValues) -> None:
    try:
        await api.delete(kinds.POD, values.name, values.namespace)
    except (ApiError, UnreachableError) as error:
        raise McnetError(
            f"the pod {values.namespace}/{values.name} could not be removed: {error.message}",
            f"kubectl -n {values.namespace} delete pod {values.name}",
        ) from error


def _is_over(pod: JsonObject | None) -> bool:
    if pod is None:
        return False
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") or bool(hopeless_reason(pod))

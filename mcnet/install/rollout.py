"""Waits until the daemons run and the cables carry traffic, telling how far it is. Applying is `join`'s."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from mcnet.codec import gateway as gateway_codec
from mcnet.codec.batch import decode_all
from mcnet.install.progress import Progress
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.errors import McnetError
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.plan.pods import is_rolled_out, is_running, pod_problem, progress_of
from mcnet.plan.reach import Reach, reach

CONNECTION_INTERVAL = 0.5
"""Seconds between two looks at the gateways' reports while connections are awaited."""
SETTLING = 10.0
"""Seconds that all other cables may take once the first is connected."""


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
    Workload(kinds.DAEMON_SET, "mcnet-cable"),
)
DNS: Final = Workload(kinds.DEPLOYMENT, "mcnet-dns")
"""There only where the cluster's own DNS can't answer clusterset.local."""
REPORTS: Final = {"gateway": kinds.GATEWAY, "route-agent": kinds.NODE_STATE}
"""Kind of the object, named by the node, in which a daemon reports; by the pods' component label."""


async def workloads(api: Api) -> tuple[Workload, ...]:
    """Ours in this cluster."""
    there = await api.find(DNS.kind, DNS.name, SYSTEM_NAMESPACE)
    return (*WORKLOADS, DNS) if there else WORKLOADS


async def await_rollout(api: Api, *, gateways: int, timeout: float, progress: Progress) -> None:
    """Returns once every daemon runs in the wanted version. Raises McnetError naming the pod that doesn't."""
    ours = await workloads(api)
    states = {workload.name: "…" for workload in ours}

    def tell(name: str, text: str) -> None:
        states[name] = text
        progress.doing("Daemons: " + ", ".join(f"{one.removeprefix('mcnet-')} {at}" for one, at in states.items()))

    of_gateways = ("mcnet-gateway", "mcnet-cable")
    wanted = [Workload(one.kind, one.name, gateways) if one.name in of_gateways else one for one in ours]
    try:
        async with asyncio.TaskGroup() as group:
            for workload in wanted:
                group.create_task(_await_one(api, workload, timeout, tell))
    except* TimeoutError:
        raise McnetError(*await _why(api, timeout)) from None
    progress.done("Daemons run: " + ", ".join(f"{name.removeprefix('mcnet-')} {at}" for name, at in states.items()))


async def await_connections(
    api: Api, *, nodes: Collection[str], timeout: float, progress: Progress, others: tuple[str, ...]
) -> Reach:
    """Returns what the gateways `nodes` are connected to once that is every gateway of `others`.

    One cable is enough to go on: the rest may take `SETTLING` seconds more, since a gateway elsewhere that is down
    must not hold up this cluster's join. Raises McnetError with the reason that the gateways give where not even one
    was connected within `timeout` seconds.
    """
    loop = asyncio.get_running_loop()
    deadline, first = loop.time() + timeout, False
    while True:
        reports = decode_all(gateway_codec.decode, await api.list(kinds.GATEWAY, SYSTEM_NAMESPACE), [])
        found = reach(reports, nodes, others)
        if found.connected and not first:
            first, deadline = True, loop.time() + SETTLING
        if not found.missing or (first and loop.time() >= deadline):
            return found
        if loop.time() >= deadline:
            raise McnetError(
                f"no cable to {', '.join(others)} was connected within {timeout:g} s: {found.missing[0]}",
                f"mcnet show connections --context {api.context}" if api.context else "mcnet show connections",
            )
        progress.doing(f"Waiting for the connections to {', '.join(others)}: {found.missing[0]}")
        await asyncio.sleep(CONNECTION_INTERVAL)


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
            name, node = pod["metadata"]["name"], (pod.get("spec") or {}).get("nodeName", "no node")
            look = f"describe pod {name}"
            if is_running(pod):
                look = f"logs {name} --tail 20"
                why = "; ".join([why, *await _reported(api, pod)])
            return (
                f"the daemons don't all run after {timeout:g} s: pod {name} on {node}: {why}",
                f"kubectl --context {api.context} -n {SYSTEM_NAMESPACE} {look}",
            )
    return (
        f"the daemons don't all run after {timeout:g} s, though no pod says why",
        f"kubectl --context {api.context} -n {SYSTEM_NAMESPACE} get pods -o wide",
    )


async def _reported(api: Api, pod: JsonObject) -> list[str]:
    """What the daemon in the pod itself reports to be wrong, if it is one that reports."""
    component = (pod["metadata"].get("labels") or {}).get("app.kubernetes.io/component", "")
    kind = REPORTS.get(component)
    report = await api.find(kind, pod["spec"]["nodeName"], SYSTEM_NAMESPACE) if kind else None
    return [str(problem) for problem in ((report or {}).get("status") or {}).get("problems") or []]

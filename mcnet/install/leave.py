"""Takes a cluster out: daemons, what they left on every node, the broker's records and account, all objects.

What can't be done (a node or the broker is down) is returned as leftovers, each with the command that finishes it.
Without `force` what is needed to finish stays in the cluster, so that a second run can; with it nothing stays.
"""

import asyncio
import json
from dataclasses import dataclass, field, replace
from typing import Final

from mcnet.codec import node_state as node_state_codec
from mcnet.codec.batch import decode_all
from mcnet.install import broker_leave, cluster_dns, mcs_kinds
from mcnet.install.apply import SYSTEM_LABELS
from mcnet.install.image import default_image
from mcnet.install.join_plan import current_member
from mcnet.install.leave_services import remove_services
from mcnet.install.once import run_once
from mcnet.install.progress import Progress, Silent
from mcnet.install.rollout import DNS, WORKLOADS
from mcnet.install.until import until
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import McnetError, NotFoundError
from mcnet.model.member import API_GROUP, BROKER_NAMESPACE, BROKER_SECRET, MEMBER_NAME, SYSTEM_NAMESPACE
from mcnet.plan.gateway_choice import is_ready
from mcnet.plan.gateway_nodes import unmark
from mcnet.render.values import NodePodValues

CLEAN_SECONDS: Final = 60
"""How long cleaning one node may take, the image's pull included."""
IMAGE_ANNOTATION: Final = f"{API_GROUP}/image"
PULL_SECRETS_ANNOTATION: Final = f"{API_GROUP}/pull-secrets"
GONE_TIMEOUT: Final = 120.0
"""Seconds for pods, the namespace and the kinds to be gone."""
LABELS: Final = ",".join(f"{name}={value}" for name, value in SYSTEM_LABELS.items())


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that could not be removed, why, and the command that does it."""

    what: str
    why: str
    command: str


@dataclass(slots=True)
class _Leaving:
    """The state of one run."""

    api: Api
    progress: Progress
    force: bool
    leftovers: list[Leftover] = field(default_factory=list)

    @property
    def kubectl(self) -> str:
        return f"kubectl --context {self.api.context}" if self.api.context else "kubectl"


async def leave(
    api: Api, *, force: bool = False, broker: Api | None = None, image: str = "", progress: Progress
) -> list[Leftover] | None:
    """Leaves; None if there is nothing to leave. `broker` is the broker as its admin, if one is at hand; else the
    member's own credential serves."""
    namespace = await api.find(kinds.NAMESPACE, SYSTEM_NAMESPACE)
    if namespace is None:
        return await _without_namespace(api, progress)
    run = _Leaving(api, progress, force)
    member = await current_member(api)
    cluster = str(member.cluster) if member else await broker_leave.credential_owner(api)
    await _disconnect_dns(run)
    await _stop_daemons(run)
    if cluster:
        await _deregister(run, cluster, broker)
    await _clean_nodes(run, _cleaner(namespace, image))
    if run.leftovers and not force:
        return run.leftovers
    await _unlabel(run)
    await _remove_objects(run)
    return run.leftovers


def finish_broker(cluster: str) -> str:
    """What the broker's admin runs where the member could not. It looks whose record it is, and whether it lives."""
    return f"mcnet member remove {cluster}, by the broker's admin"


async def _without_namespace(api: Api, progress: Progress) -> list[Leftover] | None:
    """An earlier leave may have ended between namespace and kinds: finishes that."""
    run = _Leaving(api, progress, force=False)
    roles = (kinds.CLUSTER_ROLE, kinds.CLUSTER_ROLE_BINDING)
    left = [obj for kind in roles for obj in await api.list(kind, labels=LABELS)]
    nodes = [obj for obj in await api.list(kinds.NODE) if unmark(obj)]
    own = [] if await _is_broker(api) else await _own_kinds(api) + await mcs_kinds.to_remove(api)
    if not (left or nodes or own):
        return None
    await _unlabel(run)
    await _remove_objects(run)
    return run.leftovers


async def _disconnect_dns(run: _Leaving) -> None:
    """First of all: afterwards the cluster's DNS would forward to nobody."""
    try:
        await cluster_dns.disconnect(run.api, run.progress.doing)
    except McnetError as error:
        again = error.hint or f"mcnet leave --context {run.api.context}"
        run.leftovers.append(Leftover("clusterset.local in the cluster's DNS", error.message, again))


async def _stop_daemons(run: _Leaving) -> None:
    """Deletes the workloads and waits until none of their pods runs, except on nodes that don't answer."""
    run.progress.doing("Stopping the daemons")
    for workload in (*WORKLOADS, DNS):
        await run.api.delete(workload.kind, workload.name, SYSTEM_NAMESPACE)
    try:
        await until(lambda: _stopped(run), timeout=GONE_TIMEOUT, interval=0.3)
    except TimeoutError as error:
        raise McnetError(
            f"the daemons' pods did not end within {GONE_TIMEOUT:g} s",
            f"{run.kubectl} -n {SYSTEM_NAMESPACE} get pods -o wide",
        ) from error
    run.progress.done("The daemons are stopped")


async def _stopped(run: _Leaving) -> bool:
    """Whether no daemon runs on nodes that are Ready: on the others none can end before the node is back."""
    api = run.api
    pods = await api.list(kinds.POD, SYSTEM_NAMESPACE, labels="app.kubernetes.io/name=mcnet")
    ready = {node["metadata"]["name"] for node in await api.list(kinds.NODE) if is_ready(node)}
    left = [pod for pod in pods if (pod["spec"].get("nodeName") or "") in ready]
    if left:
        run.progress.doing(f"Stopping the daemons: {len(left)} to go")
    return not left


async def _deregister(run: _Leaving, cluster: str, broker: Api | None) -> None:
    """The broker's part. Afterwards Member and credential go too: so a second run knows that it is done."""
    run.progress.doing("Removing the cluster from the broker")
    problem = await broker_leave.deregister(run.api, ClusterId(cluster), broker)
    if problem:
        run.leftovers.append(Leftover(f"the records of {cluster} at the broker", problem, finish_broker(cluster)))
        return
    await run.api.delete(kinds.SECRET, BROKER_SECRET, SYSTEM_NAMESPACE)
    await run.api.delete(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
    run.progress.done(f"The broker holds nothing of {cluster} any more but its farewell")


async def _clean_nodes(run: _Leaving, cleaner: NodePodValues) -> None:
    nodes = await run.api.list(kinds.NODE)
    states = decode_all(node_state_codec.decode, await _node_states(run.api), [])
    originals = {state.node: dict(state.original_sysctls) for state in states}
    ready = [str(node["metadata"]["name"]) for node in nodes if is_ready(node)]
    for node in nodes:
        if not is_ready(node):
            run.leftovers.append(_node_leftover(run, str(node["metadata"]["name"]), "the node is not Ready"))
    run.progress.doing(f"Cleaning {len(ready)} nodes")
    outcomes = await run_once(run.api, [_on(node, cleaner, originals.get(node, {})) for node in ready])
    failed = [outcome for outcome in outcomes if outcome.problem]
    for outcome in failed:
        run.leftovers.append(_node_leftover(run, outcome.values.node, _why(outcome.problem)))
    run.progress.done(f"{len(outcomes) - len(failed)} of {len(nodes)} nodes are clean")


async def _node_states(api: Api) -> list[JsonObject]:
    try:
        return await api.list(kinds.NODE_STATE, SYSTEM_NAMESPACE)
    except NotFoundError:
        return []  # the kind is gone already: an interrupted join or leave


def _cleaner(namespace: JsonObject, image: str) -> NodePodValues:
    """The pod that cleans a node, by the image that the nodes have already: join notes it at the namespace."""
    annotations = namespace["metadata"].get("annotations") or {}
    secrets = str(annotations.get(PULL_SECRETS_ANNOTATION, "")).split(",")
    return NodePodValues(
        name="mcnet-leave",
        image=image or str(annotations.get(IMAGE_ANNOTATION, "")) or default_image(),
        pull_secrets=tuple(secret for secret in secrets if secret),
        module="mcnet.install.leave_node",
        seconds=CLEAN_SECONDS,
    )


def _on(node: str, cleaner: NodePodValues, originals: dict[str, str]) -> NodePodValues:
    name = f"{cleaner.name}-{node}"[:253].rstrip(".-")
    return replace(cleaner, name=name, node=node, arguments=(json.dumps(originals),))


def _why(problem: str) -> str:
    """The pod's own words: leave_node prints a JSON object, a pod that did not start has a plain sentence."""
    try:
        return "; ".join(json.loads(problem)["failures"])
    except (ValueError, KeyError, TypeError):
        return problem


def _node_leftover(run: _Leaving, node: str, why: str) -> Leftover:
    again = f"mcnet leave --context {run.api.context}" if run.api.context else "mcnet leave"
    if run.force:
        again = f"restart node {node}: what is left there is in its kernel only"
    return Leftover(f"links, routes, rules and sysctls on node {node}", why, again)


async def remove_objects(api: Api) -> None:
    """Removes all objects of mcnet from a cluster whose daemons never ran: a join that another one outran."""
    run = _Leaving(api, Silent(), force=False)
    await _unlabel(run)
    await _remove_objects(run)


async def _unlabel(run: _Leaving) -> None:
    for obj in await run.api.list(kinds.NODE):
        if patch := unmark(obj):
            await run.api.merge_patch(kinds.NODE, obj["metadata"]["name"], {"metadata": patch})


async def _remove_objects(run: _Leaving) -> None:
    """Imported services, cluster-wide roles, the namespace, the kinds; returns when they are gone."""
    api, progress = run.api, run.progress
    progress.doing("Removing imported services")
    if count := await remove_services(api):
        progress.done(f"{count} objects of imported services are removed")
    progress.doing("Removing objects")
    is_broker = await _is_broker(api)
    if not is_broker:
        await _remove_kinds(run, await mcs_kinds.to_remove(api))
    for kind in (kinds.CLUSTER_ROLE_BINDING, kinds.CLUSTER_ROLE):
        for obj in await api.list(kind, labels=LABELS):
            await api.delete(kind, obj["metadata"]["name"])
    await api.delete(kinds.NAMESPACE, SYSTEM_NAMESPACE)
    progress.doing(f"Removing the namespace {SYSTEM_NAMESPACE}")
    await _gone(run, kinds.NAMESPACE, SYSTEM_NAMESPACE)
    if is_broker:
        progress.done(f"All objects are removed; {BROKER_NAMESPACE} stays, since this cluster is the broker")
        return
    progress.doing("Removing our kinds")
    await _remove_kinds(run, await _own_kinds(api))
    progress.done("All objects are removed")


async def _remove_kinds(run: _Leaving, names: list[str]) -> None:
    await asyncio.gather(*(run.api.delete(kinds.CRD, name) for name in names))
    await asyncio.gather(*(_gone(run, kinds.CRD, name) for name in names))


async def _gone(run: _Leaving, kind: Kind, name: str) -> None:
    def absent(obj: JsonObject | None) -> bool:
        return obj is None

    try:
        await run.api.wait_for(kind, name, None, absent, GONE_TIMEOUT)
    except TimeoutError:
        command = f"{run.kubectl} get {kind.plural} {name} -o yaml"
        run.leftovers.append(Leftover(f"{kind.kind} {name}", f"not gone after {GONE_TIMEOUT:g} s", command))


async def _is_broker(api: Api) -> bool:
    return await api.find(kinds.NAMESPACE, BROKER_NAMESPACE) is not None


async def _own_kinds(api: Api) -> list[str]:
    """Names of our CustomResourceDefinitions."""
    return [
        str(crd["metadata"]["name"])
        for crd in await api.list(kinds.CRD)
        if crd["metadata"]["name"].endswith("." + API_GROUP)
    ]

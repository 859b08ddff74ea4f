"""Reads, in every context at once, what `mcnet show` needs. What it means is mcnet.plan.cluster_view's."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec import gateway as gateway_codec
from mcnet.codec import member as member_codec
from mcnet.codec.batch import decode_all
from mcnet.codec.errors import DecodeError
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import contexts as all_contexts
from mcnet.kube.connect import from_kubeconfig
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.errors import McnetError, NotFoundError, UnreachableError
from mcnet.model.member import BROKER_NAMESPACE, MEMBER_NAME, SYSTEM_NAMESPACE
from mcnet.plan.cluster_view import ClusterView
from mcnet.plan.gateway_choice import labelled_gateways
from mcnet.plan.pods import is_running, pod_problem
from mcnet.plan.problems import bounded

TIMEOUT = 5.0
"""Seconds that one context may take."""
GATEWAY_PODS: Final = "app.kubernetes.io/name=mcnet,app.kubernetes.io/component=gateway"


@dataclass(frozen=True, slots=True)
class Absent:
    """A context without mcnet; `broker` if it is a broker that is no member."""

    context: str
    broker: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """A context that could not be read, and why."""

    context: str
    error: McnetError


Reading = ClusterView | Absent | Unread


async def gather(context: str | None, kubeconfig: Path | None) -> list[Reading]:
    """What the one context, or else every context of the kubeconfig, says; in the contexts' order. Contexts of
    the same API server are read once."""
    names = [context] if context else all_contexts(kubeconfig)
    apis = await _connect(names, kubeconfig)
    readings = await asyncio.gather(*(_read(name, api) for name, api in apis))
    return list(readings)


async def _connect(names: Sequence[str], kubeconfig: Path | None) -> list[tuple[str, Api | McnetError]]:
    opened = await asyncio.gather(*(_open(name, kubeconfig) for name in names))
    found: dict[str, tuple[str, Api | McnetError]] = {}
    for name, api in zip(names, opened, strict=True):
        key = name if isinstance(api, McnetError) else api.server
        if key not in found:
            found[key] = (name, api)
        elif not isinstance(api, McnetError):
            await api.close()
    return list(found.values())


async def _open(name: str, kubeconfig: Path | None) -> Api | McnetError:
    """The context's Api; its credential plugin may take its time too, or fail."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await from_kubeconfig(context=name, kubeconfig=kubeconfig)
    except TimeoutError:
        return UnreachableError(f"context {name} gave no credential within {TIMEOUT:g} s")
    except McnetError as error:
        return error


async def _read(context: str, api: Api | McnetError) -> Reading:
    if isinstance(api, McnetError):
        return Unread(context, api)
    async with api:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await read_view(api)
        except TimeoutError:
            return Unread(context, UnreachableError(f"{api.server} did not answer within {TIMEOUT:g} s"))
        except DecodeError as error:
            return Unread(context, McnetError(f"its Member object is damaged: {error}", "mcnet join again"))
        except McnetError as error:
            return Unread(context, error)


async def read_view(api: Api) -> ClusterView | Absent:
    """The member behind `api`."""
    member = await api.find(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
    if member is None:
        return Absent(api.context, await api.find(kinds.NAMESPACE, BROKER_NAMESPACE) is not None)
    async with asyncio.TaskGroup() as group:
        clusters = group.create_task(_list(api, kinds.CLUSTER))
        endpoints = group.create_task(_list(api, kinds.ENDPOINT))
        gateways = group.create_task(_list(api, kinds.GATEWAY))
        pods = group.create_task(api.list(kinds.POD, SYSTEM_NAMESPACE, labels=GATEWAY_PODS))
        nodes = group.create_task(api.list(kinds.NODE))
    problems: list[str] = []
    gateway_nodes = labelled_gateways(nodes.result())
    return ClusterView(
        context=api.context,
        cluster=member_codec.decode(member).cluster,
        clusters=decode_all(cluster_codec.decode, clusters.result(), problems),
        endpoints=decode_all(endpoint_codec.decode, endpoints.result(), problems),
        gateways=decode_all(gateway_codec.decode, gateways.result(), problems),
        gateway_nodes=gateway_nodes,
        daemon_problems=_daemon_problems(gateway_nodes, pods.result()),
        unready_nodes=_unready(gateway_nodes, pods.result()),
        unreadable=bounded(problems),
    )


def _daemon_problems(nodes: Sequence[str], pods: Sequence[JsonObject]) -> dict[str, str]:
    """Why the gateway's daemon does not run, by node; one running pod is enough (there are more in an update)."""
    problems = {}
    for node in nodes:
        here = [pod for pod in pods if (pod.get("spec") or {}).get("nodeName") == node]
        if not any(map(is_running, here)):
            problems[node] = pod_problem(here[0]) if here else "there is no pod"
    return problems


def _unready(nodes: Sequence[str], pods: Sequence[JsonObject]) -> tuple[str, ...]:
    """Nodes with a running daemon of which none is ready."""
    running = [pod for pod in pods if is_running(pod)]
    ready = {pod["spec"]["nodeName"] for pod in running if not pod_problem(pod)}
    return tuple(node for node in nodes if node in {pod["spec"]["nodeName"] for pod in running} - ready)


async def _list(api: Api, kind: Kind) -> list[JsonObject]:
    try:
        return await api.list(kind, SYSTEM_NAMESPACE)
    except NotFoundError:
        return []


def views(readings: Sequence[Reading]) -> list[ClusterView]:
    """The members among them."""
    return [reading for reading in readings if isinstance(reading, ClusterView)]

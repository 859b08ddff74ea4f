"""Reads, in every context at once, what `mcnet show` needs. What it means is mcnet.plan.views'."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from mcnet.codec import broker as broker_codec
from mcnet.codec import cluster as cluster_codec
from mcnet.codec import clusterset as clusterset_codec
from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec import gateway as gateway_codec
from mcnet.codec import member as member_codec
from mcnet.codec import node as node_codec
from mcnet.codec import node_state as node_state_codec
from mcnet.codec import pins as pins_codec
from mcnet.codec.batch import decode_all
from mcnet.codec.errors import DecodeError
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import contexts as all_contexts
from mcnet.kube.connect import from_kubeconfig
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.cluster import ClusterId, ClusterSet, Requested
from mcnet.model.errors import ForbiddenError, McnetError, NotFoundError, UnreachableError
from mcnet.model.member import BROKER_NAMESPACE, BROKER_SECRET, CLUSTERSET_NAME, MEMBER_NAME, SYSTEM_NAMESPACE
from mcnet.model.trust import PINS_NAME, Pin
from mcnet.plan.cluster_view import BrokerView, ClusterView, ServicesView
from mcnet.plan.gateway_choice import labelled_gateways
from mcnet.plan.pods import is_running, pod_problem, problem_on
from mcnet.plan.problems import bounded
from mcnet.show.services import read_services

POLICY: Final = "mcnet-broker-ownership"
OURS: Final = "app.kubernetes.io/name=mcnet"


@dataclass(frozen=True, slots=True)
class Seen:
    """A context that could be read: as a member, as a broker, as both, or as neither."""

    context: str
    member: ClusterView | None = None
    broker: BrokerView | None = None

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Sentences about single objects that could not be understood."""
        return (self.member.unreadable if self.member else ()) + (self.broker.unreadable if self.broker else ())


@dataclass(frozen=True, slots=True)
class Unread:
    """A context that could not be read, and why."""

    context: str
    error: McnetError


Reading = Seen | Unread


class Contexts:
    """The connections to the one context, or else to every context of the kubeconfig; those of the same API server
    are read once. `timeout` is in seconds, for one context, and once more for its services if they are wanted. What
    could not be opened is tried again by the next `read`."""

    def __init__(
        self, context: str | None, kubeconfig: Path | None, *, timeout: float, services: bool = False
    ) -> None:
        self._names = [context] if context else all_contexts(kubeconfig)
        self._kubeconfig = kubeconfig
        self._timeout = timeout
        self._services = services
        self._opened: dict[str, Api] = {}
        self._doubles: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(api.close() for api in self._opened.values()))

    async def read(self) -> list[Reading]:
        """What all of them say, in the contexts' order."""
        missing = [name for name in self._names if name not in self._opened and name not in self._doubles]
        failed: dict[str, McnetError] = {}
        for name, api in zip(missing, await asyncio.gather(*map(self._open, missing)), strict=True):
            if isinstance(api, McnetError):
                failed[name] = api
            elif any(api.server == other.server for other in self._opened.values()):
                self._doubles.add(name)
                await api.close()
            else:
                self._opened[name] = api
        names = [name for name in self._names if name not in self._doubles]
        return list(await asyncio.gather(*(self._read(name, failed.get(name)) for name in names)))

    async def _open(self, name: str) -> Api | McnetError:
        return await open_context(name, self._kubeconfig, self._timeout)

    async def _read(self, name: str, failed: McnetError | None) -> Reading:
        if failed is not None:
            return Unread(name, failed)
        api = self._opened[name]
        try:
            async with asyncio.timeout(self._timeout):
                member, broker = await _together(read_member(api), read_broker(api))
            if member and self._services:
                member = await self._with_services(api, member)
            return Seen(name, member, broker)
        except TimeoutError:
            return Unread(name, UnreachableError(f"{api.server} did not answer within {self._timeout:g} s"))
        except DecodeError as error:
            return Unread(name, McnetError(f"its Member object is damaged: {error}", "mcnet join again"))
        except McnetError as error:
            return Unread(name, error)

    async def _with_services(self, api: Api, member: ClusterView) -> ClusterView:
        """In a time of its own, since there may be thousands: what else there is to say does not wait for them."""
        problems: list[str] = []
        try:
            async with asyncio.timeout(self._timeout):
                services = await read_services(api, problems)
        except TimeoutError:
            services = ServicesView(unread=f"{api.server} did not list them within {self._timeout:g} s", late=True)
        return replace(member, services=services, unreadable=(*member.unreadable, *bounded(problems)))


async def open_context(name: str, kubeconfig: Path | None, timeout: float) -> Api | McnetError:
    """The context's Api; its credential plugin may take its time too (`timeout` seconds), or fail."""
    try:
        async with asyncio.timeout(timeout):
            return await from_kubeconfig(context=name, kubeconfig=kubeconfig)
    except TimeoutError:
        return UnreachableError(f"context {name} gave no credential within {timeout:g} s")
    except McnetError as error:
        return error


async def read_member(api: Api) -> ClusterView | None:
    """The member behind `api`, if there is one; without its services."""
    obj = await api.find(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
    if obj is None:
        return None
    member = member_codec.decode(obj)
    (
        clustersets, clusters, endpoints, gateways, states, daemon_sets, deployments, pods, nodes, pins, server,
        version,
    ) = await _together(
        *(_list(api, kind) for kind in (
            kinds.CLUSTERSET, kinds.CLUSTER, kinds.ENDPOINT, kinds.GATEWAY, kinds.NODE_STATE,
        )),
        *(api.list(kind, SYSTEM_NAMESPACE, labels=OURS) for kind in (kinds.DAEMON_SET, kinds.DEPLOYMENT, kinds.POD)),
        api.list(kinds.NODE), _pins(api), _broker_server(api), api.version(),
    )  # fmt: skip
    problems: list[str] = []
    gateway_nodes = labelled_gateways(nodes)
    gateway_pods = [pod for pod in pods if _component(pod) == "gateway"]
    return ClusterView(
        context=api.context,
        server=api.server,
        kubernetes=version,
        member=member,
        clusterset=_clusterset(clustersets, problems),
        clusters=decode_all(cluster_codec.decode, clusters, problems),
        requests=_requests(clusters),
        endpoints=decode_all(endpoint_codec.decode, endpoints, problems),
        gateways=decode_all(gateway_codec.decode, gateways, problems),
        node_states=decode_all(node_state_codec.decode, states, problems),
        nodes=decode_all(node_codec.decode, nodes, problems),
        gateway_nodes=gateway_nodes,
        daemon_problems=_daemon_problems(gateway_nodes, gateway_pods),
        unready_nodes=_unready(gateway_nodes, gateway_pods),
        workloads=(*daemon_sets, *deployments),
        pods=tuple(pods),
        pins=pins,
        broker_server=server,
        unreadable=bounded(problems),
    )


def _requests(clusters: Iterable[JsonObject]) -> dict[ClusterId, Requested]:
    """By cluster ID what members ask for; those that say nothing usable are left out."""
    found = {}
    for obj in clusters:
        try:
            requested = cluster_codec.decode_requested(obj)
        except DecodeError:
            continue
        if requested:
            found[ClusterId(str(obj["metadata"]["name"]))] = requested
    return found


async def read_broker(api: Api) -> BrokerView | None:
    """The broker behind `api`, if there is one."""
    if await api.find(kinds.NAMESPACE, BROKER_NAMESPACE) is None:
        return None
    clustersets, clusters, endpoints, leases, policy, binding, version = await _together(
        *(_list(api, kind, BROKER_NAMESPACE) for kind in (
            kinds.CLUSTERSET, kinds.CLUSTER, kinds.ENDPOINT, kinds.LEASE,
        )),
        api.find(kinds.ADMISSION_POLICY, POLICY), api.find(kinds.ADMISSION_POLICY_BINDING, POLICY), api.version(),
    )  # fmt: skip
    problems: list[str] = []
    return BrokerView(
        context=api.context,
        server=api.server,
        kubernetes=version,
        clusterset=_clusterset(clustersets, problems),
        created=next((str(one["metadata"].get("creationTimestamp", "")) for one in clustersets), ""),
        clusters=decode_all(cluster_codec.decode, clusters, problems),
        requests=_requests(clusters),
        endpoints=decode_all(endpoint_codec.decode, endpoints, problems),
        renewals=_renewals(leases),
        policy=policy is not None and binding is not None,
        unreadable=bounded(problems),
    )


async def _together(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results of all, or the first failure, with nothing left running."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _list(api: Api, kind: Kind, namespace: str = SYSTEM_NAMESPACE) -> list[JsonObject]:
    try:
        return await api.list(kind, namespace)
    except NotFoundError:
        return []


async def _pins(api: Api) -> dict[ClusterId, Pin]:
    """By which keys the others are known; none if this user may not read it."""
    try:
        return pins_codec.decode(await api.find(kinds.CONFIG_MAP, PINS_NAME, SYSTEM_NAMESPACE))
    except ForbiddenError:
        return {}


async def _broker_server(api: Api) -> str:
    """Where the member's broker is; "" if this user may not read the Secret, or nothing usable is in it."""
    try:
        secret = await api.find(kinds.SECRET, BROKER_SECRET, SYSTEM_NAMESPACE)
        return broker_codec.decode_secret(secret).server if secret else ""
    except (ForbiddenError, DecodeError):
        return ""


def _clusterset(objects: Iterable[JsonObject], problems: list[str]) -> ClusterSet | None:
    named = [one for one in objects if one["metadata"]["name"] == CLUSTERSET_NAME]
    return next(iter(decode_all(clusterset_codec.decode, named, problems)), None)


def _renewals(leases: Iterable[JsonObject]) -> Mapping[str, datetime]:
    found = {}
    for lease in leases:
        try:
            renewed = datetime.fromisoformat((lease.get("spec") or {})["renewTime"])
            found[lease["metadata"]["name"]] = renewed if renewed.tzinfo else renewed.replace(tzinfo=UTC)
        except (KeyError, TypeError, ValueError):
            continue  # never renewed, or by nobody of ours
    return found


def _component(pod: JsonObject) -> str:
    return str((pod["metadata"].get("labels") or {}).get("app.kubernetes.io/component", ""))


def _daemon_problems(nodes: Sequence[str], pods: Sequence[JsonObject]) -> dict[str, str]:
    """Why the gateway's daemon does not run, by node."""
    problems = {node: problem_on(node, pods) for node in nodes}
    return {node: problem for node, problem in problems.items() if problem}


def _unready(nodes: Sequence[str], pods: Sequence[JsonObject]) -> tuple[str, ...]:
    """Nodes with a running daemon of which none is ready."""
    running = [pod for pod in pods if is_running(pod)]
    ready = {pod["spec"]["nodeName"] for pod in running if not pod_problem(pod)}
    return tuple(node for node in nodes if node in {pod["spec"]["nodeName"] for pod in running} - ready)

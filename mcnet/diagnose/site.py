"""A member under diagnosis: everything that checks ask for is read once, when the first of them asks.

Readings are tasks of their own: a check that runs into its deadline must not take them away from the others.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import clusterset as clusterset_codec
from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec import gateway as gateway_codec
from mcnet.codec import node as node_codec
from mcnet.codec import node_state as node_state_codec
from mcnet.codec.batch import decode_all
from mcnet.codec.errors import DecodeError
from mcnet.codec.look import decode_look, encode_order
from mcnet.install.image import default_image
from mcnet.install.leave import IMAGE_ANNOTATION, PULL_SECRETS_ANNOTATION
from mcnet.install.once import run_once
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.cluster import Cluster, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.gateway import Gateway
from mcnet.model.look import NodeLook, Order
from mcnet.model.member import SYSTEM_NAMESPACE, Member
from mcnet.model.node import Node, NodeState
from mcnet.plan import looks
from mcnet.plan.gateway_choice import is_ready
from mcnet.plan.watches import by_our_clock
from mcnet.render.values import NodePodValues

LOOK_SECONDS: Final = 90
"""How long looking at a node may take, the image's pull included."""
ONCE: Final = "app.kubernetes.io/name=mcnet-once"
"""The label of throw-away pods (templates/node/pod.yaml)."""
LOOK_MODULE: Final = "mcnet.diagnose.look"

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Looks:
    """Looks by node, the orders they answer, and why there is none by node."""

    orders: Mapping[str, Order]
    answers: Mapping[str, NodeLook]
    failures: Mapping[str, str]
    asked: float = 0.0
    """When the pods were asked for, and when all of them had ended: seconds since the epoch by this machine."""
    answered: float = 0.0


@dataclass(frozen=True, slots=True)
class BrokerContext:
    """A context of the kubeconfig behind which there is a broker (or may be)."""

    context: str
    server: str
    ca: bytes

    def leads_to(self, server: str, ca: bytes) -> bool:
        """Whether it is the API server at `server`, or one that the same authority vouches for."""
        return self.server == server or bool(ca and self.ca.strip() == ca.strip())


class Site:
    """One member. `api` is its API server's; every method may raise what Api raises."""

    def __init__(self, api: Api, member: Member) -> None:
        self.api = api
        self.member = member
        self.others: tuple[Site, ...] = ()
        """The other members under diagnosis: those that can be read."""
        self.brokers: tuple[BrokerContext, ...] = ()
        """Contexts of brokers that are no members."""
        self._run = secrets.token_hex(3)
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    @property
    def context(self) -> str:
        return self.api.context

    @property
    def kubectl(self) -> str:
        """How the user reaches this member's namespace."""
        context = f" --context {self.context}" if self.context else ""
        return f"kubectl{context} -n {SYSTEM_NAMESPACE}"

    @property
    def option(self) -> str:
        """The option that makes one of our own commands act here, with a blank before it."""
        return f" --context {self.context}" if self.context else ""

    async def close(self) -> None:
        """Ends readings that nobody waits for any more, then the connection."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self.api.close()

    async def listed(self, kind: Kind, namespace: str | None = SYSTEM_NAMESPACE) -> list[JsonObject]:
        """All objects of a kind in our namespace; cluster-wide kinds and other namespaces as named."""
        place = namespace if kind.namespaced else None
        return await self.once(f"{kind.plural}.{kind.group}/{place}", lambda: self.api.list(kind, place))

    async def found(self, kind: Kind, name: str) -> JsonObject | None:
        """One object in our namespace, if it is there."""
        return await self.once(
            f"{kind.plural}.{kind.group}/{name}", lambda: self.api.find(kind, name, SYSTEM_NAMESPACE)
        )

    async def nodes(self) -> tuple[Node, ...]:
        return decode_all(node_codec.decode, await self.listed(kinds.NODE), [])

    async def clusters(self) -> tuple[Cluster, ...]:
        """The clusterset's members as this one knows them, itself included."""
        return decode_all(cluster_codec.decode, await self.listed(kinds.CLUSTER), [])

    async def endpoints(self) -> tuple[Endpoint, ...]:
        return decode_all(endpoint_codec.decode, await self.listed(kinds.ENDPOINT), [])

    async def clusterset(self) -> ClusterSet | None:
        """The clusterset's options as this member knows them."""
        found = decode_all(clusterset_codec.decode, await self.listed(kinds.CLUSTERSET), [])
        return next(iter(found), None)

    async def gateways(self) -> tuple[Gateway, ...]:
        return decode_all(gateway_codec.decode, await self.listed(kinds.GATEWAY), [])

    async def node_states(self) -> tuple[NodeState, ...]:
        return decode_all(node_state_codec.decode, await self.listed(kinds.NODE_STATE), [])

    async def version(self) -> str:
        """Kubernetes' version."""
        return await self.once("version", self.api.version)

    async def clock(self) -> tuple[datetime, datetime] | None:
        """The time by the API server's answer and by this machine, None if the server tells none."""
        return await self.once("clock", self._clock)

    async def namespace(self) -> JsonObject:
        return await self.once("namespace", lambda: self.api.get(kinds.NAMESPACE, SYSTEM_NAMESPACE))

    async def looks(self) -> Looks:
        """A look at every node that is Ready, all of them at the same time."""
        return await self.once("looks", self._look)

    async def pod(self, module: str, *arguments: str, node: str = "") -> NodePodValues:
        """A throw-away pod that runs `module` of the daemons' image: on a node's network, or in the pod network."""
        annotations = (await self.namespace())["metadata"].get("annotations") or {}
        names = str(annotations.get(PULL_SECRETS_ANNOTATION, "")).split(",")
        name = module.rpartition(".")[2].replace("_", "-")
        return NodePodValues(
            # Two runs at once have pods of their own.
            name=f"mcnet-{name}-{self._run}-{node}"[:253].rstrip(".-"),
            node=node,
            image=str(annotations.get(IMAGE_ANNOTATION, "")) or default_image(),
            pull_secrets=tuple(name for name in names if name),
            module=module,
            arguments=arguments,
            host_network=bool(node),
            seconds=LOOK_SECONDS,
        )

    async def once(self, key: str, work: Callable[[], Awaitable[Value]]) -> Value:
        """What `work` reads, read when the first check asks for `key`."""
        if key not in self._tasks:
            self._tasks[key] = asyncio.ensure_future(work())
        value: Value = await asyncio.shield(self._tasks[key])
        return value

    async def _clock(self) -> tuple[datetime, datetime] | None:
        before = datetime.now(UTC)
        told = await self.api.date()
        after = datetime.now(UTC)
        return None if told is None else (told, before + (after - before) / 2)

    async def _sweep(self) -> None:
        """Takes away the pods that a killed run has left: those that have ended and are older than any may become,
        so that none of another run goes that has not been read yet."""
        oldest = (datetime.now(UTC) - timedelta(seconds=2 * LOOK_SECONDS)).isoformat()
        for pod in await self.api.list(kinds.POD, SYSTEM_NAMESPACE, labels=ONCE):
            ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
            if ended and str(pod["metadata"].get("creationTimestamp", "")) < oldest:
                await self.api.delete(kinds.POD, str(pod["metadata"]["name"]), SYSTEM_NAMESPACE)

    async def _look(self) -> Looks:
        await self._sweep()
        orders = looks.orders(
            self.member,
            await self.nodes(),
            await self.clusters(),
            await self.endpoints(),
            await self.clusterset(),
            reports=await self.gateways(),
        )
        ready = {str(node["metadata"]["name"]) for node in await self.listed(kinds.NODE) if is_ready(node)}
        failures = dict.fromkeys(orders.keys() - ready, "the node is not Ready")
        pods = [
            await self.pod(LOOK_MODULE, encode_order(order), node=name)
            for name, order in sorted(orders.items())
            if name in ready
        ]
        answers = {}
        asked = time.time()
        outcomes = await run_once(self.api, pods)
        answered = time.time()
        for outcome in outcomes:
            node = outcome.values.node
            if outcome.problem:
                failures[node] = outcome.problem
                continue
            try:
                answers[node] = by_our_clock(decode_look(outcome.output), outcome.asked, outcome.told)
            except DecodeError as error:
                failures[node] = f"the pod said nothing usable: {error.why}"
        return Looks(orders, answers, failures, asked, answered)

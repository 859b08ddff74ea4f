"""Measures round trips between nodes, from pod to pod and beside it from node to node, one path after the other.

Per path four pods: on the far node a server in the pod network and one in the node's, on the near node a sampler
in each (mcnet.probe.latency). Which paths there are decides mcnet.plan.latency_paths, what the samples say
mcnet.plan.latency.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Final

import mcnet
from mcnet.benchmark.members import Image, Member, close, read_members
from mcnet.benchmark.pods import Pods, Running, remove_ended
from mcnet.benchmark.progress import Progress
from mcnet.codec.errors import DecodeError
from mcnet.codec.latency_samples import Order, Target, decode_series, encode_order
from mcnet.kube.connect import contexts as all_contexts
from mcnet.model.errors import McnetError, UsageError
from mcnet.model.kernel import Address
from mcnet.model.latency import Path, PathResult, Place, Report, Way
from mcnet.plan.latency import measures
from mcnet.plan.latency_paths import choose, parse_end
from mcnet.render.values import BenchmarkPodValues

SERVER: Final = "mcnet.probe.ping_pong"
SAMPLER: Final = "mcnet.probe.latency"
MARGIN: Final = 60.0
"""Seconds beyond the sampling that a sampler may take: to start, to connect, to be waited for."""
DEADLINE: Final = 240
"""Seconds beyond the sampling after which the kubelet ends a pod: pulling the image four times, and the margin."""
LEAST_INTERVAL: Final = 0.005
MOST_SAMPLES: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for; durations in seconds."""

    source: str = ""
    target: str = ""
    duration: float = 10.0
    interval: float = 0.01
    image: str = ""
    kubeconfig: FilePath | None = None

    def check(self) -> None:
        """Raises UsageError for settings that can't be measured with."""
        if self.interval < LEAST_INTERVAL:
            raise UsageError(
                f"an interval of {self.interval * 1000:g} ms is too short", f"at least {LEAST_INTERVAL * 1000:g} ms"
            )
        if not 1 <= self.duration / self.interval <= MOST_SAMPLES:
            raise UsageError(
                f"{self.duration:g} s at every {self.interval * 1000:g} ms are "
                f"{self.duration / self.interval:g} samples",
                f"between 1 and {MOST_SAMPLES} can be taken",
            )


async def measure(request: Request, progress: Progress) -> Report:
    """Measure every path of the request. Raises McnetError; the pods are removed all the same."""
    request.check()
    known = all_contexts(request.kubeconfig)
    source = parse_end(request.source, known) if request.source else None
    target = parse_end(request.target, known) if request.target else None
    named = [end.context for end in (source, target) if end is not None]
    # With both ends named nobody else is asked.
    asked = list(dict.fromkeys(named)) if source and target else known
    progress.doing(f"Reading {', '.join(asked)}")
    members, unread = await read_members(asked, request.kubeconfig, named=named)
    try:
        for sentence in unread:
            progress.warn(sentence)
        paths = choose([member.side for member in members], source, target)
        for member in members:
            await remove_ended(member.api)
        run = _Run(request, {member.side.context: member for member in members}, progress)
        started = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        results = [await run.path(path, f"{number}/{len(paths)}") for number, path in enumerate(paths, 1)]
    finally:
        await close(members)
    return Report(
        time=started,
        version=mcnet.__version__,
        duration=request.duration,
        interval=request.interval,
        results=tuple(results),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    request: Request
    members: dict[str, Member]
    progress: Progress

    async def path(self, path: Path, position: str) -> PathResult:
        """All samples of one path."""
        words = f"{position} {path.source.node} → {path.target.node}"
        self.progress.doing(f"{words}: starting pods")
        async with Pods() as pods:
            far, near = self._member(path.target), self._member(path.source)
            server = replace(self._pod(pods, path.target, "server"), module=SERVER)
            order = Order(way=Way.PODS, duration=self.request.duration, interval=self.request.interval)
            follower = self._sampler(pods, path.source, order)
            try:
                async with asyncio.TaskGroup() as group:
                    servers = [group.create_task(pods.listening(far.api, _placed(pods, server, way))) for way in Way]
                    following = group.create_task(pods.listening(near.api, follower))
            except BaseExceptionGroup as failures:
                raise failures.exceptions[0] from None
            leader = self._lead(pods, path, [one.result() for one in servers], following.result())
            self.progress.doing(f"{words}: {self.request.duration:g} s of samples")
            await pods.create(near.api, leader)
            limit = self.request.duration + MARGIN
            # The leader first: if it fails, the follower waits in vain.
            texts = [await pods.finished(near.api, one, limit) for one in (leader, follower)]
            self.progress.doing(f"{words}: removing pods")
        try:
            series = [one for text in reversed(texts) for one in decode_series(text)]
        except DecodeError as error:
            raise McnetError(f"the samples from {path.source.node} can't be read: {error}") from error
        self.progress.done(f"{words}: {sum(len(one.at) for one in series)} samples")
        return PathResult(path, measures(series))

    def _lead(self, pods: Pods, path: Path, servers: Sequence[Running], follower: Running) -> BenchmarkPodValues:
        """The sampler that leads: it knows both servers and where the follower waits."""
        in_pods, on_node = servers
        node = self._member(path.target).node(path.target.node)
        by_node = (*node.addresses, *on_node.listening.addresses)
        order = Order(
            way=Way.NODES,
            duration=self.request.duration,
            interval=self.request.interval,
            targets=_targets(by_node, on_node.listening.port),
            follower=Target(follower.addresses[0].version, follower.addresses[:1], follower.listening.port),
            follower_targets=tuple(
                Target(address.version, (address,), in_pods.listening.port)
                for address in in_pods.addresses
                if follower.address(address.version) is not None
            ),
        )
        return self._sampler(pods, path.source, order)

    def _sampler(self, pods: Pods, place: Place, order: Order) -> BenchmarkPodValues:
        values = replace(
            self._pod(pods, place, "client"), module=SAMPLER, arguments=(encode_order(order),), raw_sockets=True
        )
        return _placed(pods, values, order.way)

    def _pod(self, pods: Pods, place: Place, part: str) -> BenchmarkPodValues:
        image: Image = self._member(place).image
        return BenchmarkPodValues(
            name=part,
            run=pods.run,
            node=place.node,
            image=self.request.image or image.reference,
            module="",
            host_network=False,
            pull_policy=image.pull_policy,
            pull_secrets=image.pull_secrets,
            seconds=round(self.request.duration) + DEADLINE,
        )

    def _member(self, place: Place) -> Member:
        return self.members[place.context]


def _placed(pods: Pods, values: BenchmarkPodValues, way: Way) -> BenchmarkPodValues:
    """The pod in the network of that way."""
    return replace(values, name=pods.name(f"{way.value}-{values.name}"), host_network=way is Way.NODES)


def _targets(addresses: Sequence[Address], port: int) -> tuple[Target, ...]:
    """One target per family with all its addresses, in their order."""
    unique = list(dict.fromkeys(addresses))
    families = dict.fromkeys(address.version for address in unique)
    return tuple(Target(family, tuple(one for one in unique if one.version == family), port) for family in families)

"""A gateway of three is lost on a node that sends to 1,000 remote clusters of four prefixes each: until it has left
all next-hop groups of the kernel, by the request that goes ahead of the rounds and, as baseline, by a round.

In a network namespace, with the planner and the kernel adapters of the route agent; what is measured begins with the
verdict and ends when the kernel has answered.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path
from statistics import median

from mcnet.kernel import execute, observe
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import KernelState, Network
from mcnet.model.member import Member
from mcnet.model.node import Node
from mcnet.model.ownership import ROUTE_AGENT
from mcnet.plan import failover, route_agent
from mcnet.plan.addresses import overlay_ends
from mcnet.plan.choice import GatewayView, Health
from mcnet.plan.diff import diff
from mcnet.plan.sysctls import DEVICE_PATHS, GLOBAL_PATHS
from tests.bench.document import table
from tests.fakes.worlds import endpoint
from tests.netns.namespaces import Namespace, shell

CLUSTERS, PREFIXES, NODES, GATEWAYS, RUNS = 1000, 4, 50, 3, 5
BOUND = 0.3
"""Seconds."""
OWN = ClusterId("own")
PATHS = GLOBAL_PATHS | DEVICE_PATHS


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds of each run; `plan` of each decision, `memory` in MB that the process grew by."""

    ahead: list[float]
    round: list[float]
    plan: list[float]
    memory: float
    groups: int
    routes: int


async def run() -> str:
    """The table."""
    with Namespace() as namespace:
        found = await asyncio.wrap_future(namespace.start(measure()))
    ahead, baseline = median(found.ahead), median(found.round)
    headings = ("ratio", "ahead of the rounds, median and most", "bound", "by a round", "groups", "routes")
    return table(
        (*headings, "planning", "memory", "runs"),
        [[
            f"{ahead / baseline:.3f}", _both(found.ahead), f"{BOUND * 1000:.0f} ms", _both(found.round),
            str(found.groups), str(found.routes), _both(found.plan), f"{found.memory:.0f} MB", str(RUNS),
        ]],
    )  # fmt: skip


def _both(seconds: list[float]) -> str:
    return f"{median(seconds) * 1000:.0f}, {max(seconds) * 1000:.0f} ms"


async def measure() -> Figures:
    """Inside of the namespace."""
    before = _resident()
    await shell("ip link add eth0 type veth peer name eth1; ip link set eth0 up; ip link set eth1 up")
    await shell(f"ip addr add {_address(NODES)}/16 dev eth0")
    world = await _world()
    figures = Figures([], [], [], 0.0, 0, 0)
    for _ in range(RUNS):
        for way, seconds in ((_ahead, figures.ahead), (_by_round, figures.round)):
            world = await _round(world, figures.plan)
            seconds.append(await _timed(way, world))
            left = (await _read()).groups
            if len(left) != CLUSTERS or any(len(group.members) != GATEWAYS - 1 for group in left):
                raise RuntimeError("the lost gateway is still in a group, or a group is gone")
    return replace(
        figures,
        memory=_resident() - before,
        groups=len(world.actual.groups),
        routes=sum(route.nexthop is not None for route in world.actual.routes),
    )


async def _timed(way: Callable[[route_agent.World], Awaitable[None]], world: route_agent.World) -> float:
    begin = time.perf_counter()
    await way(world)
    return time.perf_counter() - begin


async def _ahead(world: route_agent.World) -> None:
    """As mcnet.loop.failover does."""
    lost = failover.lost_gateways(_one_lost(world).gateways, overlay_ends(world.nodes), world.clusters)
    await _apply(failover.changes(world.actual, lost))


async def _by_round(world: route_agent.World) -> None:
    """As a round of the route agent does."""
    await _round(_one_lost(world), [])


async def _round(world: route_agent.World, plan: list[float]) -> route_agent.World:
    actual = await _read()
    begin = time.perf_counter()
    decision = route_agent.decide(replace(world, actual=actual))
    plan.append(time.perf_counter() - begin)
    await _apply(diff(decision.state, actual))
    return replace(world, actual=await _read())


async def _apply(changes: object) -> None:
    failures = await execute.apply(changes)  # type: ignore[arg-type]
    if failures:
        raise RuntimeError(failures[0].error.message)


async def _read() -> KernelState:
    return await observe.read(ROUTE_AGENT, sysctls=PATHS)


def _one_lost(world: route_agent.World) -> route_agent.World:
    first, *others = world.gateways
    return replace(world, gateways=(replace(first, health=Health.DOWN), *others))


async def _world() -> route_agent.World:
    clusters = [_cluster(number) for number in range(CLUSTERS)]
    ids = frozenset(cluster.id for cluster in clusters)
    own = [ip_network("172.20.0.0/16")]
    ends: list[Endpoint] = [
        endpoint(OWN, rail, address=_address(rail + 1), routed=map(str, own)) for rail in range(GATEWAYS)
    ]
    ends += [
        endpoint(cluster.id, 0, address=str(IPv4Address("198.18.0.1") + number), routed=map(str, cluster.prefixes))
        for number, cluster in enumerate(clusters)
    ]
    return route_agent.World(
        node=f"n{NODES}",
        member=Member(cluster=OWN, pod_prefixes=tuple(own), service_prefixes=(ip_network("172.21.0.0/16"),)),
        nodes=tuple(_node(number) for number in range(1, NODES + 1)),
        clusters=(*clusters, Cluster(OWN, tuple(own), (ip_network("172.21.0.0/16"),))),
        endpoints=tuple(ends),
        gateways=tuple(GatewayView(f"n{rail + 1}", rail, Health.UP, ids) for rail in range(GATEWAYS)),
        host=await observe.host_facts(sysctls=GLOBAL_PATHS),
        actual=KernelState(),
        options=ClusterSet(default_driver="vxlan"),
    )


def _cluster(number: int) -> Cluster:
    """Its prefixes lie in 10.0.0.0/8, 1,024 addresses each."""
    first = IPv4Address("10.0.0.0") + number * PREFIXES * 1024
    found: list[Network] = [ip_network(f"{first + one * 1024}/22") for one in range(PREFIXES)]
    return Cluster(ClusterId(f"c{number}"), tuple(found[:-1]), tuple(found[-1:]))


def _node(number: int) -> Node:
    return Node(
        name=f"n{number}",
        uid=f"uid-{number}",
        addresses=(ip_address(_address(number)),),
        pod_prefixes=(ip_network(f"172.20.{number}.0/24"),),
        gateway=number <= GATEWAYS,
        created=number,
    )


def _address(number: int) -> str:
    return f"172.30.1.{number}"


def _resident() -> float:
    """MB of this process."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024

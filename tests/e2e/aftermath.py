"""What the tests of faults share: pings that need no API server, the whole clusterset's state, what was told."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from mcnet.codec import gateway, node_state
from mcnet.kube.kinds import EVENT, GATEWAY, NODE, NODE_STATE, POD
from mcnet.lab.workload import WebPod
from mcnet.model.gateway import CableState
from tests.e2e.clusterset import CLUSTERS, PICTURE, Clusterset, Pings, eventually, is_ready

CABLES = 4
"""East's gateway has two, each of west's two one."""
WHOLE = 60.0
"""Seconds until everything must be well again after the worst of faults."""

_FIND = """
for space in /run/netns/cni-*; do
  nsenter --net=$space ip -o addr | grep -qw '{address}' && echo $space && exit
done
exit 1
"""


@asynccontextmanager
async def pings(clusterset: Clusterset, *ways: tuple[str, str], interval: float = 0.1) -> AsyncIterator[list[Pings]]:
    """Ping from pod to pod of nodes (`west-n2`, `east-n2`) from within the pods' namespaces, not by kubectl: whatever
    happens to API servers, kubelets and containerds does not end the pings themselves."""
    async with AsyncExitStack() as stack:
        running = []
        for source, target in ways:
            entry = await into(clusterset, clusterset.pod(source))
            running.append(
                await stack.enter_async_context(
                    clusterset.pinging(clusterset.pod(source), clusterset.pod(target), interval, entry=entry)
                )
            )
        yield running


async def into(clusterset: Clusterset, pod: WebPod) -> list[str]:
    """The command that leads into a pod's network, on whose end the program ends too."""
    place = pod.node.replace("-", "/", 1)
    found = await clusterset.node(place, "bash", "-c", _FIND.format(address=pod.address))
    assert found.status == 0, f"{pod.node} has no namespace with {pod.address}"
    return [*clusterset.lab.entry(place), "nsenter", f"--net={found.output.strip()}", "--"]


async def answered_for(running: list[Pings], seconds: float) -> None:
    """Wait until every ping has been answered for `seconds` from now on."""
    since = time.time()
    for one in running:
        await eventually(lambda one=one: one.answered_since(since + seconds), seconds + 30, "pings are answered")


async def is_whole(clusterset: Clusterset) -> bool:
    """Whether all cables are connected, nobody reports a problem, and all daemons and nodes are ready."""
    return not await blemishes(clusterset)


async def blemishes(clusterset: Clusterset) -> list[str]:
    """What is not as it should be, in both clusters."""
    found: list[str] = []
    cables = 0
    for cluster in CLUSTERS:
        async with await clusterset.api(cluster) as api:
            for report in map(gateway.decode, await api.list(GATEWAY, "mcnet-system")):
                found += [f"{report.node}: {problem}" for problem in report.problems]
                cables += sum(cable.state is CableState.CONNECTED for cable in report.cables)
            for state in map(node_state.decode, await api.list(NODE_STATE, "mcnet-system")):
                found += [f"{state.node}: {problem}" for problem in state.problems]
            for kind, namespace in ((POD, "mcnet-system"), (NODE, None)):
                for obj in await api.list(kind, namespace):
                    if not is_ready(obj):
                        found.append(f"{kind.kind} {obj['metadata']['name']} is not ready")
    return found if cables == CABLES else [*found, f"{cables} of {CABLES} cables are connected"]


async def whole_again(clusterset: Clusterset, seconds: float = WHOLE) -> None:
    """Wait until all is well, else fail with what is not."""
    try:
        await eventually(lambda: is_whole(clusterset), seconds, "all is well again")
    except AssertionError as error:
        raise AssertionError(f"{error}: {'; '.join(await blemishes(clusterset))}") from None


async def daemons(clusterset: Clusterset) -> dict[str, int]:
    """How often each daemon's container was restarted, by pod: equal before and after means that none was."""
    found = {}
    for cluster in CLUSTERS:
        async with await clusterset.api(cluster) as api:
            for pod in await api.list(POD, "mcnet-system"):
                counts = [one["restartCount"] for one in pod["status"].get("containerStatuses", [])]
                found[f"{cluster}/{pod['metadata']['name']}/{pod['metadata']['uid']}"] = sum(counts)
    return found


async def events(clusterset: Clusterset, cluster: str, since: float) -> list[dict[str, Any]]:
    """The events in mcnet's namespace since then (seconds since the epoch)."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since))
    async with await clusterset.api(cluster) as api:
        return [one for one in await api.list(EVENT, "mcnet-system") if (one.get("eventTime") or "") >= moment]


async def repaired(clusterset: Clusterset, cluster: str, since: float) -> list[str]:
    """ "NodeState east-n2: WHAT" for each event about repairs since then (seconds since the epoch)."""
    return [
        f"{event['regarding']['kind']} {event['regarding']['name']}: {event['note']}"
        for event in await events(clusterset, cluster, since)
        if event["reason"] == "Repaired"
    ]


async def picture(clusterset: Clusterset, place: str) -> list[str]:
    """What a node's kernel holds, sorted: a device made anew comes last in lists."""
    shown = await clusterset.node(place, "bash", "-c", PICTURE)
    return sorted(shown.output.splitlines())


async def run(clusterset: Clusterset, place: str, script: str) -> str:
    """Run a shell script on a node; asserts that it succeeds."""
    done = await clusterset.node(place, "bash", "-ec", script)
    assert done.status == 0, f"{script}: {done.errors}"
    return done.output


async def stable_picture(clusterset: Clusterset, place: str) -> list[str]:
    """The picture once two in a row, a second apart, are equal and the node is not marked."""
    last: list[str] = []
    now: list[str] = []

    async def stable() -> bool:
        nonlocal last, now
        last, now = now, await picture(clusterset, place)
        await asyncio.sleep(0.8)
        return now == last == without_mark(now)

    await eventually(stable, 120, f"nothing changes on {place}, and it is not marked")
    return now


def without_mark(shown: list[str]) -> list[str]:
    """A picture but for what a gateway says of itself in its answers: a verdict on its way to its nodes,
    held for up to a minute where that was lost again and again."""
    return [line for line in shown if "elements = { icmp, ipv6-icmp }" not in line]

"""Faults of gateways as a pair of actions, begin and end, for tests that have them one by one or at random.

Each names how long a flow may be interrupted by it: not at all where only a process goes, or where others were told
before.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mcnet.kube.kinds import NODE, POD
from mcnet.lab.impair import Impairment, LinkName
from mcnet.model.ownership import OVERLAY_PORT
from tests.e2e.clusterset import Clusterset, eventually, is_ready

LOSS = 2.0
"""Seconds that the loss of a link or a node may interrupt a flow on a machine that runs two clusters and other tests
on two cores. What it takes where there is time is measured by `python -m tests.bench failover`."""
LOOKUP = 5.0
"""Seconds after which a resolver asks again (resolv.conf(5), `timeout`): an answer that takes longer is none."""

Act = Callable[[Clusterset], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """`begin` returns when it has happened, `end` when it is mended as far as an administrator mends it. `bound` is
    in seconds; `node` is the gateway that carries nothing meanwhile, "" if all go on."""

    name: str
    begin: Act
    end: Act
    bound: float = 0.0
    node: str = ""
    daemon: str = ""
    """The node whose daemon is away until its kubelet has started it again, and notices nothing meanwhile."""
    asks: str = ""
    """The cluster whose API server it needs, for its end too."""
    back: float = 0.0
    """Seconds that its end may well take."""


async def nothing(_: Clusterset) -> None:
    """For what ends by itself."""


def killed(node: str, program: str = "mcnet_gateway") -> Fault:
    """SIGKILL for a daemon; its kubelet starts it again, which the end waits for: until it knows what there is."""
    place = node.replace("-", "/", 1)

    async def begin(made: Clusterset) -> None:
        done = await made.node(place, "pkill", "-KILL", "-f", f"python3 -m {program}")
        assert done.status == 0, f"{program} does not run on {node}"

    async def end(made: Clusterset) -> None:
        await eventually(lambda: says(made, node, program, "readyz"), 120, f"{program} of {node} is back")

    return Fault(f"{program} of {node} is killed", begin, end, daemon=node, asks=node.partition("-")[0], back=2)


async def says(made: Clusterset, node: str, program: str, path: str) -> bool:
    """Whether a daemon answers with 200 (healthz: it runs; readyz: it knows what there is). It is asked itself: what
    the API server has of a pod may be from before it was killed."""
    port = {"mcnet_gateway": 4581, "mcnet_route_agent": 4582}[program]
    place = node.replace("-", "/", 1)
    return (await made.node(place, "curl", "-sf", f"http://127.0.0.1:{port}/{path}")).status == 0


def deleted(node: str, component: str = "gateway") -> Fault:
    """The daemon's pod is deleted; its DaemonSet makes another one."""

    async def begin(made: Clusterset) -> None:
        await _delete_pods(made, component, node)

    return Fault(f"the pod {component} of {node} is deleted", begin, nothing)


def updated(cluster: str, component: str = "gateway") -> Fault:
    """All pods of a daemon are replaced one after the other, as a rolling update does."""

    async def begin(made: Clusterset) -> None:
        for node in await made.gateways(cluster):
            await replaced(made, node, component)

    return Fault(f"{component} of {cluster} is updated", begin, nothing)


def cut(node: str, link: LinkName) -> Fault:
    """One link of a node, or as `gone` both."""

    async def begin(made: Clusterset) -> None:
        await made.lab.impair(node, link, Impairment(cut=True))

    async def end(made: Clusterset) -> None:
        await made.lab.impair(node, link, Impairment())

    return Fault(f"the {link} link of {node} is cut", begin, end, LOSS, node)


def gone(node: str) -> Fault:
    """The node loses both its links at one moment."""
    wan, cluster = cut(node, LinkName.WAN), cut(node, LinkName.CLUSTER)

    async def begin(made: Clusterset) -> None:
        await wan.begin(made)
        await cluster.begin(made)

    async def end(made: Clusterset) -> None:
        await cluster.end(made)
        await wan.end(made)

    return Fault(f"{node} is gone", begin, end, LOSS, node)


def without_overlay(node: str) -> Fault:
    """No packet of the overlay enters or leaves a node, which its API server and the other clusters still reach."""
    place = node.replace("-", "/", 1)
    drop = f"udp dport {OVERLAY_PORT} drop"

    async def begin(made: Clusterset) -> None:
        hooks = ("input", "output")
        chains = "; ".join(f"chain {hook} {{ type filter hook {hook} priority -500; {drop}; }}" for hook in hooks)
        done = await made.node(place, "nft", f"table inet lab_overlay {{ {chains}; }}")
        assert done.status == 0, done.output

    async def end(made: Clusterset) -> None:
        assert (await made.node(place, "nft", "delete table inet lab_overlay")).status == 0

    return Fault(f"the overlay of {node} is cut", begin, end, LOSS, node)


def deaf(node: str, to: str = "") -> Fault:
    """UDP from outside no longer arrives at a gateway, or that of one other gateway: in one direction only, since
    what it sends itself leaves as before."""
    place = node.replace("-", "/", 1)

    async def begin(made: Clusterset) -> None:
        source = ""
        if to:
            machine = next(one for one in made.lab.topology.machines if one.name == to)
            source = f"ip saddr {machine.wan_addresses[0]} "
        table = f'table inet lab_deaf {{ chain input {{ type filter hook input priority -500; iifname "wan0" {source}'
        done = await made.node(place, "nft", f"{table}meta l4proto udp drop; }}; }}")
        assert done.status == 0, done.output

    async def end(made: Clusterset) -> None:
        assert (await made.node(place, "nft", "delete table inet lab_deaf")).status == 0

    return Fault(f"{node} does not hear {to or 'any other cluster'}", begin, end, LOSS, "" if to else node)


def stopped(cluster: str) -> Fault:
    """The cluster's API server, which may be the broker's too."""

    async def begin(made: Clusterset) -> None:
        await made.lab.stop(f"{cluster}-cp", "kube-apiserver", kill=True)

    async def end(made: Clusterset) -> None:
        await made.lab.start(f"{cluster}-cp", "kube-apiserver")
        await eventually(lambda: answers(made), 60, f"the API server of {cluster} answers")

    async def answers(made: Clusterset) -> bool:
        async with await made.api(cluster) as api:
            return bool(await api.list(NODE))

    return Fault(f"the API server of {cluster} is stopped", begin, end, back=10)


def drained(node: str) -> Fault:
    """By the command, and back."""
    return _commanded(node, "drain", "undrain", f"{node} is drained")


def removed(node: str) -> Fault:
    """It is no gateway any more, and becomes one again: each gateway has it in its firewall's rules."""
    return _commanded(node, "remove", "add", f"{node} is removed")


def _commanded(node: str, there: str, back: str, name: str) -> Fault:
    """By `mcnet gateway there`, and by `mcnet gateway back`."""
    cluster = node.partition("-")[0]

    async def begin(made: Clusterset) -> None:
        await made.mcnet("gateway", there, node, "--context", cluster)

    async def end(made: Clusterset) -> None:
        await made.mcnet("gateway", back, node, "--context", cluster)

    return Fault(name, begin, end, node=node, asks=cluster)


def cordoned(node: str) -> Fault:
    """As `kubectl cordon` does."""

    async def mark(made: Clusterset, unschedulable: bool) -> None:
        async with await made.api(node.partition("-")[0]) as api:
            await api.merge_patch(NODE, node, {"spec": {"unschedulable": unschedulable or None}})

    async def begin(made: Clusterset) -> None:
        await mark(made, True)

    async def end(made: Clusterset) -> None:
        await mark(made, False)

    return Fault(f"{node} is cordoned", begin, end, node=node, asks=node.partition("-")[0])


def at_once(first: Fault, second: Fault) -> Fault:
    """The second begins as soon as the first has; they end in the same order."""

    async def begin(made: Clusterset) -> None:
        await first.begin(made)
        await second.begin(made)

    async def end(made: Clusterset) -> None:
        await first.end(made)
        await second.end(made)

    node = first.node or second.node
    return Fault(f"{first.name}, {second.name}", begin, end, max(first.bound, second.bound), node)


async def replaced(made: Clusterset, node: str, component: str) -> None:
    """Another pod of the daemon runs there: its kubelet starts that one again at once, and the next times later and
    later."""
    await _delete_pods(made, component, node)
    await eventually(lambda: _runs(made, component, node), 90, f"{component} of {node} is back")


async def _delete_pods(made: Clusterset, component: str, node: str) -> None:
    async with await made.api(node.partition("-")[0]) as api:
        for pod in await _pods(made, component, node):
            await api.delete(POD, pod["metadata"]["name"], "mcnet-system")


async def _pods(made: Clusterset, component: str, node: str) -> list[dict[str, dict[str, str]]]:
    labels = f"app.kubernetes.io/name=mcnet,app.kubernetes.io/component={component}"
    async with await made.api(node.partition("-")[0]) as api:
        found = await api.list(POD, "mcnet-system", labels=labels)
    return [pod for pod in found if pod["spec"].get("nodeName") == node]


async def _runs(made: Clusterset, component: str, node: str) -> bool:
    pods = await _pods(made, component, node)
    return len(pods) == 1 and is_ready(pods[0]) and "deletionTimestamp" not in pods[0]["metadata"]

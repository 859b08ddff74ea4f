"""Adds, drains, weighs and takes away gateways of a joined cluster, by label and annotations of their nodes; the
daemons act on these. Each waits until the change has arrived, and does nothing where it has. What speaks against one
is mcnet.plan.gateway_nodes'.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec import gateway as gateway_codec
from mcnet.codec import member as member_codec
from mcnet.codec.batch import decode_all
from mcnet.install import config
from mcnet.install.progress import Progress
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import McnetError
from mcnet.model.gateway import Gateway
from mcnet.model.member import MEMBER_NAME, SYSTEM_NAMESPACE
from mcnet.model.node import DEFAULT_WEIGHT, DRAIN_ANNOTATION, WEIGHT_ANNOTATION
from mcnet.plan import gateway_settled, settings
from mcnet.plan.gateway_nodes import GatewayNode, Gateways, check_add, describe, find, find_gateway, refusal, unmark
from mcnet.plan.pods import runs_on

INTERVAL = 0.5
"""Seconds between two looks while a change is awaited."""
PODS: Final = "app.kubernetes.io/name=mcnet,app.kubernetes.io/component=gateway"
ALL_PODS: Final = "app.kubernetes.io/name=mcnet,app.kubernetes.io/component in (gateway, cable)"
"""All that runs on gateways only."""
FORMER: Final = 60.0
"""Seconds that pods may take to end which a node has from when it was a gateway before: their grace period, and what
a controller takes that has just lost its API server and its lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How to wait: up to `timeout` seconds, 0 for not at all; `grace` seconds for clusters that can't be looked at.
    `others` are API servers of other members, by whose reports it is seen whether they still send by a gateway."""

    timeout: float = 120.0
    grace: float = gateway_settled.FOLLOW
    others: Sequence[Api] = ()


async def read(api: Api) -> Gateways:
    """The cluster's nodes as gateways. Raises UsageError if it has not joined."""
    member = (await config.read(api)).member
    nodes, pods, reports, endpoints = await asyncio.gather(
        api.list(kinds.NODE), api.list(kinds.POD, SYSTEM_NAMESPACE, labels=PODS),
        api.list(kinds.GATEWAY, SYSTEM_NAMESPACE), api.list(kinds.ENDPOINT, SYSTEM_NAMESPACE),
    )  # fmt: skip
    ends = decode_all(endpoint_codec.decode, endpoints, [])
    return Gateways(
        cluster=member.cluster,
        nodes=describe(
            nodes, pods, decode_all(gateway_codec.decode, reports, []),
            [end for end in ends if end.cluster == member.cluster],
        ),
        remotes=tuple(end for end in ends if end.cluster != member.cluster),
        at=f" --context {api.context}" if api.context else "",
    )  # fmt: skip


async def add(api: Api, name: str, wait: Waiting, progress: Progress, *, dry_run: bool = False) -> bool:
    """Makes a node a gateway and waits until it is connected to all others; whether anything had to be changed.
    Raises McnetError."""
    gateways, node = await _to_add(api, name)
    if not node.node.gateway and wait.timeout and not dry_run:
        await _without_former(api, name, wait, progress)
        gateways, node = await _to_add(api, name)
    needed = not node.node.gateway
    if needed:
        await _count(api, len(gateways.gateways) + 1, label=(name,), dry_run=dry_run, progress=progress)
    if (needed and node.drained) and not dry_run:
        await _annotate(api, name, DRAIN_ANNOTATION, None)  # left by a removal that was interrupted
    if wait.timeout and not dry_run:
        await _connected(api, name, wait, progress)
    return needed


async def drain(
    api: Api, name: str, wait: Waiting, progress: Progress, *, force: bool = False, dry_run: bool = False
) -> bool:
    """Has all others leave a gateway and waits until they do; whether anything had to be changed. Raises McnetError
    if traffic would be lost, unless `force`; then it carries on as long as there is no other."""
    gateways = await read(api)
    node = find_gateway(gateways, name, "drain")
    alone = not gateways.rest(name) if node.drained else _judge(gateways, node, progress, force=force)
    if not node.drained and not dry_run:
        await _annotate(api, name, DRAIN_ANNOTATION, "true")
    if wait.timeout and not dry_run:
        # The second run only looks whether anybody still sends by it: all have had their time.
        again = node.drained and not gateway_settled.unsaid(node)
        wait = replace(wait, grace=0.0) if again else wait
        await _left(api, name, wait, progress, alone=alone, force=force)
    return not node.drained


async def undrain(api: Api, name: str, progress: Progress, *, dry_run: bool = False) -> bool:
    """Has a gateway carry traffic again; whether anything had to be changed."""
    gateways = await read(api)
    node = find_gateway(gateways, name, "undrain")
    if node.drained and not dry_run:
        await _annotate(api, name, DRAIN_ANNOTATION, None)
    if node.cordoned:
        progress.warn(f"{name} is cordoned and drains for that: kubectl{gateways.at} uncordon {name}")
    return node.drained


async def weigh(api: Api, name: str, weight: int | None, *, dry_run: bool = False) -> tuple[int, int]:
    """Gives a gateway a weight, None for the usual one; the weight before and after."""
    node = find_gateway(await read(api), name, "weight")
    obj = await api.get(kinds.NODE, name)
    before = (obj["metadata"].get("annotations") or {}).get(WEIGHT_ANNOTATION)
    wanted = None if weight is None else str(weight)
    if before != wanted and not dry_run:
        await _annotate(api, name, WEIGHT_ANNOTATION, wanted)
    return node.node.weight, DEFAULT_WEIGHT if weight is None else weight


async def remove(
    api: Api, name: str, wait: Waiting, progress: Progress, *, force: bool = False, dry_run: bool = False
) -> bool:
    """Drains a gateway, then takes the label away and waits until its Endpoint is gone; whether anything had to be
    changed. Raises McnetError as `drain` does."""
    gateways = await read(api)
    node = find(gateways, name, "remove")
    if not node.node.gateway:
        return bool(unmark(await api.get(kinds.NODE, name))) if dry_run else await _unmark(api, name)
    alone = _judge(gateways, node, progress, force=force)
    if not dry_run:
        await _annotate(api, name, DRAIN_ANNOTATION, "true")
        if wait.timeout:
            await _left(api, name, wait, progress, alone=alone, force=force)
    count = max(1, len(gateways.gateways) - 1)
    await _count(api, count, unlabel=(name,), dry_run=dry_run, progress=progress)
    if dry_run:
        return True
    await _gone(api, name, wait, progress)
    # Not before: the Endpoint would say once more that it carries traffic.
    await _unmark(api, name)
    return True


def _judge(gateways: Gateways, node: GatewayNode, progress: Progress, *, force: bool) -> bool:
    """Whether there is no other gateway to leave the traffic to. Raises McnetError for what speaks against it."""
    reason = refusal(gateways, node)
    if reason and not force:
        raise reason
    if reason:
        progress.warn(reason.message)
    return not gateways.rest(node.name)


async def _count(
    api: Api, count: int, *, label: tuple[str, ...] = (), unlabel: tuple[str, ...] = (), dry_run: bool,
    progress: Progress,
) -> None:  # fmt: skip
    """Labels or unlabels, and keeps the number in the cluster's settings: a later join would undo it otherwise."""
    state = await config.read(api)
    setting = settings.find("gateways")
    wanted = replace(state.member.gateways, number=count)
    after = settings.changed(state.member, setting.key, wanted) if wanted != state.member.gateways else state.member
    change = config.Change(setting, state, after, label, unlabel)
    await config.change(api, change, dry_run=dry_run)
    if after != state.member and not dry_run:
        progress.done(f"gateways: {change.before} → {change.wanted}, so that a later join keeps it")


async def _annotate(api: Api, node: str, annotation: str, value: str | None) -> None:
    await api.merge_patch(kinds.NODE, node, {"metadata": {"annotations": {annotation: value}}})


async def _unmark(api: Api, name: str) -> bool:
    """Takes away what is left of a gateway on its node; whether there was something."""
    patch = unmark(await api.get(kinds.NODE, name))
    if patch:
        await api.merge_patch(kinds.NODE, name, {"metadata": patch})
    return bool(patch)


async def _to_add(api: Api, name: str) -> tuple[Gateways, GatewayNode]:
    gateways = await read(api)
    node = find(gateways, name, "add")
    check_add(gateways, node)
    return gateways, node


async def _without_former(api: Api, name: str, wait: Waiting, progress: Progress) -> None:
    """Returns once the pods have ended that were there when the node was a gateway before, or it is time: devices go
    with the processes that hold them, and packets with the devices."""
    loop = asyncio.get_running_loop()
    seconds = min(FORMER, wait.timeout)
    deadline = loop.time() + seconds
    while True:
        pods = await api.list(kinds.POD, SYSTEM_NAMESPACE, labels=ALL_PODS)
        former = sorted(pod["metadata"]["name"] for pod in pods if runs_on(pod, name))
        if not former:
            return
        if loop.time() >= deadline:
            progress.warn(f"{former[0]} of the time when {name} was a gateway has not ended after {seconds:g} s")
            return
        progress.doing(f"Waiting until {former[0]} has ended, of the time when {name} was a gateway")
        await asyncio.sleep(INTERVAL)


async def _connected(api: Api, name: str, wait: Waiting, progress: Progress) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait.timeout
    while True:
        gateways = await read(api)
        missing = gateway_settled.unconnected(gateways.nodes[name], gateways.remotes)
        if not missing:
            return
        if loop.time() >= deadline:
            raise McnetError(
                f"{name} is a gateway, but not connected after {wait.timeout:g} s: {missing[0]}{_more(missing)}",
                f"mcnet diagnose{gateways.at}",
            )
        progress.doing(f"Waiting for {name}: {missing[0]}{_more(missing)}")
        await asyncio.sleep(INTERVAL)


async def _left(api: Api, name: str, wait: Waiting, progress: Progress, *, alone: bool, force: bool = False) -> None:
    """Returns once nobody sends by the gateway; at once where it is the only one, and carries on. Raises McnetError
    for who does not leave it in time, unless `force`."""
    gateways = await _said(api, name, wait, progress)
    if alone:
        progress.warn(f"{name} carries on until another gateway of {gateways.cluster} is healthy")
        return
    loop = asyncio.get_running_loop()
    begin = loop.time()
    while True:
        known = {end.cluster for end in gateways.remotes}
        reports = {cluster: found for cluster, found in (await _reports(wait.others)).items() if cluster in known}
        using = gateway_settled.users(reports, gateways.cluster, name)
        unseen = gateway_settled.unseen(gateways, reports)
        passed = loop.time() - begin
        # Its own nodes are not seen either: they hear of it as the others do.
        if not using and (passed >= wait.grace or not gateways.remotes):
            break
        if using and passed >= max(wait.timeout, wait.grace):
            stuck = f"{using[0]} still sends by {name} after {wait.timeout:g} s{_more(using)}"
            if force:
                progress.warn(stuck)
                return
            raise McnetError(stuck, "it may be connected to no other gateway: mcnet show connections")
        awaited = f"{', '.join(using)} to leave it" if using else f"all to follow, {wait.grace - passed:.0f} s"
        progress.doing(f"Waiting for {awaited}")
        await asyncio.sleep(min(INTERVAL, max(wait.grace - passed, 0.05)))
    seen = f", seen in {', '.join(sorted(reports))}" if reports else ""
    trusted = (
        f"; {', '.join(unseen)} had {wait.grace:g} s, no context of yours leads there"
        if unseen and wait.grace
        else ""
    )
    progress.done(f"Nobody sends by {name} any more{seen}{trusted}")


async def _said(api: Api, name: str, wait: Waiting, progress: Progress) -> Gateways:
    """Returns once the gateway has told all others that it drains."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait.timeout
    while True:
        gateways = await read(api)
        node = gateways.nodes.get(name)
        why = gateway_settled.unsaid(node) if node else ""
        if not why:
            progress.done(f"{name} has told all others that it drains")
            return gateways
        if node and node.daemon:  # nothing to wait for: the others notice by themselves that it is dead
            progress.warn(f"{name} can't tell the others, who leave it as its probes fail: {why}")
            return gateways
        if loop.time() >= deadline:
            raise McnetError(
                f"{name} is marked to drain, but {why} after {wait.timeout:g} s", f"mcnet diagnose{gateways.at}"
            )
        progress.doing(f"Waiting for {name} to tell the others that it drains")
        await asyncio.sleep(INTERVAL)


async def _gone(api: Api, name: str, wait: Waiting, progress: Progress) -> None:
    """Returns once the node's route agent has taken the Endpoint back, or it is time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait.timeout
    while loop.time() < deadline:
        gateways = await read(api)
        node = gateways.nodes.get(name)
        if node is None or (node.endpoint is None and node.report is None):
            return
        progress.doing(f"Waiting until {name} has taken its Endpoint back")
        await asyncio.sleep(INTERVAL)
    if wait.timeout:
        progress.warn(f"the Endpoint of {name} is still there: it goes with the next round of its route agent")


async def _reports(others: Sequence[Api]) -> Mapping[ClusterId, tuple[Gateway, ...]]:
    """What the gateways of other clusters report; clusters that do not answer are left out."""
    found = {}
    for cluster, reports in await asyncio.gather(*map(_reports_of, others)):
        if cluster:
            found[cluster] = reports
    return found


async def _reports_of(api: Api) -> tuple[ClusterId | None, tuple[Gateway, ...]]:
    try:
        member = await api.find(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
        if member is None:
            return None, ()
        reports = await api.list(kinds.GATEWAY, SYSTEM_NAMESPACE)
        return member_codec.decode(member).cluster, decode_all(gateway_codec.decode, reports, [])
    except McnetError:
        return None, ()


def _more(sentences: Sequence[str]) -> str:
    return f" (and {len(sentences) - 1} more)" if len(sentences) > 1 else ""

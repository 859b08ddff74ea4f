"""Stands in for what a test API server lacks: kubelets that make daemons ready, gateways that report a connection,
and the controllers that empty namespaces and collect what deleted accounts owned."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from mcnet.codec import gateway as gateway_codec
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import Kind
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import ApiError
from mcnet.model.gateway import Cable, CableState, Gateway, RoundTrip
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.model.traffic import Throughput
from mcnet.plan.gateway_choice import labelled_gateways

INTERVAL = 0.05
NAMESPACED = tuple(kind for kind in kinds.KINDS if kind.namespaced)


@asynccontextmanager
async def controllers(api: Api, *, cables_to: str = "", ready: bool = True) -> AsyncIterator[None]:
    """Acts while the block runs. `cables_to` is the cluster that gateways report to be connected with."""

    async def act() -> None:
        while True:
            try:
                if ready:
                    await make_ready(api)
                if cables_to:
                    await report_cable(api, cables_to)
                await finalize_namespaces(api)
            except ApiError:
                pass  # something went away in between: the next round sees it
            await asyncio.sleep(INTERVAL)

    task = asyncio.create_task(act())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def make_ready(api: Api) -> None:
    """All daemons run on all nodes that they are for."""
    nodes = await api.list(kinds.NODE)
    for obj in await api.list(kinds.DAEMON_SET, SYSTEM_NAMESPACE):
        gateway = "nodeSelector" in obj["spec"]["template"]["spec"]
        count = len(labelled_gateways(nodes)) if gateway else len(nodes)
        await _status(
            api, kinds.DAEMON_SET, obj, currentNumberScheduled=count, numberMisscheduled=0,
            desiredNumberScheduled=count, updatedNumberScheduled=count, numberReady=count,
        )  # fmt: skip
    for obj in await api.list(kinds.DEPLOYMENT, SYSTEM_NAMESPACE):
        await _status(api, kinds.DEPLOYMENT, obj, replicas=2, updatedReplicas=2, readyReplicas=2)


async def _status(api: Api, kind: Kind, obj: dict[str, Any], **counts: int) -> None:
    wanted = {"observedGeneration": obj["metadata"]["generation"], **counts}
    status = obj.get("status") or {}
    if any(status.get(key, 0) != value for key, value in wanted.items()):
        name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
        await api.merge_patch(kind, name, {"status": wanted}, namespace, subresource="status")


async def report_cable(api: Api, remote: str) -> None:
    """Every gateway reports one connected cable, once its DaemonSet is there."""
    if not await api.find(kinds.DAEMON_SET, "mcnet-gateway", SYSTEM_NAMESPACE):
        return
    trip = RoundTrip(0.001, 0.001, 0.001, 0.001, 0.0)
    cable = Cable(ClusterId(remote), "n1", 0, CableState.CONNECTED, "vxlan", round_trip=trip, active=True, share=1.0)
    cable = replace(cable, throughput=Throughput(1_500_000, 640))
    for node in labelled_gateways(await api.list(kinds.NODE)):
        if not await api.find(kinds.GATEWAY, node, SYSTEM_NAMESPACE):
            await api.apply(gateway_codec.bare(node=node, namespace=SYSTEM_NAMESPACE))
            report = Gateway(node, ClusterId("west"), 0, (cable,), version="0.1.0")
            await api.apply(gateway_codec.encode(report, namespace=SYSTEM_NAMESPACE), subresource="status")


async def finalize_namespaces(api: Api) -> None:
    """Empties the namespaces that are being deleted, and lets them go."""
    for namespace in await api.list(kinds.NAMESPACE):
        if not namespace["metadata"].get("deletionTimestamp"):
            continue
        name = namespace["metadata"]["name"]
        for kind in NAMESPACED:
            await _empty(api, kind, name)
        await api.replace(kinds.NAMESPACE, {**namespace, "spec": {"finalizers": []}}, subresource="finalize")


async def _empty(api: Api, kind: Kind, namespace: str) -> None:
    try:
        found = await api.list(kind, namespace)
    except ApiError:
        return  # a kind that this server does not have
    for obj in found:
        await api.delete(kind, obj["metadata"]["name"], namespace)

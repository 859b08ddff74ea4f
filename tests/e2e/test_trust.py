"""Whoever holds the broker writes what he likes there: what the members' keys have not signed has no effect."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcnet.kube.api import Api
from mcnet.kube.kinds import DEPLOYMENT, ENDPOINT, POD
from mcnet.model.ownership import DISCOVERY_METRICS_PORT
from tests.e2e.aftermath import answered_for, events, pings, run, whole_again
from tests.e2e.clusterset import Clusterset, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

BOTH_WAYS = (("west-n2", "east-n2"), ("east-n1", "west-n1"))
BLACK_HOLE = "192.0.2.1"


async def test_forged_and_replayed_endpoints_have_no_effect(clusterset: Clusterset) -> None:
    async with _no_discovery_in_east(clusterset), await clusterset.api("east") as broker:
        (genuine,) = [one for one in await broker.list(ENDPOINT, "mcnet-broker") if one["spec"]["cluster"] == "east"]
        name, spec = genuine["metadata"]["name"], genuine["spec"]
        forgeries: dict[str, Any] = {
            "forged": spec | {"privateAddresses": [BLACK_HOLE], "sequence": spec["sequence"] + 1},
            "unsigned": spec | {"privateAddresses": [BLACK_HOLE], "signature": ""},
        }
        async with pings(clusterset, *BOTH_WAYS) as running:
            for reason, forged in forgeries.items():
                since = time.time()
                await _write(broker, name, forged)
                await eventually(
                    lambda since=since: _told(clusterset, name, since), 20, f"west tells of the {reason} one"
                )
                await eventually(lambda reason=reason: _counted(clusterset, reason), 20, "and counts it")
                async with await clusterset.api("west") as west:
                    assert (await west.get(ENDPOINT, name, "mcnet-system"))["spec"] == spec
                await answered_for(running, 2)
            await _write(broker, name, spec)
        assert [one.lost for one in running] == [0, 0]
    await whole_again(clusterset)


async def test_an_older_endpoint_is_not_taken_again(clusterset: Clusterset) -> None:
    """The gateway's address changes and changes back; then somebody plays what it said meanwhile."""
    async with await clusterset.api("east") as east:
        (first,) = [one for one in await east.list(ENDPOINT, "mcnet-broker") if one["spec"]["cluster"] == "east"]
        name = first["metadata"]["name"]
        # Any change makes the gateway publish anew, with a higher sequence.
        async with await clusterset.api("east") as api:
            await api.delete(ENDPOINT, name, "mcnet-system")
        await eventually(lambda: _newer(east, name, first["spec"]["sequence"]), 30, "the gateway has published anew")
        await eventually(lambda: _reached(clusterset, east, name), 30, "west has it")
    async with _no_discovery_in_east(clusterset), await clusterset.api("east") as broker:
        now = (await broker.get(ENDPOINT, name, "mcnet-broker"))["spec"]
        since = time.time()
        await _write(broker, name, first["spec"])
        await eventually(lambda: _told(clusterset, "which was here already", since), 20, "west tells of the old one")
        await eventually(lambda: _counted(clusterset, "replayed"), 20, "and counts it")
        async with await clusterset.api("west") as west:
            assert (await west.get(ENDPOINT, name, "mcnet-system"))["spec"] == now
        await _write(broker, name, now)
    await whole_again(clusterset)


@asynccontextmanager
async def _no_discovery_in_east(clusterset: Clusterset) -> AsyncIterator[None]:
    """Else it would put its own Endpoints right at the broker before anybody has looked."""
    async with await clusterset.api("east") as api:
        await _scale(api, 0)
        try:
            yield
        finally:
            await _scale(api, 2)


async def _scale(api: Api, replicas: int) -> None:
    await api.merge_patch(DEPLOYMENT, "mcnet-discovery", {"spec": {"replicas": replicas}}, "mcnet-system")
    labels = "app.kubernetes.io/component=discovery"

    async def done() -> bool:
        return len(await api.list(POD, "mcnet-system", labels=labels)) == replicas

    await eventually(done, 60, f"{replicas} pods of discovery")


async def _write(broker: Api, name: str, spec: dict[str, Any]) -> None:
    obj = await broker.get(ENDPOINT, name, "mcnet-broker")
    await broker.replace(ENDPOINT, obj | {"spec": spec}, "mcnet-broker")


async def _told(clusterset: Clusterset, text: str, since: float) -> bool:
    told = [event for event in await events(clusterset, "west", since) if event["reason"] == "NotMirrored"]
    return any(text in event["note"] for event in told)


async def _counted(clusterset: Clusterset, reason: str) -> bool:
    """Whether a discovery of west has the refusal in its metrics."""
    async with await clusterset.api("west") as api:
        pods = await api.list(POD, "mcnet-system", labels="app.kubernetes.io/component=discovery")
    for pod in pods:
        place = pod["spec"]["nodeName"].replace("-", "/", 1)
        url = f"http://{pod['status']['podIP']}:{DISCOVERY_METRICS_PORT}/metrics"
        said = await run(clusterset, place, f'python3 -c "{_FETCH}" {url}')
        if f'mcnet_trust_refused{{reason="{reason}"}} 1.0' in said:
            return True
    return False


_FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=3).read().decode())"


async def _newer(api: Api, name: str, sequence: int) -> bool:
    found = await api.find(ENDPOINT, name, "mcnet-broker")
    return found is not None and found["spec"]["sequence"] > sequence


async def _reached(clusterset: Clusterset, broker: Api, name: str) -> bool:
    async with await clusterset.api("west") as west:
        here, there = (
            await west.find(ENDPOINT, name, "mcnet-system"),
            await broker.find(ENDPOINT, name, "mcnet-broker"),
        )
    return here is not None and there is not None and here["spec"] == there["spec"]

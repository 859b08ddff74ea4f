"""API servers stop, and etcd goes back to an old state: the data path runs on, the daemons cope without a restart."""

import asyncio
import time

import pytest

from mcnet.codec import endpoint
from mcnet.kube.kinds import ENDPOINT, LEASE, NODE
from mcnet.model.node import GATEWAY_LABEL
from tests.e2e.aftermath import (
    answered_for,
    blemishes,
    daemons,
    picture,
    pings,
    repaired,
    run,
    stable_picture,
    whole_again,
)
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOTH_WAYS = (("west-n2", "east-n2"), ("east-n1", "west-n1"))
STRAY = "ip route add 10.99.0.0/16 dev eth0 proto 109 table 27908"


async def test_the_api_server_of_a_member_stops(clusterset: Clusterset) -> None:
    lab = clusterset.lab
    before = await daemons(clusterset)
    healthy = await stable_picture(clusterset, "west/n2")
    async with pings(clusterset, *BOTH_WAYS) as running:
        await lab.stop("west-cp", "kube-apiserver", kill=True)
        try:
            since = time.time()
            await run(clusterset, "west/n2", STRAY)

            async def healed() -> bool:
                return await picture(clusterset, "west/n2") == healthy

            await eventually(healed, 5, "the kernel is mended without the API server")
            await answered_for(running, 5)
        finally:
            await lab.start("west-cp", "kube-apiserver")

        async def told() -> bool:
            return any("10.99.0.0/16" in event for event in await repaired(clusterset, "west", since))

        await eventually(told, 60, "what was repaired meanwhile is told")
        await whole_again(clusterset)
    assert [one.lost for one in running] == [0, 0]
    assert await daemons(clusterset) == before


@pytest.mark.timeout(300)
async def test_etcd_is_restored_from_an_old_snapshot(clusterset: Clusterset) -> None:
    """Both clusters', the broker's with them, to before west lost its second gateway and everybody heard of it."""
    lab = clusterset.lab
    _, second = await clusterset.gateways("west")
    await whole_again(clusterset)
    before = await daemons(clusterset)
    sequences = await _sequences(clusterset)
    async with pings(clusterset, *BOTH_WAYS) as running:
        copies = dict(zip(CLUSTERS, await asyncio.gather(*map(lab.save_etcd, CLUSTERS)), strict=True))
        await eventually(lambda: _label(clusterset, second, present=False), 60, "the label is taken away")
        await eventually(lambda: _gone(clusterset, second), 200, "nobody knows the second gateway any more")
        await _age(clusterset)
        await asyncio.gather(*(lab.restore_etcd(cluster, copies[cluster]) for cluster in CLUSTERS))
        await whole_again(clusterset, 120)
        await eventually(lambda: _risen(clusterset, sequences), 60, "no Endpoint has gone back")
        await answered_for(running, 1)
        # Watches work: what changes now is seen.
        await eventually(lambda: _label(clusterset, second, present=False), 30, "the label is taken away again")
        await eventually(lambda: _gone(clusterset, second), 60, "everybody hears of it")
        await _label(clusterset, second, present=True)
        await whole_again(clusterset, 90)
    assert [one.lost for one in running] == [0, 0], await blemishes(clusterset)
    after = await daemons(clusterset)
    # What runs on gateways only went from the second one for a while.
    comes_and_goes = ("/mcnet-gateway-", "/mcnet-cable-")
    kept = {name: count for name, count in before.items() if not any(part in name for part in comes_and_goes)}
    assert {name: after[name] for name in kept} == kept


async def _label(clusterset: Clusterset, node: str, *, present: bool) -> bool:
    """Make the node a gateway, or none; true once it is."""
    async with await clusterset.api(node.partition("-")[0]) as api:
        labels = {GATEWAY_LABEL: "true" if present else None}
        await api.merge_patch(NODE, node, {"metadata": {"labels": labels}})
    return True


async def _gone(clusterset: Clusterset, node: str) -> bool:
    for cluster in CLUSTERS:
        async with await clusterset.api(cluster) as api:
            if any(one["spec"]["gateway"] == node for one in await api.list(ENDPOINT, "mcnet-system")):
                return False
    return len(await clusterset.cables()) == 2


async def _age(clusterset: Clusterset) -> None:
    """Move resource versions well beyond those of the copies."""
    for cluster in CLUSTERS:
        async with await clusterset.api(cluster) as api:
            for _ in range(200):
                lease = {"metadata": {"name": "age"}, "spec": {"holderIdentity": "nobody"}}
                await api.create(LEASE, lease, "default")
                await api.delete(LEASE, "age", "default")


async def _sequences(clusterset: Clusterset) -> dict[str, int]:
    """The Endpoints' sequences as each cluster knows them."""
    found = {}
    for cluster in CLUSTERS:
        async with await clusterset.api(cluster) as api:
            for one in map(endpoint.decode, await api.list(ENDPOINT, "mcnet-system")):
                found[f"{one.name} in {cluster}"] = one.sequence
    return found


async def _risen(clusterset: Clusterset, before: dict[str, int]) -> bool:
    now = await _sequences(clusterset)
    return now.keys() == before.keys() and all(now[name] >= sequence for name, sequence in before.items())

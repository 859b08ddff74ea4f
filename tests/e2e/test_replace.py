"""A cluster that was rebuilt joins under its old ID, and two that join under one ID at the same moment: in the lab,
which ends as it began, joined."""

import asyncio
import json

import pytest

from mcnet.kube.kinds import CLUSTER, NAMESPACE, NODE, SECRET
from mcnet.model.gateway import CableState
from mcnet.plan.gateway_choice import labelled_gateways
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(900)]

JOIN = ("join", "broker-info.mcnet", "--broker-context", "east", "--skip-preflight")
WEST = (*JOIN, "--context", "west", "--gateways", "2")


async def test_a_rebuilt_cluster_takes_over_its_old_id(clusterset: Clusterset) -> None:
    old = await key_of(clusterset, "west")
    async with await clusterset.api("west") as api:
        # Without its credential it can't take back its records: as if the cluster had been made anew.
        await api.delete(SECRET, "mcnet-broker", "mcnet-system")
    await clusterset.mcnet("leave", "--context", "west", "--force", status=1)
    assert await key_of(clusterset, "west") == old

    refused = await clusterset.mcnet(*WEST, status=1)
    assert f"the cluster ID west is taken by another cluster of this clusterset: key {old}" in refused
    assert "join --replace" in refused
    said = await clusterset.mcnet(*WEST, "--replace", "--force")
    for text in ("west is replaced", f"signing key: {old}", "gateway: west-n1", "last seen"):
        assert text in said
    new = await key_of(clusterset, "west")
    assert new != old
    assert "mcnet member trust west --context CONTEXT" in said

    # East knows west by its old key: nothing of the new one is used until east's admin says that it is right.
    await eventually(lambda: stopped(clusterset, old, new), 30, "east has stopped its cables and says why")
    trust = ("member", "trust", "west", "--context", "east")
    wrong = await clusterset.mcnet(*trust, "--key", old, status=1)
    assert f"the broker names {new} as the signing key of west, not {old}" in wrong
    assert "dry run: nothing was changed" in await clusterset.mcnet(
        "member", "trust", "west", "--context", "east", "--dry-run"
    )
    trusted = await clusterset.mcnet("member", "trust", "west", "--context", "east", "--key", new)
    assert "west is trusted by its new key" in trusted
    assert "Nothing to do" in await clusterset.mcnet("member", "trust", "west", "--context", "east")

    async def connected() -> bool:
        cables = await clusterset.cables()
        return len(cables) == 4 and all(cable.state is CableState.CONNECTED for cable in cables)

    await eventually(connected, 60, "all cables are up again, and there are none to what was replaced")


async def stopped(clusterset: Clusterset, old: str, new: str) -> bool:
    shown = json.loads(await clusterset.mcnet("show", "connections", "--context", "east", "-o", "json", status=1))
    (row,) = [one for one in shown if one["remoteCluster"] == "west"]
    assert (old in row["why"], new in row["why"]) == (True, True), row
    assert row["next"].startswith("mcnet member trust west --context east")
    return bool(row["state"] == "missing" and await clusterset.cables_of("east") == [])


async def key_of(clusterset: Clusterset, cluster: str) -> str:
    shown = await clusterset.mcnet("member", "show", cluster, "--context", "east")
    return next(line.split()[-1] for line in shown.splitlines() if line.startswith("signing key:"))


async def test_two_clusters_that_join_under_one_id_at_the_same_moment(clusterset: Clusterset) -> None:
    for cluster in CLUSTERS:
        await clusterset.mcnet("leave", "--context", cluster)
    try:
        joins = [clusterset.run(*JOIN, "--cluster-id", "twin", "--context", cluster) for cluster in CLUSTERS]
        ends = dict(zip(CLUSTERS, await asyncio.gather(*joins), strict=True))
        assert sorted(status > 0 for status, _ in ends.values()) == [False, True], ends
        (loser,) = [cluster for cluster, (status, _) in ends.items() if status]
        (winner,) = [cluster for cluster in CLUSTERS if cluster != loser]
        key = await key_of(clusterset, "twin")
        said = ends[loser][1]
        assert "the cluster ID twin" in said, said
        assert "taken by another cluster" in said, said
        assert f"key {key}" in said, said
        async with await clusterset.api(loser) as api:
            assert await api.find(NAMESPACE, "mcnet-system") is None
            assert labelled_gateways(await api.list(NODE)) == ()
        async with await clusterset.api("east") as api:
            assert [one["metadata"]["name"] for one in await api.list(CLUSTER, "mcnet-broker")] == ["twin"]
        await clusterset.mcnet("leave", "--context", winner)
    finally:
        for cluster in CLUSTERS:  # where the test failed, one of them is still called twin
            await clusterset.run("leave", "--context", cluster, "--force")
        await clusterset.join()

"""Joining and leaving three times over: the nodes end as they were before mcnet ever came."""

import pytest

from mcnet.kube.kinds import CLUSTER, CLUSTER_ROLE, ENDPOINT, NAMESPACE, NODE, SERVICE_ACCOUNT
from mcnet.lab.demo import show_traffic
from tests.e2e.clusterset import CLUSTERS, Clusterset

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("time", ["once", "twice", "three times"])
async def test_leaving_leaves_the_nodes_as_they_were(clusterset: Clusterset, time: str) -> None:
    await clusterset.mcnet("leave", "--context", "west", "--broker-context", "east")
    assert await clusterset.pictures("west") == clusterset.before["west"], time
    await clusterset.mcnet("leave", "--context", "east", "--broker-context", "east")
    assert await clusterset.pictures("east") == clusterset.before["east"], time
    await _nothing_is_left(clusterset)
    await clusterset.join()
    await show_traffic(clusterset.lab, CLUSTERS, clusterset.image, print)


async def _nothing_is_left(clusterset: Clusterset) -> None:
    for cluster in CLUSTERS:
        async with await clusterset.api(cluster) as api:
            names = {found["metadata"]["name"] for found in await api.list(NAMESPACE)}
            assert "mcnet-system" not in names
            labels = [label for node in await api.list(NODE) for label in node["metadata"]["labels"]]
            assert not [label for label in labels if label.startswith("mcnet.dev/")]
            if cluster != "east":
                roles = [role["metadata"]["name"] for role in await api.list(CLUSTER_ROLE)]
                assert not [role for role in roles if role.startswith("mcnet")]
            else:
                assert await api.list(CLUSTER, "mcnet-broker") == []
                assert await api.list(ENDPOINT, "mcnet-broker") == []
                accounts = [one["metadata"]["name"] for one in await api.list(SERVICE_ACCOUNT, "mcnet-broker")]
                assert accounts == ["default"]

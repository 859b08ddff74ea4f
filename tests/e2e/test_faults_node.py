"""A node's own programs stop, its disks fill up, or all of it reboots: traffic does not hang on any of that."""

import time
from datetime import datetime
from typing import Any

import pytest

from mcnet.kube.kinds import LEASE, NODE, POD
from mcnet.lab.demo import show_traffic
from mcnet.model.node import DRAIN_ANNOTATION
from tests.e2e.aftermath import answered_for, daemons, picture, pings, run, stable_picture, whole_again
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually, is_ready, without_hardware

pytestmark = pytest.mark.asyncio(loop_scope="session")

NODES = ("east-n1", "east-n2", "west-n1", "west-n2")
BOTH_WAYS = (("west-n2", "east-n2"), ("east-n1", "west-n1"))

FILL = """
for place in /run /var/log; do
  used=$(df --output=used -k $place | tail -1)
  mount -o remount,size=$((used + 64))k $place
  head -c 10M /dev/zero > $place/filler 2>/dev/null || :
done
df --output=avail /run /var/log
"""
EMPTY = """
for place in /run /var/log; do
  rm -f $place/filler
  mount -o remount,size=50% $place
done
"""


@pytest.mark.parametrize("program", ["kubelet", "containerd"])
async def test_restarted_everywhere_costs_no_packet(clusterset: Clusterset, program: str) -> None:
    before = await daemons(clusterset)
    async with pings(clusterset, *BOTH_WAYS) as running:
        for node in NODES:
            await clusterset.lab.stop(node, program, kill=True)
        await answered_for(running, 3)
        since = time.time()
        for node in NODES:
            await clusterset.lab.start(node, program)
        await eventually(lambda: _heard_of(clusterset, since), 60, "every kubelet says again that its node is ready")
        await answered_for(running, 1)
        await whole_again(clusterset)
    assert [one.lost for one in running] == [0, 0]
    assert await daemons(clusterset) == before


async def test_full_directories_of_a_gateway_stop_neither_traffic_nor_daemons(clusterset: Clusterset) -> None:
    gateway = (await clusterset.gateways("east"))[0]
    place = gateway.replace("-", "/", 1)
    before = await daemons(clusterset)
    healthy = await stable_picture(clusterset, place)
    async with pings(clusterset, *BOTH_WAYS) as running:
        try:
            assert (await run(clusterset, place, FILL)).split()[1:] == ["0", "0"], "both are full"
            # What a daemon says goes into a file that can't be written: it must not wait for that.
            for number in range(50):
                await run(clusterset, place, f"ip route add 10.99.{number}.0/24 dev eth0 proto 109 table 27905")

            async def healed() -> bool:
                return await picture(clusterset, place) == healthy

            await eventually(healed, 10, "the daemons go on repairing")
            await answered_for(running, 3)
        finally:
            await run(clusterset, place, EMPTY)
        await whole_again(clusterset)
    assert [one.lost for one in running] == [0, 0]
    assert await daemons(clusterset) == before


@pytest.mark.parametrize(
    ("drain", "back"),
    [
        (
            {"metadata": {"annotations": {DRAIN_ANNOTATION: "true"}}},
            {"metadata": {"annotations": {DRAIN_ANNOTATION: None}}},
        ),
        ({"spec": {"unschedulable": True}}, {"spec": {"unschedulable": None}}),
    ],
    ids=["marked", "cordoned"],
)
async def test_a_gateway_drains(clusterset: Clusterset, drain: dict[str, Any], back: dict[str, Any]) -> None:
    first, second = await clusterset.gateways("west")

    async def carrying(names: set[str]) -> bool:
        return {cable.gateway for cable in await clusterset.cables_of("east") if cable.active} == names

    async with pings(clusterset, *BOTH_WAYS) as running, await clusterset.api("west") as api:
        await answered_for(running, 1)
        try:
            await api.merge_patch(NODE, first, drain)
            await eventually(lambda: carrying({second}), 30, "east sends by the other one")
            await answered_for(running, 3)
        finally:
            await api.merge_patch(NODE, first, back)
        await eventually(lambda: carrying({first, second}), 30, "both carry again")
        await answered_for(running, 3)
    assert [one.lost for one in running] == [0, 0]
    await whole_again(clusterset)


@pytest.mark.timeout(300)
async def test_a_gateway_node_reboots(clusterset: Clusterset) -> None:
    first, _ = await clusterset.gateways("west")
    other = "west-n2" if first == "west-n1" else "west-n1"
    place = first.replace("-", "/", 1)
    before = await stable_picture(clusterset, place)
    async with pings(clusterset, (other, "east-n2")) as (bystander,):
        since = time.time()
        await clusterset.lab.reboot(first)
        await eventually(lambda: _heard_of(clusterset, since), 90, "the node is ready")
        await whole_again(clusterset, 90)
        await eventually(lambda: _pods_run(clusterset, since), 60, "all its pods run")
        await answered_for([bystander], 1)
    (back,) = [cable.since for cable in await clusterset.cables_of("east") if cable.gateway == first]
    # Three lost probes tell it: half a second, more where the machine is too busy to judge. Reports bear
    # whole seconds, rounded down, so the gateway came back up to one second after what its cable says.
    returned = datetime.fromisoformat(back).timestamp() + 1
    # Where neither the pings nor their answers went by it, nothing was missed.
    unnoticed = bystander.longest_gap < 2
    assert unnoticed or bystander.resumed < returned, "others take the other gateway meanwhile"
    assert without_hardware(await stable_picture(clusterset, place)) == without_hardware(before)
    for load in clusterset.loads.values():
        await load.close()
    await clusterset.deploy_web()  # its pod has another address now
    await show_traffic(clusterset.lab, CLUSTERS, clusterset.image, print)


async def _heard_of(clusterset: Clusterset, since: float) -> bool:
    """Whether all nodes are Ready and their kubelets have said so since then."""
    for cluster in CLUSTERS:
        async with await clusterset.api(cluster) as api:
            if not all(map(is_ready, await api.list(NODE))):
                return False
            for lease in await api.list(LEASE, "kube-node-lease"):
                if datetime.fromisoformat(lease["spec"]["renewTime"]).timestamp() < since:
                    return False
    return True


async def _pods_run(clusterset: Clusterset, since: float) -> bool:
    """Whether west's web servers are ready, on the rebooted node in a container that started after that."""
    async with await clusterset.api("west") as api:
        pods = await api.list(POD, "default")
        started = [
            datetime.fromisoformat(one["state"]["running"]["startedAt"]).timestamp()
            for pod in pods
            for one in pod["status"]["containerStatuses"]
        ]
        return all(map(is_ready, pods)) and any(moment >= int(since) for moment in started)

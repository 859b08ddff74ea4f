"""Two clusters joined: who reaches whom, who is seen, and what traffic survives."""

import time

import pytest

from mcnet.kube.kinds import POD
from mcnet.lab.demo import show_traffic
from mcnet.lab.impair import Impairment, LinkName
from mcnet.lab.workload import WebPod, Workload
from mcnet.model.gateway import CableState
from tests.e2e.aftermath import whole_again
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually, is_ready

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIZES = """
import socket, sys, urllib.request
address, port = sys.argv[1], 8080
host = f"[{address}]" if ":" in address else address
print(len(urllib.request.urlopen(f"http://{host}:{port}/bytes/1000000", timeout=10).read()))
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
datagram = bytes(range(256)) * 31 + bytes(64)
for _ in range(5):
    s.sendto(datagram, (address, port))
    try:
        print(len(datagram), s.recv(65535) == datagram)
        break
    except TimeoutError:
        continue
"""


async def test_every_pod_reaches_every_pod_and_service_and_is_seen_as_it_should(clusterset: Clusterset) -> None:
    said: list[str] = []
    await show_traffic(clusterset.lab, CLUSTERS, clusterset.image, said.append)
    assert sum(line.endswith("✓") for line in said) == 2 * (2 * 2 + 2)


@pytest.mark.parametrize(
    ("source", "target"), [("west-n2", "east-n2"), ("east-n2", "west-n2"), ("east-n1", "west-n1")]
)
async def test_large_transfers(clusterset: Clusterset, source: str, target: str) -> None:
    done = await _run(clusterset, source, "python3", "-c", SIZES, clusterset.pod(target).address)
    assert done == "1000000\n8000 True\n"


async def test_nobody_but_pods_and_services_can_be_reached_through_a_gateway(clusterset: Clusterset) -> None:
    # East's gateway node is no part of the clusterset. Its answer would come back through the cable, so only the
    # gateway's firewall can keep it from being reached; a node behind it could not answer anyway.
    shown = (await clusterset.node("east/n1", "ip", "-4", "-o", "addr", "show", "dev", "eth0")).output
    node_address = shown.split()[3].partition("/")[0]
    await clusterset.node("west/n1", "ip", "route", "add", node_address, "via", "245.107.219.32", "dev", "mcnet-cv")
    try:
        done = await clusterset.node("west/n1", "ping", "-c", "2", "-W", "1", node_address)
        assert done.status == 1, done.output
    finally:
        await clusterset.node("west/n1", "ip", "route", "del", node_address)


async def test_killed_daemons_cost_no_packet(clusterset: Clusterset) -> None:
    async with clusterset.pinging(clusterset.pod("west-n2"), clusterset.pod("east-n2")) as pings:
        await clusterset.delete_daemons("gateway", "route-agent", "discovery")
        since = time.time()
        await eventually(lambda: pings.answered_since(since + 3), 20, "pings go on after the daemons are back")
    assert pings.lost == 0, f"{pings.lost} of {max(pings.answers)} lost, longest gap {pings.longest_gap:.1f} s"


LINKS = {"its link": (LinkName.WAN,), "the node": (LinkName.WAN, LinkName.CLUSTER)}


@pytest.mark.parametrize(
    ("lost", "source", "target", "certain"),
    [
        ("its link", "east-n2", "second", False),
        ("its link", "first", "east-n1", True),
        ("its link", "east-n1", "first", True),
        ("the node", "east-n2", "second", False),
    ],
)
async def test_traffic_moves_when_a_gateway_is_lost(
    clusterset: Clusterset, lost: str, source: str, target: str, certain: bool
) -> None:
    """`certain`: one direction goes by the lost gateway, since its own pod sends. Otherwise the other cluster's
    gateway may have put the flow on either cable."""
    lab = clusterset.lab
    first, second = await clusterset.gateways("west")
    nodes = {"first": first, "second": second}
    ends = [clusterset.pod(nodes.get(name, name)) for name in (source, target)]
    async with clusterset.pinging(*ends) as pings:
        for link in LINKS[lost]:
            await lab.impair(first, link, Impairment(cut=True))
        try:
            since = time.time()
            await eventually(
                lambda: _shares(clusterset, {second: 1.0}), 30, "the other one carries all of east's flows"
            )
            await eventually(lambda: pings.answered_since(since + 6), 30, "pings are answered over the other gateway")
        finally:
            for link in LINKS[lost]:
                await lab.impair(first, link, Impairment())
        # Nobody can notice it before the third probe is due.
        assert (0.2 if certain else 0) < pings.longest_gap < 10, f"longest gap {pings.longest_gap:.1f} s"
        await eventually(lambda: _all_connected(clusterset), 30, "all cables are connected again")
        await eventually(lambda: _shares(clusterset, {first: 0.5, second: 0.5}), 30, "both carry again")
        since = time.time()
        await eventually(lambda: pings.answered_since(since + 2), 20, "pings go on after the link is back")
    assert pings.longest_gap < 10, f"longest gap {pings.longest_gap:.1f} s"


async def test_the_broker_may_be_away(clusterset: Clusterset) -> None:
    lab = clusterset.lab
    async with clusterset.pinging(clusterset.pod("west-n2"), clusterset.pod("east-n2")) as pings:
        await lab.stop("east-cp", "kube-apiserver")
        try:
            # East's own daemons can't list without their API server; what the kernel holds must carry on.
            for place in ("east/n1", "east/n2"):
                killed = await clusterset.node(place, "pkill", "-KILL", "-f", "python3 -m mcnet_")
                assert killed.status == 0, "a machine's processes are in a namespace of their own: ours were there"
            async with await clusterset.api("west") as api:
                for pod in await api.list(POD, "mcnet-system"):
                    await api.delete(POD, pod["metadata"]["name"], "mcnet-system")

                async def back() -> bool:
                    pods = await api.list(POD, "mcnet-system")
                    return len(pods) >= 5 and all(map(is_ready, pods))

                await eventually(back, 60, "west's daemons are ready without the broker")
            since = time.time()
            await eventually(lambda: pings.answered_since(since + 2), 20, "pings go on without the broker")
        finally:
            await lab.start("east-cp", "kube-apiserver")
        await eventually(lambda: _all_connected(clusterset), 30, "all is connected again")
    assert pings.lost == 0, f"{pings.lost} lost, longest gap {pings.longest_gap:.1f} s"
    # Daemons killed without their API server start again by and by, and look for the broker ever less often.
    await whole_again(clusterset)
    await eventually(lambda: _broker_is_used(clusterset), 90, "both clusters use the broker again")


async def test_a_second_join_changes_nothing(clusterset: Clusterset) -> None:
    said = await clusterset.mcnet("join", "broker-info.mcnet", "--context", "east", "--broker-context", "east")
    assert "Nothing had to be changed" in said


async def _broker_is_used(clusterset: Clusterset) -> bool:
    status, _ = await clusterset.run("diagnose", "broker")
    return status == 0


async def _all_connected(clusterset: Clusterset) -> bool:
    cables = await clusterset.cables()
    return len(cables) == 4 and all(cable.state is CableState.CONNECTED for cable in cables)


async def _shares(clusterset: Clusterset, wanted: dict[str, float]) -> bool:
    """Whether east's gateway sends so much of what goes to west to each of west's gateways."""
    return {cable.gateway: cable.share for cable in await clusterset.cables_of("east") if cable.active} == wanted


async def _run(clusterset: Clusterset, node: str, *argv: str) -> str:
    pod: WebPod = clusterset.pod(node)
    load: Workload = clusterset.loads[pod.cluster]
    done = await load.run(pod, *argv)
    assert done.status == 0, done.errors
    return done.output

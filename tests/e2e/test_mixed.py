"""Two drivers on one gateway, both families inside and outside: each pair of clusters by its own, and only one pair
in the clear. Then all encrypted: nothing goes in the clear, whatever happens.
"""

import os
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from mcnet.kube.kinds import CLUSTER, NODE
from mcnet.lab.impair import Impairment, LinkName
from mcnet.lab.spec import IpFamily, LabSpec
from mcnet.lab.workload import url_of
from mcnet.model.gateway import CableState
from mcnet.model.node import GATEWAY_LABEL
from tests.e2e.aftermath import answered_for, into
from tests.e2e.clusterset import Clusterset, Pings, brought_up, eventually
from tests.e2e.sniffer import sniffed, strange

pytestmark = pytest.mark.timeout(600)

BY = {("east", "west"): "vxlan", ("east", "north"): "wireguard", ("west", "north"): "wireguard"}
BOTH_WAYS = [pair for one in BY for pair in (one, one[::-1])]

CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 8080), timeout=10)"


async def test_two_drivers_on_one_gateway_and_all_that_may_happen(tmp_path: Path) -> None:
    spec = LabSpec(name=f"x{os.getpid()}", clusters=("east", "west", "north"), nodes=1, ip_family=IpFamily.DUAL)
    async with brought_up(spec, tmp_path) as made:
        await made.mcnet("deploy-broker", "--context", "east")
        for cluster in made.clusters:
            await made.mcnet("join", "broker-info.mcnet", "--context", cluster, "--broker-context", "east")
        await _two_drivers(made)
        await made.mcnet("config", "set", "pair", "east", "west", "--default", "--broker-context", "east")
        await eventually(lambda: _by(made, dict.fromkeys(BY, "wireguard")), 60, "all pairs are encrypted")
        await eventually(lambda: _no_vxlan(made), 60, "the old cables have gone")
        await _whatever_happens(made)
        await _a_cluster_leaves(made)


async def _two_drivers(made: Clusterset) -> None:
    """Each pair has its own, and of those that are not in the clear nothing is seen."""
    pair = ("config", "set", "pair", "east", "west", "--cable-driver", "vxlan")
    await made.mcnet(*pair, "--broker-context", "east")
    await eventually(lambda: _by(made, BY), 60, "each pair has its driver")
    shown = await made.node("east/n1", "ip", "-o", "link")
    assert "mcnet-cv" in shown.output
    assert "mcnet-cw0" in shown.output
    async with sniffed(made, "north/n1") as lines:
        for source, target in BOTH_WAYS:
            for url in [url_of(address, 8080) for address in made.pod(f"{target}-n1").addresses]:
                seen = await made.loads[source].fetch(made.pod(f"{source}-n1"), url)
                assert seen.server == made.pod(f"{target}-n1").name
    assert strange(lines, made) == [], "north is in no pair that is in the clear"
    assert lines


async def _whatever_happens(made: Clusterset) -> None:
    """While keys change, daemons start anew, a process dies, a gateway goes and comes back, a link is cut."""
    async with _pings(made, BOTH_WAYS) as running, sniffed(made, *_places(made)) as lines:
        await made.mcnet("rotate", "keys", "--context", "west")
        await made.delete_daemons("gateway", "route-agent")
        device = next(cable.device for cable in await made.cables_of("east") if cable.active)
        kill = f"kill -9 $(pgrep --ns $$ --nslist net -f -- '[-]-foreground {device}')"
        assert (await made.node("east/n1", "bash", "-c", kill)).status == 0
        await answered_for(running, 1)
        await _label(made, "north", present=False)
        await eventually(lambda: _count(made, 2), 60, "the gateway has gone")
        await _label(made, "north", present=True)
        await eventually(lambda: _count(made, 6), 60, "the gateway is back")
        await made.lab.impair("west-n1", LinkName.WAN, Impairment(cut=True))
        try:
            await eventually(lambda: _count(made, 2), 30, "its cables are lost")
        finally:
            await made.lab.impair("west-n1", LinkName.WAN, Impairment())
        await eventually(lambda: _count(made, 6), 60, "its cables are back")
        await answered_for(running, 1)
    assert strange(lines, made) == []


async def _a_cluster_leaves(made: Clusterset) -> None:
    """What still goes to its pods is rejected: never sent in the clear, as long as connections to it may be open."""
    ways = [("east", "north"), ("west", "north")]
    async with _pings(made, ways, interval=0.05) as running, sniffed(made, *_places(made)) as lines:
        await answered_for(running, 1)
        await made.mcnet("leave", "--context", "north", "--broker-context", "east")
        for cluster in ("east", "west"):
            await eventually(lambda: _knows_not(made, cluster, "north"), 30, f"{cluster} has forgotten it")  # noqa: B023
    assert strange(lines, made) == []
    # Not beside the pings: a kernel sends a pod so many ICMP errors a second and no more.
    for address in made.pod("north-n1").addresses:
        done = await made.loads["east"].run(made.pod("east-n1"), "python3", "-c", CONNECT, address)
        assert re.search("No route to host|unreachable", done.errors), done.errors
    assert lines


async def _knows_not(made: Clusterset, cluster: str, other: str) -> bool:
    async with await made.api(cluster) as api:
        return await api.find(CLUSTER, other, "mcnet-system") is None


async def _label(made: Clusterset, cluster: str, *, present: bool) -> None:
    async with await made.api(cluster) as api:
        patch = {"metadata": {"labels": {GATEWAY_LABEL: "true" if present else None}}}
        await api.merge_patch(NODE, f"{cluster}-n1", patch)


def _places(made: Clusterset) -> list[str]:
    return [f"{cluster}/n1" for cluster in made.clusters]


@asynccontextmanager
async def _pings(
    made: Clusterset, ways: Iterable[tuple[str, str]], interval: float = 0.2
) -> AsyncIterator[list[Pings]]:
    """In both families."""
    async with AsyncExitStack() as stack:
        pods = [(made.pod(f"{source}-n1"), made.pod(f"{target}-n1")) for source, target in ways]
        pings = [
            stack.enter_async_context(
                made.pinging(source, target, interval, entry=await into(made, source), address=address)
            )
            for source, target in pods
            for address in target.addresses
        ]
        yield [await one for one in pings]


async def _no_vxlan(made: Clusterset) -> bool:
    shown = [(await made.node(place, "ip", "-o", "link")).output for place in _places(made)]
    return not any("mcnet-cv" in output for output in shown)


async def _count(made: Clusterset, number: int) -> bool:
    """Whether so many cables carry traffic."""
    cables = await made.cables()
    return sum(cable.state is CableState.CONNECTED and cable.active for cable in cables) == number


async def _by(made: Clusterset, drivers: dict[tuple[str, str], str]) -> bool:
    found = {}
    for cluster in made.clusters:
        for cable in await made.cables_of(cluster):
            if cable.state is CableState.CONNECTED and cable.active:
                found[cluster, str(cable.cluster)] = cable.driver
    return found == {pair: driver for one, driver in drivers.items() for pair in (one, one[::-1])}

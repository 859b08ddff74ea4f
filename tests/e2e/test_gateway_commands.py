"""`mcnet gateway` under traffic: gateways come and go, share the flows by their weights, and replace each other."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from mcnet.kube.kinds import LEASE, NODE, POD
from mcnet.model.node import GATEWAY_LABEL
from mcnet.plan.gateway_choice import ZONE_LABEL, is_ready, labelled_gateways
from mcnet.plan.gateway_replacement import REPLACE_AFTER
from tests.e2e import gateway_faults as faults
from tests.e2e.aftermath import events
from tests.e2e.clusterset import Clusterset, eventually
from tests.e2e.flows import Flows, flowing

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

WEST = ("--context", "west")
ALL = 8
"""Cables as both sides count them: two gateways here times two there."""
CABLE_GROUP, OVERLAY_GROUP = 0x72, 0x62
"""Top bytes of the ids of a gateway's and of a node's IPv4 next-hop groups; the lowest three bits of a member's id
are its rail (docs/datapath.md)."""
ZONES = {"west-n1": "a", "west-n2": "a", "west-n3": "b"}


async def test_one_goes_and_comes_back(made: Clusterset) -> None:
    """And while it is away the other one, the last, is neither drained nor removed."""
    async with flowing(made, made.pod("west-n3"), made.pod("east-n3")) as flows:
        assert "west-n2 is no gateway any more" in await made.mcnet("gateway", "remove", "west-n2", *WEST)
        await made.all_carry(ALL // 2)
        assert [row["gateway"] for row in await listed(made)] == ["west-n1"]
        assert "Nothing had to be changed" in await made.mcnet("gateway", "remove", "west-n2", *WEST)
        for command in ("drain", "remove"):
            said = await made.mcnet("gateway", command, "west-n1", *WEST, status=1)
            sentence(said, "west-n1 is the only healthy gateway of west: without it east can't be reached")
        added = await made.mcnet("gateway", "add", "west-n2", *WEST)
        assert "west-n2 is a gateway, connected to all gateways of the other clusters" in added
        await made.all_carry(ALL)
        assert "Nothing had to be changed" in await made.mcnet("gateway", "add", "west-n2", *WEST)
        await asyncio.sleep(1)
    unharmed(flows)
    rows = await listed(made)
    assert [(row["gateway"], row["state"], row["carries"], row["connected"]) for row in rows] == [
        ("west-n1", "ready", True, 2),
        ("west-n2", "ready", True, 2),
    ]


async def test_half_the_weight_is_half_the_flows(made: Clusterset) -> None:
    rails = {row["gateway"]: row["rail"] for row in await listed(made)}
    even, uneven = {rails["west-n1"]: 1, rails["west-n2"]: 1}, {rails["west-n1"]: 2, rails["west-n2"]: 1}
    await eventually(lambda: shared(made, even), 20, "both have the same share at first")
    async with flowing(made, made.pod("west-n3"), made.pod("east-n3")) as flows:
        said = await made.mcnet("gateway", "weight", "west-n2", "50", *WEST)
        try:
            assert "weight of west-n2: 100 → 50" in said
            await eventually(lambda: shared(made, uneven), 20, "the kernels' groups have the weights")
            await eventually(lambda: told(made, {"west-n1": 2 / 3, "west-n2": 1 / 3}), 20, "it is shown")
            assert "Nothing had to be changed" in await made.mcnet("gateway", "weight", "west-n2", "50", *WEST)
            table = await made.mcnet("gateway", "list", *WEST)
            assert re.search(r"^west-n1 +\d +ready +yes +100 +2 of 2", table, re.MULTILINE), table
            assert re.search(r"^west-n2 +\d +ready +yes +50 +2 of 2", table, re.MULTILINE), table
            assert {row["gateway"]: row["weight"] for row in await listed(made)} == {"west-n1": 100, "west-n2": 50}
        finally:
            await made.mcnet("gateway", "weight", "west-n2", "default", *WEST)
        await eventually(lambda: shared(made, even), 20, "the kernels' groups are as before")
        await asyncio.sleep(1)
    unharmed(flows)


@pytest.mark.parametrize("at_once", [False, True])
async def test_other_ports(made: Clusterset, at_once: bool) -> None:
    """Its cables are made anew at both sides; meanwhile the other gateway carries, from before on if it may."""
    options = ("--no-wait",) if at_once else ()
    async with flowing(made, made.pod("west-n3"), made.pod("east-n3")) as flows:
        try:
            said = await made.mcnet("gateway", "set", "west-n2", "--port-base", "4600", *options, *WEST)
            assert "port-base of west-n2 4600" in said
            assert ("Nobody sends by west-n2 any more" in said) is not at_once
            await eventually(lambda: listens(made, 4600), 30, "west-n2 has the other ports")
            await made.all_carry(ALL)
        finally:
            await made.mcnet("gateway", "set", "west-n2", "--port-base", "default", *options, *WEST)
        await eventually(lambda: listens(made, 4500), 30, "west-n2 has its ports again")
        await made.all_carry(ALL)
        await asyncio.sleep(1)
    (bounded if at_once else unharmed)(flows)


@pytest.mark.parametrize(
    ("argv", "wrong"),
    [
        (("add", "west-n9"), "west has no node 'west-n9'"),
        (("drain", "west-n9"), "west has no node 'west-n9'"),
        (("remove", "east-n1"), "east-n1 is a gateway of east, not of west"),
        (("drain", "west-n3"), "west-n3 of west is no gateway"),
        (("weight", "west-n1", "0"), "a gateway of weight 0 would carry nothing, which is what draining does"),
        (("weight", "west-n1", "101"), "'101' is not a weight from 1 to 100"),
        (("set", "west-n1", "--port-base", "70000"), "--port-base: '70000' is not a port from 1024 to "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_what_is_mistyped(made: Clusterset, argv: tuple[str, ...], wrong: str) -> None:
    sentence(await made.mcnet("gateway", *argv, *WEST, status=2), wrong)


@pytest_asyncio.fixture(loop_scope="session")
async def zones(made: Clusterset) -> AsyncIterator[None]:
    """West's nodes are in two zones, and n1 is its only gateway; n1 and n2 are at the end."""
    async with await made.api("west") as api:
        for node, zone in ZONES.items():
            await api.merge_patch(NODE, node, {"metadata": {"labels": {ZONE_LABEL: zone}}})
        await made.mcnet("gateway", "remove", "west-n2", *WEST)
        yield
        await made.mcnet("config", "set", "gateways", "2", *WEST)
        for node in ZONES:
            labels = {ZONE_LABEL: None, GATEWAY_LABEL: "true" if node != "west-n3" else None}
            await api.merge_patch(NODE, node, {"metadata": {"labels": labels}})
    await eventually(lambda: are_gateways(made, "west-n1", "west-n2"), 60, "n1 and n2 are the gateways")
    await made.all_carry(ALL)


@pytest.mark.usefixtures("zones")
async def test_a_lost_one_is_replaced(made: Clusterset) -> None:
    """Five minutes go by as the Node's own record has it. The gateway that discovery's leader runs on is not the one
    that is lost: how long another leader takes is not the question here."""
    since = time.time()
    await made.mcnet("config", "set", "gateways", "auto:2", *WEST)
    assert await gateways(made) == ("west-n1", "west-n3"), "one in each zone"
    await made.all_carry(ALL)
    lost, kept = ("west-n1", "west-n3") if await leads(made) != "west-n1" else ("west-n3", "west-n1")
    gone = faults.gone(lost)
    async with flowing(made, made.pod("west-n2"), made.pod("east-n3"), flows=8, streams=2, interval=0.05) as flows:
        await gone.begin(made)
        try:
            await eventually(lambda: not_ready(made, lost), 90, f"{lost} is not Ready")
            assert await gateways(made) == ("west-n1", "west-n3"), "it may only reboot"
            await five_minutes_ago(made, lost)
            await eventually(lambda: are_labelled(made, "west-n1", "west-n2", "west-n3"), 90, "another one is there")
            await eventually(lambda: are_labelled(made, "west-n2", kept), 90, f"{lost} is no gateway any more")
        finally:
            await gone.end(made)
        await eventually(lambda: are_gateways(made, "west-n2", kept), 60, f"{lost} has taken its cables back")
        await made.all_carry(ALL)
        await eventually(lambda: is_well(made, lost), 60, f"{lost} is Ready")
        assert await gateways(made) == tuple(sorted(("west-n2", kept))), "coming back changes nothing"
    bounded(flows)
    told = [one["note"] for one in await events(made, "west", since) if one["reason"] == "GatewayReplaced"]
    assert sorted(note.split(":")[0] for note in told) == sorted(
        [f"{lost} is a gateway no more", "west-n2 becomes a gateway, since one of 2 is lost"]
    )


def sentence(said: str, wrong: str) -> None:
    """The command has said just this, and what to do."""
    lines = said.splitlines()
    assert lines[0].startswith(f"error: {wrong}"), said
    assert [line.partition(":")[0] for line in lines[1:]] in ([], [" next"]), said


def unharmed(flows: Flows) -> None:
    """Not one packet was lost."""
    runs = sorted({run for flow in flows.found for run in flow.runs})
    assert (flows.lost, flows.interrupted) == (0, 0), [f"{start:.3f} for {seconds:.3f} s" for start, seconds in runs]


def bounded(flows: Flows) -> None:
    """As if a gateway were lost, and not longer."""
    print(f"UDP {flows.udp:.3f} s, TCP {flows.tcp:.3f} s, {flows.interrupted} flows interrupted")
    assert flows.udp < faults.LOSS
    assert flows.tcp < faults.LOSS + 1


async def listed(made: Clusterset) -> list[dict[str, Any]]:
    """West's gateways as the command lists them for programs."""
    rows: list[dict[str, Any]] = json.loads(await made.mcnet("gateway", "list", "-o", "json", *WEST))
    return rows


async def shared(made: Clusterset, wanted: dict[int, int]) -> bool:
    """Whether west's worker, and both gateways of east, spread what goes between the clusters so, by west's rails."""
    groups = [await weights(made, "west/n3", OVERLAY_GROUP)]
    groups += [await weights(made, place, CABLE_GROUP) for place in ("east/n1", "east/n2")]
    return groups == [[wanted]] * 3


async def weights(made: Clusterset, place: str, kind: int) -> list[dict[int, int]]:
    """The groups of a node's kernel: weight by rail."""
    found = json.loads((await made.node(place, "ip", "-j", "nexthop")).output)
    return [
        {member["id"] & 7: member.get("weight", 1) for member in one["group"]}
        for one in found
        if "group" in one and one["id"] >> 24 == kind
    ]


async def told(made: Clusterset, wanted: dict[str, float]) -> bool:
    """Whether both gateways of east say in `show connections` that they send so much by each of west's."""
    rows = json.loads(await made.mcnet("show", "connections", "-o", "json", "--context", "east", "--timeout", "60"))
    shares: dict[str, dict[str, float]] = {}
    for row in rows:
        shares.setdefault(row["gateway"], {})[row["remoteGateway"]] = row["share"]
    return len(shares) == 2 and all(one == pytest.approx(wanted, abs=0.01) for one in shares.values())


async def listens(made: Clusterset, base: int) -> bool:
    """Whether west-n2 takes cables at this port base, and no other."""
    shown = (await made.node("west/n2", "ss", "-Hulna")).output
    ports = {int(port) for port in re.findall(r":(4[5-9]\d\d)\s", shown)} - {4800, 4801, 4490}
    return bool(ports) and all(base <= port < base + 30 for port in ports)


async def gateways(made: Clusterset) -> tuple[str, ...]:
    async with await made.api("west") as api:
        return labelled_gateways(await api.list(NODE))


async def are_labelled(made: Clusterset, *names: str) -> bool:
    return await gateways(made) == tuple(sorted(names))


async def are_gateways(made: Clusterset, *names: str) -> bool:
    """Whether these and no others say so of themselves."""
    return sorted(await made.gateways("west")) == sorted(names)


async def not_ready(made: Clusterset, node: str) -> bool:
    async with await made.api("west") as api:
        return not is_ready(await api.get(NODE, node))


async def is_well(made: Clusterset, node: str) -> bool:
    return not await not_ready(made, node)


async def leads(made: Clusterset) -> str:
    """The node of the discovery that holds the lease."""
    async with await made.api("west") as api:
        lease = await api.get(LEASE, "mcnet-discovery", "mcnet-system")
        pod = await api.get(POD, lease["spec"]["holderIdentity"], "mcnet-system")
    return str(pod["spec"]["nodeName"])


async def five_minutes_ago(made: Clusterset, node: str) -> None:
    """What is not Ready has not been so for as long as it takes to be replaced."""
    then = (datetime.now(UTC) - timedelta(seconds=REPLACE_AFTER)).strftime("%Y-%m-%dT%H:%M:%SZ")
    async with await made.api("west") as api:
        conditions = (await api.get(NODE, node))["status"]["conditions"]
        for one in conditions:
            if one["type"] == "Ready":
                one["lastTransitionTime"] = then
        await api.merge_patch(NODE, node, {"status": {"conditions": conditions}}, subresource="status")

"""What changes after the join, on real clusters: networks approved later, settings changed, all of it put back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mcnet.kube.kinds import CLUSTER, POD
from tests.e2e.clusterset import Clusterset, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXTRA = "10.88.0.0/24"
ADDRESS = "10.88.0.1"


async def value(clusterset: Clusterset, key: str, cluster: str = "west") -> str:
    """A setting's value as `config show` prints it."""
    shown = await clusterset.mcnet("config", "show", "--context", cluster, "-o", "json")
    return str(next(row["value"] for row in json.loads(shown[shown.index("[") :]) if row["key"] == key))


async def test_a_network_that_is_added_is_reached_once_it_is_approved(clusterset: Clusterset) -> None:
    pods = await value(clusterset, "pod-cidr")
    async with (
        extra_address(clusterset),
        clusterset.pinging(clusterset.pod("east-n2"), clusterset.pod("west-n2")) as pings,
    ):
        said = await clusterset.mcnet("config", "set", "pod-cidr", f"{pods},{EXTRA}", "--context", "west")
        assert f"+{EXTRA} waits for the broker's admin: mcnet member approve west" in said
        await eventually(lambda: asks_for(clusterset, EXTRA), 60, "the broker's admin sees what is asked for")
        assert not await reaches(clusterset)
        shown = await clusterset.mcnet("member", "approve", "west", "--dry-run", "--context", "east")
        assert f"{EXTRA} (new)" in shown
        assert not await asks_nothing(clusterset)

        approved = await clusterset.mcnet("member", "approve", "west", "--context", "east")
        assert f"{EXTRA} (new)" in approved
        await eventually(lambda: reaches(clusterset), 60, "the added network is reached")
        assert await asks_nothing(clusterset)

        await clusterset.mcnet("config", "set", "pod-cidr", "--default", "--context", "west")
        await eventually(lambda: asks_for(clusterset, f"-{EXTRA}"), 60, "it is asked to take it away")
        gone = await clusterset.mcnet("member", "approve", "west", "--context", "east")
        assert f"{EXTRA} is taken away: other clusters no longer reach it" in gone

        async def unreached() -> bool:
            return not await reaches(clusterset)

        await eventually(unreached, 60, "what was taken away is not reached any more")
    assert pings.lost == 0
    assert await value(clusterset, "pod-cidr") == pods


@asynccontextmanager
async def extra_address(clusterset: Clusterset) -> AsyncIterator[None]:
    """An address of the added network on each gateway, any of which may carry what is sent to it."""
    places = [name.replace("-", "/", 1) for name in await clusterset.gateways("west")]
    try:
        for place in places:
            assert (await clusterset.node(place, "ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo")).status == 0
        yield
    finally:
        for place in places:
            await clusterset.node(place, "ip", "addr", "del", f"{ADDRESS}/32", "dev", "lo")


async def reaches(clusterset: Clusterset) -> bool:
    """Whether a pod of east reaches the address."""
    command = clusterset.loads["east"].command(clusterset.pod("east-n2"), "ping", "-n", "-c", "1", "-W", "1", ADDRESS)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


async def asks_for(clusterset: Clusterset, change: str) -> bool:
    return change in await clusterset.mcnet("member", "list", "--context", "east")


async def asks_nothing(clusterset: Clusterset) -> bool:
    return "mcnet member approve" not in await clusterset.mcnet("member", "list", "--context", "east")


async def test_the_underlay_mtu_is_what_it_is_set_to_and_back(clusterset: Clusterset) -> None:
    before = {place: await mtus(clusterset, place) for place in ("west/n1", "east/n1")}
    assert before["west/n1"]["mcnet-cv"] > 1350
    pods = await running(clusterset)
    try:
        said = await clusterset.mcnet("config", "set", "underlay-mtu", "1400", "--context", "west")
        assert "underlay-mtu: 0 → 1400; takes effect at once" in said

        async def lower() -> bool:
            here, there = await mtus(clusterset, "west/n1"), await mtus(clusterset, "east/n1")
            return (here["mcnet-cv"], here["mcnet-vx"], there["mcnet-cv"]) == (1350, 1350, 1350)

        await eventually(lower, 60, "both ends of the cable, and the overlay, are as small")
        again = await clusterset.mcnet("config", "set", "underlay-mtu", "1400", "--context", "west")
        assert "Nothing had to be changed" in again
        shown = await clusterset.mcnet("config", "show", "--context", "west")
        assert any(line.split()[:3] == ["underlay-mtu", "1400", "set"] for line in shown.splitlines())
    finally:
        await clusterset.mcnet("config", "set", "underlay-mtu", "--default", "--context", "west")

    async def back() -> bool:
        return {place: await mtus(clusterset, place) for place in before} == before

    await eventually(back, 60, "all devices are as before")
    assert await running(clusterset) == pods  # nothing was restarted for it


async def mtus(clusterset: Clusterset, place: str) -> dict[str, int]:
    """MTU of our devices on a node."""
    shown = (await clusterset.node(place, "ip", "-o", "link")).output
    words = [line.split() for line in shown.splitlines() if ": mcnet-" in line]
    return {line[1].rstrip(":"): int(line[line.index("mtu") + 1]) for line in words}


async def running(clusterset: Clusterset) -> set[str]:
    """UIDs of west's daemons."""
    async with await clusterset.api("west") as api:
        return {pod["metadata"]["uid"] for pod in await api.list(POD, "mcnet-system")}


async def test_a_member_that_lives_is_not_removed(clusterset: Clusterset) -> None:
    said = await clusterset.mcnet("member", "remove", "west", "--context", "east", status=1)
    assert "west is alive: it gave a sign of life" in said
    assert "east/east-n1 is connected with it" in said
    assert "mcnet leave" in said
    async with await clusterset.api("east") as api:
        assert await api.find(CLUSTER, "west", "mcnet-broker")


async def test_a_credential_is_renewed_in_place(clusterset: Clusterset) -> None:
    said = await clusterset.mcnet("member", "renew", "west", "--context", "east", "--member-context", "west")
    assert "west has a new credential" in said

    async def alive() -> bool:
        shown = await clusterset.mcnet("member", "show", "west", "--context", "east")
        return "alive" in shown

    await eventually(alive, 60, "west gives signs of life with it")

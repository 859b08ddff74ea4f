"""A cluster behind NAT, of either kind: cables come up from its side and carry both ways."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_interface
from pathlib import Path

import pytest

from mcnet.lab.spec import LabSpec, NatKind
from mcnet.model.gateway import Cable, CableState
from tests.e2e.clusterset import Clusterset, brought_up, eventually

pytestmark = pytest.mark.timeout(420)


@pytest.mark.parametrize("kind", list(NatKind), ids=lambda kind: kind.value)
async def test_one_side_behind_nat_works_from_either_side(tmp_path: Path, kind: NatKind) -> None:
    spec = LabSpec(name=f"n{kind.value[:3]}{time.time_ns() % 10000}", nodes=1, nat=(("west", kind),))
    async with brought_up(spec, tmp_path) as made:
        await made.mcnet("deploy-broker", "--context", "east")
        for cluster in made.clusters:
            await made.mcnet("join", "broker-info.mcnet", "--context", cluster, "--broker-context", "east")
        await eventually(lambda: _connected(made), 60, "both sides are connected")
        east, west = await _cable(made, "east"), await _cable(made, "west")
        assert (west.path, east.path) == ("direct", "nat")
        assert east.remote_address != west.local_address, "the translated address is shown"
        for source, target in (("west-n1", "east-n1"), ("east-n1", "west-n1")):
            pod = made.pod(target)
            seen = await made.loads[source.partition("-")[0]].fetch(made.pod(source), pod.url)
            assert (seen.server, seen.client) == (pod.name, made.pod(source).address)
        await _new_mapping(made)
        await _new_address(made)


async def _new_address(made: Clusterset) -> None:
    """The NAT router gets another public address, as from a provider that hands them out anew each night."""
    found = await made.lab.exec("west/nat", "sh", "-c", "ip -4 -o addr show dev wan0 | awk '{print $4}'")
    uplink = ip_interface(found.output.strip())
    other = str(uplink.ip + 64)
    async with made.pinging(made.pod("east-n1"), made.pod("west-n1")) as pings:
        await made.lab.exec("wan", "ip", "route", "add", f"{other}/32", "via", str(uplink.ip))
        await made.lab.exec("west/nat", "ip", "addr", "add", f"{other}/32", "dev", "lo")
        translate = f'insert rule inet nat_router postrouting oifname "wan0" snat ip to {other}'
        cut = time.time()
        await made.lab.exec("west/nat", "nft", translate)
        await made.lab.exec("west/nat", "conntrack", "--flush")
        await eventually(lambda: pings.answered_since(cut + 5), 30, "traffic goes on")

        async def shown() -> bool:
            return str((await _cable(made, "east")).remote_address) == other

        await eventually(shown, 30, "the new address is shown")
    assert pings.longest_gap < 3


async def _new_mapping(made: Clusterset) -> None:
    """The NAT router forgets its mappings, as after a restart: under traffic from outside, the hard way round."""
    async with made.pinging(made.pod("east-n1"), made.pod("west-n1")) as pings:
        cut = time.time()
        await made.lab.exec("west/nat", "conntrack", "--flush")
        await eventually(lambda: pings.answered_since(cut + 5), 30, "traffic goes on")
    assert pings.longest_gap < 3
    assert await _connected(made)


async def _cable(made: Clusterset, cluster: str) -> Cable:
    (cable,) = await made.cables_of(cluster)
    return cable


async def _connected(made: Clusterset, count: int = 2) -> bool:
    cables = await made.cables()
    return len(cables) == count and all(cable.state is CableState.CONNECTED and cable.active for cable in cables)


async def test_both_sides_behind_nat_meet_at_their_public_addresses(tmp_path: Path) -> None:
    """A third cluster, which is not, tells both how they are seen; each router drops what was not asked for."""
    async with three(tmp_path, NatKind.EIM) as made:
        await eventually(lambda: _connected(made, 6), 90, "all three are connected with each other")
        west, north = await _to(made, "west", "north"), await _to(made, "north", "west")
        assert (west.path, north.path) == ("nat", "nat")
        for source, target in (("west-n1", "north-n1"), ("north-n1", "west-n1")):
            pod = made.pod(target)
            seen = await made.loads[source.partition("-")[0]].fetch(made.pod(source), pod.url)
            assert (seen.server, seen.client) == (pod.name, made.pod(source).address)
        shown = await made.mcnet("show", "endpoints", "--context", "east")
        assert str(west.remote_address) in shown


async def test_symmetric_nat_on_both_sides_is_said_so(tmp_path: Path) -> None:
    async with three(tmp_path, NatKind.SYMMETRIC) as made:
        await eventually(lambda: _connected_with_east(made), 90, "both are connected with the one in public")

        async def said() -> bool:
            return "are both behind symmetric NAT" in (await _to(made, "west", "north")).reason

        await eventually(said, 30, "the reason is told")
        status, shown = await made.run("show", "connections")
        assert status == 1
        assert "west and north are both behind symmetric NAT, so neither can be sent to" in " ".join(shown.split())


@asynccontextmanager
async def three(directory: Path, kind: NatKind) -> AsyncIterator[Clusterset]:
    """East in public, west and north behind a NAT of that kind each; joined."""
    nat = (("west", kind), ("north", kind))
    spec = LabSpec(
        name=f"b{kind.value[:3]}{time.time_ns() % 10000}", clusters=("east", "west", "north"), nodes=1, nat=nat
    )
    async with brought_up(spec, directory) as made:
        await made.mcnet("deploy-broker", "--context", "east")
        for cluster in made.clusters:
            # One of the connections may never come: that is what the tests look at.
            await made.run(
                "join", "broker-info.mcnet", "--context", cluster, "--broker-context", "east", "--timeout", "60"
            )
        yield made


async def _to(made: Clusterset, cluster: str, other: str) -> Cable:
    (cable,) = [cable for cable in await made.cables_of(cluster) if cable.cluster == other]
    return cable


async def _connected_with_east(made: Clusterset) -> bool:
    cables = [await _to(made, *pair) for pair in (("west", "east"), ("east", "west"), ("north", "east"))]
    return all(cable.state is CableState.CONNECTED for cable in cables)

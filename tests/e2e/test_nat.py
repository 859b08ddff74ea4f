"""A cluster behind NAT, of either kind: cables come up from its side and carry both ways."""

import time
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


async def _connected(made: Clusterset) -> bool:
    cables = await made.cables()
    return len(cables) == 2 and all(cable.state is CableState.CONNECTED and cable.active for cable in cables)

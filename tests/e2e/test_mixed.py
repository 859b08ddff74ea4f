"""Two drivers on one gateway, both families inside and outside: each pair of clusters by its own, and only one pair
in the clear."""

from pathlib import Path

import pytest

from mcnet.lab.spec import IpFamily, LabSpec
from mcnet.lab.workload import url_of
from mcnet.model.gateway import CableState
from tests.e2e.clusterset import Clusterset, brought_up, eventually
from tests.e2e.sniffer import sniffed, strange

pytestmark = pytest.mark.timeout(420)

BY = {("east", "west"): "vxlan", ("east", "north"): "wireguard", ("west", "north"): "wireguard"}


async def test_two_drivers_on_one_gateway(tmp_path: Path) -> None:
    spec = LabSpec(name="mixed", clusters=("east", "west", "north"), nodes=1, ip_family=IpFamily.DUAL)
    async with brought_up(spec, tmp_path) as made:
        await made.mcnet("deploy-broker", "--context", "east")
        for cluster in made.clusters:
            await made.mcnet("join", "broker-info.mcnet", "--context", cluster, "--broker-context", "east")
        pair = ("config", "set", "pair", "east", "west", "--cable-driver", "vxlan")
        await made.mcnet(*pair, "--broker-context", "east")
        await eventually(lambda: _as_wanted(made), 60, "each pair has its driver")
        shown = await made.node("east/n1", "ip", "-o", "link")
        assert "mcnet-cv" in shown.output
        assert "mcnet-cw0" in shown.output
        async with sniffed(made, "north/n1") as lines:
            for source, target in (pair for one in BY for pair in (one, one[::-1])):
                for url in [url_of(address, 8080) for address in made.pod(f"{target}-n1").addresses]:
                    seen = await made.loads[source].fetch(made.pod(f"{source}-n1"), url)
                    assert seen.server == made.pod(f"{target}-n1").name
        assert strange(lines, made) == [], "north is in no pair that is in the clear"
        assert lines


async def _as_wanted(made: Clusterset) -> bool:
    found = {}
    for cluster in made.clusters:
        for cable in await made.cables_of(cluster):
            if cable.state is CableState.CONNECTED and cable.active:
                found[cluster, str(cable.cluster)] = cable.driver
    return found == {pair: driver for one, driver in BY.items() for pair in (one, one[::-1])}

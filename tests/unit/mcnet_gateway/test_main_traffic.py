"""The gateway daemon counts what goes by its cables and tells when it drains; API server and kernel are in memory."""

from dataclasses import replace
from pathlib import Path

import pytest

from mcnet.codec import gateway
from mcnet.kube.kinds import EVENT, GATEWAY
from mcnet.kube.transport import Request
from mcnet.model import ownership
from mcnet.model.node import DRAIN_ANNOTATION, WEIGHT_ANNOTATION
from mcnet.model.traffic import Tally
from mcnet.plan import throughput
from mcnet.plan.addresses import cable_number
from mcnet_gateway.main import Gateway
from tests.fakes.eventually import eventually
from tests.fakes.node_daemons import Scene, node_object
from tests.fakes.worlds import WEST


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


async def test_what_goes_by_a_cable_is_counted_and_reported_without_a_write_of_its_own(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "SPAN", 0.0)
    async with scene.gateway() as daemon:
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))
        writes = len(gateway_writes(scene))
        for octets in (1000, 6000):
            count(scene, octets)
            scene.kernel.tell()
            await eventually(lambda octets=octets: received(daemon) == octets)
        for name in ("mcnet_cable_received_bytes_total", "mcnet_cable_sent_bytes_total"):
            assert daemon._registry.get_sample_value(name, {"cable": "west.n1"}) == 5000
        assert daemon._meter.rates["west.n1"].received > 0
        assert len(gateway_writes(scene)) == writes
        daemon._reported = float("-inf")
        count(scene, 7000)
        scene.kernel.tell()
        await eventually(lambda: len(gateway_writes(scene)) > writes)
    (report,) = (gateway.decode(one) for one in scene.server.all(GATEWAY))
    rates = report.cables[0].throughput
    assert rates is not None
    assert min(rates.received, rates.sent) > 0


def connected(scene: Scene) -> bool:
    reports = [gateway.decode(one) for one in scene.server.all(GATEWAY)]
    return [cable.active for report in reports for cable in report.cables] == [True]


def received(daemon: Gateway) -> int:
    counts = daemon._meter.last.counts if daemon._meter.last is not None else {}
    return counts["west.n1"].received if "west.n1" in counts else 0


def gateway_writes(scene: Scene) -> list[Request]:
    return [one for one in scene.server.requests if one.method != "GET" and "/gateways" in one.path]


def count(scene: Scene, octets: int) -> None:
    """So much has passed by each VXLAN cable, in both directions."""
    part = scene.kernel.parts[ownership.GATEWAY]
    number = cable_number(WEST, 0)
    counted = {f"cable_{number:06x}": Tally(0, octets), f"sent_{number:06x}": Tally(0, octets)}
    part.tables = {name: replace(table, counted=counted) for name, table in part.tables.items()}


async def test_a_drain_and_another_weight_are_told_once_with_their_cause(scene: Scene) -> None:
    def told() -> list[str]:
        return sorted(one["reason"] for one in scene.server.all(EVENT) if one["reason"].startswith("Gateway"))

    expected = []
    async with scene.gateway() as daemon:
        scene.prober.say("west.n1", "up")
        await eventually(lambda: connected(scene))
        assert told() == []
        for annotations, reason in (
            ({DRAIN_ANNOTATION: "true"}, "GatewayDrains"),
            ({}, "GatewayCarriesAgain"),
            ({WEIGHT_ANNOTATION: "50"}, "GatewayWeightChanged"),
        ):
            node = node_object(1, gateway=True)
            node["metadata"]["annotations"] = annotations
            scene.server.add(node)
            expected.append(reason)
            await eventually(lambda: told() == sorted(expected))
        labels = {"reason": "GatewayDrains", "cause": "annotation"}
        assert daemon._registry.get_sample_value("mcnet_gateway_changes_total", labels) == 1
        assert daemon._registry.get_sample_value("mcnet_gateway_weight") == 50
    scene.prober.say("west.n1", "down")
    async with scene.gateway() as again:
        await eventually(lambda: again._written is not None)
    assert told() == sorted(expected)
    first = next(one for one in scene.server.all(EVENT) if one["reason"] == "GatewayDrains")
    assert (first["regarding"]["kind"], first["regarding"]["name"], first["type"]) == ("Gateway", "n1", "Normal")

"""The rows of `mcnet gateway list`: who carries traffic, and why others don't."""

from dataclasses import replace

import pytest

from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.model.node import Node
from mcnet.plan.gateway_nodes import GatewayNode, Gateways
from mcnet.plan.views.gateway_nodes import rows
from tests.fakes.worlds import EAST, EAST_0, WEST

CABLE = Cable(WEST, "n1", 0, CableState.CONNECTED, "vxlan")
GATEWAY = GatewayNode(
    Node("n1", "u", (), (), gateway=True, weight=50), report=Gateway("n1", EAST, 0, (CABLE,)), endpoint=EAST_0
)  # fmt: skip
DRAINED = replace(GATEWAY, drained=True, node=replace(GATEWAY.node, draining=True))
CORDONED = replace(DRAINED, drained=False, cordoned=True)
OTHER = replace(GATEWAY, node=replace(GATEWAY.node, name="n2"))
LOST = replace(CABLE, state=CableState.ERROR, reason="no answer")


def row(one: GatewayNode, *others: GatewayNode) -> dict[str, object]:
    nodes = {node.name: node for node in (one, *others)}
    return rows(Gateways(EAST, nodes, at=" --context east"))[0]


def test_all_well() -> None:
    found = row(GATEWAY)
    wanted = {"gateway": "n1", "rail": 0, "state": "ready", "ready": True, "weight": 50, "draining": False,
              "cordoned": False, "carries": True, "connected": 1, "cables": 1, "why": "",
              "next": "", "note": ""}  # fmt: skip
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    ("one", "others", "state", "why", "note"),
    [
        (DRAINED, [OTHER], ("draining", False), "", "mcnet gateway undrain n1 --context east takes it back"),
        (DRAINED, [], ("draining", True), "", "as the only healthy gateway it carries on"),
        (CORDONED, [OTHER], ("cordoned", False), "", "kubectl --context east uncordon n1 takes it back"),
        (replace(GATEWAY, ready=False), [], ("not ready", False), "its node is not Ready", ""),
        (replace(GATEWAY, daemon="ErrImagePull"), [], ("not ready", False), "does not run: ErrImagePull", ""),
        (replace(GATEWAY, report=None), [], ("not ready", False), "it has not reported yet", ""),
        (replace(GATEWAY, report=Gateway("n1", EAST, 0, (LOST,))), [], ("not ready", False), "west: no answer", ""),
        (replace(GATEWAY, report=Gateway("n1", EAST, 0, (CABLE, LOST))), [], ("ready", True), "", ""),
        (replace(GATEWAY, problems=("annotation x",)), [], ("ready", True), "annotation x", ""),
    ],
)
def test_why_one_carries_nothing(
    one: GatewayNode, others: list[GatewayNode], state: tuple[str, bool], why: str, note: str
) -> None:
    found = row(one, *others)
    assert (found["state"], found["carries"]) == state
    assert why in str(found["why"])
    assert bool(found["why"]) == bool(why) == bool(found["next"])
    assert note in str(found["note"])
    assert bool(found["note"]) == bool(note)


def test_nodes_that_are_none_are_left_out() -> None:
    other = replace(OTHER, node=replace(OTHER.node, gateway=False))
    assert len(rows(Gateways(EAST, {"n1": GATEWAY, "n2": other}))) == 1

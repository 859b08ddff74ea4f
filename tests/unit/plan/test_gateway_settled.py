"""Whether a new gateway is connected to all, and whether a drained one is left by all."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from mcnet.install.gateway_settings import ANNOTATIONS
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.model.node import Node
from mcnet.plan.gateway_nodes import GatewayNode, Gateways
from mcnet.plan.gateway_settled import FIELDS, published, unconnected, unsaid, unseen, users
from tests.fakes.worlds import EAST, EAST_0, NORTH, WEST, WEST_0

CABLE = Cable(WEST, "n1", 0, CableState.CONNECTED, "vxlan", active=True)
LOST = replace(CABLE, state=CableState.ERROR, reason="no answer")
NODE = GatewayNode(
    Node("n1", "u", (), (), gateway=True), report=Gateway("n1", EAST, 0, (CABLE,)), endpoint=EAST_0
)  # fmt: skip
SECOND = replace(WEST_0, gateway="n2", rail=1)


@pytest.mark.parametrize(
    ("values", "changes", "is_published"),
    [
        ({"port-base": "4600"}, {"port_base": 4600}, True),
        ({"port-base": "4600"}, {"sequence": 7, "weight": 0}, False),
        ({"port-base": "4500"}, {}, True),
        ({"port-base": ""}, {"port_base": 4700}, True),
        ({"public-address": "dns:gw.example"}, {"public_addresses": (ip_address("198.51.100.7"),)}, True),
        ({"public-address": "dns:gw.example", "port-base": "4600"}, {"port_base": 4600}, False),
        ({"private-address": "10.9.9.9"}, {"public_port_base": 9}, False),
    ],
)
def test_published_is_what_was_set_and_nothing_else(
    values: dict[str, str], changes: dict[str, Any], is_published: bool
) -> None:
    assert published(replace(EAST_0, **changes), EAST_0, values) is is_published


def test_every_setting_of_a_gateway_is_known_in_its_endpoint() -> None:
    assert FIELDS.keys() == ANNOTATIONS.keys()
    assert all(hasattr(EAST_0, field) for field in FIELDS.values())


def test_connected_to_every_gateway() -> None:
    assert unconnected(NODE, [WEST_0]) == ()
    assert unconnected(NODE, []) == ()
    assert unconnected(NODE, [WEST_0, SECOND]) == ("no cable to n2 of west yet",)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (replace(NODE, daemon="ErrImagePull"), "its daemon does not run: ErrImagePull"),
        (replace(NODE, report=None), "it has not reported yet"),
        (replace(NODE, endpoint=None), "it has not reported yet"),
        (replace(NODE, report=Gateway("n1", EAST, None, (), ("all rails are held",))), "all rails are held"),
        (
            replace(
                NODE, report=Gateway("n1", EAST, 0, (replace(CABLE, state=CableState.ERROR, reason="no answer"),))
            ),
            "not connected to n1 of west: no answer",
        ),
    ],
)
def test_what_it_lacks(node: GatewayNode, said: str) -> None:
    assert unconnected(node, [WEST_0]) == (said,)


def test_a_drain_is_said_by_the_endpoint() -> None:
    assert unsaid(NODE) == "n1 has not said so yet"
    assert unsaid(replace(NODE, daemon="there is no pod")) == "its daemon does not run: there is no pod"
    assert unsaid(replace(NODE, endpoint=replace(EAST_0, weight=0))) == ""
    assert unsaid(replace(NODE, endpoint=None)) == ""


def test_who_still_sends_by_it() -> None:
    toward = Cable(EAST, "n1", 0, CableState.CONNECTED, "vxlan", active=True)
    other = replace(toward, gateway="n2")
    reports = {
        WEST: [Gateway("w1", WEST, 0, (toward,)), Gateway("w2", WEST, 1, (replace(toward, active=False), other))],
        NORTH: [Gateway("x", NORTH, 0, (other,))],
    }
    assert users(reports, EAST, "n1") == ("west/w1",)
    assert users(reports, EAST, "n2") == ("north/x", "west/w2")
    assert users({}, EAST, "n1") == ()


def test_who_can_not_be_looked_at() -> None:
    gateways = Gateways(EAST, remotes=(WEST_0, replace(WEST_0, cluster=NORTH)))
    assert unseen(gateways, [WEST]) == (NORTH,)
    assert unseen(gateways, [WEST, NORTH]) == ()

"""Which cables a join has, and what it says of those that it awaits."""

import pytest

from mcnet.model.cluster import ClusterId
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.plan.reach import reach

WEST = ClusterId("west")


def cable(cluster: str, gateway: str, state: CableState = CableState.CONNECTED, reason: str = "") -> Cable:
    return Cable(ClusterId(cluster), gateway, 0, state, "vxlan", reason=reason)


def gateway(node: str, *cables: Cable, problems: tuple[str, ...] = ()) -> Gateway:
    return Gateway(node, WEST, 0, cables, problems)


CONNECTING = cable("east", "e1", CableState.CONNECTING)
LOST = cable("east", "e2", CableState.ERROR, "3 probes lost")


@pytest.mark.parametrize(
    ("reports", "others", "missing"),
    [
        ([gateway("n1", cable("east", "e1"))], ["east"], ()),
        ([gateway("n1", cable("east", "e1"), LOST)], ["east"], ("n1 is not connected to east (e2): 3 probes lost",)),
        ([gateway("n1", CONNECTING)], ["east"], ("n1 is not connected to east (e1): connecting",)),
        ([], ["east"], ("n1 has not reported yet",)),
        ([gateway("n1")], ["east"], ("n1 has no cable to east: it is not configured yet",)),
        ([gateway("n1", problems=("no rail",))], ["east"], ("n1 has no cable to east: no rail",)),
        (
            [gateway("n1", cable("east", "e1"))],
            ["east", "north"],
            ("n1 has no cable to north: it is not configured yet",),
        ),
        ([gateway("n1", cable("east", "e1"), cable("gone", "g1", CableState.ERROR))], ["east"], ()),
        ([gateway("n1", cable("east", "e1")), gateway("taken-back", LOST)], ["east"], ()),
    ],
)
def test_what_is_missing(reports: list[Gateway], others: list[str], missing: tuple[str, ...]) -> None:
    assert reach(reports, ["n1"], others).missing == missing


def test_connected_are_those_of_wanted_gateways_to_present_members() -> None:
    here = gateway("n1", cable("east", "e1"), cable("gone", "g1"), LOST)
    found = reach([here, gateway("taken-back", cable("east", "e1"))], ["n1"], ["east"])
    assert found.connected == ((here, here.cables[0]),)

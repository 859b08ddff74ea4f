"""Every kind of kernel object and change has its one line."""

import pytest

from mcnet.codec.nft import fingerprint
from mcnet.codec.wording import describe, describe_change
from mcnet.model.kernel import Add, KernelObject, NextHop, NftTable, Remove, Replace
from mcnet.plan import gateway, route_agent
from tests.fakes.worlds import SITUATIONS

SITUATION = SITUATIONS["gateway, connected"]
STATES = (route_agent.decide(SITUATION.for_route_agent()).state, gateway.decide(SITUATION.for_gateway()).state)
ITEMS: list[KernelObject] = [
    item
    for state in STATES
    for part in (state.links, state.neighbours, state.fdb, state.nexthops, state.groups, state.routes, state.rules)
    for item in part
]
TABLES = [table for state in STATES for table in state.tables if isinstance(table, NftTable)]


@pytest.mark.parametrize("item", [*ITEMS, *TABLES, *map(fingerprint, TABLES), *STATES[0].sysctls], ids=describe)
def test_one_short_line_for_each(item: KernelObject) -> None:
    assert len(describe(item)) < 110
    assert "\n" not in describe(item)
    assert "(" not in describe(item).replace("(VXLAN", "")


def test_the_lines_name_what_matters() -> None:
    lines = {describe(item) for item in ITEMS}
    assert "device mcnet-cv (VXLAN 7168770 on UDP 4520 from 192.168.1.1, MTU 1450)" in lines
    assert "route 10.20.0.0/16 in table 27908 unreachable" in lines
    assert "IPv4 rule 300 from mcnet-vx to table 27905" in lines
    hop = NextHop(7, "mcnet-c0", None, 4)
    assert describe_change(Add(hop)) == "add next hop 7"
    assert describe_change(Replace(hop, hop)) == "change next hop 7"
    assert describe_change(Remove(hop)) == "remove next hop 7"

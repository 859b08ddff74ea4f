"""Every kind of kernel object and change has its one line."""

from dataclasses import replace

import pytest

from mcnet.codec.nft import fingerprint
from mcnet.codec.wording import describe, describe_change, describe_repair
from mcnet.model.kernel import Add, KernelObject, Link, NextHop, NftTable, Remove, Replace, Sysctl
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
    assert "IPv4 rule 300 to 10.10.0.0/24 on to rule 307" in lines
    assert "IPv4 rule 304 from mcnet-vx into table 27908" in lines
    assert "IPv4 rule 307" in lines
    hop = NextHop(7, "mcnet-c0", None, 4)
    assert describe_change(Add(hop)) == "add next hop 7"
    assert describe_change(Replace(hop, hop)) == "change next hop 7"
    assert describe_change(Remove(hop)) == "remove next hop 7"


def test_repairs_say_what_had_been_done() -> None:
    link = next(item for item in ITEMS if isinstance(item, Link) and item.name == "mcnet-vx")
    hop, table = NextHop(7, "mcnet-c0", None, 4), TABLES[0]
    said = {
        "next hop 7 was missing": Add(hop),
        "next hop 7 was added": Remove(hop),
        "next hop 7 was changed": Replace(replace(hop, device="x"), hop),
        f"{describe(link)} was changed into {describe(replace(link, mtu=600))}": Replace(
            replace(link, mtu=600), link
        ),
        "device mcnet-vx was down": Replace(replace(link, up=False), link),
        f"device mcnet-vx had lost {next(iter(link.addresses))}": Replace(replace(link, addresses=frozenset()), link),
        "nft table inet mcnet was changed": Replace(fingerprint(table), table),
        "sysctl net/ipv4/a was 0 instead of 1": Replace(Sysctl("ipv4/a", "0"), Sysctl("ipv4/a", "1")),
    }
    assert {describe_repair(change): change for change in said.values()} == said

"""What somebody does to mcnet's objects in a node's kernel is undone within five seconds, and told by an event."""

import time
from difflib import unified_diff

import pytest

from tests.e2e.aftermath import answered_for, picture, pings, repaired, run, stable_picture, whole_again, without_mark
from tests.e2e.clusterset import Clusterset, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROMISE = 5.0
"""Seconds."""

UNDER_ITS_COMMENT = r"""
line=$(nft -a list chain inet mcnet from_overlay | grep notrack | head -1)
comment=$(sed 's/.*comment "\([^"]*\)".*/\1/' <<< $line)
nft replace rule inet mcnet from_overlay handle ${line##* } drop comment "\"$comment\""
"""

ROUTES = "ip route show table {table} | grep nhid | while read to x; do ip route delete $to table {table}; done"

ON_A_NODE = {
    "nft table flushed": ("nft flush table inet mcnet", "nft table inet mcnet was changed"),
    "nft table deleted": ("nft delete table inet mcnet", "nft table inet mcnet was missing"),
    "nft ruleset dormant": ("nft 'add table inet mcnet { flags dormant; }'", "nft table inet mcnet was changed"),
    "overlay device deleted": ("ip link delete mcnet-vx", "device mcnet-vx"),
    "overlay device down": ("ip link set mcnet-vx down", "device mcnet-vx was down"),
    "overlay address deleted": ("ip -4 addr flush dev mcnet-vx", "device mcnet-vx had lost 244."),
    "routes deleted": (
        ROUTES.format(table=27906),
        "in table 27906 by next-hop group",
    ),
    "route added": ("ip route add 10.99.0.0/16 dev eth0 proto 109 table 27906", "10.99.0.0/16"),
    "rule deleted": ("ip rule delete priority 305", "IPv4 rule 305 into table 27906 was missing"),
    "next hops deleted": (
        "for id in $(ip nexthop | sed -n 's/^id \\([0-9]*\\) group.*/\\1/p'); do ip nexthop delete id $id; done",
        "next-hop group",
    ),
    "neighbours deleted": (
        "ip neigh show nud permanent dev mcnet-vx | while read a x; do ip neigh delete $a dev mcnet-vx; done",
        "neighbour 244.",
    ),
    "forwarding entries deleted": (
        "bridge fdb show dev mcnet-vx | while read mac x; do bridge fdb delete $mac dev mcnet-vx; done",
        "forwarding entry",
    ),
    "forwarding off": ("sysctl -qw net.ipv4.ip_forward=0", "sysctl net/ipv4/ip_forward was 0 instead of 1"),
    "hash policy": (
        "sysctl -qw net.ipv4.fib_multipath_hash_policy=0",
        "sysctl net/ipv4/fib_multipath_hash_policy was 0 instead of 1",
    ),
}
ON_A_GATEWAY = {
    "nft rule changed under its comment": (UNDER_ITS_COMMENT, "NodeState", "nft table inet mcnet was changed"),
    "cable table flushed": ("nft flush table inet mcnet_gateway", "Gateway", "inet mcnet_gateway was changed"),
    "cable device deleted": ("ip link delete mcnet-cv", "Gateway", "device mcnet-cv"),
    "cable routes deleted": (
        ROUTES.format(table=27905),
        "Gateway",
        "in table 27905",
    ),
}


@pytest.mark.parametrize("fault", ON_A_NODE)
async def test_on_a_node(clusterset: Clusterset, fault: str) -> None:
    command, told = ON_A_NODE[fault]
    await _healed(clusterset, "east-n2", command, "NodeState", told)


@pytest.mark.parametrize("fault", ON_A_GATEWAY)
async def test_on_a_gateway(clusterset: Clusterset, fault: str) -> None:
    command, kind, told = ON_A_GATEWAY[fault]
    await _healed(clusterset, (await clusterset.gateways("east"))[0], command, kind, told)


async def test_nothing_is_left_of_all_that(clusterset: Clusterset) -> None:
    await whole_again(clusterset)


async def _healed(clusterset: Clusterset, node: str, command: str, kind: str, told: str) -> None:
    place = node.replace("-", "/", 1)
    before = await stable_picture(clusterset, place)
    since = time.time()
    async with pings(clusterset, ("west-n2", "east-n2")) as running:
        await run(clusterset, place, command)

        async def as_before() -> bool:
            now = without_mark(await picture(clusterset, place))
            assert now == before, "\n".join(unified_diff(before, now, n=0, lineterm=""))
            return True

        await eventually(as_before, PROMISE, f"{node} is as it was")

        async def said() -> bool:
            events = await repaired(clusterset, node.partition("-")[0], since)
            return any(event.startswith(f"{kind} {node}: ") and told in event for event in events)

        await eventually(said, PROMISE, f"an event about {kind} {node} says {told!r}")
        await answered_for(running, 0.5)
    assert await stable_picture(clusterset, place) == before, "and no mark is left"

"""Any state to any state on the real kernel: the states of tests/unit/plan/test_diff.py, read, diff and apply."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mcnet.kernel import execute, observe
from mcnet.model.kernel import KernelState, NextHopGroup, Route, Sysctl
from mcnet.model.ownership import OVERLAY_TABLE, ROUTE_AGENT
from mcnet.plan.diff import diff
from tests.fakes.kernel import FakeKernel
from tests.fakes.kernel_states import PARTITION, STATES, SYSCTLS, states
from tests.netns.namespaces import Namespace, shell

_FEW = settings(
    max_examples=10,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
"""No shrinking: an example costs dozens of real operations, and a failing one is small enough to read."""


async def one_round(desired: KernelState) -> tuple[int, tuple[execute.Failure, ...]]:
    """Read, compare, apply once: how many changes, and which failed."""
    actual = await observe.read(PARTITION, sysctls=[sysctl.path for sysctl in desired.sysctls])
    changes = diff(desired, actual)
    return len(changes), await execute.apply(changes)


async def bring(desired: KernelState, *, rounds: int) -> None:
    for _ in range(rounds):
        await one_round(desired)
    assert await one_round(desired) == (0, ())


@pytest.mark.parametrize("first", STATES)
def test_one_round_from_any_listed_state_to_any(namespace: Namespace, first: str) -> None:
    async def body() -> None:
        for second, desired in STATES.items():
            await bring(STATES[first], rounds=1)
            count, failures = await one_round(desired)
            assert failures == (), second
            assert await one_round(desired) == (0, ()), second
            assert count or first == second or desired == STATES[first]

    namespace.run(body())


@_FEW
@given(st.lists(states(), min_size=1, max_size=3))
def test_any_sequence_in_two_rounds(namespace: Namespace, sequence: list[KernelState]) -> None:
    async def body() -> None:
        for desired in sequence:
            await bring(desired, rounds=2)

    namespace.run(body())


@_FEW
@given(states(), states())
def test_the_kernel_in_memory_behaves_as_the_real_one(
    namespace: Namespace, first: KernelState, second: KernelState
) -> None:
    """After one round each, also where something was lost on the way, both hold the same."""
    fake = FakeKernel([Sysctl(path, "0") for path in SYSCTLS])

    async def body() -> None:
        await bring(KernelState(sysctls=frozenset(fake.sysctls.values())), rounds=1)
        for desired in (first, second):
            paths = [sysctl.path for sysctl in desired.sysctls]
            await fake.apply(diff(desired, fake.read(paths)))
            await one_round(desired)
            assert await observe.read(PARTITION, sysctls=SYSCTLS) == fake.read(SYSCTLS)

    namespace.run(body())


SABOTAGE = {
    "device deleted": "ip link del mcnet-vx",
    "device of another kind": "ip link del mcnet-vx && ip link add mcnet-vx type veth peer name other",
    "device with other options": "ip link del mcnet-vx && ip link add mcnet-vx type vxlan id 9 dstport 4800",
    "MAC address": "ip link set mcnet-vx address 02:99:00:00:00:01",
    "device down": "ip link set mcnet-vx down",
    "MTU": "ip link set mcnet-vx mtu 1280",
    "address removed": "ip address del 244.0.0.1/8 dev mcnet-vx",
    "address added": "ip address add 244.9.9.9/32 dev mcnet-vx",
    "neighbour removed": "ip neigh del 244.0.1.1 dev mcnet-vx",
    "neighbour overwritten": "ip neigh replace 244.0.1.1 lladdr 02:99:00:00:00:01 nud permanent dev mcnet-vx",
    "neighbour learnt": "ip neigh replace 244.0.1.1 lladdr 02:99:00:00:00:01 nud stale dev mcnet-vx",
    "forwarding entry removed": "bridge fdb del 02:00:00:00:01:00 dev mcnet-vx",
    "forwarding entry moved": "bridge fdb replace 02:00:00:00:01:00 dev mcnet-vx dst 192.0.2.99",
    "next hop removed": "ip nexthop del id 0x60000000",
    "group removed": "ip nexthop del id 0x62000001",
    "group changed": "ip nexthop replace id 0x62000001 group 0x60000001 type resilient buckets 128 proto 109",
    "route removed": f"ip route del 10.0.0.0/8 table {OVERLAY_TABLE}",
    "IPv6 route removed": f"ip -6 route del fd00:1::/64 table {OVERLAY_TABLE}",
    "route changed": f"ip route replace unreachable 10.0.0.0/8 table {OVERLAY_TABLE} proto 109",
    "IPv6 route changed": f"ip -6 route replace unreachable fd00:1::/64 table {OVERLAY_TABLE} proto 109",
    "route added": f"ip route add unreachable 10.99.0.0/16 table {OVERLAY_TABLE} proto 109",
    "route with a metric added": f"ip route add unreachable 10.0.0.0/8 table {OVERLAY_TABLE} proto 109 metric 7",
    "rule removed": "ip rule del priority 300",
    "rule added": "ip rule add priority 310 lookup 77 protocol 109",
    "rule to another table": "ip rule add priority 305 lookup 77 protocol 109",
    "nft table deleted": "nft delete table inet mcnet",
    "nft table flushed": "nft flush table inet mcnet",
    "nft rule added": "nft add rule inet mcnet post accept",
    "nft element added": "nft add element inet mcnet remote4 { 172.16.0.0/12 }",
    "nft element removed": "nft delete element inet mcnet remote4 { 10.0.0.0/8 }",
    "nft chain added": "nft add chain inet mcnet strange",
    "note removed": "nft flush set inet mcnet notes",
    "sysctl": "echo 0 > /proc/sys/net/ipv4/ip_forward",
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_what_others_change_is_noticed_and_corrected(namespace: Namespace, name: str) -> None:
    async def body() -> None:
        await bring(STATES["resilient groups"], rounds=1)
        await shell(SABOTAGE[name])
        count, failures = await one_round(STATES["resilient groups"])
        assert count > 0
        assert failures == ()
        await bring(STATES["resilient groups"], rounds=1)

    namespace.run(body())


def test_what_is_not_ours_is_neither_seen_nor_touched(namespace: Namespace) -> None:
    foreign = (
        "ip link add eth7 type veth peer name mcnetty && ip link set eth7 up && ip address add 10.7.0.1/24 dev eth7",
        f"ip route add unreachable 10.9.0.0/16 table {OVERLAY_TABLE} proto static",
        "ip route add unreachable 10.8.0.0/16 proto 109",
        "ip rule add priority 301 lookup 9",
        "ip rule add priority 400 lookup 9 protocol 109",
        "ip nexthop add id 0x60000009 blackhole proto static && ip nexthop add id 9 blackhole proto 109",
        "nft add table ip mcnet && nft add table inet mcnet2",
    )

    async def snapshot() -> str:
        return await shell("ip -br link; ip route show table all; ip rule; ip nexthop; nft list ruleset")

    async def body() -> None:
        for command in foreign:
            await shell(command)
        before = await snapshot()
        assert await observe.read(PARTITION, sysctls=()) == KernelState()
        await bring(STATES["resilient groups"], rounds=1)
        await bring(replace(STATES["nothing"], sysctls=frozenset({Sysctl("ipv4/ip_forward", "0")})), rounds=1)
        assert await snapshot() == before

    namespace.run(body())


def test_four_thousand_routes(namespace: Namespace) -> None:
    base = STATES["resilient groups"]
    (group,) = (found for found in base.groups if isinstance(found, NextHopGroup) and found.family == 4)
    prefixes = [ip_network((0x0B000000 + number * 256, 24)) for number in range(4000)]
    routes = frozenset(Route(OVERLAY_TABLE, prefix, nexthop=group.id) for prefix in prefixes)
    desired = replace(base, routes=base.routes | routes)

    async def body() -> None:
        await bring(base, rounds=1)
        assert await one_round(desired) == (4000, ())
        assert await one_round(desired) == (0, ())
        assert len((await observe.read(ROUTE_AGENT, sysctls=())).routes) == len(desired.routes)

    namespace.run(body())

"""The rest of the kernel adapters on the real kernel: events, leaving, feature trials, facts, failures."""

import asyncio
import errno
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_interface, ip_network
from pathlib import Path

import pytest

from mcnet.kernel import execute, features, leave, monitor, nftables, observe
from mcnet.kernel.sysctl import SysctlTree
from mcnet.model.errors import KernelError
from mcnet.model.kernel import (
    Add,
    HostLink,
    KernelState,
    NextHop,
    NftFingerprint,
    NftTable,
    Remove,
    Replace,
    Route,
    Rule,
    Sysctl,
)
from mcnet.model.ownership import GATEWAY, OVERLAY_TABLE, ROUTE_AGENT
from mcnet.plan.diff import diff
from tests.fakes.kernel_states import STATES, link, nft_table
from tests.netns.namespaces import Namespace, shell

FULL = STATES["resilient groups"]
SNAPSHOT = (
    "ip address; ip route show table all; ip -6 route show table all; ip rule; ip -6 rule; ip nexthop; "
    "ip neigh show nud all; bridge fdb; nft list ruleset; "
    "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/fib_multipath_hash_policy"
)


@asynccontextmanager
async def watching(*sysctls: str) -> AsyncIterator[asyncio.Event]:
    """An event that is set when `watch` yields; the first yield, at the start, has been waited for."""
    seen = asyncio.Event()

    async def follow() -> None:
        async for _ in monitor.watch(sysctls=sysctls):
            seen.set()

    task = asyncio.create_task(follow())
    await asyncio.wait_for(seen.wait(), 10)
    seen.clear()
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


EVENTS = {
    "device": "ip link add mcnet-x type veth peer name mcnet-y",
    "address": "ip address add 192.0.2.1/32 dev lo",
    "IPv6 address": "ip address add 2001:db8::1/128 dev lo nodad",
    "route": "ip route add unreachable 10.0.0.0/8",
    "IPv6 route": "ip route add unreachable fd00::/8",
    "rule": "ip rule add priority 300 lookup 7",
    "IPv6 rule": "ip -6 rule add priority 300 lookup 7",
    "next hop": "ip nexthop add id 1 blackhole",
    "neighbour": "ip neigh add 244.0.0.9 lladdr 02:00:00:00:00:09 nud permanent dev mcnet-vx",
    "forwarding entry": "bridge fdb add 02:00:00:00:00:09 dev mcnet-vx dst 192.0.2.9",
    "nft table": "nft add table inet mcnet",
    "nft rule": "nft add rule inet mcnet_gateway c accept",
    "device gone": "ip link delete mcnet-vx",
    "device down": "ip link set mcnet-vx down",
    "device's MTU": "ip link set mcnet-vx mtu 1000",
    "address gone": "ip address delete 244.0.0.1/8 dev mcnet-vx",
    "route gone": "ip route delete 10.9.0.0/16 table 27906",
    "rule gone": "ip rule delete priority 305",
    "next hop gone": "ip nexthop delete id 7",
    "group gone": "ip nexthop delete id 8",
    "neighbour gone": "ip neigh delete 244.0.0.2 dev mcnet-vx",
    "forwarding entry gone": "bridge fdb delete 02:00:00:00:00:02 dev mcnet-vx dst 192.0.2.2",
    "nft table flushed": "nft flush table inet mcnet_gateway",
    "nft table gone": "nft delete table inet mcnet_gateway",
    "nft ruleset flushed": "nft flush ruleset",
    "nft element gone": "nft 'delete element inet mcnet_gateway s { 1 }'",
    "forwarding off": "echo 0 > /proc/sys/net/ipv4/ip_forward",
    "hash policy": "echo 1 > /proc/sys/net/ipv4/fib_multipath_hash_policy",
}
THERE = """
ip link add mcnet-vx type vxlan id 7 dstport 4800 local 192.0.2.1
ip address add 244.0.0.1/8 dev mcnet-vx && ip link set mcnet-vx up
ip nexthop add id 7 via 244.0.0.2 dev mcnet-vx && ip nexthop add id 8 group 7
ip route add 10.9.0.0/16 nhid 8 table 27906 && ip rule add priority 305 lookup 27906
ip neigh add 244.0.0.2 lladdr 02:00:00:00:00:02 nud permanent dev mcnet-vx
bridge fdb add 02:00:00:00:00:02 dev mcnet-vx dst 192.0.2.2
nft 'add table inet mcnet_gateway; add chain inet mcnet_gateway c'
nft 'add rule inet mcnet_gateway c accept'
nft 'add set inet mcnet_gateway s { type mark; elements = { 1 }; }'
echo 1 > /proc/sys/net/ipv4/ip_forward
"""


@pytest.mark.parametrize("name", EVENTS)
def test_a_change_is_a_reason_to_look(namespace: Namespace, name: str) -> None:
    async def body() -> None:
        await shell(f"set -e\n{THERE}")
        async with watching("ipv4/ip_forward", "ipv4/fib_multipath_hash_policy") as seen:
            await asyncio.sleep(0.5)  # what the preparations still bring
            seen.clear()
            await shell(EVENTS[name])
            await asyncio.wait_for(seen.wait(), 10)

    namespace.run(body())


def test_what_can_not_concern_us_is_no_event(namespace: Namespace) -> None:
    async def body() -> None:
        await shell("ip link add eth7 type veth peer name eth8 && ip link set eth7 up && ip link set eth8 up")
        async with watching() as seen:
            await asyncio.sleep(0.5)
            seen.clear()
            await shell("nft add table inet kube-proxy")
            await shell("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 nud permanent dev eth7")
            await asyncio.sleep(0.5)
            assert not seen.is_set()

    namespace.run(body())


@pytest.mark.parametrize(("buffer", "lost"), [(1, True), (1 << 20, False)])
def test_lost_messages_are_an_event(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, buffer: int, lost: bool
) -> None:
    """Hundreds of messages that don't concern us, while nobody reads: with a small buffer some are lost (ENOBUFS)."""
    monkeypatch.setattr(monitor, "_RECEIVE_BUFFER", buffer)
    burst = "\n".join(
        f"neigh add 10.0.0.{number} lladdr 02:00:00:00:00:09 nud permanent dev eth7" for number in range(1, 250)
    )

    async def body() -> None:
        await shell("ip link add eth7 type veth peer name eth8")
        async with watching() as seen:
            # Blocks the loop on purpose: the kernel must not wait for a reader.
            subprocess.run(["ip", "-batch", "-"], input=burst, text=True, check=True)  # noqa: ASYNC221
            await asyncio.sleep(0.5)
            assert seen.is_set() == lost

    namespace.run(body())


def test_leaving_restores_the_node(namespace: Namespace) -> None:
    async def body() -> None:
        await shell("echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/fib_multipath_hash_policy")
        await shell("nft add table inet other && ip rule add priority 301 lookup 9")
        before = await shell(SNAPSHOT)
        table = replace(
            nft_table(), notes=(("ipv4/fib_multipath_hash_policy", "0"), ("ipv4/ip_forward", "0"), ("ipv4/gone", "1"))
        )
        wanted = replace(
            FULL,
            tables=frozenset({table}),
            sysctls=frozenset({Sysctl("ipv4/ip_forward", "1"), Sysctl("ipv4/fib_multipath_hash_policy", "1")}),
        )
        node = await observe.read(ROUTE_AGENT, sysctls=[sysctl.path for sysctl in wanted.sysctls])
        assert await execute.apply(diff(wanted, node)) == ()
        gateway = KernelState(
            links=frozenset({replace(link("mcnet-cv", vni=9), addresses=frozenset())}),
            tables=frozenset({NftTable("mcnet_gateway", (), ())}),
        )
        assert await execute.apply(diff(gateway, await observe.read(GATEWAY, sysctls=()))) == ()
        assert await shell(SNAPSHOT) != before
        assert await leave.remove_all() == ()
        assert await shell(SNAPSHOT) == before
        assert await leave.remove_all() == ()

    namespace.run(body())


def test_a_sysctl_that_can_not_be_restored_is_reported(namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "ipv4").mkdir()
    (tmp_path / "ipv4" / "ip_forward").mkdir()

    async def body() -> None:
        (tmp_path / "ipv4" / "x").symlink_to("/proc/sys/kernel/osrelease")
        await nftables.replace(NftTable("mcnet", (), (), (("ipv4/x", "0"),)))
        (failure,) = await leave.remove_all(tree=SysctlTree(tmp_path))
        assert failure.change.item == Sysctl("ipv4/x", "0")
        assert await nftables.read("mcnet") is None

    namespace.run(body())


def test_this_kernel_has_every_feature_and_the_trials_leave_nothing(namespace: Namespace) -> None:
    async def body() -> None:
        before = await shell(SNAPSHOT)
        assert await features.check() == []
        assert await shell(SNAPSHOT) == before
        await shell("ip nexthop add id 0x6D000001 blackhole && ip link add mcnet-trial type vxlan id 9 dstport 4799")
        assert await features.check() == []
        assert await shell(SNAPSHOT) == before

    namespace.run(body())


def test_what_a_driver_needs_is_tried_for_it_alone(namespace: Namespace) -> None:
    async def body() -> None:
        said = await shell(
            "ip link add x0 type xfrm dev lo if_id 9 2>&1 && echo made; ip link del x0 2>/dev/null; true"
        )
        before = await shell(SNAPSHOT)
        missing = [one.name for one in await features.check(("libreswan",))]
        assert missing == ([] if "made" in said else ["XFRM devices (for the driver libreswan)"])
        assert await shell(SNAPSHOT) == before

    namespace.run(body())


def test_a_missing_feature_is_named(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise KernelError("create a resilient next-hop group: not supported", errno=errno.EOPNOTSUPP)

    monkeypatch.setattr(features, "_try_resilient", refuse)
    monkeypatch.setitem(features._NFT_TRIALS, "nft of tomorrow", ("99.0", "chain c { tomorrow; }"))

    async def body() -> None:
        resilient, nft = await features.check()
        assert (resilient.name, resilient.since, resilient.required) == ("resilient next-hop groups", "5.13", False)
        assert (nft.name, nft.required) == ("nft of tomorrow", True)

    namespace.run(body())


def test_facts_of_a_node(namespace: Namespace) -> None:
    async def body() -> None:
        empty = await observe.host_facts()
        assert (empty.default_device4, empty.default_device6, empty.private4, empty.private6) == (None,) * 4
        await shell("ip link add eth0 mtu 1450 type veth peer name far && ip link set far up && ip link set eth0 up")
        await shell("ip address add 192.0.2.7/24 dev eth0; ip address add 2001:db8::7/64 dev eth0 nodad")
        await shell("ip route add default via 192.0.2.1; ip route add default via 2001:db8::1")
        await shell("ip route add default dev lo metric 50")
        facts = await observe.host_facts(sysctls=("ipv4/ip_forward", "ipv4/none"))
        assert facts.default_device4 == facts.default_device6 == "eth0"
        assert (facts.private4, facts.private6) == (IPv4Address("192.0.2.7"), IPv6Address("2001:db8::7"))
        assert facts.ipv6
        assert facts.resilient
        assert set(facts.sysctls) == {"ipv4/ip_forward"}
        (eth0,) = (found for found in facts.links if found.name == "eth0")
        assert {ip_interface("192.0.2.7/24"), ip_interface("2001:db8::7/64")} <= eth0.addresses
        assert replace(eth0, addresses=frozenset()) == HostLink("eth0", 1450, True, frozenset())
        await shell("ip link set far down")
        (cut,) = (found for found in (await observe.host_facts()).links if found.name == "eth0")
        assert not cut.carrier

    namespace.run(body())


def test_a_default_route_over_several_devices_has_the_first(namespace: Namespace) -> None:
    async def body() -> None:
        await shell("ip link add eth0 type veth peer name far && ip link set far up && ip link set eth0 up")
        await shell("ip address add 192.0.2.7/24 dev eth0")
        await shell("ip route add default nexthop via 192.0.2.1 dev eth0 nexthop via 192.0.2.2 dev eth0")
        assert (await observe.host_facts()).default_device4 == "eth0"

    namespace.run(body())


def test_a_failing_change_does_not_stop_the_others(namespace: Namespace) -> None:
    good, bad = Rule(4, 300, 7), Route(OVERLAY_TABLE, ip_network("10.0.0.0/8"), nexthop=99)

    async def body() -> None:
        changes = (Add(bad), Add(NftFingerprint("mcnet", "")), Remove(Sysctl("ipv4/x", "")), Add(good))
        failures = await execute.apply(changes)
        assert [failure.change for failure in failures] == list(changes[:3])
        assert all(isinstance(failure.error, KernelError) and failure.error.message for failure in failures)
        assert (await observe.read(ROUTE_AGENT, sysctls=())).rules == {good}

    namespace.run(body())


def test_done_already_is_done_but_something_else_in_the_place_is_not(namespace: Namespace) -> None:
    async def body() -> None:
        everything = [Add(item) for item in _objects(FULL)]
        assert await execute.apply(diff(FULL, KernelState())) == ()
        assert await execute.apply(everything) == ()
        other = next(hop for hop in FULL.nexthops if hop.family == 4)
        failures = await execute.apply([Add(replace(other, via=IPv4Address("244.0.1.9")))])
        assert [failure.error.errno for failure in failures] == [errno.EEXIST]
        removals = [Remove(item) for item in reversed(_objects(FULL)) if not isinstance(item, Sysctl)]
        assert await execute.apply(removals) == ()
        assert await execute.apply(removals) == ()
        assert await observe.read(ROUTE_AGENT, sysctls=()) == KernelState()

    namespace.run(body())


def _objects(state: KernelState) -> list[object]:
    """All objects of a state, in the order in which they can be made."""
    return [change.item for change in diff(state, KernelState())]


def test_a_next_hop_changes_in_place_under_a_route(namespace: Namespace) -> None:
    async def body() -> None:
        assert await execute.apply(diff(FULL, KernelState())) == ()
        old = min((hop for hop in FULL.nexthops if hop.family == 4), key=lambda hop: hop.id)
        new = NextHop(old.id, old.device, IPv4Address("244.0.1.77"), 4)
        assert await execute.apply([Replace(old, new)]) == ()
        state = await observe.read(ROUTE_AGENT, sysctls=())
        assert new in state.nexthops
        assert state.routes == FULL.routes

    namespace.run(body())


def test_a_device_replaced_by_one_with_other_options_is_made_again(namespace: Namespace) -> None:
    async def body() -> None:
        old, new = link(vni=7), link(vni=8)
        assert await execute.apply([Add(old), Replace(old, new)]) == ()
        assert (await observe.read(ROUTE_AGENT, sysctls=())).links == {new}

    namespace.run(body())


@pytest.mark.parametrize("promotes", ["0", "1"])
def test_a_device_gets_another_address_of_its_network(namespace: Namespace, promotes: str) -> None:
    """Where the node does not say otherwise the kernel takes the new one away together with the old one."""
    namespace.run(shell(f"echo {promotes} > /proc/sys/net/ipv4/conf/all/promote_secondaries"))
    old = replace(link(), addresses=frozenset({ip_interface("244.0.0.1/8"), ip_interface("244.0.0.3/8")}))
    new = replace(link(), addresses=frozenset({ip_interface("244.0.0.2/8"), ip_interface("244.0.0.3/8")}))

    async def body() -> None:
        assert await execute.apply([Add(old), Replace(old, new)]) == ()
        assert (await observe.read(ROUTE_AGENT, sysctls=())).links == {new}

    namespace.run(body())


def test_a_device_takes_in_what_comes_another_way_from_its_first_packet_on(namespace: Namespace) -> None:
    """A node may check reverse paths strictly for what is new, and the route agent comes later."""
    namespace.run(shell("echo 1 > /proc/sys/net/ipv4/conf/default/rp_filter"))
    device = link()
    assert namespace.run(execute.apply((Add(device),))) == ()
    checked = namespace.run(shell(f"cat /proc/sys/net/ipv4/conf/{device.name}/rp_filter"))
    assert checked.strip() == "2"


def test_without_rights_the_error_names_the_capabilities(namespace: Namespace) -> None:
    async def body() -> str:
        return await shell(
            # Still root, so that it can read a checkout below /root.
            "setpriv --bounding-set=-all "
            f"{sys.executable} -c 'import asyncio; from mcnet.kernel import features; asyncio.run(features.check())' "
            "2>&1 || true"
        )

    assert "Operation not permitted" in namespace.run(body())


_ROUND_TRIP = """
import asyncio
from mcnet.kernel import execute, features, leave, observe
from mcnet.model.ownership import ROUTE_AGENT
from mcnet.plan.diff import diff
from mcnet.probe.sockets import open_socket
from tests.fakes.kernel_states import STATES

async def main():
    wanted = STATES["resilient groups"]
    assert await features.check() == []
    actual = await observe.read(ROUTE_AGENT, sysctls=("ipv4/ip_forward",))
    print(await execute.apply(diff(wanted, actual)))
    print(diff(wanted, await observe.read(ROUTE_AGENT, sysctls=("ipv4/ip_forward",))))
    open_socket(4, "mcnet-vx", None).close()
    print(await leave.remove_all())

asyncio.run(main())
"""


def test_two_capabilities_are_enough(namespace: Namespace) -> None:
    """As in the daemons' pods: NET_ADMIN and NET_RAW, all others dropped."""

    async def body() -> str:
        process = await asyncio.create_subprocess_exec(
            "setpriv",
            "--bounding-set=-all,+net_admin,+net_raw",
            "--inh-caps=-all",
            "--no-new-privs",
            sys.executable,
            "-c",
            _ROUND_TRIP,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert errors == b""
        return output.decode()

    assert namespace.run(body()).split() == ["()"] * 3

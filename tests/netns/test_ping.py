"""The prober over a real VXLAN between two namespaces: the other side's kernel answers."""

import asyncio
import time
from ipaddress import ip_address, ip_interface

import pytest

from mcnet.kernel import execute, observe
from mcnet.model.kernel import FdbEntry, KernelState, Link, Neighbour, Vxlan
from mcnet.model.ownership import CABLE_VNI, GATEWAY, VXLAN_CABLE_DEVICE
from mcnet.model.probe import Target
from mcnet.plan.diff import diff
from mcnet.probe.ping import Prober
from tests.netns.namespaces import Namespace, connect, eventually, shell

INTERVAL = 0.05
ADDRESSES = {side: (f"245.0.0.{side}", f"fd6d:636e:6574:2::{side}") for side in (1, 2)}


def cable(side: int) -> KernelState:
    """The VXLAN cable device of gateway `side`, with the other one as its peer."""
    other = 3 - side
    macs = {number: f"02:00:00:00:00:0{number}" for number in (1, 2)}
    return KernelState(
        links=frozenset(
            {
                Link(
                    VXLAN_CABLE_DEVICE,
                    1400,
                    macs[side],
                    Vxlan(CABLE_VNI, 4520, ip_address(f"192.0.2.{side}")),
                    addresses=frozenset(
                        ip_interface(f"{address}/{'8' if ':' not in address else '64'}")
                        for address in ADDRESSES[side]
                    ),
                )
            }
        ),
        neighbours=frozenset(
            Neighbour(VXLAN_CABLE_DEVICE, ip_address(address), macs[other]) for address in ADDRESSES[other]
        ),
        fdb=frozenset({FdbEntry(VXLAN_CABLE_DEVICE, macs[other], ip_address(f"192.0.2.{other}"))}),
    )


async def bring(desired: KernelState) -> None:
    changes = diff(desired, await observe.read(GATEWAY, sysctls=()))
    assert await execute.apply(changes) == ()


@pytest.fixture
def pair(namespace: Namespace, peer: Namespace) -> tuple[Namespace, Namespace]:
    connect(namespace, peer, name="wan0", addresses=("192.0.2.1/24", "192.0.2.2/24"))
    namespace.run(bring(cable(1)))
    peer.run(bring(cable(2)))
    return namespace, peer


def targets(*, sources: bool = True) -> frozenset[Target]:
    return frozenset(
        Target(f"IPv{far.version}", far, VXLAN_CABLE_DEVICE, ip_address(ADDRESSES[1][index]) if sources else None)
        for index, far in enumerate(map(ip_address, ADDRESSES[2]))
    )


async def until(prober: Prober, state: str, keys: tuple[str, ...] = ("IPv4", "IPv6")) -> None:
    while {prober.snapshot()[key].state for key in keys} != {state}:
        prober.changed.clear()
        await asyncio.wait_for(prober.changed.wait(), 20)


@pytest.mark.parametrize("sources", [True, False])
def test_both_families_answer_and_are_measured(pair: tuple[Namespace, Namespace], sources: bool) -> None:
    async def body() -> None:
        prober = Prober(interval=INTERVAL)
        prober.set_targets(targets(sources=sources))
        running = asyncio.create_task(prober.run())
        began = time.monotonic()
        await until(prober, "up")
        await eventually(lambda: min(health.sent for health in prober.snapshot().values()) >= 10)
        for health in prober.snapshot().values():
            assert health.rtt_min is not None
            assert health.rtt_max is not None
            assert 0 < health.rtt_min <= health.rtt_max < 1
            assert began - 1 <= health.since <= time.monotonic()
        running.cancel()

    pair[0].run(body())


def test_a_cut_link_goes_down_and_comes_back(pair: tuple[Namespace, Namespace]) -> None:
    async def body() -> None:
        prober = Prober(interval=INTERVAL, multiplier=3)
        prober.set_targets(targets())
        running = asyncio.create_task(prober.run())
        await until(prober, "up")
        await asyncio.to_thread(pair[1].run, shell("ip link set wan0 down"))
        await until(prober, "down")
        assert all(health.lost >= 3 for health in prober.snapshot().values())
        await asyncio.to_thread(pair[1].run, shell("ip link set wan0 up"))
        await until(prober, "up")
        running.cancel()

    pair[0].run(body())


def test_a_device_that_goes_and_is_made_again(pair: tuple[Namespace, Namespace]) -> None:
    async def body() -> None:
        prober = Prober(interval=INTERVAL)
        prober.set_targets(targets())
        running = asyncio.create_task(prober.run())
        await until(prober, "up")
        await bring(KernelState())
        await until(prober, "down")
        assert not running.done()
        await bring(cable(1))
        await until(prober, "up")
        running.cancel()

    pair[0].run(body())


def test_one_to_which_the_kernel_does_not_send_takes_no_answers_from_the_others(
    pair: tuple[Namespace, Namespace],
) -> None:
    """They share a socket, and it is probed last, so that their answers come to the socket as it then is."""
    refused = {"IPv4": "245.0.0.77", "IPv6": "fd6d:636e:6574:2::77"}

    async def body() -> None:
        chain = "chain output { type filter hook output priority 0; ip daddr %s drop; ip6 daddr %s drop; };"
        await shell(f"nft 'table inet refusing {{ {chain % tuple(refused.values())} }}'")
        prober = Prober(interval=INTERVAL)
        others = {Target(f"refused {one.key}", ip_address(refused[one.key]), one.device) for one in targets()}
        prober.set_targets(targets(sources=False) | others)
        running = asyncio.create_task(prober.run())
        await until(prober, "down", ("refused IPv4", "refused IPv6"))
        await until(prober, "up")
        await eventually(lambda: min(prober.snapshot()[key].sent for key in refused) >= 20)
        assert [prober.snapshot()[key].lost for key in refused] == [0, 0]
        running.cancel()

    pair[0].run(body())


def test_the_probe_leaves_by_its_device_whatever_the_routes_say(pair: tuple[Namespace, Namespace]) -> None:
    """The address answers on `wan0` too, but only the cable is probed."""

    async def body() -> None:
        await asyncio.to_thread(pair[1].run, shell("ip address add 198.51.100.2/32 dev wan0"))
        await shell("ip route add 198.51.100.2/32 via 192.0.2.2 dev wan0")
        prober = Prober(interval=INTERVAL)
        address = ip_address("198.51.100.2")
        prober.set_targets(frozenset({Target("cable", address, VXLAN_CABLE_DEVICE), Target("wan", address, "wan0")}))
        running = asyncio.create_task(prober.run())
        await until(prober, "up", ("wan",))
        await until(prober, "down", ("cable",))
        running.cancel()

    pair[0].run(body())


def test_probers_with_one_identifier_do_not_mix(
    pair: tuple[Namespace, Namespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have the same identifier and the same probe numbers, as two processes may; one gets no answers."""
    monkeypatch.setattr("secrets.randbelow", lambda _: 7)

    async def body() -> None:
        seen, blind = Prober(interval=INTERVAL), Prober(interval=INTERVAL)
        seen.set_targets(targets())
        blind.set_targets(targets())
        # The far side drops the blind one's requests, told apart by their token.
        await asyncio.to_thread(
            pair[1].run,
            shell(
                "nft 'table inet t { chain i { type filter hook input priority 0; meta l4proto { icmp, ipv6-icmp } "
                f"@th,64,64 0x{blind._token.hex()} drop; }}; }}'"
            ),
        )
        running = [asyncio.create_task(prober.run()) for prober in (blind, seen)]
        await until(seen, "up")
        await until(blind, "down")
        assert {health.state for health in seen.snapshot().values()} == {"up"}
        for task in running:
            task.cancel()

    pair[0].run(body())

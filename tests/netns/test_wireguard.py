"""WireGuard between two namespaces, real packets: the kernel's devices where it has them, else those of a process."""

import asyncio
import hashlib
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from mcnet.codec.cable_keys import clamped, preshared_key, public_key
from mcnet.kernel import execute, observe, wireguard_netlink, wireguard_userspace
from mcnet.kernel.wireguard import configure
from mcnet.model.kernel import Add, Link
from mcnet.model.ownership import GATEWAY, wireguard_device
from mcnet.model.wireguard import WireguardDevice, WireguardPeer
from tests.fakes.identities import identity_of
from tests.kernel import SLOWER, has_wireguard
from tests.netns.namespaces import Namespace, connect, shell

EAST, WEST = identity_of("east"), identity_of("west")
ENDS = (("east.n1", 0), ("west.n1", 0))
PSK = preshared_key(EAST, WEST.public, own_end=ENDS[0], other_end=ENDS[1])
PRIVATE = {side: clamped(bytes([side]) * 32) for side in (1, 2)}
PUBLIC = {side: public_key(key) for side, key in PRIVATE.items()}
PORT = 4500
NAME = wireguard_device(0, 0)
MANY = 1000 // SLOWER
"""Peers."""
read = wireguard_netlink.read if has_wireguard() else wireguard_userspace.read


def wanted(side: int, psk: bytes = PSK) -> WireguardDevice:
    other = 3 - side
    peer = WireguardPeer(
        PUBLIC[other], psk, (ip_address(f"192.0.2.{other}"), PORT), 0,
        frozenset({ip_network(f"10.{other}.0.0/16"), ip_network(f"fd00:{other}::/48")}),
    )  # fmt: skip
    return WireguardDevice(NAME, PRIVATE[side], PORT, frozenset({peer}))


def link(side: int) -> Link:
    inside = frozenset({ip_interface(f"10.{side}.0.1/32"), ip_interface(f"fd00:{side}::1/128")})
    return Link(NAME, 1420, mac="", vxlan=None, addresses=inside, wireguard=True)


@pytest.fixture
def pair(namespace: Namespace, peer: Namespace, cables: None) -> tuple[Namespace, Namespace]:
    """Two namespaces with a device each, up and with addresses, not configured yet."""
    connect(namespace, peer, name="wan0", addresses=("192.0.2.1/24", "192.0.2.2/24"))
    for side, place in ((1, namespace), (2, peer)):
        assert place.run(execute.apply([Add(link(side))])) == ()
        (made,) = place.run(observe.read(GATEWAY, sysctls=())).links
        assert (made, made.userspace) == (link(side), not has_wireguard())
        place.run(shell(
            f"ip route add 10.{3 - side}.0.0/16 dev {NAME};"
            f"ip route add fd00:{3 - side}::/48 dev {NAME}"
        ))  # fmt: skip
    return namespace, peer


async def pings(target: str, count: int = 1) -> bool:
    process = await asyncio.create_subprocess_exec(
        "ping", "-n", "-c", str(count), "-i", "0.05", "-W", "2", target, stdout=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


async def pings_at_last(target: str) -> bool:
    """A handshake that failed is tried again after five seconds (REKEY_TIMEOUT)."""
    async with asyncio.timeout(20 * SLOWER):
        while not await pings(target):
            pass
    return True


def join(pair: tuple[Namespace, Namespace], psk: bytes = PSK) -> None:
    for side, place in enumerate(pair, 1):
        place.run(configure(None, wanted(side, psk if side == 2 else PSK)))


def test_both_families_pass_once_both_sides_agree(pair: tuple[Namespace, Namespace]) -> None:
    join(pair)
    assert pair[0].run(pings("10.2.0.1", 3))
    assert pair[1].run(pings("fd00:1::1", 3))
    for side, place in enumerate(pair, 1):
        answer = place.run(read(NAME))
        assert answer is not None
        assert answer.device == wanted(side)
        (status,) = answer.status.values()
        assert status.handshake > 0
        assert min(status.received, status.sent) > 6 * 84


def test_another_preshared_key_lets_nothing_pass(pair: tuple[Namespace, Namespace]) -> None:
    wrong = preshared_key(EAST, WEST.public, own_end=("east.n1", 1), other_end=ENDS[1])
    join(pair, wrong)
    assert not pair[0].run(pings("10.2.0.1"))
    answer = pair[0].run(read(NAME))
    assert answer is not None
    assert [status.handshake for status in answer.status.values()] == [0]
    pair[1].run(configure(wanted(2, wrong), wanted(2)))
    assert pair[0].run(pings_at_last("10.2.0.1"))


def test_a_prefix_that_is_not_the_peers_is_neither_sent_nor_taken(pair: tuple[Namespace, Namespace]) -> None:
    join(pair)
    assert pair[0].run(pings("10.2.0.1"))
    (peer,) = wanted(1).peers
    less = replace(wanted(1), peers=frozenset({replace(peer, allowed=frozenset({ip_network("10.2.1.0/24")}))}))
    pair[0].run(configure(wanted(1), less))
    assert not pair[1].run(pings("10.1.0.1"))
    pair[0].run(configure(less, wanted(1)))
    assert pair[1].run(pings("10.1.0.1"))


def test_changes_that_do_not_concern_a_peer_leave_its_session(pair: tuple[Namespace, Namespace]) -> None:
    join(pair)
    assert pair[0].run(pings("10.2.0.1"))
    before = pair[0].run(read(NAME))
    assert before is not None
    other = WireguardPeer(
        bytes([7]) * 32, PSK, (ip_address("192.0.2.77"), PORT), 0, frozenset({ip_network("10.9.0.0/16")})
    )
    more = replace(wanted(1), peers=wanted(1).peers | {other})
    pair[0].run(configure(wanted(1), more))
    assert pair[0].run(pings("10.2.0.1", 5))
    after = pair[0].run(read(NAME))
    assert after is not None
    assert after.device == more
    assert after.status[PUBLIC[2]].handshake == before.status[PUBLIC[2]].handshake, "no new handshake was needed"
    pair[0].run(configure(more, wanted(1)))
    found = pair[0].run(read(NAME))
    assert found is not None
    assert found.device == wanted(1)


def test_a_device_with_many_peers(pair: tuple[Namespace, Namespace]) -> None:
    many = frozenset(
        WireguardPeer(
            public_key(clamped(hashlib.sha256(b"%d" % number).digest())), PSK, (ip_address("192.0.2.77"), PORT), 0,
            frozenset({ip_network(f"10.{number >> 8}.{number & 255}.0/24"), ip_network(f"fd01:{number:x}::/48")}),
        )
        for number in range(1000, 1000 + MANY)
    )  # fmt: skip
    whole = replace(wanted(1), peers=many)

    async def told_and_read() -> None:
        await configure(None, whole)
        answer = await read(NAME)
        assert answer is not None
        assert answer.device == whole

    pair[0].run(told_and_read())

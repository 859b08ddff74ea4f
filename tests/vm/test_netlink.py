"""Settings of the kernel's WireGuard devices: what was told is read back, whatever was told before."""

import hashlib
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from mcnet.codec.cable_keys import clamped, public_key
from mcnet.kernel import execute, wireguard_netlink
from mcnet.model.errors import KernelError
from mcnet.model.kernel import Add, Link
from mcnet.model.wireguard import WireguardDevice, WireguardPeer
from tests.netns.namespaces import Namespace

NAME = "mcnet-cw0a"


def key(text: str) -> bytes:
    return clamped(hashlib.sha256(text.encode()).digest())


def peer(name: str, *allowed: str, outer: str = "192.0.2.9", port: int = 4500, secret: str = "") -> WireguardPeer:
    return WireguardPeer(
        public_key(key(name)), key(secret or name), (ip_address(outer), port), 0, frozenset(map(ip_network, allowed))
    )


def device(*peers: WireguardPeer, private: str = "own", port: int = 4500) -> WireguardDevice:
    return WireguardDevice(NAME, key(private), port, frozenset(peers))


WEST = peer("west", "10.20.0.0/16", "fd20::/48", "245.0.0.1/32")
MANY = tuple(f"10.{number >> 8}.{number & 255}.0/24" for number in range(1500))
"""More prefixes than there is room for in one message of the kernel's."""
STEPS = {
    "no peer": device(),
    "one": device(WEST),
    "another key, and preshared key, of the peer": device(peer("west 2", "10.20.0.0/16", "fd20::/48")),
    "a new key of its own": device(peer("west 2", "10.20.0.0/16", "fd20::/48"), private="own 2"),
    "another port": device(peer("west 2", "10.20.0.0/16", "fd20::/48"), private="own 2", port=4501),
    "the peer moved to IPv6": device(peer("west 2", "10.20.0.0/16", outer="fd99::9", port=4502)),
    "keepalives": device(replace(WEST, keepalive=25)),
    "another preshared key": device(peer("west", "10.20.0.0/16", secret="new")),
    "two": device(WEST, peer("north", "10.30.0.0/16")),
    "a prefix moved to the other": device(peer("west"), peer("north", "10.20.0.0/16", "10.30.0.0/16")),
    "and back": device(WEST, peer("north", "10.30.0.0/16")),
    "many prefixes": device(peer("west", *MANY), peer("north", "fd30::/48")),
    "few of them": device(peer("west", *MANY[:3]), peer("north", *MANY[3:6])),
    "none at last": device(),
}


async def make() -> None:
    made = Link(NAME, 1420, mac="", vxlan=None, wireguard=True)
    assert await execute.apply([Add(made)]) == ()


async def told() -> WireguardDevice | None:
    answer = await wireguard_netlink.read(NAME)
    assert answer is not None
    return answer.device


def test_every_step_is_read_back(namespace: Namespace) -> None:
    async def body() -> None:
        await make()
        assert await told() is None, "it has no private key yet"
        before = None
        for name, wanted in STEPS.items():
            await wireguard_netlink.configure(before, wanted)
            assert await told() == wanted, name
            before = wanted

    namespace.run(body())


def test_what_was_there_before_is_found_out_not_remembered(namespace: Namespace) -> None:
    """As a daemon that has just started: it reads, and changes what it read."""

    async def body() -> None:
        await make()
        for name, wanted in reversed(STEPS.items()):
            await wireguard_netlink.configure(await told(), wanted)
            assert await told() == wanted, name

    namespace.run(body())


def test_a_device_that_is_not_there(namespace: Namespace) -> None:
    async def body() -> None:
        assert await wireguard_netlink.read(NAME) is None
        with pytest.raises(KernelError, match="configure WireGuard device mcnet-cw0a"):
            await wireguard_netlink.configure(None, device())

    namespace.run(body())

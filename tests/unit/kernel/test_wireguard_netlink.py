"""Messages to and from the kernel's WireGuard, through pyroute2's own coding, against a device in memory.

The kernel itself is met in a virtual machine: tests/netns/test_cable_families.py runs on whichever there is.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic.wireguard import wgmsg

from mcnet.kernel import wireguard_netlink
from mcnet.kernel.wireguard_netlink import configure, read
from mcnet.model.errors import KernelError
from mcnet.model.wireguard import KEY_BYTES, PeerStatus, WireguardDevice, WireguardPeer

NAME = "mcnet-cw0a"
KEYS = [bytes([number]) * KEY_BYTES for number in range(1, 6)]
PREFIXES = [ip_network(text) for text in ("10.1.0.0/16", "10.2.0.0/16", "fd00:1::/48", "247.0.0.1/32")]
ENDPOINTS = [None, (ip_address("192.0.2.1"), 4500), (ip_address("2001:db8::1"), 4502)]


def through_the_wire(message: Any) -> Any:
    message.encode()
    decoded = wgmsg(message.data)
    decoded.decode()
    return decoded


class Kernel:
    """One device, which does what linux/wireguard.h says."""

    prid = 30

    def __init__(self) -> None:
        self.there = True
        self.private, self.port = b"", 0
        self.peers: dict[bytes, dict[str, Any]] = {}
        self.requests = 0

    async def nlm_request(self, message: Any, msg_type: int, msg_flags: int) -> Any:
        message["header"]["type"], message["header"]["flags"] = msg_type, msg_flags
        decoded = through_the_wire(message)
        assert decoded.get_attr("WGDEVICE_A_IFNAME") == NAME
        if not self.there:
            raise NetlinkError(19, "No such device")
        self.requests += 1
        return self._answers(list(self._get()) if message["cmd"] == 0 else self._set(decoded))

    @staticmethod
    async def _answers(found: list[Any]) -> AsyncIterator[Any]:
        for one in found:
            yield one

    def _set(self, message: Any) -> list[Any]:
        if key := message.get_attr("WGDEVICE_A_PRIVATE_KEY"):
            self.private = key["key"] if isinstance(key, dict) else wireguard_netlink._key(key)
        self.port = message.get_attr("WGDEVICE_A_LISTEN_PORT") or self.port
        for found in message.get_attr("WGDEVICE_A_PEERS") or ():
            key = wireguard_netlink._key(found.get_attr("WGPEER_A_PUBLIC_KEY"))
            flags = found.get_attr("WGPEER_A_FLAGS") or 0
            if flags & 1:
                del self.peers[key]
                continue
            peer = self.peers.setdefault(
                key, {"psk": bytes(KEY_BYTES), "endpoint": None, "keepalive": 0, "allowed": []}
            )
            self._set_peer(peer, found, flags)
        return []

    def _set_peer(self, peer: dict[str, Any], found: Any, flags: int) -> None:
        if psk := found.get_attr("WGPEER_A_PRESHARED_KEY"):
            peer["psk"] = wireguard_netlink._key(psk)
        if outer := found.get_attr("WGPEER_A_ENDPOINT"):
            peer["endpoint"] = (outer["addr"], outer["port"])
        if (seconds := found.get_attr("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL")) is not None:
            peer["keepalive"] = seconds
        if flags & 2:
            peer["allowed"] = []
        for one in found.get_attr("WGPEER_A_ALLOWEDIPS") or ():
            for other in self.peers.values():  # a prefix is one peer's: the last one named has it
                other["allowed"] = [prefix for prefix in other["allowed"] if prefix != one["addr"]]
            peer["allowed"].append(one["addr"])

    def _get(self) -> Iterator[Any]:
        """One message with the device, and one more for each prefix after a peer's first."""
        first = [["WGDEVICE_A_IFNAME", NAME], ["WGDEVICE_A_LISTEN_PORT", self.port]]
        if self.private:
            first.append(["WGDEVICE_A_PRIVATE_KEY", wireguard_netlink.b64encode(self.private)])
        yield self._message(first)
        for key, peer in self.peers.items():
            whole = WireguardPeer(
                key, peer["psk"],
                (ip_address(peer["endpoint"][0]), peer["endpoint"][1]) if peer["endpoint"] else None,
                peer["keepalive"], frozenset(map(ip_network, peer["allowed"][:1])),
            )  # fmt: skip
            yield self._message([["WGDEVICE_A_PEERS", [{"attrs": wireguard_netlink._attributes(None, whole)}]]])
            for prefix in peer["allowed"][1:]:
                rest = [
                    ["WGPEER_A_PUBLIC_KEY", wireguard_netlink.b64encode(key)],
                    ["WGPEER_A_ALLOWEDIPS", wireguard_netlink._allowed([ip_network(prefix)])],
                ]
                yield self._message([["WGDEVICE_A_PEERS", [{"attrs": rest}]]])

    @staticmethod
    def _message(attributes: list[Any]) -> Any:
        message = wgmsg()
        message["attrs"] = attributes
        return through_the_wire(message)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return _installed(Kernel(), monkeypatch)


def _installed(made: Kernel, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Kernel]:
        yield made

    monkeypatch.setattr(wireguard_netlink, "_open", opened)
    return made


@st.composite
def devices(draw: st.DrawFn) -> WireguardDevice:
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=4))
    owners = {prefix: draw(st.integers(0, 4)) for prefix in PREFIXES}
    peers = frozenset(
        WireguardPeer(
            key, draw(st.sampled_from(KEYS)), draw(st.sampled_from(ENDPOINTS)), draw(st.integers(0, 25)),
            frozenset(prefix for prefix, owner in owners.items() if owner == number),
        )
        for number, key in enumerate(keys)
    )  # fmt: skip
    return WireguardDevice(NAME, draw(st.sampled_from(KEYS)), draw(st.integers(1, 65535)), peers)


def comparable(device: WireguardDevice, before: WireguardDevice | None = None) -> WireguardDevice:
    """A peer whose outer address is not said keeps the one that it had."""
    had = before.by_key() if before else {}
    return replace(
        device,
        peers=frozenset(
            replace(peer, endpoint=peer.endpoint or (had[key].endpoint if key in had else None))
            for key, peer in device.by_key().items()
        ),
    )


@given(devices(), devices())
async def test_from_any_settings_to_any(first: WireguardDevice, second: WireguardDevice) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kernel = _installed(Kernel(), patch)
        await configure(None, first)
        answer = await read(NAME)
        assert answer is not None
        assert answer.device == first
        await configure(first, second)
        answer = await read(NAME)
        assert answer is not None
        assert answer.device == comparable(second, first)
        assert set(answer.status) == set(second.by_key())
        requests = kernel.requests
        await configure(second, second)
        assert kernel.requests == requests, "nothing differs, nothing is said"


async def test_a_device_without_key_or_that_is_not_there(kernel: Kernel) -> None:
    answer = await read(NAME)
    assert answer is not None
    assert answer.device is None
    kernel.there = False
    assert await read(NAME) is None
    with pytest.raises(KernelError, match="configure WireGuard device mcnet-cw0a: No such device"):
        await configure(None, WireguardDevice(NAME, KEYS[0], 4500))


@given(devices(), st.data())
@settings(max_examples=30)
async def test_a_device_of_which_things_are_not_said(device: WireguardDevice, data: st.DataObject) -> None:
    """A kernel leaves out what is not set, and may leave out more."""
    with pytest.MonkeyPatch.context() as patch:
        kernel = _installed(Kernel(), patch)
        await configure(None, device)
        whole = kernel._get

        def less() -> Iterator[Any]:
            for message in whole():
                kept = [one for one in message["attrs"] if one[0] == "WGDEVICE_A_PEERS" or data.draw(st.booleans())]
                for peer in [one for name, peers in kept if name == "WGDEVICE_A_PEERS" for one in peers]:
                    peer["attrs"] = [
                        one for one in peer["attrs"] if one[0] == "WGPEER_A_PUBLIC_KEY" or data.draw(st.booleans())
                    ]
                message["attrs"] = kept
                yield message

        patch.setattr(kernel, "_get", less)
        answer = await read(NAME)
        assert answer is not None
        assert set(answer.status) == set(device.by_key())
        if answer.device is not None:
            assert answer.device.private_key == device.private_key
            assert answer.device.by_key().keys() == device.by_key().keys()


async def test_status_of_a_peer_that_has_said_nothing(kernel: Kernel) -> None:
    await configure(None, WireguardDevice(NAME, KEYS[0], 4500, frozenset({WireguardPeer(KEYS[1], KEYS[2])})))
    answer = await read(NAME)
    assert answer is not None
    assert answer.status == {KEYS[1]: PeerStatus()}

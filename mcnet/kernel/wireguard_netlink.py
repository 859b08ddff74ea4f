"""WireGuard devices of the kernel, told and asked by generic netlink (linux/wireguard.h). Nothing is decided here.

Devices that a process holds are mcnet.kernel.wireguard_userspace's; what both say is the same Answer.
"""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any, Final

from pyroute2.netlink import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic.wireguard import WG_GENL_NAME, AsyncWireGuard, wgmsg

from mcnet.codec.wireguard import NO_KEY, Answer
from mcnet.kernel.errors import is_gone, translate
from mcnet.kernel.netlink import FAMILIES
from mcnet.model.errors import KernelError
from mcnet.model.kernel import Network
from mcnet.model.wireguard import PeerStatus, WireguardDevice, WireguardPeer

_GET, _SET = 0, 1
_REMOVE: Final = 1
_REPLACE_ALLOWED: Final = 2


async def read(name: str) -> Answer | None:
    """What the device says of itself; None if it is not there. Raises KernelError."""
    try:
        messages = await _ask(_GET, [["WGDEVICE_A_IFNAME", name]], NLM_F_DUMP, f"read WireGuard device {name}")
    except KernelError as error:
        if is_gone(error):
            return None
        raise
    private_key, port = NO_KEY, 0
    peers: dict[bytes, WireguardPeer] = {}
    status: dict[bytes, PeerStatus] = {}
    for message in messages:
        private_key = _key(message.get_attr("WGDEVICE_A_PRIVATE_KEY")) or private_key
        port = message.get_attr("WGDEVICE_A_LISTEN_PORT") or port
        for found in message.get_attr("WGDEVICE_A_PEERS") or ():
            peer = _peer(found)
            # A peer with many prefixes goes on in the next message, with nothing but its key and the rest of them.
            before = peers.get(peer.public_key)
            peers[peer.public_key] = replace(before, allowed=before.allowed | peer.allowed) if before else peer
            status.setdefault(peer.public_key, _status(found))
    device = WireguardDevice(name, private_key, port, frozenset(peers.values())) if private_key != NO_KEY else None
    return Answer(device, status)


def _key(value: Any) -> bytes:
    """pyroute2 gives keys as base64."""
    return b64decode(value["value"] if isinstance(value, dict) else value) if value else b""


def _peer(found: Any) -> WireguardPeer:
    outer = found.get_attr("WGPEER_A_ENDPOINT")
    return WireguardPeer(
        public_key=_key(found.get_attr("WGPEER_A_PUBLIC_KEY")),
        preshared_key=_key(found.get_attr("WGPEER_A_PRESHARED_KEY")) or NO_KEY,
        endpoint=(ip_address(outer["addr"]), outer["port"]) if outer and outer["port"] else None,
        keepalive=found.get_attr("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL") or 0,
        allowed=frozenset(ip_network(one["addr"]) for one in found.get_attr("WGPEER_A_ALLOWEDIPS") or ()),
    )


def _status(found: Any) -> PeerStatus:
    handshake = found.get_attr("WGPEER_A_LAST_HANDSHAKE_TIME")
    return PeerStatus(
        handshake=handshake["tv_sec"] if handshake else 0,
        received=found.get_attr("WGPEER_A_RX_BYTES") or 0,
        sent=found.get_attr("WGPEER_A_TX_BYTES") or 0,
    )


async def configure(old: WireguardDevice | None, new: WireguardDevice) -> None:
    """Bring the device from `old` to `new`; peers that stay keep their sessions. Raises KernelError."""
    device: list[Any] = []
    if old is None or old.private_key != new.private_key:
        device.append(["WGDEVICE_A_PRIVATE_KEY", b64encode(new.private_key)])
    if old is None or old.port != new.port:
        device.append(["WGDEVICE_A_LISTEN_PORT", new.port])
    if device:
        await _set(new.name, device)
    before, after = old.by_key() if old else {}, new.by_key()
    for key in sorted(before.keys() - after.keys()):
        await _set_peer(new.name, [["WGPEER_A_PUBLIC_KEY", b64encode(key)], ["WGPEER_A_FLAGS", _REMOVE]])
    # Who gives up a prefix comes before who takes it: on one device a prefix is one peer's, and the last one named.
    changed = [key for key in after if before.get(key) != after[key]]
    for key in sorted(changed, key=lambda key: (len(after[key].allowed), key)):
        await _set_peer(new.name, _attributes(before.get(key), after[key]))


def _attributes(old: WireguardPeer | None, new: WireguardPeer) -> list[Any]:
    attributes: list[Any] = [["WGPEER_A_PUBLIC_KEY", b64encode(new.public_key)]]
    if old is None or old.allowed != new.allowed:
        attributes.append(["WGPEER_A_FLAGS", _REPLACE_ALLOWED])
    if old is None or old.preshared_key != new.preshared_key:
        attributes.append(["WGPEER_A_PRESHARED_KEY", b64encode(new.preshared_key)])
    if new.endpoint is not None and (old is None or old.endpoint != new.endpoint):
        address, port = new.endpoint
        attributes.append(["WGPEER_A_ENDPOINT", {"addr": str(address), "port": port}])
    if old is None or old.keepalive != new.keepalive:
        attributes.append(["WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL", new.keepalive])
    if old is None or old.allowed != new.allowed:
        attributes.append(["WGPEER_A_ALLOWEDIPS", _allowed(new.allowed)])
    return attributes


def _allowed(prefixes: Iterable[Network]) -> list[Any]:
    return [
        {
            "attrs": [
                ["WGALLOWEDIP_A_FAMILY", FAMILIES[prefix.version]],
                ["WGALLOWEDIP_A_IPADDR", prefix.network_address.packed],
                ["WGALLOWEDIP_A_CIDR_MASK", prefix.prefixlen],
            ]
        }
        for prefix in sorted(prefixes, key=lambda prefix: (prefix.version, prefix))
    ]


async def _set_peer(name: str, attributes: list[Any]) -> None:
    await _set(name, [["WGDEVICE_A_PEERS", [{"attrs": attributes}]]])


async def _set(name: str, attributes: list[Any]) -> None:
    await _ask(_SET, [["WGDEVICE_A_IFNAME", name], *attributes], NLM_F_ACK, f"configure WireGuard device {name}")


async def _ask(command: int, attributes: list[Any], flags: int, doing: str) -> list[Any]:
    message = wgmsg()
    message["cmd"], message["version"], message["attrs"] = command, 1, attributes
    try:
        async with _open() as handle:
            answer = await handle.nlm_request(message, msg_type=handle.prid, msg_flags=NLM_F_REQUEST | flags)
            return [reply async for reply in answer] if hasattr(answer, "__aiter__") else list(answer)
    except (NetlinkError, OSError) as error:
        raise translate(error, doing) from error


@asynccontextmanager
async def _open() -> AsyncIterator[Any]:
    """A socket of the kernel's WireGuard in the network namespace of the calling thread."""
    async with AsyncWireGuard() as handle:
        await handle.bind(WG_GENL_NAME, wgmsg)
        yield handle

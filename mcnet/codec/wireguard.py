"""The text protocol by which a WireGuard process in userspace is asked and told (wireguard.com/xplatform).

A request is a set of lines `key=value` and ends with an empty line, so does the answer, whose last line is `errno=`.
How to reach the process is mcnet.kernel.wireguard_userspace's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Final

from mcnet.codec.errors import DecodeError
from mcnet.model.kernel import Address, Network
from mcnet.model.wireguard import KEY_BYTES, PeerStatus, WireguardDevice, WireguardPeer

GET: Final = "get=1\n\n"
NO_KEY: Final = bytes(KEY_BYTES)
"""A preshared key of zeros is none."""

LONGEST_VALUE: Final = 47
"""Characters: an IPv6 address with brackets and port. A key has 64."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device says of itself. `device` is None where it has no private key yet."""

    device: WireguardDevice | None
    status: dict[bytes, PeerStatus] = field(default_factory=dict)
    """By public key."""


def change(old: WireguardDevice | None, new: WireguardDevice) -> str:
    """The request that brings a device from `old` (None: just made) to `new`. What does not differ is not touched:
    a peer that stays keeps its session. "" if there is nothing to do."""
    lines: list[str] = []
    if old is None or old.private_key != new.private_key:
        lines.append(f"private_key={new.private_key.hex()}")
    if old is None or old.port != new.port:
        lines.append(f"listen_port={new.port}")
    before, after = old.by_key() if old else {}, new.by_key()
    for key in sorted(before.keys() - after.keys()):
        lines += [f"public_key={key.hex()}", "remove=true"]
    # Who gives up a prefix comes before who takes it: on one device a prefix is one peer's, and the last one named.
    changed = [key for key in after if before.get(key) != after[key]]
    for key in sorted(changed, key=lambda key: (len(after[key].allowed), key)):
        lines += _peer(before.get(key), after[key])
    return "\n".join(["set=1", *lines, "", ""]) if lines else ""


def _peer(old: WireguardPeer | None, new: WireguardPeer) -> Iterator[str]:
    yield f"public_key={new.public_key.hex()}"
    if old is None or old.preshared_key != new.preshared_key:
        yield f"preshared_key={new.preshared_key.hex()}"
    if new.endpoint is not None and (old is None or old.endpoint != new.endpoint):
        yield f"endpoint={_endpoint(*new.endpoint)}"
    if old is None or old.keepalive != new.keepalive:
        yield f"persistent_keepalive_interval={new.keepalive}"
    if old is None or old.allowed != new.allowed:
        yield "replace_allowed_ips=true"
        for prefix in sorted(new.allowed, key=lambda prefix: (prefix.version, prefix)):
            yield f"allowed_ip={prefix}"


def _endpoint(address: Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def parse(name: str, text: str) -> Answer:
    """What the device `name` answered to GET. Raises DecodeError, without any part of a key."""
    private_key, port = NO_KEY, 0
    peers: list[WireguardPeer] = []
    allowed: list[set[Network]] = []
    """Of each peer."""
    status: dict[bytes, PeerStatus] = {}
    error = "missing"
    for key, value in _pairs(text):
        try:
            match key:
                case "private_key":
                    private_key = _key(value)
                case "listen_port":
                    port = int(value)
                case "public_key":
                    peers.append(WireguardPeer(_key(value), NO_KEY))
                    allowed.append(set())
                    status[peers[-1].public_key] = PeerStatus()
                case "errno":
                    error = value
                case "allowed_ip" if peers:
                    allowed[-1].add(ip_network(value))
                case _ if peers:
                    peer = peers[-1]
                    peers[-1] = _of_peer(peer, key, value)
                    status[peer.public_key] = _of_status(status[peer.public_key], key, value)
        except ValueError as problem:
            shown = "not a key of 32 bytes" if key.endswith("_key") else f"{_shown(value)} can't be read"
            raise DecodeError("answer of the WireGuard process", key, shown) from problem
    if error != "0":
        raise DecodeError("answer of the WireGuard process", "errno", _shown(error))
    whole = frozenset(replace(peer, allowed=frozenset(of)) for peer, of in zip(peers, allowed, strict=True))
    return Answer(WireguardDevice(name, private_key, port, whole) if private_key != NO_KEY else None, status)


def _shown(value: str) -> str:
    """A value for messages, but none that another line, with a key perhaps, may have run into."""
    return repr(value) if len(value) <= LONGEST_VALUE and "=" not in value else "what it says"


def succeeded(text: str) -> bool:
    """Whether the answer to a change says that it was made."""
    return dict(_pairs(text)).get("errno") == "0"


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator:
            yield name, value


def _key(value: str) -> bytes:
    key = bytes.fromhex(value)
    if len(key) != KEY_BYTES:
        raise ValueError("wrong length")
    return key


def _of_peer(peer: WireguardPeer, name: str, value: str) -> WireguardPeer:
    match name:
        case "preshared_key":
            return replace(peer, preshared_key=_key(value))
        case "endpoint":
            host, _, port = value.rpartition(":")
            return replace(peer, endpoint=(ip_address(host.strip("[]")), int(port)))
        case "persistent_keepalive_interval":
            return replace(peer, keepalive=int(value))
        case _:
            return peer


def _of_status(status: PeerStatus, name: str, value: str) -> PeerStatus:
    match name:
        case "last_handshake_time_sec":
            return replace(status, handshake=int(value))
        case "rx_bytes":
            return replace(status, received=int(value))
        case "tx_bytes":
            return replace(status, sent=int(value))
        case _:
            return status

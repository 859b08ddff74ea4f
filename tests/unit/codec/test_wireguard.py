"""The text protocol of WireGuard in userspace, against a device in memory that follows it to the letter."""

import contextlib
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.errors import DecodeError
from mcnet.codec.wireguard import NO_KEY, change, parse, succeeded
from mcnet.model.wireguard import PeerStatus, WireguardDevice, WireguardPeer
from tests.fakes.mutations import damaged

KEYS = [bytes([number]) * 32 for number in range(1, 6)]
PREFIXES = [ip_network(text) for text in ("10.1.0.0/16", "10.2.0.0/16", "fd00:1::/48", "245.0.0.1/32", "0.0.0.0/0")]
ENDPOINTS = [None, (ip_address("192.0.2.1"), 4500), (ip_address("2001:db8::1"), 4502)]


class Memory:
    """A device that does what it is told, line by line, as wireguard-go does."""

    def __init__(self) -> None:
        self.private_key, self.port = NO_KEY, 0
        self.peers: dict[bytes, WireguardPeer] = {}

    def tell(self, request: str) -> None:
        lines = request.splitlines()
        assert lines[0] == "set=1"
        assert request.endswith("\n\n")
        key = b""
        for line in filter(None, lines[1:]):
            name, _, value = line.partition("=")
            match name:
                case "private_key":
                    self.private_key = bytes.fromhex(value)
                case "listen_port":
                    self.port = int(value)
                case "public_key":
                    key = bytes.fromhex(value)
                    self.peers.setdefault(key, WireguardPeer(key, NO_KEY))
                case "remove":
                    del self.peers[key]
                case _:
                    self._set(key, name, value)

    def _set(self, key: bytes, name: str, value: str) -> None:
        peer = self.peers[key]
        values = {slot: getattr(peer, slot) for slot in WireguardPeer.__slots__}
        match name:
            case "preshared_key":
                values["preshared_key"] = bytes.fromhex(value)
            case "endpoint":
                host, _, port = value.rpartition(":")
                values["endpoint"] = (ip_address(host.strip("[]")), int(port))
            case "persistent_keepalive_interval":
                values["keepalive"] = int(value)
            case "replace_allowed_ips":
                values["allowed"] = frozenset()
            case "allowed_ip":
                prefix = ip_network(value)
                for other in self.peers.values():  # cryptokey routing: the last one named has it
                    self.peers[other.public_key] = _without(other, prefix)
                values["allowed"] = peer.allowed | {prefix}
            case _:
                raise AssertionError(name)
        self.peers[key] = WireguardPeer(**values)

    @property
    def device(self) -> WireguardDevice:
        return WireguardDevice("mcnet-cw0a", self.private_key, self.port, frozenset(self.peers.values()))

    def answer(self) -> str:
        lines = [f"private_key={self.private_key.hex()}", f"listen_port={self.port}"]
        for peer in self.peers.values():
            lines += [f"public_key={peer.public_key.hex()}", f"preshared_key={peer.preshared_key.hex()}"]
            lines += ["protocol_version=1", "last_handshake_time_sec=7", "last_handshake_time_nsec=9"]
            if peer.endpoint:
                address, port = peer.endpoint
                lines.append(f"endpoint=[{address}]:{port}" if address.version == 6 else f"endpoint={address}:{port}")
            lines += ["tx_bytes=5", "rx_bytes=6", f"persistent_keepalive_interval={peer.keepalive}"]
            lines += [f"allowed_ip={prefix}" for prefix in peer.allowed]
        return "\n".join([*lines, "errno=0", "", ""])


def _without(peer: WireguardPeer, prefix: object) -> WireguardPeer:
    return WireguardPeer(
        peer.public_key, peer.preshared_key, peer.endpoint, peer.keepalive,
        frozenset(one for one in peer.allowed if one != prefix),
    )  # fmt: skip


@st.composite
def devices(draw: st.DrawFn) -> WireguardDevice:
    keys = draw(st.lists(st.sampled_from(KEYS[1:]), unique=True, max_size=4))
    owners = {prefix: draw(st.sampled_from([None, *keys])) for prefix in PREFIXES}
    peers = frozenset(
        WireguardPeer(
            key,
            draw(st.sampled_from(KEYS)),
            draw(st.sampled_from(ENDPOINTS)),
            draw(st.sampled_from((0, 25))),
            frozenset(prefix for prefix, owner in owners.items() if owner == key),
        )
        for key in keys
    )
    return WireguardDevice("mcnet-cw0a", draw(st.sampled_from(KEYS[:2])), draw(st.sampled_from((4500, 4501))), peers)


def agrees(held: WireguardDevice, wanted: WireguardDevice) -> bool:
    """An endpoint that is not wanted stays: the protocol can't take it away, and a peer may have roamed."""
    if (held.private_key, held.port, held.by_key().keys()) != (
        wanted.private_key,
        wanted.port,
        wanted.by_key().keys(),
    ):
        return False
    for key, peer in wanted.by_key().items():
        there = held.by_key()[key]
        if peer.endpoint is not None and there.endpoint != peer.endpoint:
            return False
        if (there.preshared_key, there.keepalive, there.allowed) != (
            peer.preshared_key,
            peer.keepalive,
            peer.allowed,
        ):
            return False
    return True


@given(devices(), devices())
def test_any_state_becomes_any_other(first: WireguardDevice, second: WireguardDevice) -> None:
    memory = Memory()
    memory.tell(change(None, first))
    assert parse("mcnet-cw0a", memory.answer()).device == memory.device
    request = change(memory.device, second)
    if request:
        memory.tell(request)
    assert agrees(memory.device, second)


@given(devices())
def test_a_second_run_says_nothing(device: WireguardDevice) -> None:
    assert change(device, device) == ""


@given(devices())
def test_a_peer_that_stays_is_not_named(device: WireguardDevice) -> None:
    """Naming it with all its settings would be harmless, taking it away and back would end its session."""
    more = WireguardDevice(
        "mcnet-cw0a", device.private_key, device.port, device.peers | {WireguardPeer(bytes([9]) * 32, NO_KEY)}
    )
    named = change(device, more)
    assert not any(peer.public_key.hex() in named for peer in device.peers)
    assert "replace_peers" not in named
    assert "remove" not in named


def test_status() -> None:
    memory = Memory()
    memory.tell(
        change(None, WireguardDevice("mcnet-cw0a", KEYS[0], 4500, frozenset({WireguardPeer(KEYS[1], KEYS[2])})))
    )
    assert parse("mcnet-cw0a", memory.answer()).status == {KEYS[1]: PeerStatus(handshake=7, received=6, sent=5)}


def test_a_device_that_has_no_key_yet() -> None:
    assert parse("mcnet-cw0a", "listen_port=0\nerrno=0\n\n").device is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "errno: 'missing'"),
        ("errno=-22\n\n", "errno: '-22'"),
        ("private_key=abcd\nerrno=0\n\n", "private_key: not a key of 32 bytes"),
        ("listen_port=x\nerrno=0\n\n", "listen_port: 'x' can't be read"),
        (f"public_key={'01' * 32}\nallowed_ip=10.0.0.1/8\nerrno=0\n\n", "allowed_ip: '10.0.0.1/8' can't be read"),
    ],
)
def test_what_can_not_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(DecodeError, match=words.replace("'", ".")):
        parse("mcnet-cw0a", text)


def test_no_key_is_ever_shown() -> None:
    secret = "5e" * 31
    with pytest.raises(DecodeError) as caught:
        parse("mcnet-cw0a", f"private_key={secret}\nerrno=0\n\n")
    assert secret not in str(caught.value)
    device = WireguardDevice("mcnet-cw0a", KEYS[0], 4500, frozenset({WireguardPeer(KEYS[1], KEYS[2])}))
    assert repr(KEYS[0]) not in repr(device)
    assert repr(KEYS[2]) not in repr(device)


@given(st.text(max_size=300))
def test_noise_never_raises_anything_else(text: str) -> None:
    with contextlib.suppress(DecodeError):
        parse("mcnet-cw0a", text)


def test_the_answer_to_a_change() -> None:
    assert succeeded("errno=0\n\n")
    assert not succeeded("errno=-5\n\n")
    assert not succeeded("")


WHOLE = (
    f"private_key={KEYS[0].hex()}\nlisten_port=4500\npublic_key={KEYS[1].hex()}\npreshared_key={KEYS[2].hex()}\n"
    "endpoint=[2001:db8::1]:4502\ntx_bytes=5\nlast_handshake_time_sec=7\npersistent_keepalive_interval=25\n"
    "allowed_ip=10.1.0.0/16\nerrno=0\n\n"
)


def test_a_damaged_answer_is_another_or_none_and_no_key_is_shown() -> None:
    keys = [key.hex() for key in KEYS[:3]]
    errors = [error for data in damaged(WHOLE.encode()) if (error := refusal(data.decode(errors="replace")))]
    assert len(errors) > 100
    assert not [error for error in errors if len(error) > 1000 or any(key[:8] in error for key in keys)]


def refusal(text: str) -> str:
    try:
        parse("mcnet-cw0a", text)
    except DecodeError as error:
        return str(error)
    return ""


ODD_WORDS = ("", "x", "-1", "1" * 5000, "0x10", "fe80::1%" + "x" * 50_000, "\ud800", "[", "[]:", ":", "10.0.0.0/8/8")


@pytest.mark.parametrize("name", [line.partition("=")[0] for line in WHOLE.splitlines() if line])
def test_a_line_with_another_value(name: str) -> None:
    lines = WHOLE.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith(f"{name}="))
    answers = ["\n".join([*lines[:place], f"{name}={word}", *lines[place + 1 :], "", ""]) for word in ODD_WORDS]
    refused = [error for answer in answers if (error := refusal(answer))]
    assert refused
    assert max(map(len, refused)) < 1000


@pytest.mark.timeout(10)
def test_a_peer_of_very_many_prefixes_is_read_in_one_go() -> None:
    """In seconds: with a copy of the prefixes for each more it would be a minute."""
    prefixes = "".join(f"allowed_ip=10.{number >> 8}.{number & 255}.0/24\n" for number in range(1 << 16))
    answer = parse("mcnet-cw0a", WHOLE.replace("allowed_ip=10.1.0.0/16\n", prefixes))
    assert answer.device is not None
    assert [len(peer.allowed) for peer in answer.device.peers] == [1 << 16]

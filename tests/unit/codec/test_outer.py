"""Tunnel packets as a packet socket saw them: captured ones of both families, whole and first fragments, and junk."""

import struct
from ipaddress import ip_address
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.outer import HEADERS, EchoKind, Outer, decode, port_filter
from tests.fakes.mutations import damaged

REQUEST, REPLY = EchoKind.REQUEST, EchoKind.REPLY
FOUR: Final = (
    "450000866993000040118cd0c0000201c0000202e66c12c0007284870800000000000400020000000402020000000401080045000054362540"
    "00400114"
    "80f4000401f40004020800446b7b710001a811076b00000000bbd20e0000000000101112131415161718191a1b1c1d1e1f2021"
)
FOUR_REPLY: Final = (
    "45000086156300004011e100c0000202c0000201e66c12c0007284870800000000000400020000000401020000000402080045000054"
    "00bc0000400189e9f4000402f400040100004c6b7b710001a811076b00000000bbd20e0000000000101112131415161718191a1b1c1d"
)
FOUR_FIRST_FRAGMENT: Final = (
    "450004fc69f82000401167f5c0000201c0000202e66c12c0054e581e0800000000000400020000000402020000000401080045000530"
    "367c400040010f4df4000401f4000402080056297b8c0001aa11076b000000009069010000000000101112131415161718191a1b1c1d"
)
FOUR_LAST_FRAGMENT: Final = (
    "4500007a69f8009d40118bdac0000201c0000202aeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
)
FOUR_WITH_SIX: Final = (
    "4500009a6ad7000040118b78c0000201c0000202b59812c00086849b080000000000040002000000040202000000040186dd600cd500"
    "00403a40fd000004000000000000000000000001fd0000040000000000000000000000028000ec917bbd0001ab11076b00000000a7d8"
)
SIX_WITH_FOUR: Final = (
    "600000000072114020010db800000000000000000000000120010db8000000000000000000000002983f11a800720000080000000000"
    "0600020000000602020000000601080045000054d23540004001746ff4000601f400060208001c617c3d0001ad11076b00000000e410"
)
SIX_REPLY: Final = (
    "600000000086114020010db800000000000000000000000220010db8000000000000000000000001ae8711a800860000080000000000"
    "060002000000060102000000060286dd600e698200403a40fd000006000000000000000000000002fd00000600000000000000000000"
    "000181003f5b7c970001af11076b000000004931"
)
NEIGHBOUR_SOLICITATION: Final = (
    "6000000000203afffe8000000000000064a9a4fffe8f54bfff0200000000000000000001ff0000028700bf3d0000000020010db80000"
)
ONE4, TWO4 = ip_address("192.0.2.1"), ip_address("192.0.2.2")
ONE6, TWO6 = ip_address("2001:db8::1"), ip_address("2001:db8::2")


def fragmented6(text: str, offset: int) -> bytes:
    """An IPv6 packet with a fragment header (RFC 8200, 4.5): more fragments follow."""
    data = bytes.fromhex(text)
    header = bytes([data[6], 0]) + (offset << 3 | 1).to_bytes(2) + bytes(4)
    return data[:4] + (int.from_bytes(data[4:6]) + 8).to_bytes(2) + bytes([44]) + data[7:40] + header + data[40:]


CAPTURED = [
    (bytes.fromhex(FOUR), Outer(ONE4, TWO4, 4800, 134, False, REQUEST)),
    (bytes.fromhex(FOUR_REPLY), Outer(TWO4, ONE4, 4800, 134, False, REPLY)),
    (bytes.fromhex(FOUR_FIRST_FRAGMENT), Outer(ONE4, TWO4, 4800, 1276, True, REQUEST)),
    (bytes.fromhex(FOUR_LAST_FRAGMENT), None),
    (bytes.fromhex(FOUR_WITH_SIX), Outer(ONE4, TWO4, 4800, 154, False, REQUEST)),
    (bytes.fromhex(SIX_WITH_FOUR), Outer(ONE6, TWO6, 4520, 154, False, REQUEST)),
    (bytes.fromhex(SIX_REPLY), Outer(TWO6, ONE6, 4520, 174, False, REPLY)),
    (fragmented6(SIX_WITH_FOUR, 0), Outer(ONE6, TWO6, 4520, 162, True, REQUEST)),
    (fragmented6(SIX_WITH_FOUR, 185), None),
    (bytes.fromhex(NEIGHBOUR_SOLICITATION), None),
    (bytes.fromhex(FOUR)[:28], Outer(ONE4, TWO4, 4800, 134, False, None)),
    (b"", None),
    (b"\x45", None),
]


def in_udp(port: int, payload: bytes) -> bytes:
    """An IPv4 packet with that payload."""
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0, ONE4.packed, TWO4.packed)
    return header + struct.pack("!HHHH", port, port, 8 + len(payload), 0) + payload


def ike(flags: int) -> bytes:
    """The header of an IKE message behind the marker that tells it from ESP."""
    return bytes(4) + struct.pack("!QQBBBBII", 0xABCD, 0, 46, 0x20, 34, flags, 0, 28)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (ike(0x08), REQUEST),
        (ike(0x00), REQUEST),
        (ike(0x20), REPLY),
        (ike(0x28), REPLY),
        (ike(0x28)[:-1], None),
        (b"\xff", None),
        (struct.pack("!II", 0xC0DE0001, 1) + bytes(60), None),
        (struct.pack("<I", 1) + bytes(144), REQUEST),
        (struct.pack("<I", 2) + bytes(88), REPLY),
        (struct.pack("<I", 4) + bytes(88), None),
    ],
    ids=[
        "IKE, initiator asks", "IKE, responder asks", "IKE, initiator answers", "IKE, responder answers", "cut IKE",
        "NAT keepalive", "ESP", "WireGuard initiation", "WireGuard response", "WireGuard data",
    ],
)  # fmt: skip
def test_what_stands_for_an_echo_where_it_is_hidden(payload: bytes, expected: EchoKind | None) -> None:
    seen = decode(in_udp(4524, payload))
    assert seen is not None
    assert (seen.port, seen.echo) == (4524, expected)


@pytest.mark.parametrize(("data", "expected"), CAPTURED)
def test_captured_packets(data: bytes, expected: Outer | None) -> None:
    assert decode(data) == expected


@given(
    st.binary(max_size=HEADERS)
    | st.sampled_from(CAPTURED).flatmap(lambda one: st.integers(0, len(one[0])).map(lambda cut: one[0][:cut]))
)
def test_any_bytes_are_packets_or_nothing(data: bytes) -> None:
    outer = decode(data)
    assert outer is None or 0 <= outer.port < 1 << 16


@pytest.mark.parametrize(("data", "expected"), CAPTURED)
def test_a_damaged_packet_is_another_or_none(data: bytes, expected: Outer | None) -> None:
    found = [decode(one) for one in damaged(data)]
    assert all(one is None or (0 <= one.port < 1 << 16 and one.source.version == one.target.version) for one in found)
    assert expected is None or len(set(found)) > 1


@pytest.mark.parametrize("ports", [(4800,), (4800, 4520), tuple(range(4500, 4540))])
@pytest.mark.parametrize(("data", "expected"), CAPTURED)
def test_the_filter_takes_what_is_decoded(data: bytes, expected: Outer | None, ports: tuple[int, ...]) -> None:
    taken = run(port_filter(ports), data)
    assert taken == (HEADERS if expected is not None and expected.port in ports else 0) or expected is None


def test_the_filter_leaves_out_other_ports_and_fragments() -> None:
    assert run(port_filter({4801}), bytes.fromhex(FOUR)) == 0
    assert run(port_filter({4801}), bytes.fromhex(SIX_REPLY)) == 0
    assert run(port_filter({0xAEAF, 0xB0B1}), bytes.fromhex(FOUR_LAST_FRAGMENT)) == 0
    assert run(port_filter({4800, 4520}), bytes.fromhex(NEIGHBOUR_SOLICITATION)) == 0


def run(program: bytes, data: bytes) -> int:
    """Classic BPF as the kernel runs it (Documentation/networking/filter.rst): the bytes to take. A load beyond the
    packet ends it with 0."""
    code = list(struct.iter_unpack("@HBBI", program))
    place = accumulator = index = 0
    while True:
        operation, yes, no, value = code[place]
        place += 1
        match operation:
            case 0x30 | 0x28 | 0x48:
                start = value + (index if operation == 0x48 else 0)
                size = 1 if operation == 0x30 else 2
                if start + size > len(data):
                    return 0
                accumulator = int.from_bytes(data[start : start + size])
            case 0xB1:
                index = (data[value] & 0xF) * 4
            case 0x54:
                accumulator &= value
            case 0x15:
                place += yes if accumulator == value else no
            case 0x45:
                place += yes if accumulator & value else no
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"instruction {operation:#x} is not known here")

"""Echo packets as bytes: examples computed by hand, round trips, and garbage."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.icmp import Echo, checksum, decode_reply, encode_request
from tests.fakes.mutations import damaged

ECHOES = st.builds(Echo, st.binary(min_size=8, max_size=8), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1))
IPV4_HEADER = bytes([0x45]) + bytes(19)


def answer(version: int, request: bytes) -> bytes:
    """What a raw socket gives for the reply to `request`."""
    reply = bytes([0 if version == 4 else 129]) + request[1:]
    return IPV4_HEADER + reply if version == 4 else reply


@given(st.sampled_from((4, 6)), ECHOES)
def test_the_reply_names_its_request(version: int, echo: Echo) -> None:
    assert decode_reply(version, answer(version, encode_request(version, echo))) == echo


@given(ECHOES)
def test_the_checksum_of_an_ipv4_request_is_right(echo: Echo) -> None:
    assert checksum(encode_request(4, echo)) == 0


def test_the_checksum_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert checksum(b"\x01") == 0xFFFF - 0x0100


def test_types_of_both_families() -> None:
    echo = Echo(bytes(8), 7, 65537)
    assert encode_request(4, echo)[:2] == b"\x08\x00"
    assert encode_request(6, echo)[:4] == b"\x80\x00\x00\x00"
    assert struct.unpack_from("!HH", encode_request(6, echo), 4) == (7, 1)


@pytest.mark.parametrize("version", [4, 6])
def test_a_request_another_code_and_a_wrong_sequence_are_no_reply(version: int) -> None:
    request = encode_request(version, Echo(bytes(8), 7, 9))
    good = bytearray(answer(version, request))
    offset = 20 if version == 4 else 0
    for position, value in ((0, 8 if version == 4 else 128), (1, 1), (7, 8)):
        bad = bytearray(good)
        bad[offset + position] = value
        assert decode_reply(version, bytes(bad)) is None
    assert decode_reply(version, bytes(good)) is not None
    assert decode_reply(version, bytes(good[:-1])) is None


@given(st.sampled_from((4, 6)), st.binary(max_size=60))
def test_garbage_never_raises(version: int, data: bytes) -> None:
    decoded = decode_reply(version, data)
    assert decoded is None or isinstance(decoded, Echo)


@pytest.mark.parametrize("version", [4, 6])
def test_a_damaged_reply_is_another_probes_or_none(version: int) -> None:
    """Whose it is stands in token, identifier and number: what differs there is not the prober's own."""
    echo = Echo(b"mcnet123", 0x0701, 0x01020304)
    good = answer(version, encode_request(version, echo))
    found = [decode_reply(version, data) for data in damaged(good)]
    assert None in found
    assert any(one not in (None, echo) for one in found)
    start = 20 if version == 4 else 0
    for place in (*range(start + 4, start + 20), start):
        broken = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        assert decode_reply(version, broken) != echo, place

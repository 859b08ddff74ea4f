"""The messages of a transaction, byte by byte; that the kernel takes them is tests/netns/test_nftables.py's."""

import struct

import pytest

from mcnet.codec.nft_batch import encode_elements
from mcnet.model.kernel import NftSet


def split(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """(kind, flags, number, body) of each message: their lengths make up the whole."""
    found = []
    while data:
        length, kind, flags, number, port = struct.unpack_from("=IHHII", data)
        assert (length % 4, port) == (0, 0)
        found.append((kind, flags, number, data[16:length]))
        data = data[length:]
    return found


def attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


PLACE = b"\1\0\0\0" + attribute(1, b"mcnet\0") + attribute(2, b"spare\0")


def element(number: int) -> bytes:
    return attribute(0x8001, attribute(0x8001, attribute(1, bytes([number]))))


def test_a_set_is_emptied_and_filled_in_one_transaction() -> None:
    batch = encode_elements("mcnet", (NftSet("spare", "inet_proto", (), frozenset({"58", "icmp"})),))
    assert batch is not None
    assert split(batch.data) == [
        (0x10, 1, 0, b"\0\0\0\x0a"),
        (0xA0E, 5, 1, PLACE),
        (0xA0C, 0x405, 2, PLACE + attribute(0x8003, element(1) + element(58))),
        (0x11, 1, 3, b"\0\0\0\x0a"),
    ]
    assert batch.asked == {1, 2}


def test_an_empty_set_is_only_emptied() -> None:
    batch = encode_elements("mcnet", (NftSet("spare", "inet_proto"), NftSet("isolated", "inet_proto")))
    assert batch is not None
    assert [message[0] for message in split(batch.data)] == [0x10, 0xA0E, 0xA0E, 0x11]
    assert batch.asked == {1, 2}


@pytest.mark.parametrize(
    "other", [NftSet("peers4", "ipv4_addr"), NftSet("ranges", "inet_proto", ("interval",))], ids=["type", "flags"]
)
def test_sets_of_another_kind_are_left_to_nft(other: NftSet) -> None:
    assert encode_elements("mcnet", (NftSet("spare", "inet_proto"), other)) is None

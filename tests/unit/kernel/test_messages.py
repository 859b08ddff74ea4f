"""Bytes of next-hop messages against the layouts of linux/nexthop.h, written out by hand."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from mcnet.kernel.messages import (
    GROUP_RESILIENT,
    RTM_NEWNEXTHOP,
    NextHopMessage,
    RouteMessage,
    decode_members,
    encode_members,
)

MEMBERS = st.lists(
    st.tuples(st.integers(1, 2**32 - 1), st.integers(1, 256)), max_size=6, unique_by=lambda pair: pair[0]
)


def attribute(kind: int, payload: bytes) -> bytes:
    length = 4 + len(payload)
    return struct.pack("=HH", length, kind) + payload + bytes(-length % 4)


def test_a_resilient_group_as_bytes() -> None:
    message = NextHopMessage()
    message["protocol"] = 109
    message["attrs"] = [
        ["NHA_ID", 0x62000001],
        ["NHA_GROUP", encode_members(((5, 1), (6, 3)))],
        ["NHA_GROUP_TYPE", GROUP_RESILIENT],
        ["NHA_RES_GROUP", {"attrs": [["NHA_RES_GROUP_BUCKETS", 128], ["NHA_RES_GROUP_IDLE_TIMER", 6000]]}],
    ]
    message["header"]["type"] = RTM_NEWNEXTHOP
    message.encode()
    nested = attribute(1, struct.pack("=H", 128)) + attribute(2, struct.pack("=I", 6000))
    expected = (
        struct.pack("=BBBBI", 0, 0, 109, 0, 0)
        + attribute(1, struct.pack("=I", 0x62000001))
        + attribute(2, struct.pack("=IBBHIBBH", 5, 0, 0, 0, 6, 2, 0, 0))
        + attribute(3, struct.pack("=H", 1))
        + attribute(12 | 0x8000, nested)
    )
    assert bytes(message.data[16 : 16 + len(expected)]) == expected


def test_a_route_names_its_next_hop_by_attribute_30() -> None:
    assert RouteMessage.name2nla("nh_id") == "RTA_NH_ID"
    message = RouteMessage()
    message["family"] = 2
    message["attrs"] = [["RTA_NH_ID", 7]]
    message["header"]["type"] = 24
    message.encode()
    assert bytes(message.data[28:36]) == attribute(30, struct.pack("=I", 7))


@given(MEMBERS)
def test_members_come_back_sorted(members: list[tuple[int, int]]) -> None:
    assert decode_members(encode_members(tuple(members))) == tuple(sorted(members))

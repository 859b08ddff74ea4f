"""Netlink messages that pyroute2 0.9 lacks: next-hop objects, and routes that use them.

Layouts are those of linux/nexthop.h and linux/rtnetlink.h. Nothing is sent or decided here.
"""

import struct
from typing import Any, Final

from pyroute2.netlink import NLA_F_NESTED, nla, nlmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

RTM_NEWNEXTHOP: Final = 104
RTM_DELNEXTHOP: Final = 105
RTM_GETNEXTHOP: Final = 106
RTNLGRP_NEXTHOP: Final = 32

RTNH_F_ONLINK: Final = 4
"""The gateway is reachable on the device whatever the device's prefixes say."""

GROUP_PLAIN: Final = 0
GROUP_RESILIENT: Final = 1
_GROUP_ENTRY: Final = struct.Struct("=IBBH")


class RouteMessage(rtmsg):  # type: ignore[misc]  # pyroute2 has no types
    """A route (rtnetlink(7)) that may name a next-hop object."""

    nla_map = (*rtmsg.nla_map, *((f"RTA_{number}", "hex") for number in range(24, 30)), ("RTA_NH_ID", "uint32"))


class ResilientGroup(nla):  # type: ignore[misc]  # pyroute2 has no types
    """NHA_RES_GROUP: timers in USER_HZ (hundredths of a second)."""

    nla_flags = NLA_F_NESTED

    nla_map = (
        ("NHA_RES_GROUP_PAD", "none"),
        ("NHA_RES_GROUP_BUCKETS", "uint16"),
        ("NHA_RES_GROUP_IDLE_TIMER", "uint32"),
        ("NHA_RES_GROUP_UNBALANCED_TIMER", "uint32"),
        ("NHA_RES_GROUP_UNBALANCED_TIME", "uint64"),
    )


class NextHopMessage(nlmsg):  # type: ignore[misc]  # pyroute2 has no types
    """A next-hop object or a group of them (struct nhmsg)."""

    fields = (("family", "B"), ("scope", "B"), ("protocol", "B"), ("resvd", "B"), ("flags", "I"))
    prefix = "NHA_"
    nla_map = (
        ("NHA_UNSPEC", "none"),
        ("NHA_ID", "uint32"),
        ("NHA_GROUP", "cdata"),
        ("NHA_GROUP_TYPE", "uint16"),
        ("NHA_BLACKHOLE", "flag"),
        ("NHA_OIF", "uint32"),
        ("NHA_GATEWAY", "target"),
        ("NHA_ENCAP_TYPE", "hex"),
        ("NHA_ENCAP", "hex"),
        ("NHA_GROUPS", "flag"),
        ("NHA_MASTER", "uint32"),
        ("NHA_FDB", "flag"),
        ("NHA_RES_GROUP", "resilient"),
    )
    resilient = ResilientGroup


MESSAGE_CLASSES: Final[dict[int, Any]] = {
    24: RouteMessage,
    25: RouteMessage,
    RTM_NEWNEXTHOP: NextHopMessage,
    RTM_DELNEXTHOP: NextHopMessage,
    RTM_GETNEXTHOP: NextHopMessage,
}


def encode_members(members: tuple[tuple[int, int], ...]) -> bytes:
    """struct nexthop_grp of each (id, weight): the kernel stores the weight less one."""
    return b"".join(_GROUP_ENTRY.pack(identifier, weight - 1, 0, 0) for identifier, weight in members)


def decode_members(data: bytes) -> tuple[tuple[int, int], ...]:
    """The (id, weight) pairs of NHA_GROUP, sorted by id."""
    return tuple(sorted((identifier, weight + 1) for identifier, weight, _, _ in _GROUP_ENTRY.iter_unpack(data)))

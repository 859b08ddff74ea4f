"""The one order in which changes are applied.

Every object is created after what it refers to, and the rules last, because only they attract traffic;
removals run the other way round. Only the order is decided here, not the changes (mcnet.plan.diff).
"""

from enum import IntEnum
from typing import assert_never

from mcnet.model.kernel import (
    FdbEntry,
    HostRule,
    KernelObject,
    Link,
    Neighbour,
    NextHop,
    NextHopGroup,
    NftFingerprint,
    NftTable,
    Route,
    Rule,
    Sysctl,
)
from mcnet.model.wireguard import WireguardDevice


class Phase(IntEnum):
    """Position in a round of additions; removals run from the last to the first."""

    LINK = 1
    """With its MTU and addresses."""
    WIREGUARD = 2
    """Keys and peers of a device that is there."""
    NEIGHBOUR = 3
    FDB = 4
    NEXTHOP = 5
    GROUP = 6
    NFT_TABLE = 7
    SYSCTL = 8
    ROUTE = 9
    HOST_RULE = 10
    RULE = 11


def phase_of(item: KernelObject) -> Phase:
    """The phase in which `item` is created."""
    match item:
        case Link():
            phase = Phase.LINK
        case WireguardDevice():
            phase = Phase.WIREGUARD
        case Neighbour():
            phase = Phase.NEIGHBOUR
        case FdbEntry():
            phase = Phase.FDB
        case NextHop():
            phase = Phase.NEXTHOP
        case NextHopGroup():
            phase = Phase.GROUP
        case NftTable() | NftFingerprint():
            phase = Phase.NFT_TABLE
        case Sysctl():
            phase = Phase.SYSCTL
        case Route():
            phase = Phase.ROUTE
        case HostRule():
            phase = Phase.HOST_RULE
        case Rule():
            phase = Phase.RULE
        case _:
            assert_never(item)
    return phase

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


class Phase(IntEnum):
    """Position in a round of additions; removals run from the last to the first."""

    LINK = 1
    """With its MTU and addresses."""
    NEIGHBOUR = 2
    FDB = 3
    NEXTHOP = 4
    GROUP = 5
    NFT_TABLE = 6
    SYSCTL = 7
    ROUTE = 8
    HOST_RULE = 9
    RULE = 10


def phase_of(item: KernelObject) -> Phase:
    """The phase in which `item` is created."""
    match item:
        case Link():
            phase = Phase.LINK
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

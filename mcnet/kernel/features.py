"""What a node's kernel must be able to do, found by trying: a version number says little about a vendor's kernel.

Every trial leaves nothing: next hops and devices are deleted again, nft scripts are only checked (`nft -c`).
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from mcnet.kernel import nftables
from mcnet.kernel.errors import is_denied, is_there
from mcnet.kernel.messages import (
    GROUP_RESILIENT,
    RTM_DELNEXTHOP,
    RTM_NEWNEXTHOP,
    NextHopMessage,
    encode_members,
)
from mcnet.kernel.netlink import CREATE, EXCLUSIVE, FAMILIES, Session, build, device_index, open_session
from mcnet.model.errors import KernelError
from mcnet.model.ownership import ROUTE_PROTOCOL
from mcnet.plan.driver import LIBRESWAN

_TRIAL_MEMBER: Final = 0x6D00_0001
_TRIAL_GROUP: Final = 0x6D00_0002
"""Ids outside every NextHopKind, so that neither daemon takes a trial for its own."""
_TRIAL_DEVICE: Final = "mcnet-trial"
_TRIAL_VNI: Final = 0x6D63FF
_TRIAL_PORT: Final = 4799
_TRIAL_IF_ID: Final = 0x6E00_0001
"""Outside of what cables have (mcnet.model.ownership.libreswan_if_id)."""

_NFT_TRIALS: Final = {
    "nft sets of concatenated intervals": (
        "5.6",
        "set s { type ether_addr . ipv4_addr; flags interval; elements = { 02:00:00:00:00:01 . 10.0.0.0/8 }; }",
    ),
    "nft NAT in family inet": (
        "5.2",
        "chain c { type nat hook postrouting priority srcnat - 10; policy accept; snat ip to ip saddr; }",
    ),
    "nft notrack": ("4.9", "chain c { type filter hook prerouting priority raw; policy accept; notrack; }"),
    "nft fib lookups": (
        "4.10",
        "chain c { type filter hook prerouting priority raw; policy accept; fib daddr type local accept; }",
    ),
    "nft connection tracking": (
        "4.13",
        "chain c { type filter hook forward priority filter; policy accept; ct original ip daddr 10.0.0.1 accept; }",
    ),
    "nft reject in family inet": (
        "3.14",
        "chain c { type filter hook output priority filter; reject with icmpx type admin-prohibited; }",
    ),
    "nft MSS clamping": (
        "4.14",
        "chain c { type filter hook forward priority mangle; policy accept; "
        "tcp flags syn tcp option maxseg size set rt mtu; }",
    ),
}


@dataclass(frozen=True, slots=True)
class MissingFeature:
    """A feature that the kernel lacks. `since` is the first Linux version that has it; without a `required`
    one nothing works, without the others something works less well. `detail` is the kernel's answer."""

    name: str
    since: str
    required: bool
    detail: str


Trial = Callable[[Session], Awaitable[None]]


async def check(drivers: Collection[str] = ()) -> list[MissingFeature]:
    """The features that are missing, none on a good kernel. `drivers` are those of the cluster's cables: what a cable
    driver needs is only tried for it. Raises KernelError without the right to try."""
    missing = []
    trials: list[tuple[str, str, bool, Trial]] = [
        ("VXLAN devices", "3.7", True, _try_vxlan),
        ("next-hop objects", "5.3", True, _try_nexthop),
        ("resilient next-hop groups", "5.13", False, _try_resilient),
    ]
    if LIBRESWAN in drivers:
        trials.append(("XFRM devices (for the driver libreswan)", "4.19", True, _try_xfrm))
    async with open_session() as session:
        for name, since, required, trial in trials:
            detail = await _answer(trial, session)
            if detail:
                missing.append(MissingFeature(name, since, required, detail))
    for name, (since, body) in _NFT_TRIALS.items():
        try:
            await nftables.check(f"table inet mcnet_trial {{\n{body}\n}}\n")
        except KernelError as error:
            missing.append(MissingFeature(name, since, True, error.message))
    return missing


async def _answer(trial: Trial, session: Session) -> str:
    """Why the trial failed, "" if it did not."""
    try:
        await trial(session)
    except KernelError as error:
        if is_denied(error):
            raise
        return error.message
    return ""


async def _try_vxlan(session: Session) -> None:
    data = {"attrs": [["IFLA_VXLAN_ID", _TRIAL_VNI], ["IFLA_VXLAN_PORT", _TRIAL_PORT]]}
    info = {"attrs": [["IFLA_INFO_KIND", "vxlan"], ["IFLA_INFO_DATA", data]]}
    request = build(ifinfmsg(), {}, [("IFLA_IFNAME", _TRIAL_DEVICE), ("IFLA_LINKINFO", info)])
    await _create(session, request, 16, "create a VXLAN device")
    await session.request(build(ifinfmsg(), {"index": device_index(_TRIAL_DEVICE)}, []), 17, doing="delete it")


async def _try_xfrm(session: Session) -> None:
    info = {"attrs": [["IFLA_INFO_KIND", "xfrm"], ["IFLA_INFO_DATA", {"attrs": [["IFLA_XFRM_IF_ID", _TRIAL_IF_ID]]}]]}
    request = build(ifinfmsg(), {}, [("IFLA_IFNAME", _TRIAL_DEVICE), ("IFLA_LINKINFO", info)])
    await _create(session, request, 16, "create an XFRM device")
    await session.request(build(ifinfmsg(), {"index": device_index(_TRIAL_DEVICE)}, []), 17, doing="delete it")


async def _try_nexthop(session: Session) -> None:
    await _create(session, _blackhole(), RTM_NEWNEXTHOP, "create a next-hop object")
    await _delete(session, _TRIAL_MEMBER)


async def _try_resilient(session: Session) -> None:
    await _create(session, _blackhole(), RTM_NEWNEXTHOP, "create a next-hop object")
    group = build(
        NextHopMessage(),
        {"protocol": ROUTE_PROTOCOL},
        [
            ("NHA_ID", _TRIAL_GROUP),
            ("NHA_GROUP", encode_members(((_TRIAL_MEMBER, 1),))),
            ("NHA_GROUP_TYPE", GROUP_RESILIENT),
            ("NHA_RES_GROUP", {"attrs": [["NHA_RES_GROUP_BUCKETS", 8]]}),
        ],
    )
    try:
        await _create(session, group, RTM_NEWNEXTHOP, "create a resilient next-hop group")
    finally:
        # The group goes with its only member.
        await _delete(session, _TRIAL_MEMBER)


def _blackhole() -> Any:
    fields = {"protocol": ROUTE_PROTOCOL, "family": FAMILIES[4]}
    return build(NextHopMessage(), fields, [("NHA_ID", _TRIAL_MEMBER), ("NHA_BLACKHOLE", True)])


async def _create(session: Session, request: Any, command: int, doing: str) -> None:
    """What an interrupted trial left behind proves the feature as well."""
    try:
        await session.request(request, command, CREATE | EXCLUSIVE, doing=doing)
    except KernelError as error:
        if not is_there(error):
            raise


async def _delete(session: Session, identifier: int) -> None:
    request = build(NextHopMessage(), {}, [("NHA_ID", identifier)])
    await session.request(request, RTM_DELNEXTHOP, doing="delete the trial next hop")

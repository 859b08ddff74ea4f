"""Next-hop objects and groups over netlink (Linux 5.3; resilient groups 5.13). Nothing is decided here."""

from ipaddress import ip_address
from typing import Any, Final

from mcnet.kernel.messages import (
    GROUP_PLAIN,
    GROUP_RESILIENT,
    RTM_DELNEXTHOP,
    RTM_GETNEXTHOP,
    RTM_NEWNEXTHOP,
    RTNH_F_ONLINK,
    NextHopMessage,
    decode_members,
    encode_members,
)
from mcnet.kernel.netlink import (
    CREATE,
    EXCLUSIVE,
    FAMILIES,
    REPLACE,
    VERSIONS,
    Session,
    build,
    device_index,
)
from mcnet.model.kernel import NextHop, NextHopGroup
from mcnet.model.ownership import ROUTE_PROTOCOL, NextHopKind, Partition, nexthop_kind

_IDLE_TIMER: Final = 1000
"""Hundredths of a second: a bucket without traffic for 10 s may move to restore the weights. Nothing that passes is
tracked, so a flow that pauses for longer does not mind; the kernel's default is 120 s."""
_UNBALANCED_TIMER: Final = 6000
"""Hundredths of a second: when weights were not kept for 60 s, buckets with traffic move too, so that a gateway that
is back gets its share. The kernel's default is never."""

_GROUP_FAMILY: Final = {
    NextHopKind.OVERLAY_GROUP4: 4,
    NextHopKind.OVERLAY_GROUP6: 6,
    NextHopKind.CABLE_GROUP4: 4,
    NextHopKind.CABLE_GROUP6: 6,
}
"""The kernel does not remember the family of a group: it follows from the id."""


async def read(
    session: Session, partition: Partition, devices: dict[int, str]
) -> tuple[frozenset[NextHop], frozenset[NextHopGroup]]:
    """The next hops and groups that `partition` owns; `devices` are names by index."""
    nexthops: set[NextHop] = set()
    groups: set[NextHopGroup] = set()
    for message in await session.dump(NextHopMessage(), RTM_GETNEXTHOP, doing="read next hops"):
        kind = nexthop_kind(message.get_attr("NHA_ID"))
        if kind not in partition.nexthops or message["protocol"] != ROUTE_PROTOCOL:
            continue
        if message.get_attr("NHA_GROUP") is not None:
            groups.add(_group(message, kind))
        else:
            nexthops.add(_nexthop(message, devices))
    return frozenset(nexthops), frozenset(groups)


def _group(message: Any, kind: NextHopKind | None) -> NextHopGroup:
    buckets = 0
    if message.get_attr("NHA_GROUP_TYPE") == GROUP_RESILIENT:
        buckets = message.get_attr("NHA_RES_GROUP").get_attr("NHA_RES_GROUP_BUCKETS")
    return NextHopGroup(
        id=message.get_attr("NHA_ID"),
        family=_GROUP_FAMILY.get(kind, 0) if kind else 0,
        members=decode_members(message.get_attr("NHA_GROUP")),
        resilient=buckets,
    )


def _nexthop(message: Any, devices: dict[int, str]) -> NextHop:
    index, gateway = message.get_attr("NHA_OIF"), message.get_attr("NHA_GATEWAY")
    return NextHop(
        id=message.get_attr("NHA_ID"),
        device=devices.get(index, f"#{index}"),
        via=ip_address(gateway) if gateway else None,
        family=VERSIONS.get(message["family"], 0),
    )


async def add(session: Session, item: NextHop | NextHopGroup) -> None:
    """Create the next hop or group. Raises KernelError."""
    await session.request(_message(item), RTM_NEWNEXTHOP, CREATE | EXCLUSIVE, doing=f"create {_text(item)}")


async def replace(session: Session, item: NextHop | NextHopGroup) -> None:
    """Change the next hop or group in place: routes over it keep forwarding. Raises KernelError."""
    await session.request(_message(item), RTM_NEWNEXTHOP, CREATE | REPLACE, doing=f"change {_text(item)}")


async def remove(session: Session, item: NextHop | NextHopGroup) -> None:
    """Delete it; groups lose the member, routes over it go. Raises KernelError."""
    request = build(NextHopMessage(), {}, [("NHA_ID", item.id)])
    await session.request(request, RTM_DELNEXTHOP, doing=f"delete {_text(item)}")


def _text(item: NextHop | NextHopGroup) -> str:
    return f"next-hop {'group ' if isinstance(item, NextHopGroup) else ''}{item.id:#x}"


def _message(item: NextHop | NextHopGroup) -> Any:
    fields = {"protocol": ROUTE_PROTOCOL}
    attributes: list[tuple[str, Any]] = [("NHA_ID", item.id)]
    if isinstance(item, NextHop):
        fields["family"] = FAMILIES[item.family]
        attributes.append(("NHA_OIF", device_index(item.device)))
        if item.via is not None:
            fields["flags"] = RTNH_F_ONLINK
            attributes.append(("NHA_GATEWAY", str(item.via)))
        return build(NextHopMessage(), fields, attributes)
    attributes.append(("NHA_GROUP", encode_members(item.members)))
    attributes.append(("NHA_GROUP_TYPE", GROUP_RESILIENT if item.resilient else GROUP_PLAIN))
    if item.resilient:
        settings = [
            ["NHA_RES_GROUP_BUCKETS", item.resilient],
            ["NHA_RES_GROUP_IDLE_TIMER", _IDLE_TIMER],
            ["NHA_RES_GROUP_UNBALANCED_TIMER", _UNBALANCED_TIMER],
        ]
        attributes.append(("NHA_RES_GROUP", {"attrs": settings}))
    return build(NextHopMessage(), fields, attributes)

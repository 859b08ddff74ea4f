"""Routes in our tables over netlink: read, write, delete. Nothing is decided here."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any, Final

from mcnet.kernel.messages import RTNH_F_ONLINK, RouteMessage
from mcnet.kernel.netlink import CREATE, EXCLUSIVE, FAMILIES, REPLACE, Session, build, device_index
from mcnet.model.kernel import Route, RouteType
from mcnet.model.ownership import ROUTE_PROTOCOL

_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_TYPES: Final = {RouteType.UNICAST: 1, RouteType.UNREACHABLE: 7, RouteType.THROW: 9}
_TYPE_NAMES: Final = {number: kind for kind, number in _TYPES.items()}
_UNIVERSE, _LINK_SCOPE, _NOWHERE = 0, 253, 255
_ANY: Final = {4: "0.0.0.0/0", 6: "::/0"}


async def read(session: Session, tables: Iterable[int], devices: dict[int, str]) -> frozenset[Route]:
    """Our routes (by protocol) in `tables`, both families; the kernel filters by both."""
    found = set()
    for table in tables:
        for version, family in FAMILIES.items():
            fields = {"family": family, "proto": ROUTE_PROTOCOL}
            request = build(RouteMessage(), fields, [("RTA_TABLE", table)])
            for message in await session.dump(request, _GETROUTE, doing=f"read routes of table {table}"):
                route = _route(message, table, version, devices)
                if route is not None:
                    found.add(route)
    return frozenset(found)


def _route(message: Any, table: int, version: int, devices: dict[int, str]) -> Route | None:
    kind = _TYPE_NAMES.get(message["type"])
    if kind is None or message["family"] != FAMILIES[version]:
        # With IPv6 switched off at boot the kernel answers for IPv4 instead.
        return None
    target = message.get_attr("RTA_DST")
    source = message.get_attr("RTA_PREFSRC")
    nexthop = message.get_attr("RTA_NH_ID")
    index = message.get_attr("RTA_OIF")
    gateway = message.get_attr("RTA_GATEWAY")
    metrics = message.get_attr("RTA_METRICS")
    # A route by next-hop object shows the object's device too, and IPv6 shows `lo` for rejects: neither is ours.
    by_device = kind is RouteType.UNICAST and nexthop is None
    return Route(
        table=table,
        prefix=ip_network(f"{target}/{message['dst_len']}" if target else _ANY[version]),
        type=kind,
        nexthop=nexthop,
        device=devices.get(index, f"#{index}") if by_device and index is not None else None,
        via=ip_address(gateway) if by_device and gateway else None,
        source=ip_address(source) if source else None,
        mtu=(metrics.get_attr("RTAX_MTU") or 0) if metrics is not None else 0,
    )


async def add(session: Session, route: Route) -> None:
    """Create the route. Raises KernelError."""
    await session.request(_message(route), _NEWROUTE, CREATE | EXCLUSIVE, doing=f"create {_text(route)}")


async def replace(session: Session, route: Route) -> None:
    """Overwrite the route of the same table and prefix without a gap. Raises KernelError."""
    await session.request(_message(route), _NEWROUTE, CREATE | REPLACE, doing=f"change {_text(route)}")


async def remove(session: Session, route: Route) -> None:
    """Delete the route. Raises KernelError."""
    await session.request(_key(route), _DELROUTE, doing=f"delete {_text(route)}")


def _text(route: Route) -> str:
    return f"route {route.prefix} in table {route.table}"


def _fields(route: Route) -> dict[str, int]:
    return {
        "family": FAMILIES[route.prefix.version],
        "dst_len": route.prefix.prefixlen,
        "proto": ROUTE_PROTOCOL,
        "type": _TYPES[route.type],
    }


def _base_attributes(route: Route) -> list[tuple[str, Any]]:
    attributes: list[tuple[str, Any]] = [("RTA_TABLE", route.table)]
    if route.prefix.prefixlen:
        attributes.append(("RTA_DST", str(route.prefix.network_address)))
    return attributes


def _key(route: Route) -> Any:
    """What names the route for deletion. Its target too: another route may have taken its place."""
    attributes = _base_attributes(route)
    if route.nexthop is not None:
        attributes.append(("RTA_NH_ID", route.nexthop))
    return build(RouteMessage(), _fields(route) | {"scope": _NOWHERE}, attributes)


def _message(route: Route) -> Any:
    fields, attributes = _fields(route), _base_attributes(route)
    if route.nexthop is not None:
        attributes.append(("RTA_NH_ID", route.nexthop))
    if route.device is not None:
        attributes.append(("RTA_OIF", device_index(route.device)))
        fields["scope"] = _UNIVERSE if route.via or route.prefix.version == 6 else _LINK_SCOPE
    if route.via is not None:
        attributes.append(("RTA_GATEWAY", str(route.via)))
        fields["flags"] = RTNH_F_ONLINK if route.device is not None else 0
    if route.source is not None:
        attributes.append(("RTA_PREFSRC", str(route.source)))
    if route.mtu:
        attributes.append(("RTA_METRICS", {"attrs": [["RTAX_MTU", route.mtu]]}))
    return build(RouteMessage(), fields, attributes)

"""Read what one partition owns in the kernel, and the facts of the node. Nothing is decided here."""

import asyncio
import socket
from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, Final

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from mcnet.kernel import links, neighbours, nexthops, nftables, routes, rules, wireguard
from mcnet.kernel.messages import RouteMessage
from mcnet.kernel.netlink import FAMILIES, Session, build, device_names, open_session
from mcnet.kernel.sysctl import NODE_SYSCTLS, SysctlTree
from mcnet.model.kernel import HostFacts, HostLink, HostRoute, Interface, KernelState
from mcnet.model.ownership import Partition, owns_link

_GETLINK, _GETROUTE = 18, 26
_MAIN_TABLE: Final = 254
_UNICAST: Final = 1
_RUNNING_LOWER: Final = 0x10000
"""IFF_LOWER_UP: the carrier is there."""
_RESILIENT_SINCE: Final = (5, 13)


async def read(partition: Partition, *, sysctls: Collection[str], tree: SysctlTree = NODE_SYSCTLS) -> KernelState:
    """What the kernel holds of `partition`, and the current values of `sysctls`. Raises KernelError."""
    async with open_session() as session:
        devices = device_names()
        own = {index: name for index, name in devices.items() if owns_link(partition, name)}
        singles, groups = await nexthops.read(session, partition, devices)
        table = await nftables.read(partition.nft_table)
        own_links = await links.read(session, partition)
        return KernelState(
            links=own_links,
            wireguard=await wireguard.read(own_links),
            neighbours=await neighbours.read(session, own),
            fdb=await neighbours.read_fdb(session, own),
            nexthops=singles,
            groups=groups,
            routes=await routes.read(session, partition.tables, devices),
            rules=await rules.read(session) if partition.rules else frozenset(),
            tables=frozenset() if table is None else frozenset({table}),
            sysctls=tree.read(sysctls),
        )


async def host_facts(*, sysctls: Collection[str] = (), tree: SysctlTree = NODE_SYSCTLS) -> HostFacts:
    """The node's devices, default routes and kernel features. Raises KernelError."""
    async with open_session() as session:
        found = await _host_links(session)
        main = {version: await _main_table(session, version) for version in FAMILIES}
    default4, default6 = _default_route(main[4]), _default_route(main[6])
    private4 = await _source_towards("192.0.2.1") if default4 else None
    private6 = await _source_towards("2001:db8::1") if default6 else None
    return HostFacts(
        links=found,
        default_device4=default4,
        default_device6=default6,
        private4=private4 if isinstance(private4, IPv4Address) else None,
        private6=private6 if isinstance(private6, IPv6Address) else None,
        resilient=_kernel_version() >= _RESILIENT_SINCE,
        ipv6=_ipv6_on(tree),
        sysctls={sysctl.path: sysctl.value for sysctl in tree.read(sysctls)},
        routes=frozenset(route for messages in main.values() for route in _host_routes(messages)),
    )


async def _host_links(session: Session) -> frozenset[HostLink]:
    by_device: dict[int, set[Interface]] = {}
    for address, _, index in await links.addresses_by_device(session):
        by_device.setdefault(index, set()).add(address)
    found = await session.dump(ifinfmsg(), _GETLINK, doing="read devices")
    return frozenset(
        HostLink(
            name=message.get_attr("IFLA_IFNAME"),
            mtu=message.get_attr("IFLA_MTU"),
            carrier=bool(message["flags"] & _RUNNING_LOWER),
            addresses=frozenset(by_device.get(message["index"], ())),
        )
        for message in found
    )


async def _main_table(session: Session, version: int) -> list[Any]:
    """The messages of the unicast routes of the main table."""
    request = build(RouteMessage(), {"family": FAMILIES[version], "type": _UNICAST}, [("RTA_TABLE", _MAIN_TABLE)])
    found = await session.dump(request, _GETROUTE, doing="read the main table")
    return [message for message in found if message.get_attr("RTA_TABLE") == _MAIN_TABLE]


def _default_route(messages: Iterable[Any]) -> str | None:
    """The device of the best default route."""
    candidates = [
        (message.get_attr("RTA_PRIORITY") or 0, index)
        for message in messages
        if message["dst_len"] == 0
        for index in [_device_of(message)]
        if index is not None
    ]
    return device_names().get(min(candidates)[1]) if candidates else None


def _host_routes(messages: Iterable[Any]) -> Iterator[HostRoute]:
    names = device_names()
    for message in messages:
        target, length = message.get_attr("RTA_DST"), message["dst_len"]
        device = names.get(_device_of(message) or 0)
        if target and device and length < ip_address(target).max_prefixlen:
            yield HostRoute(ip_network(f"{target}/{length}", strict=False), device)


def _device_of(message: Any) -> int | None:
    index = message.get_attr("RTA_OIF")
    if index is None:
        hops = message.get_attr("RTA_MULTIPATH") or []
        index = hops[0]["oif"] if hops else None
    return index if isinstance(index, int) else None


async def _source_towards(target: str) -> IPv4Address | IPv6Address | None:
    """The source address that the node would choose. Connecting a datagram socket sends nothing."""
    address = ip_address(target)
    with socket.socket(FAMILIES[address.version], socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(probe, (target, 9))
        except OSError:
            return None
        return ip_address(probe.getsockname()[0])


def _kernel_version() -> tuple[int, int]:
    major, minor = Path("/proc/sys/kernel/osrelease").read_text().split(".")[:2]
    return int(major), int("".join(digit for digit in minor if digit.isdigit()) or 0)


def _ipv6_on(tree: SysctlTree) -> bool:
    values = {sysctl.value for sysctl in tree.read(("ipv6/conf/all/disable_ipv6",))}
    return values == {"0"}

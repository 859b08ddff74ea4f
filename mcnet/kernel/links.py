"""Our devices and their addresses over netlink: read, create, change, delete. Nothing is decided here."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_interface
from typing import Any, Final

from pyroute2.netlink import nla, nlmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from mcnet.kernel import wireguard_userspace
from mcnet.kernel.errors import is_gone, is_there, is_unknown_kind
from mcnet.kernel.netlink import CREATE, EXCLUSIVE, Session, build, device_index, device_names, family_of
from mcnet.model.errors import KernelError
from mcnet.model.kernel import Interface, Link, Vxlan
from mcnet.model.ownership import Partition, owns_link
from mcnet.model.traffic import Count

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_UP: Final = 0x1
_LOOSE: Final = 2
"""rp_filter: the source must be reachable by some device (Linux Documentation/networking/ip-sysctl.rst)."""
_SKIP_STATISTICS: Final = 8
_NODAD: Final = 0x2
"""IFA_F_NODAD: an address derived from the node is unique; duplicate detection would only delay it."""
_KERNEL_LINK_LOCAL: Final = 2
"""IFAPROT_KERNEL_LL (Linux 5.18): the link-local address that the kernel made by itself."""


async def read(session: Session, partition: Partition) -> frozenset[Link]:
    """The devices that `partition` owns by name, with their addresses."""
    links = set()
    for index, name in device_names().items():
        if not owns_link(partition, name):
            continue
        try:
            links.add(await _read_one(session, index, name))
        except KernelError as error:
            if not is_gone(error):
                raise
    return frozenset(links)


async def _read_one(session: Session, index: int, name: str) -> Link:
    request = build(ifinfmsg(), {"index": index}, [("IFLA_EXT_MASK", _SKIP_STATISTICS)])
    (message,) = await session.request(request, _GETLINK, doing=f"read device {name}")
    mac = message.get_attr("IFLA_ADDRESS") or ""
    found = await addresses(session, index)
    if_id = _if_id(message)
    userspace = _kind(message) == "tun" and wireguard_userspace.is_held(name)
    return Link(
        name=name,
        mtu=message.get_attr("IFLA_MTU"),
        mac=mac,
        vxlan=_vxlan(message),
        up=bool(message["flags"] & _UP),
        addresses=frozenset(
            address
            for address, protocol in found
            if not _is_automatic(address, protocol, mac) and not ((userspace or if_id) and address.ip.is_link_local)
        ),
        wireguard=userspace or _kind(message) == "wireguard",
        if_id=if_id,
        userspace=userspace,
        counted=_counted(message, index),
    )


def _counted(message: Any, index: int) -> Count:
    found = message.get_attr("IFLA_STATS64") or {}
    return Count(received=found.get("rx_bytes", 0), sent=found.get("tx_bytes", 0), made=index)


def _kind(message: Any) -> str:
    info = message.get_attr("IFLA_LINKINFO")
    return "" if info is None else info.get_attr("IFLA_INFO_KIND") or ""


def _vxlan(message: Any) -> Vxlan | None:
    if _kind(message) != "vxlan":
        return None
    data = message.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA")
    local = data.get_attr("IFLA_VXLAN_LOCAL") or data.get_attr("IFLA_VXLAN_LOCAL6") or "0.0.0.0"
    return Vxlan(vni=data.get_attr("IFLA_VXLAN_ID"), port=data.get_attr("IFLA_VXLAN_PORT"), local=ip_address(local))


def _if_id(message: Any) -> int:
    if _kind(message) != "xfrm":
        return 0
    return message.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA").get_attr("IFLA_XFRM_IF_ID") or 0


async def addresses(session: Session, index: int = 0) -> list[tuple[Interface, int]]:
    """(address, origin) of the device `index`, of all devices for 0; origin is IFA_PROTO, 0 if unknown."""
    return [(found, protocol) for found, protocol, _ in await addresses_by_device(session, index)]


async def addresses_by_device(session: Session, index: int = 0) -> list[tuple[Interface, int, int]]:
    """(address, origin, device index) of the device `index`, of all devices for 0."""
    request = build(ifaddrmsg(), {"index": index}, [])
    messages = await session.dump(request, _GETADDR, doing="read addresses")
    return [
        (_interface(message), message.get_attr("IFA_PROTO") or 0, message["index"])
        for message in messages
        if index in (0, message["index"])
    ]


def _interface(message: Any) -> Interface:
    text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    return ip_interface(f"{text}/{message['prefixlen']}")


def _is_automatic(address: Interface, protocol: int, mac: str) -> bool:
    """Whether the kernel made this link-local address: marked so, or (before 5.18) made from the MAC address."""
    return address.ip.is_link_local and (protocol == _KERNEL_LINK_LOCAL or address.ip == _link_local(mac))


def _link_local(mac: str) -> IPv6Address | None:
    """fe80::/64 with the modified EUI-64 of `mac` (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    if len(octets) != 6:
        return None
    identifier = bytes((octets[0] ^ 2,)) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return IPv6Address(b"\xfe\x80" + bytes(6) + identifier)


async def add(session: Session, link: Link) -> None:
    """Create a device, with addresses, and set it up. Raises KernelError."""
    if link.wireguard:
        await _add_wireguard(session, link)
    elif link.vxlan is not None:
        await _add_vxlan(session, link, link.vxlan)
    elif link.if_id:
        await _add_xfrm(session, link)
    else:
        raise KernelError(f"create device {link.name}: of no kind that is ours")
    await _loosen(session, link.name)
    await _finish(session, link, device_index(link.name), frozenset(), up=False)


class _Settings(nlmsg):  # type: ignore[misc]
    """A device with settings of IPv4 as they are written: one attribute each (Linux net/ipv4/devinet.c,
    inet_set_link_af). When read they are one array, which is all that pyroute2's ifinfmsg knows; a class derived from
    that would take over its map of attributes."""

    fields = ifinfmsg.fields
    nla_map = ((26, "IFLA_AF_SPEC", "af_spec"),)

    class af_spec(nla):  # type: ignore[misc]  # noqa: N801  (found by this name)
        nla_map = ((2, "AF_INET", "inet"),)

        class inet(nla):  # type: ignore[misc]  # noqa: N801
            nla_map = ((1, "IFLA_INET_CONF", "conf"),)

            class conf(nla):  # type: ignore[misc]  # noqa: N801
                nla_map = ((8, "RP_FILTER", "uint32"), (20, "PROMOTE_SECONDARIES", "uint32"))


async def _set(session: Session, name: str, setting: str, value: int, *, doing: str) -> None:
    conf = {"attrs": [[setting, value]]}
    inet = {"attrs": [["IFLA_INET_CONF", conf]]}
    request = build(_Settings(), {"index": device_index(name)}, [("IFLA_AF_SPEC", {"attrs": [["AF_INET", inet]]})])
    await session.request(request, _NEWLINK, doing=doing)


async def _loosen(session: Session, name: str) -> None:
    """Take in what comes by the device although the way back is another one, from the first packet on: the sysctl is
    the route agent's, which comes to it some hundred milliseconds after the device is up."""
    await _set(session, name, "RP_FILTER", _LOOSE, doing=f"loosen the reverse-path check of {name}")


async def _add_wireguard(session: Session, link: Link) -> None:
    """In the kernel; where it has no WireGuard a process is asked for the device."""
    info = {"attrs": [["IFLA_INFO_KIND", "wireguard"]]}
    request = build(ifinfmsg(), {}, [("IFLA_IFNAME", link.name), ("IFLA_MTU", link.mtu), ("IFLA_LINKINFO", info)])
    try:
        await session.request(request, _NEWLINK, CREATE | EXCLUSIVE, doing=f"create device {link.name}")
    except KernelError as error:
        if not is_unknown_kind(error):
            raise
        await wireguard_userspace.hold(link.name)
        mtu = build(ifinfmsg(), {"index": device_index(link.name)}, [("IFLA_MTU", link.mtu)])
        await session.request(mtu, _NEWLINK, doing=f"set MTU of {link.name} to {link.mtu}")


async def _add_xfrm(session: Session, link: Link) -> None:
    info = {"attrs": [["IFLA_INFO_KIND", "xfrm"], ["IFLA_INFO_DATA", {"attrs": [["IFLA_XFRM_IF_ID", link.if_id]]}]]}
    request = build(ifinfmsg(), {}, [("IFLA_IFNAME", link.name), ("IFLA_MTU", link.mtu), ("IFLA_LINKINFO", info)])
    await session.request(request, _NEWLINK, CREATE | EXCLUSIVE, doing=f"create device {link.name}")


async def _add_vxlan(session: Session, link: Link, vxlan: Vxlan) -> None:
    request = build(
        ifinfmsg(),
        {},
        [
            ("IFLA_IFNAME", link.name),
            ("IFLA_ADDRESS", link.mac),
            ("IFLA_MTU", link.mtu),
            ("IFLA_LINKINFO", {"attrs": [["IFLA_INFO_KIND", "vxlan"], ["IFLA_INFO_DATA", _options(vxlan)]]}),
        ],
    )
    await session.request(request, _NEWLINK, CREATE | EXCLUSIVE, doing=f"create device {link.name}")


def _options(vxlan: Vxlan) -> dict[str, Any]:
    local = "IFLA_VXLAN_LOCAL" if vxlan.local.version == 4 else "IFLA_VXLAN_LOCAL6"
    return {
        "attrs": [
            ["IFLA_VXLAN_ID", vxlan.vni],
            ["IFLA_VXLAN_PORT", vxlan.port],
            [local, str(vxlan.local)],
            ["IFLA_VXLAN_LEARNING", 0],
        ]
    }


async def change(session: Session, old: Link, new: Link) -> None:
    """Bring MTU, state and addresses of an existing device from `old` to `new`. Raises KernelError."""
    index = device_index(new.name)
    networks = {address.network for address in old.addresses - new.addresses if address.version == 4}
    if any(address.network in networks for address in new.addresses):
        # Else the first IPv4 address of a network takes the others along (net/ipv4/devinet.c, inet_del_ifa).
        await _set(session, new.name, "PROMOTE_SECONDARIES", 1, doing=f"keep the other addresses of {new.name}")
    if old.mtu != new.mtu:
        request = build(ifinfmsg(), {"index": index}, [("IFLA_MTU", new.mtu)])
        await session.request(request, _NEWLINK, doing=f"set MTU of {new.name} to {new.mtu}")
    await _finish(session, new, index, old.addresses, up=old.up)


async def _finish(session: Session, link: Link, index: int, existing: frozenset[Interface], *, up: bool) -> None:
    if up != link.up:
        request = build(ifinfmsg(), {"index": index, "flags": _UP if link.up else 0, "change": _UP}, [])
        await session.request(request, _NEWLINK, doing=f"set {link.name} {'up' if link.up else 'down'}")
    if up and not link.up:
        # IPv6 drops its addresses when the device goes down (unless keep_addr_on_down), IPv4 keeps them.
        existing = frozenset(address for address in existing if address.version == 4)
    for address in _ordered(link.addresses - existing):
        await _address(session, index, address, _NEWADDR, f"add {address} to {link.name}")
    for address in _ordered(existing - link.addresses):
        await _address(session, index, address, _DELADDR, f"remove {address} from {link.name}")


def _ordered(found: Iterable[Interface]) -> list[Interface]:
    return sorted(found, key=lambda address: (address.version, int(address.ip), address.network.prefixlen))


async def _address(session: Session, index: int, address: Interface, command: int, doing: str) -> None:
    text = str(address.ip)
    attributes: list[tuple[str, Any]] = [("IFA_LOCAL", text), ("IFA_ADDRESS", text)]
    if address.version == 6:
        attributes.append(("IFA_FLAGS", _NODAD))
    fields = {"index": index, "family": family_of(address.ip), "prefixlen": address.network.prefixlen}
    adding = command == _NEWADDR
    try:
        flags = CREATE | EXCLUSIVE if adding else 0
        await session.request(build(ifaddrmsg(), fields, attributes), command, flags, doing=doing)
    except KernelError as error:
        if not (is_there(error) if adding else is_gone(error)):
            raise


async def remove(session: Session, name: str) -> None:
    """Delete the device and all that sits on it. Raises KernelError."""
    request = build(ifinfmsg(), {"index": device_index(name)}, [])
    await session.request(request, _DELLINK, doing=f"delete device {name}")

"""Permanent neighbour and forwarding entries on our devices over netlink. Nothing is decided here."""

import socket
from ipaddress import ip_address
from typing import Any, Final

from pyroute2.netlink.rtnl.ndmsg import ndmsg

from mcnet.kernel.netlink import CREATE, REPLACE, Session, build, device_index, family_of
from mcnet.model.kernel import FdbEntry, Neighbour

_NEWNEIGH, _DELNEIGH, _GETNEIGH = 28, 29, 30
_BRIDGE: Final = 7
_PERMANENT: Final = 0x80
_NOARP: Final = 0x40
_SELF: Final = 0x2
"""NTF_SELF: the entry is of the device itself, not of a bridge it is a port of."""


async def read(session: Session, devices: dict[int, str]) -> frozenset[Neighbour]:
    """The permanent neighbour entries of `devices` (names by index)."""
    found = set()
    for family in (socket.AF_INET, socket.AF_INET6):
        for index, name in devices.items():
            request = build(ndmsg(), {"family": family}, [("NDA_IFINDEX", index)])
            for message in await session.dump(request, _GETNEIGH, doing=f"read neighbours of {name}"):
                if message["ifindex"] == index and message["state"] == _PERMANENT:
                    address = ip_address(message.get_attr("NDA_DST"))
                    found.add(Neighbour(name, address, message.get_attr("NDA_LLADDR") or ""))
    return frozenset(found)


async def read_fdb(session: Session, devices: dict[int, str]) -> frozenset[FdbEntry]:
    """The permanent forwarding entries of `devices` (names by index) that have a remote address."""
    found = set()
    for index, name in devices.items():
        request = build(ndmsg(), {"family": _BRIDGE, "ifindex": index}, [])
        for message in await session.dump(request, _GETNEIGH, doing=f"read forwarding entries of {name}"):
            remote = message.get_attr("NDA_DST")
            if message["ifindex"] == index and message["state"] & _PERMANENT and remote is not None:
                found.add(FdbEntry(name, message.get_attr("NDA_LLADDR"), ip_address(remote)))
    return frozenset(found)


async def write(session: Session, entry: Neighbour | FdbEntry) -> None:
    """Create the entry, or overwrite what stands under its key: also one that the kernel learnt itself."""
    await session.request(_message(entry), _NEWNEIGH, CREATE | REPLACE, doing=f"set {_text(entry)} on {entry.device}")


async def remove(session: Session, entry: Neighbour | FdbEntry) -> None:
    """Delete the entry. Raises KernelError."""
    await session.request(_message(entry), _DELNEIGH, doing=f"delete {_text(entry)} on {entry.device}")


def _text(entry: Neighbour | FdbEntry) -> str:
    if isinstance(entry, Neighbour):
        return f"neighbour {entry.address} {entry.mac}"
    return f"forwarding entry {entry.mac} to {entry.remote}"


def _message(entry: Neighbour | FdbEntry) -> Any:
    fields = {"ifindex": device_index(entry.device), "state": _PERMANENT}
    if isinstance(entry, Neighbour):
        fields["family"] = family_of(entry.address)
        address = entry.address
    else:
        fields |= {"family": _BRIDGE, "flags": _SELF, "state": _PERMANENT | _NOARP}
        address = entry.remote
    return build(ndmsg(), fields, [("NDA_DST", str(address)), ("NDA_LLADDR", entry.mac)])

"""Kernel objects in words, for log lines, events and reports: short, in the terms of ip(8) and nft(8)."""

from typing import assert_never

from mcnet.model.kernel import (
    Add,
    Change,
    FdbEntry,
    HostRule,
    KernelObject,
    Link,
    Neighbour,
    NextHop,
    NextHopGroup,
    NftFingerprint,
    NftTable,
    Remove,
    Replace,
    Route,
    RouteType,
    Rule,
    Sysctl,
)
from mcnet.model.wireguard import WireguardDevice


def describe_change(change: Change) -> str:
    """What is done, as one line: "add route 10.1.0.0/16 …"."""
    match change:
        case Add():
            return f"add {describe(change.item)}"
        case Replace():
            return f"change {describe(change.item)}"
        case Remove():
            return f"remove {describe(change.item)}"
        case _:
            assert_never(change)


def describe_repair(change: Change) -> str:
    """What somebody else had done, as far as the change that undoes it tells."""
    match change:
        case Add(item):
            return f"{describe(item)} was missing"
        case Remove(item):
            return f"{describe(item)} was added"
        case Replace(Link() as old, Link() as item) if not old.up and item.up:
            return f"device {item.name} was down"
        case Replace(Link() as old, Link() as item) if old.addresses != item.addresses:
            lost = ", ".join(sorted(map(str, item.addresses - old.addresses)))
            return f"device {item.name} had lost {lost}" if lost else f"device {item.name} had other addresses"
        case Replace(Sysctl() as old, Sysctl() as item):
            return f"sysctl net/{item.path} was {old.value} instead of {item.value}"
        case Replace(old, item):
            found, wanted = describe(old), describe(item)
            return f"{wanted} was changed" if found == wanted else f"{wanted} was changed into {found}"
        case _:
            assert_never(change)


def describe(item: KernelObject) -> str:  # noqa: PLR0911 - one line for each kind
    """An object as one line, without what would make it long (the rules of a table)."""
    match item:
        case Link():
            return f"device {item.name} ({_kind(item)}MTU {item.mtu})"
        case WireguardDevice():
            return f"WireGuard settings of {item.name} (UDP {item.port}, peers: {len(item.peers)})"
        case Neighbour():
            return f"neighbour {item.address} at {item.mac} on {item.device}"
        case FdbEntry():
            return f"forwarding entry {item.mac} to {item.remote} on {item.device}"
        case NextHop():
            return f"next hop {item.id} via {item.via} on {item.device}" if item.via else f"next hop {item.id}"
        case NextHopGroup():
            return f"next-hop group {item.id} of {', '.join(str(member) for member, _ in item.members)}"
        case Route():
            return f"route {item.prefix} in table {item.table} {_way(item)}"
        case Rule():
            return f"IPv{item.family} rule {item.priority}{_condition(item)}{_action(item)}"
        case NftTable() | NftFingerprint():
            return f"nft table inet {item.name}"
        case Sysctl():
            return f"sysctl net/{item.path} = {item.value}"
        case HostRule():
            return f"rule {item.mark} in nft chain {item.family} {item.table} {item.chain}"
        case _:
            assert_never(item)


def _condition(rule: Rule) -> str:
    return (f" from {rule.iif}" if rule.iif else "") + (f" to {rule.to}" if rule.to else "")


def _action(rule: Rule) -> str:
    if rule.table:
        return f" into table {rule.table}"
    return f" on to rule {rule.goto}" if rule.goto else ""


def _kind(link: Link) -> str:
    vxlan = link.vxlan
    if link.wireguard:
        return "WireGuard, "
    return f"VXLAN {vxlan.vni} on UDP {vxlan.port} from {vxlan.local}, " if vxlan else ""


def _way(route: Route) -> str:
    if route.type is not RouteType.UNICAST:
        return str(route.type.value)
    if route.nexthop is not None:
        return f"by next-hop group {route.nexthop}"
    return f"via {route.via} on {route.device}"

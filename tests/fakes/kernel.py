"""A kernel in memory: obeys and refuses as Linux does, and can be told to fail one operation.

Written from the behaviour of Linux, not from mcnet.plan: a planner's wrong idea of the kernel must show here.
The netns tests hold both against the real one.
"""

import errno
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from mcnet.codec.nft import fingerprint
from mcnet.kernel.execute import Failure
from mcnet.model.errors import KernelError
from mcnet.model.kernel import (
    Add,
    Address,
    Change,
    FdbEntry,
    HostRule,
    KernelState,
    Link,
    Neighbour,
    NextHop,
    NextHopGroup,
    NftFingerprint,
    NftTable,
    Remove,
    Replace,
    Route,
    Rule,
    Sysctl,
)
from mcnet.model.wireguard import WireguardDevice


class FakeKernel:
    """Holds objects; `apply` as `mcnet.kernel.execute.apply`, `read` as `mcnet.kernel.observe.read`."""

    def __init__(self, sysctls: Collection[Sysctl] = (), foreign: Collection[Address] = ()) -> None:
        """`foreign` are addresses of devices that are not ours."""
        self.foreign = set(foreign)
        self.links: dict[str, Link] = {}
        self.wireguard: dict[str, WireguardDevice] = {}
        self.entries: dict[Any, Neighbour | FdbEntry] = {}
        self.nexthops: dict[int, NextHop | NextHopGroup] = {}
        self.routes: dict[Any, Route] = {}
        self.rules: list[Rule] = []
        self.tables: dict[str, NftFingerprint] = {}
        self.sysctls = {sysctl.path: sysctl for sysctl in sysctls}
        self.host_rules: set[HostRule] = set()
        self.operations = 0
        self.fail_at: int | None = None
        """Number of the operation to refuse, counted from the next one on as 0."""
        self.hits = 0
        """How many operations were refused by injection."""

    def read(self, sysctls: Collection[str]) -> KernelState:
        return KernelState(
            links=frozenset(self.links.values()),
            wireguard=frozenset(self.wireguard.values()),
            neighbours=frozenset(entry for entry in self.entries.values() if isinstance(entry, Neighbour)),
            fdb=frozenset(entry for entry in self.entries.values() if isinstance(entry, FdbEntry)),
            nexthops=frozenset(item for item in self.nexthops.values() if isinstance(item, NextHop)),
            groups=frozenset(item for item in self.nexthops.values() if isinstance(item, NextHopGroup)),
            routes=frozenset(self.routes.values()),
            rules=frozenset(self.rules),
            tables=frozenset(self.tables.values()),
            sysctls=frozenset(self.sysctls[path] for path in sysctls if path in self.sysctls),
            host_rules=frozenset(self.host_rules),
        )

    async def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        failures = []
        for change in changes:
            try:
                self._perform(change)
            except KernelError as error:
                failures.append(Failure(change, error))
        return tuple(failures)

    def _perform(self, change: Change) -> None:
        number, self.operations = self.operations, self.operations + 1
        if number == self.fail_at:
            self.hits += 1
            raise KernelError("injected", errno=errno.ENOMEM)
        match change:
            case Add(item):
                self._set(item, new=True)
            case Replace(old, item):
                assert old.key == item.key
                self._set(item, new=False)
            case Remove(item):
                self._remove(item)

    def _set(self, item: Any, *, new: bool) -> None:
        match item:
            case Link():
                self._set_link(item, new=new)
            case WireguardDevice():
                self._set_wireguard(item)
            case Neighbour() | FdbEntry():
                self._need_device(item.device)
                self.entries[type(item), item.key] = item
            case NextHop() | NextHopGroup():
                self._set_nexthop(item, new=new)
            case Route():
                self._set_route(item, new=new)
            case Rule():
                _refuse(item in self.rules, errno.EEXIST, "rule exists")
                self.rules.append(item)
            case NftTable():
                self.tables[item.name] = fingerprint(item)
            case Sysctl():
                _refuse(item.path not in self.sysctls, errno.ENOENT, "no such sysctl")
                self.sysctls[item.path] = item
            case HostRule():
                self.host_rules.add(item)

    def _set_wireguard(self, item: WireguardDevice) -> None:
        self._need_device(item.name)
        _refuse(not self.links[item.name].wireguard, errno.EOPNOTSUPP, "not a WireGuard device")
        allowed = [prefix for peer in item.peers for prefix in peer.allowed]
        assert len(allowed) == len(set(allowed)), "a prefix of two peers would move from one to the other"
        ports = [other.port for other in self.wireguard.values() if other.name != item.name]
        _refuse(item.port in ports, errno.EADDRINUSE, "the port is another device's")
        self.wireguard[item.name] = item

    def _set_link(self, item: Link, *, new: bool) -> None:
        old = self.links.get(item.name)
        if new:
            _refuse(old is not None, errno.EEXIST, "device exists")
        else:
            assert old is not None
            kinds = [(link.vxlan, link.wireguard, link.mac) for link in (old, item)]
            _refuse(kinds[0] != kinds[1], errno.EOPNOTSUPP, "not in place")
        for other in self.links.values():
            if other.name != item.name and other.vxlan and item.vxlan:
                same = (other.vxlan.vni, other.vxlan.port, other.vxlan.local.version) == (
                    item.vxlan.vni,
                    item.vxlan.port,
                    item.vxlan.local.version,
                )
                _refuse(same, errno.EEXIST, "a VXLAN device with this VNI exists")
        self.links[item.name] = item
        if old is not None:
            self._flush_neighbours(old, item)
        if not item.up:
            self._drop_nexthops({hop.id for hop in self._hops() if hop.device == item.name})
            self._drop_routes(lambda route: route.device == item.name)
        self._lose_addresses({address.ip for address in old.addresses - item.addresses} if old else set())

    def _flush_neighbours(self, old: Link, new: Link) -> None:
        """A device that goes down loses its neighbours, and one without its last IPv4 address those of IPv4."""
        down = old.up and not new.up
        last = _has_ipv4(old) and not _has_ipv4(new)
        gone = [family for family, lost in ((4, down or last), (6, down)) if lost]
        self.entries = {
            key: entry
            for key, entry in self.entries.items()
            if not (isinstance(entry, Neighbour) and entry.device == new.name and entry.address.version in gone)
        }

    def _set_nexthop(self, item: NextHop | NextHopGroup, *, new: bool) -> None:
        old = self.nexthops.get(item.id)
        _refuse(new and old is not None, errno.EEXIST, "next hop exists")
        if isinstance(item, NextHop):
            self._need_device(item.device, up=True)
        else:
            _refuse(not item.members, errno.EINVAL, "empty group")
            _refuse(any(member not in self.nexthops for member, _ in item.members), errno.EINVAL, "no such member")
            changed = isinstance(old, NextHopGroup) and old.resilient != item.resilient
            _refuse(changed, errno.EINVAL, "the type of a group can't change")
        self.nexthops[item.id] = item

    def _set_route(self, item: Route, *, new: bool) -> None:
        _refuse(new and item.key in self.routes, errno.EEXIST, "route exists")
        _refuse(item.nexthop is not None and item.nexthop not in self.nexthops, errno.EINVAL, "no such next hop")
        if item.device is not None:
            self._need_device(item.device, up=True)
        addresses = self.foreign | {address.ip for link in self.links.values() for address in link.addresses}
        _refuse(item.source is not None and item.source not in addresses, errno.EINVAL, "source is not local")
        self.routes[item.key] = item

    def _remove(self, item: Any) -> None:
        match item:
            case Link():
                self._drop_nexthops({hop.id for hop in self._hops() if hop.device == item.name})
                self._drop_routes(lambda route: route.device == item.name)
                self.entries = {key: entry for key, entry in self.entries.items() if entry.device != item.name}
                self.wireguard.pop(item.name, None)
                gone = self.links.pop(item.name, None)
                self._lose_addresses({address.ip for address in gone.addresses} if gone else set())
            case Neighbour() | FdbEntry():
                self.entries.pop((type(item), item.key), None)
            case NextHop() | NextHopGroup():
                self._drop_nexthops({item.id})
            case Route():
                if self.routes.get(item.key) == item:
                    del self.routes[item.key]
            case Rule():
                self._remove_rule(item)
            case NftTable() | NftFingerprint():
                self.tables.pop(item.name, None)
            case HostRule():
                self.host_rules.discard(item)
            case _:
                raise KernelError("a sysctl can't be removed")

    def _remove_rule(self, item: Rule) -> None:
        """A request that names no device matches a rule of any device, and one that goes on at a rule any other that
        does, wherever that is (Linux net/core/fib_rules.c, rule_find); the oldest goes."""
        for rule in self.rules:
            same = _what_it_does(rule) == _what_it_does(item)
            if same and item.iif in (None, rule.iif):
                self.rules.remove(rule)
                return

    def _hops(self) -> list[NextHop]:
        return [item for item in self.nexthops.values() if isinstance(item, NextHop)]

    def _drop_nexthops(self, gone: set[int]) -> None:
        """A member that goes leaves its groups; the last one takes the group along; routes follow."""
        for identifier in gone:
            self.nexthops.pop(identifier, None)
        for item in list(self.nexthops.values()):
            if isinstance(item, NextHopGroup):
                members = tuple(member for member in item.members if member[0] not in gone)
                if members:
                    self.nexthops[item.id] = replace(item, members=members)
                else:
                    del self.nexthops[item.id]
        self._drop_routes(lambda route: route.nexthop is not None and route.nexthop not in self.nexthops)

    def _drop_routes(self, condition: Any) -> None:
        self.routes = {key: route for key, route in self.routes.items() if not condition(route)}

    def _lose_addresses(self, gone: set[Any]) -> None:
        """IPv4 drops routes with a preferred source that went, IPv6 keeps them without it."""
        self._drop_routes(lambda route: route.source in gone and route.prefix.version == 4)
        self.routes = {
            key: replace(route, source=None) if route.source in gone else route for key, route in self.routes.items()
        }

    def _need_device(self, name: str, *, up: bool = False) -> None:
        _refuse(name not in self.links, errno.ENODEV, f"no device {name}")
        _refuse(up and not self.links[name].up, errno.ENETDOWN, f"device {name} is down")


def _refuse(condition: bool, number: int, text: str) -> None:
    if condition:
        raise KernelError(text, errno=number)


def _what_it_does(rule: Rule) -> tuple[int, int, int, bool]:
    """What a request to delete a rule is compared by, besides the device."""
    return rule.family, rule.priority, rule.table, bool(rule.goto)


def _has_ipv4(link: Link) -> bool:
    return any(address.version == 4 for address in link.addresses)

"""What the kernel of a node holds, as values: one type for what is wanted and what is there.

A `KernelState` holds only objects of one daemon's partition (mcnet.model.ownership). Two states differ by
plain set difference of keyed values; `key` says which of two unequal values are the same object.
Addresses are `ipaddress` values, sizes bytes, MAC addresses lower-case text with colons.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import TypeAlias

from mcnet.model.probe import Mark
from mcnet.model.traffic import Count, Tally
from mcnet.model.wireguard import WireguardDevice

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Interface: TypeAlias = IPv4Interface | IPv6Interface


@dataclass(frozen=True, slots=True)
class Vxlan:
    """Options of a VXLAN device; they can't be changed in place: another value means delete and create."""

    vni: int
    port: int
    local: Address


@dataclass(frozen=True, slots=True)
class Link:
    """A device of ours: a VXLAN device, or (`wireguard`) a WireGuard device, whose settings are a WireguardDevice's,
    or (`if_id`) an XFRM device. None of them, and it is a device of another kind found under our name."""

    name: str
    mtu: int
    mac: str
    """"" for WireGuard and XFRM, which have none."""
    vxlan: Vxlan | None
    up: bool = True
    addresses: frozenset[Interface] = frozenset()
    """Without the link-local address that the kernel makes by itself."""
    wireguard: bool = False
    if_id: int = 0
    """XFRM interface id of a Libreswan cable; 0 for none."""
    userspace: bool = field(default=False, compare=False)
    """As observed: a process holds the device, since the kernel has no WireGuard."""
    counted: Count = field(default=Count(), compare=False)
    """As observed: the bytes that passed it."""

    @property
    def key(self) -> str:
        return self.name

    @property
    def fixed(self) -> tuple[object, ...]:
        """What can't be changed in place: another value means delete and create."""
        return self.vxlan, self.wireguard, self.if_id, self.mac


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A permanent neighbour entry on one of our devices."""

    device: str
    address: Address
    mac: str

    @property
    def key(self) -> tuple[str, Address]:
        return self.device, self.address


@dataclass(frozen=True, slots=True)
class FdbEntry:
    """A permanent forwarding entry of a VXLAN device: frames to `mac` go to `remote`."""

    device: str
    mac: str
    remote: Address

    @property
    def key(self) -> tuple[str, str]:
        return self.device, self.mac


@dataclass(frozen=True, slots=True)
class NextHop:
    """A next-hop object (Linux 5.3). `via` is None where the device needs no next hop."""

    id: int
    device: str
    via: Address | None
    family: int
    """4 or 6."""

    @property
    def key(self) -> int:
        return self.id


@dataclass(frozen=True, slots=True)
class NextHopGroup:
    """A group of next hops; `members` are (id, weight) sorted by id; `resilient` is the number of buckets, or
    0 for a plain group (kernels before 5.13)."""

    id: int
    family: int
    members: tuple[tuple[int, int], ...]
    resilient: int

    @property
    def key(self) -> int:
        return self.id


class RouteType(Enum):
    """rtm_type of a route (rtnetlink(7))."""

    UNICAST = "unicast"
    UNREACHABLE = "unreachable"
    THROW = "throw"


@dataclass(frozen=True, slots=True)
class Route:
    """A route in one of our tables: by next-hop group (`nexthop`), or by device and next hop, or of a type
    that needs neither."""

    table: int
    prefix: Network
    type: RouteType = RouteType.UNICAST
    nexthop: int | None = None
    device: str | None = None
    via: Address | None = None
    source: Address | None = None
    """Preferred source of what starts on the node (RTA_PREFSRC): also of ICMP errors."""
    mtu: int = 0
    """Bytes that pass (RTAX_MTU), where that is less than the device takes; 0: as the device says."""

    @property
    def key(self) -> tuple[int, Network]:
        return self.table, self.prefix


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy rule: packets (by device `iif`, to `to`, if given) look up `table`. `family` is 4 or 6.

    With table 0 they go on at the rule of priority `goto` (FR_ACT_GOTO), with neither at the next one (FR_ACT_NOP).
    """

    family: int
    priority: int
    table: int
    iif: str | None = None
    to: Network | None = None
    goto: int = 0

    @property
    def key(self) -> tuple[int, int, str | None, Network | None]:
        return self.family, self.priority, self.iif, self.to


@dataclass(frozen=True, slots=True)
class NftSet:
    """A named nft set. `type` and `flags` as nft writes them ("ipv4_addr", ("interval",)); elements as text in
    nft's own form ("10.0.0.0/8", "02:00:00:00:00:01 . 10.1.0.0/16")."""

    name: str
    type: str
    flags: tuple[str, ...] = ()
    elements: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NftChain:
    """A base chain of ours: `hook` such as "type nat hook postrouting priority srcnat - 10", policy accept;
    `rules` are statements in nft's language, without comment."""

    name: str
    hook: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NftTable:
    """A table `inet NAME`, written whole in one transaction. `notes` are texts kept inside the table (original
    sysctl values) as comments of elements of a set of their own: sorted (name, value) pairs."""

    name: str
    sets: tuple[NftSet, ...]
    chains: tuple[NftChain, ...]
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class NftFingerprint:
    """What the kernel holds of a table of ours, in a form comparable with `mcnet.codec.nft.fingerprint(table)`:
    the digest of chains, hooks, rule marks and set elements, and the notes read back."""

    name: str
    digest: str
    notes: tuple[tuple[str, str], ...] = ()
    sealed: bool = True
    """The table bears a digest of its own listing, made by this program with this nft. False after an end between
    writing and sealing, or after an upgrade: then it is written once more."""
    edited: bool = False
    """The listing differs from the one that was sealed: somebody changed the table since."""
    mark: Mark = Mark.NONE
    """Whose set (mcnet.model.ownership.MARK_SETS) has elements; they are in the digest too, but not in the seal."""
    counted: Mapping[str, Tally] = field(default_factory=dict, compare=False)
    """By chain, what its rules have counted together."""
    made: int = field(default=0, compare=False)
    """The table's handle and the least of its rules': with another one they were written later, and count from 0."""

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A sysctl below /proc/sys/net, `path` with slashes ("ipv4/ip_forward")."""

    path: str
    value: str

    @property
    def key(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class HostRule:
    """A rule of ours in a chain of another program's table. Two with the same mark in the same chain are the same:
    the mark names the statement too. `before` is the handle of the rule to stand in front of, None for the end."""

    family: str
    """The table's family as nft names it: ip, ip6 or inet."""
    table: str
    chain: str
    mark: str
    """Its comment: `mcnet.model.ownership.HOST_RULE_MARK` and what follows."""
    text: str = field(default="", compare=False)
    """The statement in nft's language without the comment; empty as observed."""
    before: int | None = field(default=None, compare=False)

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.family, self.table, self.chain, self.mark


@dataclass(frozen=True, slots=True)
class KernelState:
    """All objects of one partition, wanted or observed.

    As observed, `tables` holds fingerprints of what is there; `sysctls` holds the current value of each path
    that was asked for and exists.
    """

    links: frozenset[Link] = frozenset()
    wireguard: frozenset[WireguardDevice] = frozenset()
    neighbours: frozenset[Neighbour] = frozenset()
    fdb: frozenset[FdbEntry] = frozenset()
    nexthops: frozenset[NextHop] = frozenset()
    groups: frozenset[NextHopGroup] = frozenset()
    routes: frozenset[Route] = frozenset()
    rules: frozenset[Rule] = frozenset()
    tables: frozenset[NftTable | NftFingerprint] = frozenset()
    sysctls: frozenset[Sysctl] = frozenset()
    host_rules: frozenset[HostRule] = frozenset()
    """As observed: only where foreign chains were looked at."""


KernelObject: TypeAlias = (
    Link
    | WireguardDevice
    | Neighbour
    | FdbEntry
    | NextHop
    | NextHopGroup
    | Route
    | Rule
    | NftTable
    | NftFingerprint
    | Sysctl
    | HostRule
)


@dataclass(frozen=True, slots=True)
class Add:
    """Create `item`; nothing is there under its key."""

    item: KernelObject
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Replace:
    """Turn `old` into `item` (same key), without a moment in which neither is there, wherever the kernel can."""

    old: KernelObject
    item: KernelObject
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete `item`. That it is gone already is not an error."""

    item: KernelObject
    reason: str = ""


Change: TypeAlias = Add | Replace | Remove


class Event(Enum):
    """The kernel says that something changed: a reason to look again, never more."""

    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class HostLink:
    """Any device of the node, as far as decisions need it."""

    name: str
    mtu: int
    carrier: bool
    addresses: frozenset[Interface]


@dataclass(frozen=True, slots=True)
class HostRoute:
    """A route of the main table over a device."""

    prefix: Network
    device: str


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a daemon must know of the node beyond its own objects.

    `default_device4`/`default_device6`: device of the default route of the main table, None without one.
    `private4`/`private6`: the source address that the default route would choose.
    `resilient`: the kernel has resilient next-hop groups (5.13). `ipv6`: the kernel has IPv6 switched on.
    `sysctls`: current values of the paths that were asked for and exist. `routes`: the main table's, without
    the default routes and those to a single host.
    """

    links: frozenset[HostLink]
    default_device4: str | None = None
    default_device6: str | None = None
    private4: IPv4Address | None = None
    private6: IPv6Address | None = None
    resilient: bool = True
    ipv6: bool = True
    sysctls: Mapping[str, str] = field(default_factory=dict)
    routes: frozenset[HostRoute] = frozenset()

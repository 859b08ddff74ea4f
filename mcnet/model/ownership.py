"""Every name and number that mcnet owns in a kernel, and which of the two node daemons owns it.

What bears these marks is ours and is corrected or removed; nothing else is ever touched. Both daemons run on
a gateway node, so each kernel object has one owner by this fixed partition: the gateway owns cable devices,
its routing table, its next-hop ids and the nft table `inet mcnet_gateway`; the route agent owns the overlay,
the node's tables, all rules, the sysctls and `inet mcnet`. They need nothing from each other: rule order
joins them. No functions that decide belong here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final

from mcnet.model.probe import Mark

OVERLAY_DEVICE: Final = "mcnet-vx"
"""The VXLAN inside a cluster, on every node."""
VXLAN_CABLE_DEVICE: Final = "mcnet-cv"
"""The VXLAN between gateways over IPv4: one device, remote gateways are next hops on it."""
VXLAN_CABLE_DEVICE6: Final = "mcnet-cv6"
"""The same over IPv6: a VXLAN device has an outer address of one family only."""
VXLAN_CABLE_DEVICES: Final = {4: VXLAN_CABLE_DEVICE, 6: VXLAN_CABLE_DEVICE6}
"""By the family of the outer addresses."""
WIREGUARD_DEVICE_PREFIX: Final = "mcnet-cw"
WIREGUARD_DEVICE_PATTERN: Final = re.compile(f"{WIREGUARD_DEVICE_PREFIX}[0-7][ab]")
"""See `wireguard_device`."""
WIREGUARD_SOCKETS: Final = Path("/var/run/wireguard")
"""Where wireguard-go puts the socket of each device, named by it; compiled in. A directory of the node's, mounted
there in the pods of gateway and cable."""
CABLE_SOCKET: Final = "mcnet-cable.sock"
"""In the same directory: by which the gateway daemon asks for a wireguard-go (mcnet_cable)."""
LIBRESWAN_FILES: Final = Path("/var/run/mcnet-ipsec")
"""Where pluto's configuration, secrets and control socket are: a directory of the node's in memory, mounted there in
the pods of gateway and cable."""
LIBRESWAN_CONNECTION_PREFIX: Final = "mcnet-"
"""All connections of ours in pluto."""
LIBRESWAN_DEVICE_PREFIX: Final = "ipsec18"
LIBRESWAN_DEVICE_PATTERN: Final = re.compile(r"ipsec(18[1-4]\d{7})")
"""See `libreswan_device`."""
CABLE_DEVICE_PREFIX: Final = "mcnet-c"
"""All cable devices of all drivers start with it, so that rules and firewall can name them by wildcard."""

OVERLAY_VNI: Final = 0x6D6301
CABLE_VNI: Final = 0x6D6302
OVERLAY_PORT: Final = 4800
ADVERT_PORT: Final = 4801
NAT_DISCOVERY_PORT: Final = 4490
DEFAULT_PORT_BASE: Final = 4500
PORT_BASES: Final = range(1024, 65501)
"""First ports that a gateway's may be."""
GATEWAY_METRICS_PORT: Final = 4581
ROUTE_AGENT_METRICS_PORT: Final = 4582
DISCOVERY_METRICS_PORT: Final = 4583
DNS_METRICS_PORT: Final = 4584
SERVER_NAME: Final = "mcnet"
"""What the daemons' HTTP answers name as their server: so `mcnet diagnose` knows whose a port is."""

ROUTE_PROTOCOL: Final = 0x6D
"""rtm_protocol of our routes and next hops (109; below 128 none of /etc/iproute2/rt_protos uses it)."""

CABLES_TABLE: Final = 0x6D01
"""Gateway: remote prefix -> next-hop group over this node's own live cables. Present only while alive."""
OVERLAY_TABLE: Final = 0x6D02
"""Route agent: remote prefix -> next-hop group over the overlay to other gateways, else unreachable."""
DELIVERY_TABLE: Final = 0x6D03
"""Route agent: pod prefix of another node -> that node's overlay address."""
REJECT_TABLE: Final = 0x6D04
"""Route agent: remote prefix -> unreachable. The end of every look-up; its routes depend on no device."""

RULE_PRIORITIES: Final = range(300, 320)
RULE_OWN_PODS: Final = 300
"""What goes to this node's own pods matches none of the rules that follow: it skips them, to RULE_END."""
RULE_CABLE_DELIVERY: Final = 301
RULE_CABLE_REJECT: Final = 302
RULE_TO_CABLES: Final = 303
RULE_OVERLAY_REJECT: Final = 304
RULE_TO_OVERLAY: Final = 305
RULE_REJECT: Final = 306
"""Routes go with their device (mcnet-vx set down or made anew): this one keeps traffic off the default route."""
RULE_END: Final = 307
"""Does nothing."""

NODE_NFT_TABLE: Final = "mcnet"
GATEWAY_NFT_TABLE: Final = "mcnet_gateway"
MARK_SETS: Final[Mapping[Mark, str]] = {Mark.SPARE: "spare", Mark.ISOLATED: "isolated"}
"""For each mark the set of the gateway's table with the protocols (ICMP, ICMPv6) whose echo replies over cables bear
it: empty, or both. The only elements that are changed without writing their table anew."""
MARKED_PROTOCOLS: Final = frozenset({"1", "58"})
"""ICMP and ICMPv6: what the set of a mark holds while replies bear it."""
MARK_DSCP: Final[Mapping[Mark, int]] = {Mark.SPARE: 0x27, Mark.ISOLATED: 0x2B}
"""The DSCP of a marked echo reply (docs/decisions/soft-mark.md). xxxx11 is for local use (RFC 2474, section 6)."""
HOST_RULE_MARK: Final = "mcnet:host:"
"""Comments of our rules in other programs' chains (`--manage-host-firewall`) begin with it."""

OVERLAY_RANGE4: Final = IPv4Network("244.0.0.0/8")
"""Class E: no cloud or site hands these out, Linux routes them as unicast (since 2.6.25), and Submariner's
240/8, 241/8 and 242/8 stay free so that both can be on a node during a migration."""
OVERLAY_RANGE6: Final = IPv6Network("fd6d:636e:6574:1::/64")


class CableNetwork(Enum):
    """Cables whose inner addresses come from one range. Two cables between the same gateways are in different ones,
    since an answer leaves by the device that leads to the address that asked."""

    VXLAN_OVER4 = "vxlan over IPv4"
    VXLAN_OVER6 = "vxlan over IPv6"
    WIREGUARD_A = "wireguard, slot a"
    WIREGUARD_B = "wireguard, slot b"
    LIBRESWAN_A = "libreswan, slot a"
    LIBRESWAN_B = "libreswan, slot b"


CABLE_RANGES: Final[Mapping[CableNetwork, tuple[IPv4Network, IPv6Network]]] = {
    CableNetwork.VXLAN_OVER4: (IPv4Network("245.0.0.0/8"), IPv6Network("fd6d:636e:6574:2::/64")),
    CableNetwork.VXLAN_OVER6: (IPv4Network("246.0.0.0/8"), IPv6Network("fd6d:636e:6574:3::/64")),
    CableNetwork.WIREGUARD_A: (IPv4Network("247.0.0.0/8"), IPv6Network("fd6d:636e:6574:4::/64")),
    CableNetwork.WIREGUARD_B: (IPv4Network("248.0.0.0/8"), IPv6Network("fd6d:636e:6574:5::/64")),
    CableNetwork.LIBRESWAN_A: (IPv4Network("249.0.0.0/8"), IPv6Network("fd6d:636e:6574:6::/64")),
    CableNetwork.LIBRESWAN_B: (IPv4Network("250.0.0.0/8"), IPv6Network("fd6d:636e:6574:7::/64")),
}
"""Inside cables."""
VXLAN_NETWORKS: Final = {4: CableNetwork.VXLAN_OVER4, 6: CableNetwork.VXLAN_OVER6}
"""By the family of the outer addresses."""
WIREGUARD_NETWORKS: Final = (CableNetwork.WIREGUARD_A, CableNetwork.WIREGUARD_B)
"""By slot."""
LIBRESWAN_NETWORKS: Final = (CableNetwork.LIBRESWAN_A, CableNetwork.LIBRESWAN_B)
"""By slot."""

MAX_RAILS: Final = 8
"""Rails 0-7: the port plan (see `vxlan_cable_port`) has room for no more."""
RESILIENT_BUCKETS: Final = 128


class Owner(Enum):
    """The daemon that owns a kernel object."""

    GATEWAY = "gateway"
    ROUTE_AGENT = "route-agent"


class NextHopKind(Enum):
    """The top byte of a next-hop id tells owner, family and whether it is a group; 24 bits name the target."""

    OVERLAY_MEMBER4 = 0x60
    OVERLAY_MEMBER6 = 0x61
    OVERLAY_GROUP4 = 0x62
    OVERLAY_GROUP6 = 0x63
    CABLE_MEMBER4 = 0x70
    CABLE_MEMBER6 = 0x71
    CABLE_GROUP4 = 0x72
    CABLE_GROUP6 = 0x73


@dataclass(frozen=True, slots=True)
class Partition:
    """What one daemon owns: link names, routing tables, nft table, next-hop kinds, and whether rules, sysctls and
    the marked rules in other programs' chains."""

    owner: Owner
    links: tuple[str, ...]
    """Exact device names, or a prefix ending in `*`."""
    numbered: re.Pattern[str] | None
    """Names that are no plain prefix."""
    tables: tuple[int, ...]
    nft_table: str
    nexthops: tuple[NextHopKind, ...]
    rules: bool
    sysctls: bool
    host_rules: bool


GATEWAY: Final = Partition(
    owner=Owner.GATEWAY,
    links=(CABLE_DEVICE_PREFIX + "*",),
    numbered=LIBRESWAN_DEVICE_PATTERN,
    tables=(CABLES_TABLE,),
    nft_table=GATEWAY_NFT_TABLE,
    nexthops=(
        NextHopKind.CABLE_MEMBER4,
        NextHopKind.CABLE_MEMBER6,
        NextHopKind.CABLE_GROUP4,
        NextHopKind.CABLE_GROUP6,
    ),
    rules=False,
    sysctls=False,
    host_rules=False,
)
ROUTE_AGENT: Final = Partition(
    owner=Owner.ROUTE_AGENT,
    links=(OVERLAY_DEVICE,),
    numbered=None,
    tables=(OVERLAY_TABLE, DELIVERY_TABLE, REJECT_TABLE),
    nft_table=NODE_NFT_TABLE,
    nexthops=(
        NextHopKind.OVERLAY_MEMBER4,
        NextHopKind.OVERLAY_MEMBER6,
        NextHopKind.OVERLAY_GROUP4,
        NextHopKind.OVERLAY_GROUP6,
    ),
    rules=True,
    sysctls=True,
    host_rules=True,
)


def nexthop_id(kind: NextHopKind, number: int) -> int:
    """The next-hop id of `kind` for target `number` (24 bits): the same after every restart, nothing remembered."""
    if not 0 <= number < 1 << 24:
        raise ValueError(f"next-hop number {number} does not fit 24 bits")
    return kind.value << 24 | number


def nexthop_kind(identifier: int) -> NextHopKind | None:
    """Whose next hop `identifier` is, or None if it isn't ours."""
    try:
        return NextHopKind(identifier >> 24)
    except ValueError:
        return None


def owns_link(partition: Partition, name: str) -> bool:
    """Whether the device `name` belongs to `partition`."""
    if partition.numbered is not None and partition.numbered.fullmatch(name):
        return True
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern for pattern in partition.links
    )


def vxlan_cable_port(port_base: int) -> int:
    """UDP port of the VXLAN cable device of a gateway with port base P: P + 20.

    The plan of a gateway's 30 ports: WireGuard P to P + 15 (`wireguard_port`), VXLAN P + 20, Libreswan P + 24.
    """
    return port_base + 20


def key_slot(own_epoch: int, other_epoch: int) -> int:
    """Which of two devices to the same remote gateway a pair of key epochs uses: 0 or 1. It changes whenever one of
    the two gateways gets a new key, so that the new cable is up before the old one goes."""
    return (own_epoch + other_epoch) % 2


def wireguard_device(rail: int, slot: int) -> str:
    """The device to all remote gateways of one rail."""
    return f"{WIREGUARD_DEVICE_PREFIX}{rail}{'ab'[slot]}"


def wireguard_port(port_base: int, remote_rail: int, slot: int) -> int:
    """UDP port of that device on a gateway with port base P: P + 2 * remote rail + slot."""
    return port_base + 2 * remote_rail + slot


def libreswan_port(port_base: int) -> int:
    """UDP port of pluto on a gateway with port base P: P + 24, for IKE and for ESP, of all its cables."""
    return port_base + 24


def libreswan_if_id(number: int, slot: int) -> int:
    """The XFRM interface id of the cable to gateway `number` (24 bits): 0x6c000000 or, in slot 1, 0x6d000000 above
    it. It is in every policy and state of the cable, and keeps them apart from all others of the node.

    Two cables between the same gateways, before and after a new key, are in different slots as with WireGuard.
    """
    if not 0 <= number < 1 << 24:
        raise ValueError(f"gateway number {number} does not fit 24 bits")
    return 0x6C + slot << 24 | number


def is_libreswan_if_id(if_id: int) -> bool:
    """Whether a policy or state with this interface id is ours."""
    return if_id >> 24 in (0x6C, 0x6D)


def libreswan_device(if_id: int) -> str:
    """The device of a cable. For an interface id pluto takes no device of another name (`ipsec-interface` in
    ipsec.conf(5)); with ten digits it has the 15 characters that a name may have."""
    return f"ipsec{if_id}"


CABLE_DEVICES: Final = (
    *VXLAN_CABLE_DEVICES.values(),
    *(wireguard_device(rail, slot) for rail in range(MAX_RAILS) for slot in (0, 1)),
)
"""All that a gateway may have; few of them are there."""

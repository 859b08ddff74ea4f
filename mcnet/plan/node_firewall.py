"""The route agent's nft table `inet mcnet`: who may use the overlay, sources kept, MSS, no tracking on transit.

Why these statements and in this place: docs/datapath.md. The gateway's own table is mcnet.plan.gateway_firewall.
Every packet of the node passes the base chains, so these sort out in few and cheap expressions what a rule could be
about, and go on in chains of their own; a look-up of a route (`fib`) comes last (docs/decisions/firewall-cost.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import collapse_addresses

from mcnet.model.kernel import Address, Network, NftChain, NftSet, NftTable
from mcnet.model.ownership import (
    CABLE_DEVICE_PREFIX,
    NODE_NFT_TABLE,
    OVERLAY_DEVICE,
    OVERLAY_RANGE4,
    OVERLAY_RANGE6,
)
from mcnet.plan import ports

CABLES = f'"{CABLE_DEVICE_PREFIX}*"'
OVERLAY = f'"{OVERLAY_DEVICE}"'
IP = {4: "ip", 6: "ip6"}
OWN_PORTS = f"{ports.OVERLAY.numbers}-{ports.ADVERTS.numbers}"
"""Overlay and adverts have ports side by side: one comparison for both."""
SYN = "tcp flags & (syn | rst) == syn"
ERRORS = {
    4: "icmp type { destination-unreachable, time-exceeded, parameter-problem }",
    6: "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }",
}
"""ICMP errors (RFC 792, RFC 4443)."""


@dataclass(frozen=True, slots=True)
class NodeFirewall:
    """The inputs: all prefixes per family in one tuple.

    `routable` is the node's own address per family inside an advertised prefix, `overlay` its overlay address;
    a family without `routable` has its node-originated traffic to remote prefixes refused.
    `gateway`: this node is a gateway, so packets of others pass it. `overlay_delivery`: packets of other clusters
    reach a node by the overlay or a cable only; with delivery by the CNI they may come in by any device.
    """

    families: tuple[int, ...]
    remote: tuple[Network, ...]
    local_pods: tuple[Network, ...]
    local_services: tuple[Network, ...]
    other_nodes_pods: tuple[Network, ...]
    node_addresses: tuple[Address, ...]
    routable: Mapping[int, Address]
    overlay: Mapping[int, Address]
    gateway: bool
    overlay_delivery: bool = True
    named_cables: tuple[str, ...] = ()
    """Cable devices whose names do not begin as all others' do."""
    notes: tuple[tuple[str, str], ...] = ()


def table(inputs: NodeFirewall) -> NftTable:
    """The whole table, the same text for the same inputs."""
    sets: list[NftSet] = []
    for family in (4, 6):
        sets += [
            prefix_set(f"remote{family}", family, inputs.remote),
            prefix_set(f"local_pods{family}", family, inputs.local_pods),
            prefix_set(f"local_services{family}", family, inputs.local_services),
            prefix_set(f"other_nodes_pods{family}", family, inputs.other_nodes_pods),
            address_set(f"nodes{family}", family, inputs.node_addresses),
        ]
    chains = [
        NftChain("from_overlay", "", _from_overlay(inputs)),
        NftChain("from_cable", "", _from_cable(inputs)),
        NftChain("own_ports", "", _own_ports()),
        NftChain("raw_prerouting", "type filter hook prerouting priority raw", _raw_prerouting(inputs)),
        NftChain("nat_postrouting", "type nat hook postrouting priority srcnat - 10", _nat_postrouting(inputs)),
        NftChain("clamp_mss", "", _clamp_mss(inputs)),
        NftChain("mangle_forward", "type filter hook forward priority mangle", (f"{SYN} jump clamp_mss",)),
        NftChain("own_ports_of_others", "", _own_ports_of_others()),
        NftChain("filter_forward", "type filter hook forward priority filter", _filter_forward(inputs)),
        NftChain("filter_output", "type filter hook output priority filter", _filter_output(inputs)),
    ]
    # An empty chain at a hook costs every packet, too.
    used = tuple(chain for chain in chains if chain.rules)
    return NftTable(name=NODE_NFT_TABLE, sets=tuple(sets), chains=used, notes=inputs.notes)


def prefix_set(name: str, family: int, prefixes: Iterable[Network]) -> NftSet:
    """An interval set of the prefixes of `family`, merged as far as possible: nft refuses overlapping elements."""
    merged = collapse_addresses(prefix for prefix in prefixes if prefix.version == family)  # type: ignore[type-var]
    return NftSet(
        name=name,
        type=f"ipv{family}_addr",
        flags=("interval",),
        elements=frozenset(element(prefix) for prefix in merged),
    )


def address_set(name: str, family: int, addresses: Iterable[Address]) -> NftSet:
    """A plain set of the addresses of `family`."""
    return NftSet(
        name=name,
        type=f"ipv{family}_addr",
        elements=frozenset(str(address) for address in addresses if address.version == family),
    )


def element(prefix: Network) -> str:
    """A prefix as nft prints it: a host prefix is a bare address."""
    return str(prefix.network_address) if prefix.prefixlen == prefix.max_prefixlen else str(prefix)


def _raw_prerouting(inputs: NodeFirewall) -> tuple[str, ...]:
    remote = [f'{IP[family]} saddr @remote{family} iifname != "lo" drop' for family in (4, 6)]
    return (
        f"iifname {OVERLAY} goto from_overlay",
        *(f"iifname {devices} goto from_cable" for devices in _cables(inputs)),
        *(remote if inputs.overlay_delivery else ()),
        f"udp dport {OWN_PORTS} goto own_ports",
    )


def _from_overlay(inputs: NodeFirewall) -> tuple[str, ...]:
    """Nobody speaks VXLAN to a node inside the overlay."""
    return (
        f"udp dport {ports.OVERLAY.numbers} fib daddr type local drop",
        *(f"{IP[family]} daddr @remote{family} notrack" for family in inputs.families if inputs.gateway),
    )


def _from_cable(inputs: NodeFirewall) -> tuple[str, ...]:
    return (
        f"udp dport {OWN_PORTS} fib daddr type local drop",
        *(f"{IP[family]} daddr @other_nodes_pods{family} notrack" for family in inputs.families if inputs.gateway),
    )


def _own_ports() -> tuple[str, ...]:
    """What comes neither by overlay nor by cable to the ports of overlay and adverts."""
    return (
        *(
            f"udp dport {ports.OVERLAY.numbers} {IP[family]} saddr != @nodes{family} fib daddr type local drop"
            for family in (4, 6)
        ),
        f'udp dport {ports.ADVERTS.numbers} iifname != "lo" fib daddr type local drop',
    )


def _nat_postrouting(inputs: NodeFirewall) -> tuple[str, ...]:
    rules = []
    for family in inputs.families:
        ip = IP[family]
        overlay = inputs.overlay.get(family)
        if inputs.gateway and overlay is not None:
            service = f"{ip} saddr @remote{family} ct original {ip} daddr @local_services{family}"
            rules += [
                f"{service} {ip} daddr @local_pods{family} snat {ip} to {overlay}",
                # A backend on the host network is reached by the underlay, where nobody knows overlay addresses.
                f"{service} masquerade",
            ]
        rules += [
            f"{ip} saddr @remote{family} {ip} daddr @local_pods{family} snat {ip} to {ip} saddr",
            f"{ip} saddr @local_pods{family} {ip} daddr @remote{family} snat {ip} to {ip} saddr",
        ]
        routable = inputs.routable.get(family)
        if routable is not None:
            rules.append(f"{ip} daddr @remote{family} snat {ip} to {routable}")
    return tuple(rules)


def _cables(inputs: NodeFirewall) -> tuple[str, ...]:
    """The cable devices as statements name them."""
    named = ", ".join(f'"{device}"' for device in sorted(inputs.named_cables))
    return (CABLES, *([f"{{ {named} }}"] if named else []))


def _clamp_mss(inputs: NodeFirewall) -> tuple[str, ...]:
    devices = (OVERLAY, *_cables(inputs))
    return tuple(f"oifname {device} {SYN} tcp option maxseg size set rt mtu" for device in devices)


def _filter_forward(inputs: NodeFirewall) -> tuple[str, ...]:
    """What a node must not forward.

    Only a node itself speaks VXLAN or adverts to a node. A pod's packets leave with the node's address once the
    CNI masquerades them, so the receiver can't tell them apart: they are stopped where they start. Nor is a node
    a router into other clusters, where a host beside it would pass for the node: from outside only what a Service
    (NodePort, load balancer) has translated goes on.
    """
    return (
        f"udp dport {OWN_PORTS} jump own_ports_of_others",
        *(
            f"ct state new iifname != {OVERLAY} {IP[family]} saddr != @local_pods{family} "
            f"{IP[family]} daddr @remote{family} ct status & dnat == 0 drop"
            for family in inputs.families
        ),
    )


def _own_ports_of_others() -> tuple[str, ...]:
    ranges = {4: OVERLAY_RANGE4, 6: OVERLAY_RANGE6}
    return (
        *(f"udp dport {ports.OVERLAY.numbers} {IP[family]} daddr @nodes{family} drop" for family in (4, 6)),
        *(f"udp dport {ports.ADVERTS.numbers} {IP[family]} daddr {ranges[family]} drop" for family in (4, 6)),
    )


def _filter_output(inputs: NodeFirewall) -> tuple[str, ...]:
    rules = []
    for family in inputs.families:
        if family in inputs.routable:
            continue
        if inputs.gateway:
            # Errors about what others send (a packet that is too big for a cable) have no other way back; they
            # leave with the gateway's cable address, which the other side lets pass.
            rules.append(f"{IP[family]} daddr @remote{family} {ERRORS[family]} accept")
        rules.append(f"{IP[family]} daddr @remote{family} reject with icmpx type admin-prohibited")
    return tuple(rules)

"""The gateway's nft table `inet mcnet_gateway`: cable ports only from peers, each cable only its cluster's sources.

Nothing from a cable goes anywhere but to this cluster's pods and services and, ICMP only, to the cable address
itself: a remote cluster can neither use the gateway as a router nor reach what listens on the node.
"""

from collections.abc import Iterable

from mcnet.model import ownership
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address, Network, NftChain, NftSet, NftTable
from mcnet.model.member import Member
from mcnet.plan import ports
from mcnet.plan.addresses import cable_end
from mcnet.plan.node_firewall import CABLES, IP, address_set, element, prefix_set
from mcnet.plan.remote import Remotes
from mcnet.plan.vxlan_cable import CablePath

ICMP = {4: "icmp", 6: "icmpv6"}
"""The names that nft knows by itself: "ipv6-icmp" it looks up in /etc/protocols, which our image does not have."""


def table(
    *, own: Endpoint, member: Member, remotes: Remotes, cables: Iterable[CablePath], families: tuple[int, ...]
) -> NftTable:
    """The whole table, the same text for the same inputs."""
    cables = tuple(cables)
    outer = [cable.remote for cable in cables if cable.remote is not None]
    end = cable_end(own.cluster, own.rail)
    local: list[Network] = [*member.pod_prefixes, *member.service_prefixes]
    port = ports.vxlan_cable(own.port_base).numbers
    sets: list[NftSet] = []
    rules: list[str] = []
    for family in (4, 6):
        ip = IP[family]
        sets += [
            address_set(f"peers{family}", family, outer),
            prefix_set(f"local{family}", family, local),
            _allowed(family, remotes),
        ]
        rules += [
            f"udp dport {port} fib daddr type local {ip} saddr != @peers{family} drop",
            *_one_sender_per_mac(port, family, cables),
            f'iifname "{ownership.VXLAN_CABLE_DEVICE}" ether saddr . {ip} saddr != @allowed{family} drop',
            f"iifname {CABLES} {ip} daddr != @local{family} {ip} daddr != {end.address(family)} drop",
            # The cable's address is there to answer probes; the node's own services listen on it too.
            f"iifname {CABLES} {ip} daddr {end.address(family)} meta l4proto != {ICMP[family]} drop",
        ]
    return NftTable(
        name=ownership.GATEWAY_NFT_TABLE,
        sets=tuple(sets),
        chains=(
            # Before the route agent's raw chain: what may not come in is not to be looked at any further.
            NftChain("cable_prerouting", "type filter hook prerouting priority raw - 10", tuple(rules)),
            # A pod's packets leave with this gateway's address once masqueraded: peers would take them for a cable's.
            NftChain(
                "cable_forward",
                "type filter hook forward priority filter",
                tuple(f"udp dport {port} {IP[family]} daddr @peers{family} drop" for family in (4, 6)),
            ),
        ),
    )


def _one_sender_per_mac(port: str, family: int, cables: Iterable[CablePath]) -> list[str]:
    """Per peer: the sender inside the VXLAN packet is the peer itself, else one cluster could speak for another.

    The inner source MAC lies behind the headers of UDP (8 bytes), VXLAN (8, RFC 7348) and the inner target MAC (6).
    """
    macs: dict[Address, list[str]] = {}
    for cable in cables:
        if cable.remote is not None and cable.remote.version == family:
            mac = cable_end(cable.endpoint.cluster, cable.endpoint.rail).mac
            macs.setdefault(cable.remote, []).append("0x" + mac.replace(":", ""))
    return [
        f"udp dport {port} {IP[family]} saddr {outer} @th,176,48 != {{ {', '.join(sorted(found))} }} drop"
        for outer, found in sorted(macs.items(), key=lambda item: int(item[0]))
    ]


def _allowed(family: int, remotes: Remotes) -> NftSet:
    elements: set[str] = set()
    for remote in remotes.clusters:
        for endpoint in remote.endpoints:
            end = cable_end(endpoint.cluster, endpoint.rail)
            elements.add(f"{end.mac} . {end.address(family)}")
            elements |= {f"{end.mac} . {element(prefix)}" for prefix in remote.prefixes_of(family)}
    return NftSet(
        name=f"allowed{family}",
        type=f"ether_addr . ipv{family}_addr",
        flags=("interval",),
        elements=frozenset(elements),
    )

"""The gateway's nft table `inet mcnet_gateway`: cable ports only from peers, each cable only its cluster's sources.

The ports of WireGuard need no rule: what does not come from a peer is dropped there, unanswered, and a peer may come
from another address than it published. Nor does pluto's, for the second reason; on port 500, where it listens too,
nobody has to reach it (docs/decisions/libreswan.md).

Nothing from a cable goes anywhere but to this cluster's pods and services and, ICMP only, to the cable address
itself: a remote cluster can neither use the gateway as a router nor reach what listens on the node.

A packet that is being checked while rules are written anew has the old ones, whose maps already hold nothing (Linux,
net/netfilter/nf_tables_api.c, nft_map_deactivate), while sets still do. So what a map does not find is dropped only
if a set does not know it either; else it passes by the sources of all cables of its driver together.

Echo replies that leave by a cable are marked while the set of marks has their protocol (mcnet.plan.soft_mark).
"""

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_network

from mcnet.model import ownership
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address, Network, NftChain, NftSet, NftTable
from mcnet.model.member import Member
from mcnet.model.probe import Mark
from mcnet.plan import ports, soft_mark
from mcnet.plan.addresses import cable_end, cable_number
from mcnet.plan.cable import CablePath
from mcnet.plan.driver import LIBRESWAN, VXLAN, WIREGUARD
from mcnet.plan.node_firewall import CABLES, IP, address_set, prefix_set
from mcnet.plan.remote import Remotes
from mcnet.plan.throw import subtract

FROM_WIREGUARD = f'iifname "{ownership.WIREGUARD_DEVICE_PREFIX}*" goto to_local'
SENDERS = "senders"
"""The set of the MAC addresses by which all cables of VXLAN send."""
ICMP = {4: "icmp", 6: "icmpv6"}
"""The names that nft knows by itself: "ipv6-icmp" it looks up in /etc/protocols, which our image does not have."""


def table(
    *,
    own: Endpoint,
    member: Member,
    remotes: Remotes,
    cables: Iterable[CablePath],
    throws: tuple[Network, ...] = (),
    mark: Mark = Mark.NONE,
) -> NftTable:
    """The whole table, the same text for the same inputs. `throws` are hosts in remote prefixes that are no pods:
    gateways and this cluster's own nodes (mcnet.plan.throw). Echo replies bear `mark`."""
    cables = tuple(cable for cable in cables if cable.remote is not None and not cable.problem)
    by_vxlan, by_libreswan = (tuple(cable for cable in cables if cable.driver == one) for one in (VXLAN, LIBRESWAN))
    wireguard = any(cable.driver == WIREGUARD for cable in cables)
    outer = [cable.remote for cable in by_vxlan if cable.remote is not None]
    networks = {ownership.VXLAN_NETWORKS[own.private_addresses[0].version], *(cable.network for cable in cables)}
    ends = [cable_end(own.cluster, own.rail, one) for one in sorted(networks, key=lambda one: one.name)]
    local: list[Network] = [*member.pod_prefixes, *member.service_prefixes]
    port = ports.vxlan_cable(own.port_base).numbers
    sets: list[NftSet] = []
    to_local: list[str] = []
    for family in (4, 6):
        ip = IP[family]
        mine = _any_of(str(end.address(family)) for end in ends)
        sets += [address_set(f"peers{family}", family, outer), prefix_set(f"local{family}", family, local)]
        to_local += [
            f"{ip} daddr @local{family} accept",
            f"{ip} daddr != {mine} drop",
            # The cable's address is there to answer probes; the node's own services listen on it too.
            f"{ip} daddr {mine} meta l4proto != {ICMP[family]} drop",
        ]
    senders = {received_chain(cable): cable for cable in by_vxlan}
    checked: dict[str, tuple[CablePath, ...]] = {}
    for cable in (*by_vxlan, *by_libreswan):
        checked[received_chain(cable)] = (*checked.get(received_chain(cable), ()), cable)
    checked |= {any_chain(cables[0].driver): cables for cables in (by_vxlan, by_libreswan) if cables}
    for name, group in sorted(checked.items()):
        sources = _sources(group, remotes, throws)
        sets += [prefix_set(f"{name}_{family}", family, sources) for family in (4, 6)]
    macs = frozenset(cable.end.mac for cable in senders.values())
    return NftTable(
        name=ownership.GATEWAY_NFT_TABLE,
        sets=(*sets, NftSet(SENDERS, "ether_addr", (), macs), *soft_mark.sets(mark)),
        chains=(
            NftChain("to_local", "", tuple(to_local)),
            *(NftChain(name, "", _only_its_sources(name, count=name in senders)) for name in sorted(checked)),
            NftChain("from_cable", "", _by_sender(senders, wireguard=wireguard)),
            *_libreswan_chains(by_libreswan),
            *_sent_chains(senders),
            *_output_chains(by_libreswan, own.port_base, senders, port),
            NftChain("cable_port", "", _from_peers(senders.values())),
            # Before the route agent's raw chain: what may not come in is not to be looked at any further. As few
            # expressions as possible for all other packets of the node (mcnet.plan.node_firewall).
            NftChain(
                "cable_prerouting",
                "type filter hook prerouting priority raw - 10",
                (
                    f"iifname {CABLES} goto from_cable",
                    *_to_libreswan_chains(by_libreswan),
                    f"udp dport {port} goto cable_port",
                ),
            ),
            # A pod's packets leave with this gateway's address once masqueraded: peers would take them for a cable's.
            NftChain(
                "cable_port_of_others", "", tuple(f"{IP[family]} daddr @peers{family} drop" for family in (4, 6))
            ),
            NftChain(
                "cable_forward",
                "type filter hook forward priority filter",
                (f"udp dport {port} jump cable_port_of_others",),
            ),
            NftChain("answers", "", tuple(rule for family in (4, 6) for rule in _marking(family))),
            NftChain(
                "answer_output",
                "type filter hook output priority mangle",
                (f"oifname {CABLES} goto answers", *_by_libreswan(by_libreswan, "goto answers")),
            ),
        ),
    )


def received_chain(cable: CablePath) -> str:
    """Of the checks of what comes by one cable; of VXLAN, it counts as well."""
    return f"cable_{cable_number(cable.endpoint.cluster, cable.endpoint.rail):06x}"


def any_chain(driver: str) -> str:
    """Of the checks of what comes by one of a driver's cables, of which is not said which one."""
    return f"any_{driver}"


def sent_chain(cable: CablePath) -> str:
    """Counts what is sent by one cable of VXLAN."""
    return f"sent_{cable_number(cable.endpoint.cluster, cable.endpoint.rail):06x}"


def _from_peers(cables: Iterable[CablePath]) -> tuple[str, ...]:
    """The sender inside a peer's VXLAN packet is the peer itself, else one cluster could speak for another; from all
    others nothing comes in. One look-up, however many peers there are.

    The inner source MAC lies behind the headers of UDP (8 bytes), VXLAN (8, RFC 7348) and the inner target MAC (6).
    """
    pairs: dict[int, set[str]] = {4: set(), 6: set()}
    for cable in cables:
        if cable.remote is not None:
            pairs[cable.remote.version].add(f"{cable.remote} . 0x{cable.end.mac.replace(':', '')}")
    known = tuple(
        f"{IP[family]} saddr . @th,176,48 {{ {', '.join(sorted(found))} }} accept"
        for family, found in pairs.items()
        if found
    )
    return (*known, "fib daddr type local drop")


def _by_sender(senders: Mapping[str, CablePath], *, wireguard: bool) -> tuple[str, ...]:
    """On to the checks of the cable that a packet came by, which its sender inside tells; WireGuard has none, and has
    checked already (mcnet.plan.wireguard_cable)."""
    ways = sorted(f"{cable.end.mac} : goto {name}" for name, cable in senders.items())
    by_vxlan = (
        (f"ether saddr vmap {{ {', '.join(ways)} }}", f"ether saddr @{SENDERS} goto {any_chain(VXLAN)}")
        if ways
        else ()
    )
    return (*by_vxlan, *((FROM_WIREGUARD,) if wireguard else ()), "drop")


def _to_libreswan_chains(cables: Collection[CablePath]) -> tuple[str, ...]:
    if not cables:
        return ()
    return (f"iifname {{ {_devices(cables)} }} goto from_libreswan", "udp dport 500 fib daddr type local drop")


def _by_libreswan(cables: Collection[CablePath], verdict: str) -> tuple[str, ...]:
    return (f"oifname {{ {_devices(cables)} }} {verdict}",) if cables else ()


def _devices(cables: Iterable[CablePath]) -> str:
    return ", ".join(sorted(f'"{cable.device}"' for cable in cables))


def _marking(family: int) -> tuple[str, ...]:
    """One set for both families: a mark is one change of its elements."""
    return tuple(
        f"meta l4proto @{name} {ICMP[family]} type echo-reply {IP[family]} dscp set {ownership.MARK_DSCP[mark]}"
        for mark, name in ownership.MARK_SETS.items()
    )


def _libreswan_chains(cables: Collection[CablePath]) -> tuple[NftChain, ...]:
    """Each device is one gateway's, whose sources nothing else checks. pluto marks with the interface id what goes
    out as ESP and what comes out of it: a mark that others would read as theirs, so it goes before they see it."""
    if not cables:
        return ()
    ways = ", ".join(sorted(f'"{cable.device}" : goto {received_chain(cable)}' for cable in cables))
    return (
        NftChain(
            "from_libreswan", "", ("meta mark set 0", f"iifname vmap {{ {ways} }}", f"goto {any_chain(LIBRESWAN)}")
        ),
    )


def _sent_chains(senders: Mapping[str, CablePath]) -> tuple[NftChain, ...]:
    """VXLAN's one device is all its cables': what is sent by each is counted by the outer address it goes to, as what
    comes by each is in the chain of its checks."""
    ways: dict[Address, str] = {}
    for _, cable in sorted(senders.items()):
        if cable.remote is not None:
            ways.setdefault(cable.remote, sent_chain(cable))
    found = []
    for family in (4, 6):
        pairs = sorted(f"{address} : goto {name}" for address, name in ways.items() if address.version == family)
        found += [f"{IP[family]} daddr vmap {{ {', '.join(pairs)} }}"] if pairs else []
    chains = tuple(NftChain(name, "", ("counter",)) for name in sorted(ways.values()))
    return (*chains, NftChain("cable_sent", "", tuple(found))) if found else ()


def _output_chains(
    by_libreswan: Collection[CablePath], port_base: int, senders: Mapping[str, CablePath], port: str
) -> tuple[NftChain, ...]:
    unmarked = f"udp sport {ports.libreswan_cable(port_base).numbers} meta mark set 0"
    rules = (*((unmarked,) if by_libreswan else ()), *((f"udp dport {port} goto cable_sent",) if senders else ()))
    return (NftChain("cable_output", "type filter hook output priority raw - 10", rules),) if rules else ()


def _only_its_sources(name: str, *, count: bool) -> tuple[str, ...]:
    counter = ("counter",) if count else ()
    return (*counter, *(f"{IP[family]} saddr != @{name}_{family} drop" for family in (4, 6)), "goto to_local")


def _any_of(texts: Iterable[str]) -> str:
    """One value, or a set of several, in nft's language."""
    found = list(texts)
    return found[0] if len(found) == 1 else f"{{ {', '.join(found)} }}"


def _sources(cables: Iterable[CablePath], remotes: Remotes, throws: tuple[Network, ...]) -> frozenset[Network]:
    """What may come by the cables to one gateway: its cluster's prefixes, and probes from their ends. Never with the
    address of a node."""
    allowed: set[Network] = set()
    for cable in cables:
        mine = next(remote for remote in remotes.clusters if remote.cluster == cable.endpoint.cluster)
        for family in cable.families:
            allowed |= {ip_network(cable.address(family)), *subtract(mine.prefixes_of(family), throws)}
    return frozenset(allowed)

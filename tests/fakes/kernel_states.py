"""Kernel states for tests: a list of hand-made ones and a strategy for any consistent one.

Consistent means what a planner makes: next hops on devices that are there, groups of those, routes over them.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network

from hypothesis import strategies as st

from mcnet.model.kernel import (
    Address,
    FdbEntry,
    Interface,
    KernelState,
    Link,
    Neighbour,
    Network,
    NextHop,
    NextHopGroup,
    NftChain,
    NftSet,
    NftTable,
    Route,
    RouteType,
    Rule,
    Sysctl,
    Vxlan,
)
from mcnet.model.ownership import (
    CABLES_TABLE,
    DELIVERY_TABLE,
    OVERLAY_TABLE,
    REJECT_TABLE,
    RULE_END,
    RULE_OWN_PODS,
    NextHopKind,
    Partition,
    nexthop_id,
)
from mcnet.model.ownership import ROUTE_AGENT as _ROUTE_AGENT

NAMES = ("mcnet-vx", "mcnet-vx6")
PARTITION: Partition = replace(_ROUTE_AGENT, links=NAMES)
"""The route agent's, with a second device so that devices can get into each other's way."""
SYSCTLS = ("ipv4/ip_forward", "ipv4/fib_multipath_hash_policy")
TABLES = (OVERLAY_TABLE, DELIVERY_TABLE)
_ADDRESSES: tuple[Interface, ...] = (
    ip_interface("244.0.0.1/8"),
    ip_interface("244.0.0.2/8"),
    ip_interface("fd6d:636e:6574:1::1/64"),
    ip_interface("fd6d:636e:6574:1::2/64"),
)
_MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
_PEERS: dict[int, tuple[Address, ...]] = {
    4: (IPv4Address("244.0.1.1"), IPv4Address("244.0.1.2"), IPv4Address("244.0.1.3")),
    6: (IPv6Address("fd6d:636e:6574:1::11"), IPv6Address("fd6d:636e:6574:1::12")),
}
_PREFIXES = {
    4: (ip_network("10.0.0.0/8"), ip_network("10.1.0.0/16"), ip_network("0.0.0.0/0")),
    6: (ip_network("fd00:1::/64"), ip_network("fd00:2::/48"), ip_network("::/0")),
}
_MEMBER_KINDS = {4: NextHopKind.OVERLAY_MEMBER4, 6: NextHopKind.OVERLAY_MEMBER6}
_GROUP_KINDS = {4: NextHopKind.OVERLAY_GROUP4, 6: NextHopKind.OVERLAY_GROUP6}


def nft_table(*, prefixes: frozenset[str] = frozenset(), rules: int = 1, note: str = "0") -> NftTable:
    """A table as the route agent's, with as many rules."""
    chain = NftChain(
        "post",
        "type nat hook postrouting priority srcnat - 10",
        tuple(f"ip daddr @remote4 tcp dport {port} snat ip to ip saddr" for port in range(1, rules + 1)),
    )
    sets = (NftSet("remote4", "ipv4_addr", ("interval",), prefixes),)
    return NftTable("mcnet", sets, (chain,), (("ipv4/ip_forward", note),))


def link(name: str = "mcnet-vx", *, vni: int = 7, mac: str = _MACS[0], mtu: int = 1400, up: bool = True) -> Link:
    """A VXLAN device of ours; the second name carries the other underlay family."""
    local = ip_address("192.0.2.1" if name == NAMES[0] else "2001:db8::1")
    return Link(name, mtu, mac, Vxlan(vni, 4800, local), up, frozenset(_ADDRESSES[0::2] if name == NAMES[0] else ()))


def member(number: int, family: int = 4, device: str = "mcnet-vx") -> NextHop:
    """The next hop to peer `number`."""
    return NextHop(nexthop_id(_MEMBER_KINDS[family], number), device, _PEERS[family][number], family)


def group(number: int, members: tuple[NextHop, ...], *, family: int = 4, resilient: int = 0) -> NextHopGroup:
    """A group of equal weights."""
    ids = tuple(sorted((hop.id, 1) for hop in members))
    return NextHopGroup(nexthop_id(_GROUP_KINDS[family], number), family, ids, resilient)


def _full(resilient: int, vni: int = 7, peers: int = 2) -> KernelState:
    hops4, hops6 = [member(number) for number in range(peers)], [member(number, 6) for number in range(peers)]
    group4 = group(1, tuple(hops4), resilient=resilient)
    group6 = group(1, tuple(hops6), family=6, resilient=resilient)
    source = _ADDRESSES[0].ip
    return KernelState(
        links=frozenset({link(vni=vni)}),
        neighbours=frozenset(
            Neighbour("mcnet-vx", peer, f"02:00:00:00:01:0{number}")
            for family in (4, 6)
            for number, peer in enumerate(_PEERS[family][:peers])
        ),
        fdb=frozenset(
            FdbEntry("mcnet-vx", f"02:00:00:00:01:0{number}", ip_address(f"192.0.2.{number + 10}"))
            for number in range(peers)
        ),
        nexthops=frozenset({*hops4, *hops6}),
        groups=frozenset({group4, group6}),
        routes=frozenset(
            {
                Route(OVERLAY_TABLE, ip_network("10.0.0.0/8"), nexthop=group4.id, source=source),
                Route(OVERLAY_TABLE, ip_network("192.0.2.0/24"), RouteType.THROW),
                Route(OVERLAY_TABLE, ip_network("fd00:1::/64"), nexthop=group6.id, source=_ADDRESSES[2].ip),
                Route(OVERLAY_TABLE, ip_network("2001:db8::/32"), RouteType.THROW),
                Route(DELIVERY_TABLE, ip_network("10.9.0.0/16"), device="mcnet-vx", via=_PEERS[4][0]),
                Route(DELIVERY_TABLE, ip_network("fd00:9::/64"), device="mcnet-vx", via=_PEERS[6][0]),
                Route(REJECT_TABLE, ip_network("10.0.0.0/8"), RouteType.UNREACHABLE),
                Route(REJECT_TABLE, ip_network("fd00:1::/64"), RouteType.UNREACHABLE),
            }
        ),
        rules=frozenset(
            {
                Rule(4, 300, CABLES_TABLE, "mcnet-vx"),
                Rule(6, 301, REJECT_TABLE, "mcnet-vx"),
                Rule(4, 305, OVERLAY_TABLE),
            }
        ),
        tables=frozenset({nft_table(prefixes=frozenset({"10.0.0.0/8", "10.1.0.0/16"}), rules=peers)}),
        sysctls=frozenset({Sysctl("ipv4/ip_forward", "1")}),
    )


STATES: dict[str, KernelState] = {
    "nothing": KernelState(),
    "plain groups": _full(0),
    "resilient groups": _full(128),
    "other bucket count": _full(64, peers=1),
    "other VNI": _full(128, vni=8),
    "a device alone": KernelState(links=frozenset({link()})),
    "the second device has the VNI": KernelState(links=frozenset({link(vni=8), link(NAMES[1], vni=7)})),
    "VNIs exchanged": KernelState(links=frozenset({link(vni=7), link(NAMES[1], vni=8)})),
    "the first device's options under the second name": KernelState(
        links=frozenset({replace(link(), name=NAMES[1], addresses=frozenset())})
    ),
    "other MAC, no addresses": KernelState(
        links=frozenset({replace(link(mac=_MACS[1], mtu=1300), addresses=frozenset())}),
        rules=frozenset({Rule(4, 300, OVERLAY_TABLE, "mcnet-vx")}),
    ),
    "a device that is down": KernelState(links=frozenset({link(up=False)})),
    "only tables": KernelState(tables=frozenset({nft_table(rules=3, note='a "b" ünd\n' + "c" * 300)})),
}


@st.composite
def states(draw: st.DrawFn) -> KernelState:
    """Any consistent state."""
    links = frozenset(draw(_link(name)) for name in NAMES if draw(st.booleans()))
    nexthops = frozenset(
        replace(member(number, family), device=draw(st.sampled_from(usable)))
        for family in (4, 6)
        for usable in [_devices_of(family, links)]
        for number in range(len(_PEERS[family]))
        if usable and draw(st.booleans())
    )
    groups = frozenset(
        made for family in (4, 6) for number in (1, 2) for made in draw(_groups(family, number, nexthops))
    )
    routes = frozenset(
        made
        for table in TABLES
        for family in (4, 6)
        for prefix in _PREFIXES[family]
        for made in draw(_routes(prefix, table=table, links=links, groups=groups))
    )
    devices = sorted(found.name for found in links)
    return KernelState(
        links=links,
        neighbours=frozenset(
            Neighbour(device, peer, draw(st.sampled_from(_MACS)))
            for device in devices
            for peer in (_PEERS[4][0], _PEERS[6][0])
            if draw(st.booleans())
        ),
        fdb=frozenset(
            FdbEntry(found.name, mac, draw(st.sampled_from(_remotes(found))))
            for found in sorted(links, key=lambda item: item.name)
            for mac in _MACS
            if draw(st.booleans())
        ),
        nexthops=nexthops,
        groups=groups,
        routes=routes,
        rules=frozenset(draw(st.lists(_rules(), max_size=4, unique_by=lambda rule: rule.key))),
        tables=draw(st.one_of(st.just(frozenset()), st.builds(lambda table: frozenset({table}), _nft_tables()))),
        sysctls=frozenset(Sysctl(path, draw(st.sampled_from("01"))) for path in SYSCTLS if draw(st.booleans())),
    )


def _devices_of(family: int, links: frozenset[Link]) -> list[str]:
    """Where a next hop of the family can be: the kernel refuses one that belongs to another device's prefix."""
    return sorted(
        found.name for found in links if found.up and any(address.version == family for address in found.addresses)
    )


def _link(name: str) -> st.SearchStrategy[Link]:
    # The two names never want the same VNI in one state: the kernel would refuse it, as it should.
    vnis = (7, 9) if name == NAMES[0] else (8, 10)
    addresses = _ADDRESSES if name == NAMES[0] else ()
    return st.builds(
        lambda vni, mac, mtu, up, chosen: replace(
            link(name, vni=vni, mac=mac, mtu=mtu, up=up), addresses=chosen if up else frozenset()
        ),
        st.sampled_from(vnis),
        st.sampled_from(_MACS),
        st.sampled_from((1300, 1400)),
        st.booleans(),
        st.frozensets(st.sampled_from(addresses)) if addresses else st.just(frozenset()),
    )


@st.composite
def _groups(draw: st.DrawFn, family: int, number: int, nexthops: frozenset[NextHop]) -> list[NextHopGroup]:
    candidates = sorted((hop for hop in nexthops if hop.family == family), key=lambda hop: hop.id)
    chosen = [(hop.id, draw(st.integers(1, 3))) for hop in candidates if draw(st.booleans())]
    if not chosen:
        return []
    buckets = draw(st.sampled_from((0, 64, 128)))
    return [NextHopGroup(nexthop_id(_GROUP_KINDS[family], number), family, tuple(chosen), buckets)]


@st.composite
def _routes(
    draw: st.DrawFn, prefix: Network, *, table: int, links: frozenset[Link], groups: frozenset[NextHopGroup]
) -> list[Route]:
    family = prefix.version
    ids = sorted(found.id for found in groups if found.family == family)
    sources = sorted(
        address.ip for found in links for address in found.addresses if address.version == family and found.up
    )
    source = draw(st.sampled_from(sources)) if sources and draw(st.booleans()) else None
    choices = [
        Route(table, prefix, RouteType.UNREACHABLE),
        Route(table, prefix, RouteType.THROW),
        *(Route(table, prefix, nexthop=identifier, source=source) for identifier in ids),
        *(
            Route(table, prefix, device=device, via=_PEERS[family][0], source=source)
            for device in _devices_of(family, links)
        ),
    ]
    return [draw(st.sampled_from(choices))] if draw(st.booleans()) else []


def _remotes(found: Link) -> tuple[Address, ...]:
    family = found.vxlan.local.version if found.vxlan else 4
    texts = ("192.0.2.10", "192.0.2.11") if family == 4 else ("2001:db8::10", "2001:db8::11")
    return tuple(ip_address(text) for text in texts)


def _rules() -> st.SearchStrategy[Rule]:
    priorities = st.sampled_from((RULE_OWN_PODS, RULE_OWN_PODS + 1))
    families, devices = st.sampled_from((4, 6)), st.sampled_from((None, "mcnet-vx", "eth9"))
    # One place only, as all of ours have: the kernel takes two rules that differ in nothing else for the same one.
    onward = st.sampled_from((0, RULE_END))
    return st.builds(Rule, families, priorities, st.sampled_from(TABLES), devices) | st.builds(
        Rule, families, priorities, st.just(0), devices, st.none(), onward
    )


def _nft_tables() -> st.SearchStrategy[NftTable]:
    prefixes = st.frozensets(st.sampled_from(("10.0.0.0/8", "10.1.0.0/16", "10.2.0.0-10.2.0.7", "192.0.2.1")))
    return st.builds(
        lambda chosen, rules, note: nft_table(prefixes=chosen, rules=rules, note=note),
        prefixes,
        st.integers(0, 3),
        st.sampled_from("01"),
    )

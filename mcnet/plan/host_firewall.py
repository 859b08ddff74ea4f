"""What must get through the node's other firewalls, and the accept rules that `--manage-host-firewall` puts there.

A rule of ours stands right in front of what drops our packets, not first in the chain: so all that comes before
stays in force (a CNI's network policies), and no two programs fight for the first place. It is there only while
the chain drops; where it has lost its place it goes, and comes back in the next round. Which packets are dropped is
mcnet.plan.foreign_chains' question.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import collapse_addresses
from typing import Final

from mcnet.model.foreign import ForeignChain
from mcnet.model.kernel import HostRule, Network
from mcnet.model.ownership import (
    CABLE_DEVICE_PREFIX,
    HOST_RULE_MARK,
    LIBRESWAN_DEVICE_PREFIX,
    OVERLAY_DEVICE,
    VXLAN_CABLE_DEVICE,
    libreswan_device,
    libreswan_if_id,
    wireguard_device,
)
from mcnet.plan import ports
from mcnet.plan.driver import DRIVERS, LIBRESWAN, VXLAN, WIREGUARD
from mcnet.plan.foreign_chains import OUTSIDE, Obstacle, Packet, obstacles
from mcnet.plan.ports import Protocol, Side, Way

_IP: Final = {4: "ip", 6: "ip6"}
_ICMP: Final = {4: "icmp", 6: "icmpv6"}


@dataclass(frozen=True, slots=True)
class _Devices:
    """Devices of ours that are alike: `one` of them, to judge other programs' rules by, and the pattern of all."""

    called: str
    one: str
    pattern: str


_OVERLAY: Final = _Devices("overlay", OVERLAY_DEVICE, OVERLAY_DEVICE)
_CABLES: Final = {
    VXLAN: _Devices("cable", VXLAN_CABLE_DEVICE, CABLE_DEVICE_PREFIX + "*"),
    WIREGUARD: _Devices("cable", wireguard_device(0, 0), CABLE_DEVICE_PREFIX + "*"),
    LIBRESWAN: _Devices("ipsec-cable", libreswan_device(libreswan_if_id(0, 0)), LIBRESWAN_DEVICE_PREFIX + "*"),
}
"""By cable driver."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A packet that must get through, and the statement that lets it: by family, as nft and iptables can read it."""

    packet: Packet
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules to hold, and what can't be helped, as sentences."""

    rules: frozenset[HostRule] = frozenset()
    problems: tuple[str, ...] = ()


def passages(
    *,
    families: Collection[int],
    underlay: Collection[int],
    gateway: bool,
    port_base: int,
    peer_port_bases: Collection[int] = (),
    delivered: Collection[Network] = (),
    drivers: Collection[str] = DRIVERS[:1],
) -> tuple[Passage, ...]:
    """All that must pass on a node. `underlay` are the families of overlay and cables outside; `peer_port_bases` are
    those of the gateways of other clusters, `drivers` those of the cluster's cables; `delivered` are remote prefixes
    whose packets come by the CNI's devices."""
    found: list[Passage] = []
    devices = {Way.OVERLAY: (_OVERLAY,), Way.CABLE: _of_cables(drivers)}
    for opening in ports.of_nodes(port_base, drivers):
        if (opening.listeners is Side.GATEWAYS and not gateway) or opening.sources is Side.MONITORING:
            continue
        used = underlay if opening.way is Way.UNDERLAY else families
        ways: tuple[_Devices | None, ...] = devices.get(opening.way, (None,))
        found += [_input(opening, family, way) for family in sorted(set(used)) for way in ways]
    bases = sorted({port_base, *peer_port_bases}) if gateway else ()
    sent = (ports.OVERLAY, *(one for base in bases for name in drivers for one in ports.cables(name, base)))
    found += [_sent(one, family) for one in sent for family in sorted(set(underlay))]
    for family in sorted(families):
        found += _through(family, (_OVERLAY, *(_of_cables(drivers) if gateway else ())))
    found += [
        Passage(
            Packet(
                f"from-{prefix}",
                "forward",
                prefix.version,
                {"iifname": OUTSIDE, "oifname": OUTSIDE, f"{_IP[prefix.version]} saddr": prefix},
            ),
            f"{_IP[prefix.version]} saddr {prefix}",
        )
        for prefix in collapse_addresses(delivered)  # type: ignore[type-var]
    ]
    return tuple(found)


def _of_cables(drivers: Collection[str]) -> tuple[_Devices, ...]:
    """One for each pattern."""
    return tuple({one.pattern: one for name, one in _CABLES.items() if name in drivers}.values())


def _input(opening: ports.Opening, family: int, by: _Devices | None) -> Passage:
    known: dict[str, str | int | Network] = {"iifname": by.one if by else OUTSIDE}
    words = [f'iifname "{by.pattern}"'] if by else []
    if opening.protocol is Protocol.ICMP:
        known |= {"l4proto": _ICMP[family], f"{_ICMP[family]} type": "echo-request"}
        words.append(f"meta l4proto {_ICMP[family]}")
    else:
        known |= {"l4proto": opening.protocol.value, f"{opening.protocol.value} dport": opening.first}
        words.append(f"{opening.protocol.value} dport {opening.numbers}")
    name = f"{opening.name}-ipsec" if by == _CABLES[LIBRESWAN] else opening.name
    return Passage(Packet(name, "input", family, known, _range(opening)), " ".join(words))


def _sent(opening: ports.Opening, family: int) -> Passage:
    known: dict[str, str | int | Network] = {"oifname": OUTSIDE, "l4proto": "udp", "udp dport": opening.first}
    name = f"{opening.name}-{opening.first}-out"
    return Passage(Packet(name, "output", family, known, _range(opening)), f"udp dport {opening.numbers}")


def _range(opening: ports.Opening) -> str:
    return opening.numbers if opening.last != opening.first else ""


def _through(family: int, devices: Iterable[_Devices]) -> Iterable[Passage]:
    """What goes on over our devices, and what starts on the node itself."""
    for by in devices:
        incoming = Packet(f"{by.called}-in", "forward", family, {"iifname": by.one, "oifname": OUTSIDE})
        outgoing = Packet(f"{by.called}-out", "forward", family, {"iifname": OUTSIDE, "oifname": by.one})
        yield Passage(incoming, f'iifname "{by.pattern}"')
        yield Passage(outgoing, f'oifname "{by.pattern}"')
        yield Passage(Packet(f"{by.called}-sent", "output", family, {"oifname": by.one}), f'oifname "{by.pattern}"')


def decide(chains: Collection[ForeignChain], wanted: Collection[Passage]) -> Plan:
    """The rules for what is dropped now, judged as if ours were not there; those that stand in the wrong place are
    left out once, so that they are made anew in the right one."""
    texts = {passage.packet.key: passage.text for passage in wanted}
    packets = tuple({passage.packet.key: passage.packet for passage in wanted}.values())
    ineffective = {
        (one.chain.place, _mark(texts[one.packet.key], one.packet))
        for one in obstacles(chains, packets, with_ours=True)
    }
    rules: set[HostRule] = set()
    problems: dict[str, None] = {}
    there = present(chains)
    for obstacle in obstacles(chains, packets):
        if obstacle.chain.owned:
            problems[_owned(obstacle)] = None
            continue
        rule = _rule(obstacle, texts[obstacle.packet.key])
        if not (rule in there and (obstacle.chain.place, rule.mark) in ineffective):
            rules.add(rule)
    return Plan(frozenset(rules), tuple(problems))


def warnings(chains: Collection[ForeignChain], wanted: Collection[Passage]) -> tuple[str, ...]:
    """What is dropped now and not helped by rules of ours, a sentence for each chain, with the commands."""
    by_chain: dict[str, list[Obstacle]] = {}
    for obstacle in obstacles(chains, [passage.packet for passage in wanted], with_ours=True):
        by_chain.setdefault(obstacle.chain.place, []).append(obstacle)
    return tuple(_warning(place, found) for place, found in by_chain.items())


def _warning(place: str, found: Sequence[Obstacle]) -> str:
    does = "drops" if all(one.certain for one in found) else "probably drops"
    names = ", ".join(dict.fromkeys(one.packet.name for one in found))
    commands = "`, `".join(dict.fromkeys(map(remedy, found)))
    return (
        f"the nft chain {place} {does} packets of mcnet ({names}): let them through with `{commands}`, or join with "
        "--manage-host-firewall"
    )


def present(chains: Iterable[ForeignChain]) -> frozenset[HostRule]:
    """The rules of ours that stand in other programs' chains."""
    return frozenset(
        HostRule(chain.family, chain.table, chain.name, rule.mark)
        for chain in chains
        for rule in chain.rules
        if rule.mark
    )


def _rule(obstacle: Obstacle, text: str) -> HostRule:
    chain = obstacle.chain
    return HostRule(
        family=chain.family,
        table=chain.table,
        chain=chain.name,
        mark=_mark(text, obstacle.packet),
        text=f"{text} counter accept",
        before=obstacle.handle,
    )


def _mark(text: str, packet: Packet) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    name = packet.name.replace("/", "_").replace(":", ".")
    return f"{HOST_RULE_MARK}{name}:{digest}"


def _owned(obstacle: Obstacle) -> str:
    return f"the chain {obstacle.chain.place} drops our packets and belongs to its program alone: {remedy(obstacle)}"


def remedy(obstacle: Obstacle) -> str:
    """The command of the program that made the chain, as far as it is known which one that is."""
    chain, known = obstacle.chain, obstacle.packet.known
    if chain.table == "firewalld":
        if "udp dport" in known and known.get("iifname") in (OUTSIDE, None):
            opened = obstacle.packet.ports or known["udp dport"]
            return f"firewall-cmd --permanent --add-port={opened}/udp && firewall-cmd --reload"
        device = next(
            (str(known[key]) for key in ("iifname", "oifname") if known.get(key) not in (None, OUTSIDE)), ""
        )
        device = device or OVERLAY_DEVICE
        return f"firewall-cmd --permanent --zone=trusted --add-interface={device} && firewall-cmd --reload"
    text = _statement(obstacle)
    if chain.family in {"ip", "ip6"} and chain.name.isupper():
        return f"{'iptables' if chain.family == 'ip' else 'ip6tables'} -w -I {chain.name} {text[1]} -j ACCEPT"
    return f"nft insert rule {chain.place} {text[0]} accept"


def _statement(obstacle: Obstacle) -> tuple[str, str]:
    """The packet in the words of nft and of iptables."""
    nft: list[str] = []
    iptables: list[str] = []
    for key, value in obstacle.packet.known.items():
        if value == OUTSIDE or key.endswith(" type"):
            continue
        match key:
            case "iifname" | "oifname":
                nft.append(f'{key} "{value}"')
                iptables.append(f"-{key[0]} {value}")
            case "l4proto":
                if value in {"icmp", "icmpv6"}:
                    nft.append(f"meta l4proto {value}")
                iptables.append(f"-p {value}")
            case _ if key.endswith("dport"):
                nft.append(f"{key} {obstacle.packet.ports or value}")
                iptables.append(f"--dport {obstacle.packet.ports.replace('-', ':') or value}")
            case _:
                nft.append(f"{key} {value}")
                iptables.append(f"-s {value}")
    return " ".join(nft), " ".join(iptables)

"""Which chains of other programs would drop our packets: a packet is walked through each base chain's rules.

Simple and conservative. What a rule asks that is not known of the packet (a named set, an extension of iptables, an
address) is taken for "does not match", and a chain that might have accepted by it is called uncertain. Legacy
iptables has no nft chains: it can't be seen here. What to do about it is mcnet.plan.host_firewall's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from mcnet.model.foreign import Clause, Condition, ForeignChain, ForeignRule, Match, Opaque, Value, Verdict
from mcnet.model.kernel import Network

OUTSIDE: Final = "(outside)"
"""Of a device: some device of the node that is neither lo nor ours."""
_MAX_JUMPS: Final = 16
"""The kernel's own limit (NFT_JUMP_STACK_SIZE)."""
_STATES: Final = frozenset({"conntrack", "state"})
"""Extensions of iptables that nearly always ask for established connections, which a new packet is not of."""


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of something that must pass: `name` names it, `known` is by nft's key ("udp dport").

    What is missing in `known` is not known. A new connection without mark and without translation is assumed.
    """

    name: str
    hook: str
    family: int
    known: Mapping[str, str | int | Network] = field(default_factory=dict)
    ports: str = ""
    """All ports that it stands for, as nft writes them ("4500-4515"); "" for the one that is known."""

    @property
    def key(self) -> tuple[str, int]:
        return self.name, self.family


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A base chain that drops `packet`: by the top-level rule `handle`, or at its end by its policy (None)."""

    chain: ForeignChain
    packet: Packet
    handle: int | None
    certain: bool
    """Whether no rule that can't be judged stands before it that might accept."""

    @property
    def why(self) -> str:
        """What drops, in words."""
        return "its policy is drop" if self.handle is None else f"its rule with handle {self.handle} drops"


def obstacles(
    chains: Iterable[ForeignChain], packets: Iterable[Packet], *, with_ours: bool = False
) -> tuple[Obstacle, ...]:
    """Every base chain and packet that does not get through it. Rules of ours in there count only `with_ours`, so
    that what is wanted does not depend on what was done."""
    chains = tuple(chain if with_ours else _without_ours(chain) for chain in chains)
    tables: dict[tuple[str, str], dict[str, ForeignChain]] = {}
    for chain in chains:
        tables.setdefault((chain.family, chain.table), {})[chain.name] = chain
    found = []
    for packet in packets:
        for chain in chains:
            if _sees(chain, packet):
                walk = _Walk(tables[chain.family, chain.table], packet)
                obstacle = walk.obstacle(chain)
                if obstacle is not None:
                    found.append(obstacle)
    return tuple(found)


def _without_ours(chain: ForeignChain) -> ForeignChain:
    rules = tuple(rule for rule in chain.rules if not rule.mark)
    return ForeignChain(
        chain.family, chain.table, chain.name, rules, chain.type, chain.hook, chain.policy, chain.owned
    )


def _sees(chain: ForeignChain, packet: Packet) -> bool:
    families = {"inet": (4, 6), "ip": (4,), "ip6": (6,)}
    return chain.type == "filter" and chain.hook == packet.hook and packet.family in families.get(chain.family, ())


@dataclass(slots=True)
class _Walk:
    """One packet on its way through the chains of one table."""

    chains: Mapping[str, ForeignChain]
    packet: Packet
    certain: bool = True

    def obstacle(self, base: ForeignChain) -> Obstacle | None:
        for rule in base.rules:
            verdict = self._rule(rule, 0)
            if verdict in (Verdict.ACCEPT, Verdict.DROP):
                dropped = verdict is Verdict.DROP
                return Obstacle(base, self.packet, rule.handle, self.certain) if dropped else None
            if verdict in (Verdict.RETURN, Verdict.GOTO):
                break
        if base.policy is Verdict.DROP:
            return Obstacle(base, self.packet, None, self.certain)
        return None

    def _chain(self, name: str, depth: int) -> Verdict | None:
        """ACCEPT or DROP, or None when the packet comes back."""
        chain = self.chains.get(name)
        if chain is None or depth > _MAX_JUMPS:
            return None
        for rule in chain.rules:
            verdict = self._rule(rule, depth)
            if verdict in (Verdict.ACCEPT, Verdict.DROP):
                return verdict
            if verdict in (Verdict.RETURN, Verdict.GOTO):
                return None
        return None

    def _rule(self, rule: ForeignRule, depth: int) -> Verdict | None:
        """What the rule does: RETURN and GOTO (whose chain decided nothing) end the chain that it stands in."""
        for clause in rule.clauses:
            fits = _all_fit(clause, self.packet)
            if fits is None:
                self.certain = self.certain and not self._may_accept(clause, depth)
                continue
            if not fits:
                continue
            if clause.verdict not in (Verdict.JUMP, Verdict.GOTO):
                return clause.verdict
            verdict = self._chain(clause.target, depth + 1)
            if verdict is not None or clause.verdict is Verdict.GOTO:
                return verdict or Verdict.GOTO
        return None

    def _may_accept(self, clause: Clause, depth: int) -> bool:
        if clause.verdict in (Verdict.JUMP, Verdict.GOTO):
            chain = self.chains.get(clause.target)
            if chain is None or depth > _MAX_JUMPS:
                return False
            return any(
                _all_fit(inner, self.packet) is not False and self._may_accept(inner, depth + 1)
                for rule in chain.rules
                for inner in rule.clauses
            )
        # A return may skip what drops.
        return clause.verdict in (Verdict.ACCEPT, Verdict.RETURN)


def _all_fit(clause: Clause, packet: Packet) -> bool | None:
    """None: it depends on what is not known."""
    answers = [_fits(condition, packet) for condition in clause.conditions]
    if False in answers:
        return False
    if None not in answers:
        return True
    unknown = {one.name for one in clause.conditions if isinstance(one, Opaque)}
    if unknown and unknown <= _STATES and answers.count(None) == len(unknown) and not _names_port(clause):
        return False
    return None


def _names_port(clause: Clause) -> bool:
    return any(isinstance(one, Match) and one.key.endswith("port") for one in clause.conditions)


def _fits(condition: Condition, packet: Packet) -> bool | None:
    if isinstance(condition, Opaque):
        return None
    if (found := _impossible(condition.key, packet)) is not None:
        return found
    value = _known(condition.key, packet)
    if value is None:
        return None
    answers = [_equals(value, wanted) for wanted in condition.values]
    if True in answers:
        return not condition.negated
    return None if None in answers else condition.negated


def _impossible(key: str, packet: Packet) -> bool | None:
    """False where the packet does not even have such a header: then the rule does not match, negated or not."""
    protocol = key.partition(" ")[0]
    if protocol in {"ip", "ip6"}:
        return None if protocol == {4: "ip", 6: "ip6"}[packet.family] else False
    if protocol in {"tcp", "udp", "sctp", "dccp", "icmp", "icmpv6"}:
        mine = packet.known.get("l4proto")
        return False if mine is not None and _protocol(mine) != protocol else None
    return None


def _known(key: str, packet: Packet) -> str | int | Network | None:
    if key in packet.known:
        return packet.known[key]
    if key.startswith("th "):
        return packet.known.get(f"{packet.known.get('l4proto')} {key.removeprefix('th ')}")
    if key in {"iifname", "oifname", "iif", "oif"}:
        return packet.known.get(key[:3] + "name")
    assumed: dict[str, str | int] = {"ct state": "new", "ct status": "none", "mark": 0, "ct mark": 0}
    assumed["nfproto"] = f"ipv{packet.family}"
    return assumed.get(key)


def _equals(value: str | int | Network, wanted: Value) -> bool | None:
    match value, wanted:
        case str(), str():
            return _same_text(value, wanted)
        case int(), (first, last):
            found: bool | None = first <= value <= last
        case str(), int():
            found = _NUMBERS.get(wanted) == value
        case int(), int():
            found = value == wanted
        case ((str() | int()), _):
            found = False
        case _, (str() | int() | tuple()):
            found = False
        case _:
            found = _inside(value, wanted)
    return found


def _inside(value: Network, wanted: Network) -> bool | None:
    if value.version != wanted.version:
        return False
    if value.subnet_of(wanted):  # type: ignore[arg-type]
        return True
    return None if value.overlaps(wanted) else False


def _same_text(value: str, wanted: str) -> bool | None:
    """Device names may end in a `*`; of an outside device it is only known which one it is not."""
    if value == OUTSIDE:
        return False if wanted == "lo" or wanted.startswith("mcnet-") else None
    if value in _PROTOCOLS or wanted in _PROTOCOLS:
        return _protocol(value) == _protocol(wanted)
    return fnmatchcase(value, wanted) if wanted.endswith("*") else value == wanted


_PROTOCOLS: Final = {"ipv6-icmp": "icmpv6", "icmp6": "icmpv6", "icmpv6": "icmpv6"}
_NUMBERS: Final = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}


def _protocol(value: object) -> str:
    return _NUMBERS.get(value, str(value)) if isinstance(value, int) else _PROTOCOLS.get(str(value), str(value))

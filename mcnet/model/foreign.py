"""Chains of other programs' nft tables (firewalld, iptables-nft, Docker, ufw), as far as they decide about packets.

Values only: mcnet.codec.nft_ruleset reads them, mcnet.plan.foreign_chains judges them. Our own tables are the
planner's (mcnet.model.kernel.NftTable).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from mcnet.model.kernel import Network


class Verdict(Enum):
    """How a rule ends: nft(8), verdict statements; `DROP` is every way to stop a packet, reject too."""

    ACCEPT = "accept"
    DROP = "drop"
    JUMP = "jump"
    GOTO = "goto"
    RETURN = "return"


Value: TypeAlias = str | int | tuple[int, int] | Network
"""A value, a range with both ends, or a prefix."""


@dataclass(frozen=True, slots=True)
class Match:
    """`key` (as nft writes it: "iifname", "udp dport", "ct state") has one of `values`, or none if `negated`."""

    key: str
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Opaque:
    """A condition that can't be read: an extension of iptables (`name`), a named set, a limit."""

    name: str


Condition: TypeAlias = Match | Opaque


@dataclass(frozen=True, slots=True)
class Clause:
    """All `conditions` lead to `verdict`. A verdict map of a rule makes several."""

    conditions: tuple[Condition, ...]
    verdict: Verdict
    target: str = ""
    """The chain of a jump or goto."""


@dataclass(frozen=True, slots=True)
class ForeignRule:
    """A rule; one that decides nothing has no clauses."""

    handle: int
    clauses: tuple[Clause, ...] = ()
    mark: str = ""
    """The comment of a rule that mcnet has put into this chain, else empty."""


@dataclass(frozen=True, slots=True)
class ForeignChain:
    """A chain; `hook` is empty unless it is a base chain, `policy` then what happens at its end."""

    family: str
    table: str
    name: str
    rules: tuple[ForeignRule, ...] = ()
    type: str = ""
    hook: str = ""
    policy: Verdict = Verdict.ACCEPT
    owned: bool = False
    """Only the program that made the table may change it (nft's table flag `owner`)."""

    @property
    def place(self) -> str:
        """As nft names it: `inet firewalld filter_INPUT`."""
        return f"{self.family} {self.table} {self.name}"


@dataclass(frozen=True, slots=True)
class NatChains:
    """The chains of one table that has nat chains at postrouting, "translate the source" written as DROP: so what
    the walk of mcnet.plan.foreign_chains finds dropped is translated. `priorities` are those of its base chains."""

    chains: tuple[ForeignChain, ...]
    priorities: Mapping[str, int]

"""Which rail a gateway has: the small index that names it in ports, addresses and next-hop ids.

A rail is claimed by creating the Lease `rail-N` (create is atomic) and held by its node until the node leaves:
no election, nothing expires. A Lease whose node is gone, or no gateway any more, is free.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mcnet.model.ownership import MAX_RAILS


@dataclass(frozen=True, slots=True)
class Hold:
    """This gateway holds `rail`; `surplus` are further rails of its own that it should give back."""

    rail: int
    surplus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """Try to create the Lease of `rail`; a conflict means: look again."""

    rail: int


@dataclass(frozen=True, slots=True)
class Reclaim:
    """Delete the Lease of `rail`, whose holder is gone, then look again."""

    rail: int
    holder: str


@dataclass(frozen=True, slots=True)
class Full:
    """All rails are held by living gateways."""


Verdict: TypeAlias = Hold | Claim | Reclaim | Full


def decide(holders: Mapping[int, str], node: str, gateways: Collection[str]) -> Verdict:
    """What `node` does next. `holders` maps rail -> holder; `gateways` are the nodes that are gateways now."""
    mine = sorted(rail for rail, holder in holders.items() if holder == node)
    if mine:
        return Hold(mine[0], tuple(mine[1:]))
    free = next((rail for rail in range(MAX_RAILS) if rail not in holders), None)
    stale = next((rail for rail, holder in sorted(holders.items()) if holder not in gateways), None)
    if stale is not None and (free is None or stale < free):
        return Reclaim(stale, holders[stale])
    return Full() if free is None else Claim(free)

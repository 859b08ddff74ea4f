"""Paths that a daemon which has just started finds in use: how to probe them, and which of them are lost.

All from the kernel alone: what failed while there was no daemon is noticed before an API server has said anything,
and also where none answers. Pure. Only what was in use is looked at (mcnet.plan.failover); other paths, weights and
marks are left to the rounds.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from mcnet.codec.advert import Advert
from mcnet.model.kernel import Address, KernelState, NextHop
from mcnet.model.ownership import (
    CABLE_RANGES,
    MAX_RAILS,
    OVERLAY_DEVICE,
    OVERLAY_RANGE4,
    OVERLAY_RANGE6,
    WIREGUARD_DEVICE_PREFIX,
    NextHopKind,
    nexthop_kind,
)
from mcnet.model.probe import PathHealth, Target
from mcnet.plan import pace
from mcnet.plan.failover import GONE, Lost, judged

_NUMBER = 0xFFFFFF
"""Of a next-hop id: whom it leads to (mcnet.model.ownership.nexthop_id)."""
_OVERLAY = (NextHopKind.OVERLAY_MEMBER4, NextHopKind.OVERLAY_MEMBER6)
_RANGES = ((OVERLAY_RANGE4, OVERLAY_RANGE6), *CABLE_RANGES.values())
_RAIL_BITS = MAX_RAILS.bit_length() - 1


@dataclass(frozen=True, slots=True)
class Inherited:
    """Next hops in use, each with whom to ask whether it leads anywhere; one that is not among `paths` stays."""

    state: KernelState = field(default_factory=KernelState)
    paths: Mapping[NextHop, Target] = field(default_factory=dict, hash=False)

    @property
    def targets(self) -> frozenset[Target]:
        """What to probe."""
        return frozenset(self.paths.values())

    def interval(self, wanted: float) -> float:
        """Seconds between two probes of a path where `wanted` are asked for (mcnet.plan.pace)."""
        others = {entry.mac for entry in self.state.fdb if entry.device == OVERLAY_DEVICE}
        return pace.interval(wanted, paths=len(self.targets), nodes=len(others))

    def taken_over(self, targets: Iterable[Target]) -> frozenset[Target]:
        """`targets`, whose probes go on with what those of the same paths have found so far."""
        names = {_without_name(target): target.key for target in self.paths.values()}
        return frozenset(replace(target, formerly=names.get(_without_name(target), "")) for target in targets)


def found(state: KernelState) -> Inherited:
    """What there is to probe in `state`, one daemon's part of the kernel: members of groups.

    A node judges a gateway by one family, the first in use, a gateway each cable by each family. Where a next hop has
    no address, its number has the other end's for IPv4. By WireGuard IPv6 goes as IPv4 does, if that is in use too,
    since both are in one tunnel; other hops for IPv6 without an address are left as they are.
    """
    used = {member for group in state.groups for member, _ in group.members}
    hops = {(hop.device, hop.id & _NUMBER, hop.family): hop for hop in state.nexthops if hop.id in used}
    paths = {}
    for (device, number, _), hop in hops.items():
        first = hops.get((device, number, 4), hop)
        asked = first if nexthop_kind(hop.id) in _OVERLAY or device.startswith(WIREGUARD_DEVICE_PREFIX) else hop
        target = _target(asked, state)
        if target is not None:
            paths[hop] = target
    return Inherited(state, paths)


def lost(inherited: Inherited, paths: Mapping[str, PathHealth], heard: Mapping[str, Advert]) -> Lost:
    """What carries nothing any more, by probes (`paths`, by the keys of the targets) and by adverts (`heard`, by the
    overlay addresses of the gateways that say so)."""
    health = judged(paths, _alternatives(inherited))
    return Lost(
        hops=frozenset(hop for hop, target in inherited.paths.items() if health.get(target.key) in GONE),
        members=frozenset(_unreached(inherited.state, heard)),
    )


def _without_name(target: Target) -> Target:
    return replace(target, key="")


def _target(hop: NextHop, state: KernelState) -> Target | None:
    """None where the kernel does not tell whom to ask."""
    own = _own(hop.device, hop.family, state)
    address = hop.via or _other_end(own, hop.id & _NUMBER)
    if own is None or address is None:
        return None
    return Target(key=f"{address} {hop.device}", address=address, device=hop.device, source=own)


def _own(device: str, family: int, state: KernelState) -> Address | None:
    """Its only address of ours; None where others' work or half a change of address leaves that open."""
    found = [
        interface.ip
        for link in state.links
        if link.name == device
        for interface in link.addresses
        if interface.version == family and any(interface.ip in one for pair in _RANGES for one in pair)
    ]
    return found[0] if len(found) == 1 else None


def _other_end(own: Address | None, number: int) -> Address | None:
    """The address of the gateway `number` on the device that has `own` (mcnet.plan.addresses.cable_end)."""
    return next((range4[number] for range4, _ in CABLE_RANGES.values() if own in range4), None) if own else None


def _alternatives(inherited: Inherited) -> list[Collection[str]]:
    """The keys of all paths to one place."""
    keys = {hop.id: target.key for hop, target in inherited.paths.items()}
    return [{keys[member] for member, _ in group.members if member in keys} for group in inherited.state.groups]


def _unreached(state: KernelState, heard: Mapping[str, Advert]) -> Iterable[tuple[int, int]]:
    """(group, next hop) of gateways that say that they do not reach the group's cluster."""
    said = {hop.id & _NUMBER: heard[str(hop.via)] for hop in state.nexthops if str(hop.via) in heard}
    return (
        (group.id, member)
        for group in state.groups
        for member, _ in group.members
        if (advert := said.get(member & _NUMBER)) is not None
        and (group.id & _NUMBER) >> _RAIL_BITS not in advert.reach
    )

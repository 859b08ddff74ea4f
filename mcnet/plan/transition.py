"""From one cable to another without a lost packet: the new one is up before the old one goes.

A gateway's cable to another gateway changes its device when one of the two gets a new key, or the clusterset another
driver. What was wanted before is still in the kernel: it is read from there, not remembered. It carries traffic until
the new cable's probes are answered, and takes in what the other side still sends by it for a while longer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from mcnet.model.kernel import Address, KernelState, Network
from mcnet.plan.cable import CablePath
from mcnet.plan.choice import Health
from mcnet.plan.driver import LIBRESWAN, UNENCRYPTED, VXLAN

GRACE: Final = 30.0
"""Seconds that an old cable stays for the other side, which may hear of the change later."""

Clock = Mapping[str, float]
"""By `key_of` a former cable: since when (seconds, the caller's clock) it has only been waiting to go."""


@dataclass(frozen=True, slots=True)
class Former:
    """Cables that are kept although others are wanted, and the clock for the next round."""

    paths: tuple[CablePath, ...] = ()
    clock: tuple[tuple[str, float], ...] = ()


def key_of(path: CablePath) -> str:
    """What names a cable among all of a gateway."""
    return f"{path.endpoint.name} {path.network.name}"


@dataclass(frozen=True, slots=True)
class _Present:
    """What the kernel holds of cables, apart from routes; there may be thousands."""

    forwarding: frozenset[tuple[str, str, Address | None]]
    allowed: Mapping[str, frozenset[Network]]
    """By WireGuard device, of all its peers."""
    xfrm: frozenset[str]
    """The XFRM devices, each of which leads to one gateway."""

    @classmethod
    def of(cls, actual: KernelState) -> "_Present":
        return cls(
            frozenset((entry.device, entry.mac, entry.remote) for entry in actual.fdb),
            {
                device.name: frozenset(prefix for peer in device.peers for prefix in peer.allowed)
                for device in actual.wireguard
            },
            frozenset(link.name for link in actual.links if link.if_id),
        )

    def has(self, path: CablePath) -> bool:
        if path.driver == VXLAN:
            return (path.device, path.end.mac, path.remote) in self.forwarding
        if path.driver == LIBRESWAN:
            return path.device in self.xfrm
        allowed = self.allowed.get(path.device)
        return allowed is not None and any(ip_network(path.address(family)) in allowed for family in path.families)


def former(
    wanted: Iterable[CablePath],
    alternatives: Iterable[CablePath],
    *,
    health: Mapping[str, Health],
    actual: KernelState,
    clock: Clock,
    now: float,
) -> Former:
    """Which of the `alternatives` (all other cables that there could be to the same gateways) stay.

    An encrypted one stays as long as the wanted one is not up, and GRACE after that. One that is not encrypted goes
    after GRACE in any case: what was to be encrypted must not go in the clear for longer than the change takes.
    """
    present = _Present.of(actual)
    by_name = {path.endpoint.name: path for path in wanted}
    kept: list[CablePath] = []
    clocks: list[tuple[str, float]] = []
    for path in alternatives:
        new = by_name.get(path.endpoint.name)
        if new is None or not present.has(path):
            continue
        waiting = is_up(new, health) or bool(new.problem) or path.driver in UNENCRYPTED
        since = clock.get(key_of(path), now)
        if waiting and now - since >= GRACE:
            continue
        kept.append(path)
        if waiting:
            clocks.append((key_of(path), since))
    return Former(tuple(kept), tuple(clocks))


def is_up(path: CablePath, health: Mapping[str, Health]) -> bool:
    """Whether the probes of a cable are answered in every family."""
    return not path.problem and all(health.get(path.probe(family)) is Health.UP for family in path.families)


def in_use(
    wanted: Iterable[CablePath], former: Iterable[CablePath], *, health: Mapping[str, Health], hops: Mapping[str, str]
) -> tuple[CablePath, ...]:
    """The cable that counts now for each gateway: the wanted one once it is up, or where it is in use already (a
    daemon that has just started knows nothing of probes). `hops` is the device of the next hop by gateway, as the
    kernel has it."""
    # What carries the traffic now goes on, and else what is encrypted comes first: two may be about to go.
    old: dict[str, CablePath] = {}
    for path in sorted(former, key=lambda path: (hops.get(path.endpoint.name) == path.device, path.driver != VXLAN)):
        old[path.endpoint.name] = path
    return tuple(
        path
        if path.endpoint.name not in old or is_up(path, health) or hops.get(path.endpoint.name) == path.device
        else old[path.endpoint.name]
        for path in wanted
    )

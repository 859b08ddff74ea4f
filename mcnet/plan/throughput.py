"""How much goes by each cable now: bits in a second between two readings of what the kernel counts. Pure.

WireGuard counts for each peer what it sends and takes in, encrypted, an XFRM device what passes inside. VXLAN's one
device is all its cables', so rules of ours count for each of them what passes inside (mcnet.plan.gateway_firewall).
Probes are counted too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mcnet.model.kernel import KernelState, NftFingerprint
from mcnet.model.traffic import Count, Throughput
from mcnet.plan.cable import CablePath
from mcnet.plan.driver import LIBRESWAN, VXLAN, WIREGUARD
from mcnet.plan.gateway_firewall import received_chain, sent_chain
from mcnet.plan.mtu import VXLAN_OVERHEAD
from mcnet.plan.wireguard_cable import peer_key

SPAN: Final = 2.0
"""Seconds between the two readings of a rate, at least: rounds may follow each other within milliseconds."""
BITS: Final = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """What was counted, by the remote Endpoint's name, at a time in seconds of a clock that never goes back."""

    at: float
    counts: Mapping[str, Count] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Meter:
    """What one round leaves to the next: `base` is the reading that the next rates begin at, `last` the latest."""

    base: Reading | None = None
    last: Reading | None = None
    rates: Mapping[str, Throughput] = field(default_factory=dict)
    """Of the cables that have been counted for long enough."""
    grown: Mapping[str, Count] = field(default_factory=dict)
    """Bytes between the last two readings."""


def counts(paths: Iterable[CablePath], actual: KernelState) -> dict[str, Count]:
    """What the kernel has counted for each cable, by its Endpoint's name; without those that it does not count."""
    found = {path.endpoint.name: _count(path, actual) for path in paths if not path.problem}
    return {name: count for name, count in found.items() if count is not None}


def _count(path: CablePath, actual: KernelState) -> Count | None:
    match path.driver:
        case driver if driver == WIREGUARD:
            return _of_peer(path, actual)
        case driver if driver == LIBRESWAN:
            return next((link.counted for link in actual.links if link.name == path.device and link.if_id), None)
        case driver if driver == VXLAN:
            return _of_rules(path, actual)
        case _:
            return None


def _of_peer(path: CablePath, actual: KernelState) -> Count | None:
    key = peer_key(path.endpoint)
    device = next((one for one in actual.wireguard if one.name == path.device), None)
    status = device.status.get(key) if device is not None and key is not None else None
    made = next((link.counted.made for link in actual.links if link.name == path.device), 0)
    return Count(status.received, status.sent, made) if status is not None else None


def _of_rules(path: CablePath, actual: KernelState) -> Count | None:
    """What is sent is counted with its outer headers, once for each packet that the kernel handles as one."""
    for table in actual.tables:
        if isinstance(table, NftFingerprint):
            received, sent = table.counted.get(received_chain(path)), table.counted.get(sent_chain(path))
            if received is not None and sent is not None:
                inside = sent.octets - sent.packets * VXLAN_OVERHEAD[path.outer]
                return Count(received.octets, max(0, inside), table.made)
    return None


def look(meter: Meter, now: Reading) -> Meter:
    """The meter after another reading."""
    if meter.base is None or meter.last is None:
        return Meter(now, now)
    grown = _all_grown(meter.last, now)
    if now.at - meter.base.at < SPAN:
        rates = {name: rate for name, rate in meter.rates.items() if name in now.counts}
        return Meter(meter.base, now, rates, grown)
    return Meter(now, now, rates_between(meter.base, now), grown)


def rates_between(before: Reading, now: Reading) -> dict[str, Throughput]:
    """Of the cables that were counted at both times, by the same counter."""
    seconds = now.at - before.at
    if seconds <= 0:
        return {}
    return {
        name: Throughput(round(count.received * BITS / seconds), round(count.sent * BITS / seconds))
        for name, count in _all_grown(before, now).items()
    }


def _all_grown(before: Reading, now: Reading) -> dict[str, Count]:
    pairs = {name: (before.counts[name], count) for name, count in now.counts.items() if name in before.counts}
    found = {name: grown(old, new) for name, (old, new) in pairs.items()}
    return {name: count for name, count in found.items() if count is not None}


def grown(before: Count, now: Count) -> Count | None:
    """The bytes in between. None for another counter, whose past is not known; one that has fallen began again
    at 0."""
    if before.made != now.made:
        return None
    if now.received < before.received or now.sent < before.sent:
        return now
    return Count(now.received - before.received, now.sent - before.sent, now.made)

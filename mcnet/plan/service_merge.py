"""How the exports of one service merge: a pure function of the records, so that every cluster comes to the same.

The rules are KEP-1645's ("Constraints and Conflict Resolution"): ports are united, all else is the oldest export's;
of two made in one second the cluster's name decides. Every cluster that takes part is told of a conflict.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mcnet.model.service import Conflict, ExportedService, MergedService, Port, Reason


@dataclass(frozen=True, slots=True)
class _Property:
    """A property of which the oldest export's value holds."""

    reason: Reason
    name: str
    value: Callable[[ExportedService], object]
    """What is compared."""
    shown: Callable[[ExportedService], str]


def _pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in pairs) or "none"


PROPERTIES: Final = (
    _Property(
        Reason.SESSION_AFFINITY_CONFLICT, "session affinity",
        lambda one: one.session_affinity, lambda one: one.session_affinity,
    ),
    _Property(
        Reason.SESSION_AFFINITY_CONFIG_CONFLICT, "session affinity timeout",
        lambda one: one.session_affinity_timeout, lambda one: f"{one.session_affinity_timeout} s",
    ),
    _Property(
        Reason.INTERNAL_TRAFFIC_POLICY_CONFLICT, "internal traffic policy",
        lambda one: one.internal_traffic_policy or "Cluster", lambda one: one.internal_traffic_policy or "Cluster",
    ),
    _Property(
        Reason.TRAFFIC_DISTRIBUTION_CONFLICT, "traffic distribution",
        lambda one: one.traffic_distribution, lambda one: one.traffic_distribution or "none",
    ),
    _Property(
        Reason.IP_FAMILY_CONFLICT, "IP families",
        lambda one: frozenset(one.ip_families), lambda one: ", ".join(one.ip_families) or "none",
    ),
    _Property(Reason.LABELS_CONFLICT, "exported labels", lambda one: one.labels, lambda one: _pairs(one.labels)),
    _Property(
        Reason.ANNOTATIONS_CONFLICT, "exported annotations",
        lambda one: one.annotations, lambda one: _pairs(one.annotations),
    ),
)  # fmt: skip


def merge(records: Iterable[ExportedService]) -> MergedService | None:
    """The service that these exports of one service make, at most one of each cluster; None without any."""
    exports = sorted(records, key=lambda one: (one.exported_at, one.cluster))
    if not exports:
        return None
    oldest = exports[0]
    taking_part = [one for one in exports if one.type is oldest.type]
    left_out = [one for one in exports if one.type is not oldest.type]
    conflicts = [*_types(oldest, left_out), *_ports(taking_part)]
    for rule in PROPERTIES:
        conflicts += _differing(rule, taking_part)
    return MergedService(
        service=oldest.service,
        type=oldest.type,
        ports=united(taking_part),
        session_affinity=oldest.session_affinity,
        session_affinity_timeout=oldest.session_affinity_timeout,
        internal_traffic_policy=oldest.internal_traffic_policy,
        traffic_distribution=oldest.traffic_distribution,
        ip_families=oldest.ip_families,
        labels=oldest.labels,
        annotations=oldest.annotations,
        publish_not_ready_addresses=oldest.publish_not_ready_addresses,
        traffic=oldest.traffic,
        exports=tuple(taking_part),
        left_out=tuple(one.cluster for one in left_out),
        conflicts=tuple(conflicts),
    )


def united(exports: Iterable[ExportedService]) -> tuple[Port, ...]:
    """The ports of all, the oldest export's first: one that is there by its name, or else by protocol and number, is
    not added again (KEP-1645, "Service Port")."""
    ports: list[Port] = []
    names: set[str] = set()
    numbers: set[tuple[str, int]] = set()
    for export in exports:
        for port in export.ports:
            if port.name in names or (port.protocol, port.port) in numbers:
                continue
            ports.append(port)
            names.add(port.name)
            numbers.add((port.protocol, port.port))
    return tuple(ports)


def renamed(export: ExportedService, ports: Sequence[Port]) -> dict[str, str]:
    """By name of a port of the export, the name of the united port that it is: its own where there is one, else that
    of the one with its protocol and number, unless another port of the export has that name by right."""
    names = {port.name for port in ports}
    by_number = {(port.protocol, port.port): port.name for port in ports}
    own = {port.name: port.name for port in export.ports if port.name in names}
    others = {}
    for port in export.ports:
        name = by_number.get((port.protocol, port.port))
        if port.name not in own and name is not None and name not in own:
            others[port.name] = name
    return own | others


def _types(oldest: ExportedService, left_out: Sequence[ExportedService]) -> list[Conflict]:
    if not left_out:
        return []
    message = (
        f"The type is {oldest.type.value}, as in {oldest.cluster}, whose export is the oldest; "
        f"{_named(left_out)} differs and is left out"
    )
    return [Conflict(Reason.TYPE_CONFLICT, message)]


def _ports(exports: Sequence[ExportedService]) -> list[Conflict]:
    oldest = exports[0]
    others = [one for one in exports if frozenset(one.ports) != frozenset(oldest.ports)]
    if not others:
        return []
    message = (
        f"The ports of {_named(others)} are not those of {oldest.cluster}, whose export is the oldest; the service "
        "has the ports of all, and of two with one name, or one protocol and number, the oldest export's"
    )
    return [Conflict(Reason.PORT_CONFLICT, message)]


def _differing(rule: _Property, exports: Sequence[ExportedService]) -> list[Conflict]:
    oldest = exports[0]
    others = [one for one in exports if rule.value(one) != rule.value(oldest)]
    if not others:
        return []
    message = (
        f"The {rule.name} of {_named(others)} differs; used is that of {oldest.cluster}, whose export is the oldest: "
        f"{rule.shown(oldest)}"
    )
    return [Conflict(rule.reason, message)]


def _named(exports: Sequence[ExportedService]) -> str:
    return ", ".join(one.cluster for one in exports)

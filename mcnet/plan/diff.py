"""Desired state against actual state: the changes, in the order to apply them.

Additions and replacements come first, removals last (make before break), except for what stands in the way
and can't be changed in place: a device whose kind, options or MAC address differ, and a group of another
type, are removed first, and all that goes with them is planned to return in the same round.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from mcnet.codec.nft import fingerprint
from mcnet.model.kernel import (
    Add,
    Change,
    KernelObject,
    KernelState,
    Link,
    NextHopGroup,
    NftFingerprint,
    NftTable,
    Remove,
    Replace,
)
from mcnet.plan.demise import without
from mcnet.plan.phases import phase_of


def diff(desired: KernelState, actual: KernelState) -> tuple[Change, ...]:
    """The changes that bring the kernel from `actual` to `desired`; () if nothing differs.

    Sysctls are never removed, and only those in `desired` are compared. A WireGuard device's settings go with it.
    """
    obstacles = _obstacles(desired, actual)
    remaining = without(
        actual,
        devices=frozenset(item.name for item in obstacles if isinstance(item, Link)),
        groups=frozenset(item.id for item in obstacles if isinstance(item, NextHopGroup)),
    )
    setting: list[Add | Replace] = []
    removing: list[Remove] = []
    for kind in _KINDS:
        for change in _compare(kind, desired, remaining):
            if isinstance(change, Remove):
                removing.append(change)
            else:
                setting.append(change)
    first = [Remove(item, "can't be changed in place") for item in obstacles]
    return (*_in_order(first, downwards=True), *_in_order(setting), *_in_order(removing, downwards=True))


def _in_order(changes: Iterable[Change], *, downwards: bool = False) -> list[Change]:
    """By phase, then by text of the key: the same states always give the same list."""
    sign = -1 if downwards else 1
    return sorted(changes, key=lambda change: (sign * phase_of(change.item), repr(change.item.key)))


@dataclass(frozen=True, slots=True)
class _Kind:
    """One field of KernelState: `same` tells whether what is there is what is wanted."""

    field: str
    same: Callable[[Any, Any], bool]
    in_place: bool = True
    removable: bool = True


def _equal(wanted: KernelObject, found: KernelObject) -> bool:
    return wanted == found


def _same_table(wanted: NftTable | NftFingerprint, found: NftTable | NftFingerprint) -> bool:
    return _fingerprint(wanted) == _fingerprint(found)


def _fingerprint(table: NftTable | NftFingerprint) -> NftFingerprint:
    return fingerprint(table) if isinstance(table, NftTable) else table


_SPECIAL = {
    "tables": _Kind("tables", _same_table),
    "sysctls": _Kind("sysctls", _equal, removable=False),
    "rules": _Kind("rules", _equal, in_place=False),
    "wireguard": _Kind("wireguard", _equal, removable=False),
}
_KINDS = tuple(_SPECIAL.get(field.name, _Kind(field.name, _equal)) for field in fields(KernelState))


def _compare(kind: _Kind, desired: KernelState, actual: KernelState) -> Iterator[Change]:
    found: dict[Any, list[Any]] = {}
    for item in getattr(actual, kind.field):
        found.setdefault(item.key, []).append(item)
    for item in getattr(desired, kind.field):
        yield from _bring(kind, item, found.pop(item.key, []))
    if kind.removable:
        for items in found.values():
            yield from (Remove(item, "not wanted") for item in items)


def _bring(kind: _Kind, item: Any, found: list[Any]) -> Iterator[Change]:
    """Changes for one wanted item; the kernel may hold several under its key (two metrics, two rules)."""
    wrong = [other for other in found if not kind.same(item, other)]
    if len(wrong) == len(found):
        if wrong and kind.in_place:
            yield Replace(wrong.pop(0), item, "differs")
        else:
            yield Add(item, "differs" if wrong else "missing")
    yield from (Remove(other, "not wanted") for other in wrong)


def _obstacles(desired: KernelState, actual: KernelState) -> list[Link | NextHopGroup]:
    """What must go before anything is added."""
    wanted_links = {link.name: link for link in desired.links}
    wanted_groups = {group.id: group for group in desired.groups}
    links = [link for link in actual.links if _in_the_way(link, wanted_links)]
    groups = [
        group
        for group in actual.groups
        if group.id in wanted_groups and wanted_groups[group.id].resilient != group.resilient
    ]
    return [*links, *groups]


def _in_the_way(found: Link, wanted: dict[str, Link]) -> bool:
    """Whether `found` must be re-made, or is unwanted and blocks another device (same VNI, port and family)."""
    same_name = wanted.get(found.name)
    if same_name is not None:
        return same_name.fixed != found.fixed
    return any(_clash(found, link) for link in wanted.values())


def _clash(one: Link, other: Link) -> bool:
    if one.vxlan is None or other.vxlan is None:
        return False
    return (one.vxlan.vni, one.vxlan.port, one.vxlan.local.version) == (
        other.vxlan.vni,
        other.vxlan.port,
        other.vxlan.local.version,
    )

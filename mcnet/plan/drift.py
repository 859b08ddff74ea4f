"""Which changes of a round repair what somebody else did to our objects, and which follow from a change of plan.

A repair is a change to what the last round already held as it is wanted now: nobody but others can have touched it.
Where that is in doubt (the first round of a process, what a round of ours took away together with a device) a change
counts as planned: better a repair not told than one that nobody caused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from mcnet.model.kernel import (
    Add,
    Change,
    KernelObject,
    KernelState,
    Link,
    NftFingerprint,
    NftTable,
    Remove,
    Replace,
    Sysctl,
)

_DEVICE_SYSCTL = "/conf/mcnet-"
"""Part of the path of a sysctl of one of our devices: it falls back whenever its device is made anew, which the
other daemon of the node may do by plan."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a round left behind: the wanted objects that the kernel took; `clean` if nothing unwanted stayed."""

    items: frozenset[KernelObject]
    clean: bool = True


def held(wanted: KernelState, refused: Iterable[Change] = ()) -> Held:
    """What is there after a round that wanted `wanted` and whose changes `refused` failed."""
    failed = list(refused)
    items = frozenset().union(*(getattr(wanted, field.name) for field in fields(KernelState)))
    return Held(
        items - {change.item for change in failed if not isinstance(change, Remove)},
        clean=not any(isinstance(change, Remove) for change in failed),
    )


def after(before: Held | None, was: KernelState, now: KernelState) -> Held | None:
    """What is there after the daemon has changed next hops, groups or marks from `was` to `now` beside rounds."""
    if before is None:
        return None
    old: frozenset[KernelObject] = was.nexthops | was.groups | was.tables
    new: frozenset[KernelObject] = now.nexthops | now.groups | now.tables
    return Held((before.items - (old - new)) | (new - old), clean=before.clean)


def repairs(before: Held | None, changes: Sequence[Change]) -> tuple[Change, ...]:
    """Those of `changes` that undo somebody else's doing; `before` is None in the first round of a process.

    Even then an nft table that was edited since it was written is known to be somebody else's doing.
    """
    certain = tuple(change for change in changes if _edited_table(change))
    if before is None or _remakes_device(before, changes):
        return certain
    known = {_identity(item) for item in before.items}
    return tuple(change for change in changes if change in certain or _touched(before, known, change))


def _touched(before: Held, known: set[tuple[str, object]], change: Change) -> bool:
    match change:
        case Add(item):
            return item in before.items and not _of_device(item)
        case Replace(old, item):
            return item in before.items and not _of_device(item) and not _unsealed(old)
        case Remove(item):
            # Under a key that was wanted before, going is a change of plan.
            return before.clean and _identity(item) not in known


def _identity(item: KernelObject) -> tuple[str, object]:
    kind = "table" if isinstance(item, NftTable | NftFingerprint) else type(item).__name__
    return kind, item.key


def _remakes_device(before: Held, changes: Sequence[Change]) -> bool:
    """Whether the plan takes a device away that was wanted until now, and with it much that is wanted as before."""
    added = {
        change.item.name: change.item
        for change in changes
        if isinstance(change, Add) and isinstance(change.item, Link)
    }
    was = {item.name for item in before.items if isinstance(item, Link)}
    going = {change.item.name for change in changes if isinstance(change, Remove) and isinstance(change.item, Link)}
    return any(added.get(name) not in before.items for name in going & was)


def _edited_table(change: Change) -> bool:
    return isinstance(change, Replace) and isinstance(change.old, NftFingerprint) and change.old.edited


def _unsealed(old: KernelObject) -> bool:
    return isinstance(old, NftFingerprint) and not old.sealed


def _of_device(item: KernelObject) -> bool:
    return isinstance(item, Sysctl) and _DEVICE_SYSCTL in item.path

"""Perform changes in the given order. Nothing is decided here: a failing change does not stop the others.

Already done counts as done: a removal of what is gone, and a creation of what is there and equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from mcnet.kernel import foreign, links, neighbours, nexthops, nftables, routes, rules, wireguard
from mcnet.kernel.errors import is_gone, is_there
from mcnet.kernel.netlink import Session, device_names, open_session
from mcnet.kernel.sysctl import NODE_SYSCTLS, SysctlTree
from mcnet.model.errors import KernelError
from mcnet.model.kernel import (
    Add,
    Change,
    FdbEntry,
    HostRule,
    KernelObject,
    Link,
    Neighbour,
    NextHop,
    NextHopGroup,
    NftFingerprint,
    NftTable,
    Remove,
    Replace,
    Route,
    Rule,
    Sysctl,
)
from mcnet.model.ownership import GATEWAY, ROUTE_AGENT
from mcnet.model.wireguard import WireguardDevice


@dataclass(frozen=True, slots=True)
class Failure:
    """A change that the kernel refused, and why."""

    change: Change
    error: KernelError


async def apply(changes: Sequence[Change], *, tree: SysctlTree = NODE_SYSCTLS) -> tuple[Failure, ...]:
    """Perform `changes` in order; returns those that failed."""
    failures = []
    if not changes:
        return ()
    async with open_session() as session:
        for change in changes:
            try:
                await _perform(session, change, tree)
            except KernelError as error:
                failures.append(Failure(change, error))
    return tuple(failures)


async def _perform(session: Session, change: Change, tree: SysctlTree) -> None:
    match change:
        case Add(item):
            await _add_once(session, item, tree)
        case Replace(old, item):
            await _replace(session, old, item, tree)
        case Remove(item):
            await _remove_once(session, item)
        case _:
            assert_never(change)


async def _add_once(session: Session, item: KernelObject, tree: SysctlTree) -> None:
    try:
        await _add(session, item, tree)
    except KernelError as error:
        if not is_there(error) or not await _present(session, item):
            raise


async def _remove_once(session: Session, item: KernelObject) -> None:
    try:
        await _remove(session, item)
    except KernelError as error:
        # A route whose next hop is gone went with it, but the kernel calls the request invalid, not the route gone.
        gone = is_gone(error) or (isinstance(item, Route) and not await _present(session, item))
        if not gone:
            raise


async def _add(session: Session, item: KernelObject, tree: SysctlTree) -> None:
    match item:
        case Link():
            await links.add(session, item)
        case WireguardDevice():
            await wireguard.configure(None, item)
        case Neighbour() | FdbEntry():
            await neighbours.write(session, item)
        case NextHop() | NextHopGroup():
            await nexthops.add(session, item)
        case Route():
            await routes.add(session, item)
        case Rule():
            await rules.add(session, item)
        case NftTable():
            await nftables.replace(item)
        case NftFingerprint():
            raise KernelError(f"create nft table inet {item.name}: its content is not known")
        case Sysctl():
            tree.write(item)
        case HostRule():
            await foreign.add(item)
        case _:
            assert_never(item)


async def _replace(session: Session, old: KernelObject, item: KernelObject, tree: SysctlTree) -> None:
    match old, item:
        case Link(), Link() if old.fixed == item.fixed:
            await links.change(session, old, item)
        case Link(), Link():
            # These options can't be changed in place (mcnet.plan.diff plans it as a removal and an addition).
            await links.remove(session, old.name)
            await links.add(session, item)
        case WireguardDevice(), WireguardDevice():
            await wireguard.configure(old, item)
        case NftTable(), NftTable():
            await nftables.change(old, item)
        case NftFingerprint(), NftTable():
            await nftables.update(old, item)
        case _, NextHop() | NextHopGroup():
            await nexthops.replace(session, item)
        case _, Route():
            await routes.replace(session, item)
        case Rule(), Rule():
            await _add_once(session, item, tree)
            await rules.remove(session, old)
        case _:
            await _add(session, item, tree)


async def _remove(session: Session, item: KernelObject) -> None:
    match item:
        case Link():
            await links.remove(session, item.name)
        case WireguardDevice():
            raise KernelError(f"remove the settings of {item.name}: they go with the device")
        case Neighbour() | FdbEntry():
            await neighbours.remove(session, item)
        case NextHop() | NextHopGroup():
            await nexthops.remove(session, item)
        case Route():
            await routes.remove(session, item)
        case Rule():
            await rules.remove(session, item)
        case NftTable() | NftFingerprint():
            await nftables.remove(item.name)
        case HostRule():
            await foreign.remove(item)
        case Sysctl():
            raise KernelError(f"remove sysctl net/{item.path}: a sysctl can only be set")
        case _:
            assert_never(item)


async def _present(session: Session, item: KernelObject) -> bool:
    """Whether the kernel holds exactly `item`, which it refused to create a second time."""
    found: frozenset[KernelObject]
    match item:
        case Link():
            found = frozenset().union(*[await links.read(session, owner) for owner in (GATEWAY, ROUTE_AGENT)])
        case NextHop() | NextHopGroup():
            found = frozenset().union(*await _all_nexthops(session))
        case Route():
            found = frozenset(await routes.read(session, (item.table,), device_names()))
        case Rule():
            found = frozenset(await rules.read(session))
        case _:
            return False
    return item in found


async def _all_nexthops(session: Session) -> list[frozenset[KernelObject]]:
    found: list[frozenset[KernelObject]] = []
    for owner in (GATEWAY, ROUTE_AGENT):
        found.extend(await nexthops.read(session, owner, device_names()))
    return found

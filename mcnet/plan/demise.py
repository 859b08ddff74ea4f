"""What the kernel takes away by itself when one of our objects goes.

Deleting a device deletes what sits on it: keys and peers, neighbours, forwarding entries, next hops; groups lose
members, an empty group goes, and routes go with what they point at. Knowing it, a round that must re-make a device
also restores the rest, instead of leaving a gap until the next round. Linux net/ipv4/nexthop.c, fib_semantics.c.
"""

from dataclasses import replace

from mcnet.model.kernel import KernelState, NextHopGroup, Route


def without(state: KernelState, *, devices: frozenset[str], groups: frozenset[int] = frozenset()) -> KernelState:
    """`state` after the kernel lost `devices` and the next-hop groups `groups`."""
    if not devices and not groups:
        return state
    lost_addresses = {address.ip for link in state.links if link.name in devices for address in link.addresses}
    nexthops = frozenset(hop for hop in state.nexthops if hop.device not in devices)
    lost_ids = {hop.id for hop in state.nexthops - nexthops}
    kept_groups = frozenset(
        kept
        for group in state.groups
        if group.id not in groups
        for kept in [_shrunk(group, lost_ids)]
        if kept.members
    )
    gone = lost_ids | ({group.id for group in state.groups} - {group.id for group in kept_groups})
    routes = (
        route
        for route in state.routes
        if route.device not in devices
        and route.nexthop not in gone
        and not (route.prefix.version == 4 and route.source in lost_addresses)
    )
    return replace(
        state,
        links=frozenset(link for link in state.links if link.name not in devices),
        wireguard=frozenset(device for device in state.wireguard if device.name not in devices),
        neighbours=frozenset(entry for entry in state.neighbours if entry.device not in devices),
        fdb=frozenset(entry for entry in state.fdb if entry.device not in devices),
        nexthops=nexthops,
        groups=kept_groups,
        routes=frozenset(_sourceless(route) if route.source in lost_addresses else route for route in routes),
    )


def _shrunk(group: NextHopGroup, lost: set[int]) -> NextHopGroup:
    return replace(group, members=tuple(member for member in group.members if member[0] not in lost))


def _sourceless(route: Route) -> Route:
    """IPv6 keeps a route whose preferred source went, without it; IPv4 drops the route."""
    return replace(route, source=None)

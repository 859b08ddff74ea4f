"""Addresses that must never be taken for a remote pod: outer addresses of peers and addresses of own nodes.

On flat networks the prefix of a remote cluster may contain its gateways' outer addresses: without an exception
the cable's own packets would be routed into the cable. `throw` ends the look-up in a table of ours.
"""

from collections.abc import Iterable
from ipaddress import ip_network

from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address, Network, Route, RouteType
from mcnet.model.node import Node
from mcnet.plan.remote import Remotes


def exceptions(remotes: Remotes, own: Iterable[Endpoint], nodes: Iterable[Node]) -> tuple[Network, ...]:
    """Host prefixes that lie inside a routed remote prefix (elsewhere no exception is needed), sorted."""
    outer: set[Address] = set()
    for endpoint in (*remotes.endpoints, *own):
        outer.update(endpoint.private_addresses)
        outer.update(endpoint.public_addresses)
    for node in nodes:
        outer.update(node.addresses)
        if node.private_address is not None:
            outer.add(node.private_address)
    routed = {family: remotes.prefixes_of(family) for family in (4, 6)}
    inside = (address for address in outer if any(address in prefix for prefix in routed[address.version]))
    return tuple(
        ip_network(address) for address in sorted(inside, key=lambda address: (address.version, int(address)))
    )


def subtract(prefixes: Iterable[Network], hosts: Iterable[Network]) -> tuple[Network, ...]:
    """`prefixes` without the host prefixes `hosts`: what counts as remote where only prefixes can be named (nft
    sets), so that a tunnel's own packets are neither dropped nor translated as if a remote pod sent them."""
    left = list(prefixes)
    for host in hosts:
        left = [part for prefix in left for part in _without(prefix, host)]
    return tuple(left)


def _without(prefix: Network, host: Network) -> tuple[Network, ...]:
    if host.version != prefix.version or host.network_address not in prefix:
        return (prefix,)
    return tuple(prefix.address_exclude(host))  # type: ignore[arg-type]


def throw_routes(table: int, prefixes: Iterable[Network]) -> frozenset[Route]:
    """A throw route in `table` for each of `prefixes`."""
    return frozenset(Route(table=table, prefix=prefix, type=RouteType.THROW) for prefix in prefixes)

"""The `vxlan` cable driver: one device per gateway, remote gateways as next hops on it. Not encrypted.

A driver gives, per cable, a device, optionally a next hop on it, and the outer addresses; routes are the
planner's (mcnet.plan.gateway). Works only without address translation between the gateways.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mcnet.model import ownership
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address, FdbEntry, Link, Neighbour, Vxlan
from mcnet.plan import mtu
from mcnet.plan.addresses import cable_end, cable_interfaces

NAME = "vxlan"


@dataclass(frozen=True, slots=True)
class CablePath:
    """How one cable is reached in the kernel: `device`, `via` per family on it, and the outer addresses.

    `problem` names why the cable can't be made ("" if it can)."""

    endpoint: Endpoint
    device: str
    local: Address | None
    remote: Address | None
    problem: str = ""

    def via(self, family: int) -> Address:
        """The remote gateway's address on the device."""
        return cable_end(self.endpoint.cluster, self.endpoint.rail).address(family)


def paths(own: Endpoint, remotes: Iterable[Endpoint]) -> tuple[CablePath, ...]:
    """A cable to each remote gateway, over addresses of the same family as this gateway's first address."""
    return tuple(_path(own, remote) for remote in remotes)


def _path(own: Endpoint, remote: Endpoint) -> CablePath:
    if not own.private_addresses:
        return _broken(remote, f"gateway {own.gateway} has no outer address: it has no default route")
    if all(offer.name != NAME for offer in remote.drivers):
        offered = ", ".join(offer.name for offer in remote.drivers) or "none"
        return _broken(remote, f"endpoint {remote.name} does not offer the driver {NAME} (it offers {offered})")
    if remote.port_base != own.port_base:
        return _broken(
            remote,
            f"endpoint {remote.name} has port base {remote.port_base}, this gateway {own.port_base}: "
            "the driver vxlan needs the same on both sides",
        )
    local = own.private_addresses[0]
    outer = next((address for address in remote.private_addresses if address.version == local.version), None)
    if outer is None:
        return _broken(remote, f"endpoint {remote.name} has no IPv{local.version} address")
    if outer.is_unspecified or outer.is_loopback or outer.is_link_local or outer.is_multicast:
        return _broken(remote, f"endpoint {remote.name} has the address {outer}, which is no gateway's")
    return CablePath(remote, ownership.VXLAN_CABLE_DEVICE, local, outer)


def _broken(remote: Endpoint, problem: str) -> CablePath:
    return CablePath(remote, ownership.VXLAN_CABLE_DEVICE, None, None, problem)


def device(own: Endpoint, cables: Sequence[CablePath], families: Iterable[int]) -> Link | None:
    """The device, or None while this gateway has no outer address."""
    if not own.private_addresses:
        return None
    local = own.private_addresses[0]
    end = cable_end(own.cluster, own.rail)
    return Link(
        name=ownership.VXLAN_CABLE_DEVICE,
        mtu=mtu.vxlan_cable_mtu(
            own.mtu, [cable.endpoint.mtu for cable in cables if not cable.problem], local.version
        ),
        mac=end.mac,
        vxlan=Vxlan(vni=ownership.CABLE_VNI, port=ownership.vxlan_cable_port(own.port_base), local=local),
        addresses=cable_interfaces(end, families),
    )


def peers(cables: Iterable[CablePath], families: Iterable[int]) -> tuple[frozenset[Neighbour], frozenset[FdbEntry]]:
    """Static neighbour and forwarding entries: no flooding, no learning."""
    used = tuple(families)
    neighbours: set[Neighbour] = set()
    fdb: set[FdbEntry] = set()
    for cable in cables:
        if cable.remote is None:
            continue
        end = cable_end(cable.endpoint.cluster, cable.endpoint.rail)
        fdb.add(FdbEntry(cable.device, end.mac, cable.remote))
        neighbours |= {Neighbour(cable.device, end.address(family), end.mac) for family in used}
    return frozenset(neighbours), frozenset(fdb)

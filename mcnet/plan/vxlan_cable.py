"""The `vxlan` cable driver: one device per outer family, remote gateways as next hops on it. Not encrypted.

A driver gives, per cable, a device, optionally a next hop on it, and the outer addresses; routes are the
planner's (mcnet.plan.gateway). Works only without address translation between the gateways.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mcnet.model import ownership
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address, FdbEntry, Link, Neighbour, Vxlan
from mcnet.plan import mtu
from mcnet.plan.addresses import TunnelEnd, cable_end, cable_interfaces

NAME = "vxlan"


@dataclass(frozen=True, slots=True)
class CablePath:
    """How one cable is reached in the kernel: `device` and the outer addresses; `families` are the families that
    both sides have inside, in which it is probed and routed.

    `problem` names why the cable can't be made ("" if it can)."""

    endpoint: Endpoint
    device: str
    local: Address | None
    remote: Address | None
    problem: str = ""
    families: tuple[int, ...] = ()

    @property
    def outer(self) -> int:
        """The family of the outer addresses."""
        return self.remote.version if self.remote is not None else 4

    @property
    def end(self) -> TunnelEnd:
        """The remote end."""
        return cable_end(self.endpoint.cluster, self.endpoint.rail, self.outer)

    def via(self, family: int) -> Address:
        """The remote gateway's address on the device."""
        return self.end.address(family)

    def probe(self, family: int) -> str:
        """What the probes of this cable are called: each family inside has its own."""
        name = self.endpoint.name
        return name if family == self.families[0] else f"{name} IPv{family}"


def outer_family(own: Endpoint, remote: Endpoint) -> int | None:
    """Over which family two gateways speak; the same answer on both sides. None without a common one.

    IPv4 where both have both, unless both name their IPv6 address first.
    """
    mine, theirs = ([address.version for address in one.private_addresses] for one in (own, remote))
    common = {*mine} & {*theirs}
    if not common:
        return None
    return 6 if common == {6} or mine[0] == theirs[0] == 6 else 4


def inner_families(endpoint: Endpoint) -> tuple[int, ...]:
    """The families that a gateway carries: those of its cluster's pods that its kernel has."""
    published = ((4, endpoint.cable_address4), (6, endpoint.cable_address6))
    return tuple(family for family, address in published if address is not None) or tuple(
        sorted({prefix.version for prefix in endpoint.prefixes})
    )


def paths(own: Endpoint, remotes: Iterable[Endpoint]) -> tuple[CablePath, ...]:
    """A cable to each remote gateway, over addresses of a family that both have."""
    return tuple(_path(own, remote) for remote in remotes)


def _path(own: Endpoint, remote: Endpoint) -> CablePath:
    if problem := _unfit(own, remote):
        return _broken(remote, problem)
    family = outer_family(own, remote)
    inside = tuple(one for one in inner_families(own) if one in inner_families(remote))
    if family is None:
        return _broken(remote, _no_common_address(own, remote))
    if not inside:
        return _broken(
            remote,
            f"the pods of {own.cluster} have {_names(inner_families(own))} addresses, those of {remote.cluster} "
            f"{_names(inner_families(remote))}: no family in common",
        )
    local = next(address for address in own.private_addresses if address.version == family)
    outer = next(address for address in remote.private_addresses if address.version == family)
    if outer.is_unspecified or outer.is_loopback or outer.is_link_local or outer.is_multicast:
        return _broken(remote, f"endpoint {remote.name} has the address {outer}, which is no gateway's")
    return CablePath(remote, ownership.VXLAN_CABLE_DEVICES[family], local, outer, families=inside)


def _unfit(own: Endpoint, remote: Endpoint) -> str:
    """Why the driver can't be used between the two, whatever their addresses."""
    if not own.private_addresses:
        return f"gateway {own.gateway} has no outer address: it has no default route"
    if all(offer.name != NAME for offer in remote.drivers):
        offered = ", ".join(offer.name for offer in remote.drivers) or "none"
        return f"endpoint {remote.name} does not offer the driver {NAME} (it offers {offered})"
    if remote.port_base != own.port_base:
        return (
            f"endpoint {remote.name} has port base {remote.port_base}, this gateway {own.port_base}: "
            "the driver vxlan needs the same on both sides"
        )
    return ""


def _no_common_address(own: Endpoint, remote: Endpoint) -> str:
    has = _names({address.version for address in own.private_addresses})
    if not remote.private_addresses:
        return f"endpoint {remote.name} has no {has} address"
    there = _names({address.version for address in remote.private_addresses})
    return f"endpoint {remote.name} has no {has} address, only {there}, and this gateway {own.gateway} has only {has}"


def _names(families: Iterable[int]) -> str:
    return " and ".join(f"IPv{family}" for family in sorted(families)) or "no"


def _broken(remote: Endpoint, problem: str) -> CablePath:
    return CablePath(remote, ownership.VXLAN_CABLE_DEVICE, None, None, problem)


def devices(own: Endpoint, cables: Sequence[CablePath], families: Iterable[int]) -> frozenset[Link]:
    """One device per outer family that a cable uses, at least that of this gateway's first address; none while
    this gateway has no outer address."""
    inside = tuple(families)
    return frozenset(_device(own, family, cables, inside) for family in outer_families(own, cables))


def outer_families(own: Endpoint, cables: Iterable[CablePath]) -> tuple[int, ...]:
    """The families of the devices."""
    first = {address.version for address in own.private_addresses[:1]}
    return tuple(sorted(first | {cable.outer for cable in cables if not cable.problem}))


def _device(own: Endpoint, family: int, cables: Iterable[CablePath], inside: tuple[int, ...]) -> Link:
    local = next(address for address in own.private_addresses if address.version == family)
    end = cable_end(own.cluster, own.rail, family)
    remotes = [cable.endpoint.mtu for cable in cables if not cable.problem and cable.outer == family]
    return Link(
        name=ownership.VXLAN_CABLE_DEVICES[family],
        mtu=mtu.vxlan_cable_mtu(own.mtu, remotes, family),
        mac=end.mac,
        vxlan=Vxlan(vni=ownership.CABLE_VNI, port=ownership.vxlan_cable_port(own.port_base), local=local),
        addresses=cable_interfaces(end, inside),
    )


def peers(cables: Iterable[CablePath]) -> tuple[frozenset[Neighbour], frozenset[FdbEntry]]:
    """Static neighbour and forwarding entries: no flooding, no learning."""
    neighbours: set[Neighbour] = set()
    fdb: set[FdbEntry] = set()
    for cable in cables:
        if cable.remote is None:
            continue
        end = cable.end
        fdb.add(FdbEntry(cable.device, end.mac, cable.remote))
        neighbours |= {Neighbour(cable.device, end.address(family), end.mac) for family in cable.families}
    return frozenset(neighbours), frozenset(fdb)

"""Cables between gateways, whatever their driver: over which addresses, with which families inside, by which device.

A driver (vxlan_cable, wireguard_cable, libreswan_cable) gives, per cable, a device and what belongs on it; routes are
the planner's (mcnet.plan.gateway). Which driver two gateways use is mcnet.plan.driver's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from mcnet.model import ownership
from mcnet.model.cluster import ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address
from mcnet.model.ownership import CableNetwork
from mcnet.plan import nat
from mcnet.plan.addresses import TunnelEnd, cable_end, cable_number
from mcnet.plan.driver import LIBRESWAN, VXLAN, WIREGUARD, Agreed, agree
from mcnet.plan.nat_discovery import Way
from mcnet.plan.outer_address import outer_family, public_of

NO_OPTIONS = "the clusterset's options have not come from the broker yet, so which cable driver to use is not known"


@dataclass(frozen=True, slots=True)
class CablePath:
    """How one cable is reached in the kernel: `device` and the outer addresses; `families` are the families that
    both sides have inside, in which it is probed and routed.

    `problem` names why the cable can't be made ("" if it can)."""

    endpoint: Endpoint
    driver: str
    network: CableNetwork
    device: str
    local: Address | None = None
    remote: Address | None = None
    problem: str = ""
    families: tuple[int, ...] = ()
    port: int = 0
    """UDP port of the remote gateway that its packets go to."""
    own_port: int = 0
    """UDP port that this gateway listens on."""
    obstacle: str = ""
    """Why packets may find no way although both sides are there: said when they don't."""
    turn: int = 0
    """How often its device has been given new keys: what probes said before is not about these."""

    @property
    def outer(self) -> int:
        """The family of the outer addresses."""
        return self.remote.version if self.remote is not None else 4

    @property
    def end(self) -> TunnelEnd:
        """The remote end."""
        return cable_end(self.endpoint.cluster, self.endpoint.rail, self.network)

    def address(self, family: int) -> Address:
        """The remote gateway's address inside: what probes ask."""
        return self.end.address(family)

    def via(self, family: int) -> Address | None:
        """The next hop on the device; None where the device itself knows the way."""
        return self.address(family) if self.driver == VXLAN else None

    def probe(self, family: int) -> str:
        """What the probes of this cable are called: each family inside has its own, and each device with each of its
        keys."""
        name = self.endpoint.name if self.driver == VXLAN else f"{self.endpoint.name} {self.device}"
        name = f"{name} {self.turn}" if self.turn else name
        return name if family == self.families[0] else f"{name} IPv{family}"


def own_address(own: Endpoint, path: CablePath, family: int) -> Address:
    """This gateway's own address inside a cable: what its probes are sent from."""
    return cable_end(own.cluster, own.rail, path.network).address(family)


def inner_families(endpoint: Endpoint) -> tuple[int, ...]:
    """The families that a gateway carries: those of its cluster's pods that its kernel has."""
    published = ((4, endpoint.cable_address4), (6, endpoint.cable_address6))
    return tuple(family for family, address in published if address is not None) or tuple(
        sorted({prefix.version for prefix in endpoint.prefixes})
    )


Ways = Mapping[str, Way]
"""By which of its addresses a gateway is reached, by its Endpoint's name; the private one if nothing is known."""


def paths(
    options: ClusterSet | None, own: Endpoint, remotes: Iterable[Endpoint], ways: Ways = MappingProxyType({})
) -> tuple[CablePath, ...]:
    """A cable to each remote gateway, over addresses of a family that both have. Without the clusterset's options
    none can be made: nothing may go in the clear because they have not come yet."""
    return tuple(_path(options, own, remote, ways.get(remote.name, Way.PRIVATE)) for remote in remotes)


def _path(options: ClusterSet | None, own: Endpoint, remote: Endpoint, way: Way) -> CablePath:
    if options is None:
        return _broken(remote, "", NO_OPTIONS)
    agreed = agree(options, own, remote)
    family = outer_family(own, remote)
    inside = tuple(one for one in inner_families(own) if one in inner_families(remote))
    problem = agreed.problem or _unfit(agreed, own, remote) or _unreachable(own, remote, family, inside)
    if problem or family is None:
        return _broken(remote, agreed.driver, problem)
    if agreed.driver == VXLAN:
        return _between(_by_vxlan(own, remote, family), own, remote, family, inside)
    assert agreed.own is not None
    assert agreed.other is not None
    slot = ownership.key_slot(agreed.own.key_epoch, agreed.other.key_epoch)
    made = _by_libreswan if agreed.driver == LIBRESWAN else _by_wireguard
    path = replace(made(own, remote, slot), turn=_turn(agreed.driver, own, remote, slot))
    return _to(way, _between(path, own, remote, family, inside))


def _turn(driver: str, own: Endpoint, remote: Endpoint, slot: int) -> int:
    """Of a slot's device: the two take turns, and the sum of both gateways' epochs counts them."""
    epochs = sum(offer.key_epoch for end in (own, remote) for offer in end.drivers if offer.name == driver)
    return max(0, epochs if slot == epochs % 2 else epochs - 1) // 2


def _to(way: Way, path: CablePath) -> CablePath:
    """The cable to the other gateway's public address, if that is the way; not by VXLAN, whose device takes in what
    comes from the published address and nothing that was translated."""
    remote = path.endpoint
    public = public_of(remote, path.outer)
    if way is Way.PRIVATE or public is None:
        return path
    shift = remote.public_port_base - remote.port_base if remote.public_port_base else 0
    return replace(path, remote=public, port=path.port + shift)


def alternatives(own: Endpoint, wanted: Iterable[CablePath]) -> tuple[CablePath, ...]:
    """All other cables that there could be to the gateways of `wanted`, whatever the options say now."""
    found = []
    for path in wanted:
        remote = path.endpoint
        family = outer_family(own, remote)
        inside = tuple(one for one in inner_families(own) if one in inner_families(remote))
        if family is None or _unreachable(own, remote, family, inside):
            continue
        made = [by(own, remote, slot) for by in (_by_wireguard, _by_libreswan) for slot in (0, 1)]
        made = [replace(one, turn=_turn(one.driver, own, remote, number % 2)) for number, one in enumerate(made)]
        made += [] if remote.port_base != own.port_base else [_by_vxlan(own, remote, family)]
        found += [
            _between(one, own, remote, family, inside)
            for one in made
            if path.problem or one.network is not path.network
        ]
    return tuple(found)


def _between(made: CablePath, own: Endpoint, remote: Endpoint, family: int, inside: tuple[int, ...]) -> CablePath:
    return replace(
        made,
        local=next(address for address in own.private_addresses if address.version == family),
        remote=next(address for address in remote.private_addresses if address.version == family),
        families=inside,
        obstacle=nat.obstacle(own, remote),
    )


def _by_vxlan(own: Endpoint, remote: Endpoint, family: int) -> CablePath:
    return CablePath(
        endpoint=remote,
        driver=VXLAN,
        network=ownership.VXLAN_NETWORKS[family],
        device=ownership.VXLAN_CABLE_DEVICES[family],
        port=ownership.vxlan_cable_port(remote.port_base),
        own_port=ownership.vxlan_cable_port(own.port_base),
    )


def _by_wireguard(own: Endpoint, remote: Endpoint, slot: int) -> CablePath:
    return CablePath(
        endpoint=remote,
        driver=WIREGUARD,
        network=ownership.WIREGUARD_NETWORKS[slot],
        device=ownership.wireguard_device(remote.rail, slot),
        port=ownership.wireguard_port(remote.port_base, own.rail, slot),
        own_port=ownership.wireguard_port(own.port_base, remote.rail, slot),
    )


def _by_libreswan(own: Endpoint, remote: Endpoint, slot: int) -> CablePath:
    if_id = ownership.libreswan_if_id(cable_number(remote.cluster, remote.rail), slot)
    return CablePath(
        endpoint=remote,
        driver=LIBRESWAN,
        network=ownership.LIBRESWAN_NETWORKS[slot],
        device=ownership.libreswan_device(if_id),
        port=ownership.libreswan_port(remote.port_base),
        own_port=ownership.libreswan_port(own.port_base),
    )


def _unfit(agreed: Agreed, own: Endpoint, remote: Endpoint) -> str:
    """Why the driver can't be used between the two, whatever their addresses."""
    if not own.private_addresses:
        return no_outer_address(own)
    if agreed.driver == VXLAN and remote.port_base != own.port_base:
        return (
            f"endpoint {remote.name} has port base {remote.port_base}, this gateway {own.port_base}: "
            "the driver vxlan needs the same on both sides"
        )
    return ""


def devices(options: ClusterSet | None, own: Endpoint, remotes: Iterable[Endpoint]) -> tuple[str, ...]:
    """The devices that cables of a gateway are on, sorted. Where VXLAN is the default, its device for the gateway's
    own family is there before the first cable."""
    cables = paths(options, own, remotes)
    found = {path.device for path in cables if not path.problem}
    if options is not None and options.default_driver == VXLAN:
        found |= {ownership.VXLAN_CABLE_DEVICES[address.version] for address in own.private_addresses[:1]}
    return tuple(sorted(found))


def _unreachable(own: Endpoint, remote: Endpoint, family: int | None, inside: tuple[int, ...]) -> str:
    """Why packets find no way, whatever the driver."""
    if family is None:
        return _no_common_address(own, remote)
    if not inside:
        return (
            f"the pods of {own.cluster} have {_names(inner_families(own))} addresses, those of {remote.cluster} "
            f"{_names(inner_families(remote))}: no family in common"
        )
    outer = next(address for address in remote.private_addresses if address.version == family)
    if outer.is_unspecified or outer.is_loopback or outer.is_link_local or outer.is_multicast:
        return f"endpoint {remote.name} has the address {outer}, which is no gateway's"
    return ""


def no_outer_address(own: Endpoint) -> str:
    """Said of a gateway that no other one could reach."""
    return f"gateway {own.gateway} has no outer address: it has no default route"


def _no_common_address(own: Endpoint, remote: Endpoint) -> str:
    has = _names({address.version for address in own.private_addresses})
    if not remote.private_addresses:
        return f"endpoint {remote.name} has no {has} address"
    there = _names({address.version for address in remote.private_addresses})
    return f"endpoint {remote.name} has no {has} address, only {there}, and this gateway {own.gateway} has only {has}"


def _names(families: Iterable[int]) -> str:
    return " and ".join(f"IPv{family}" for family in sorted(families)) or "no"


def _broken(remote: Endpoint, driver: str, problem: str) -> CablePath:
    return CablePath(remote, driver, CableNetwork.VXLAN_OVER4, "", problem=problem)

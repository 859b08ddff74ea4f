"""The `vxlan` cable driver: one device per outer family, remote gateways as next hops on it. Not encrypted.

Works only without address translation between the gateways. Which gateways it leads to is mcnet.plan.cable's.
"""

from collections.abc import Iterable, Sequence

from mcnet.model import ownership
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import FdbEntry, Link, Neighbour, Vxlan
from mcnet.plan import mtu
from mcnet.plan.addresses import cable_end, cable_interfaces
from mcnet.plan.cable import CablePath
from mcnet.plan.driver import VXLAN


def links(own: Endpoint, cables: Iterable[CablePath], families: Iterable[int], *, default: bool) -> frozenset[Link]:
    """One device per outer family that a cable uses; none while this gateway has no outer address. Where VXLAN is
    the clusterset's `default`, at least that of this gateway's first address."""
    inside = tuple(families)
    mine = tuple(cable for cable in cables if cable.driver == VXLAN and not cable.problem)
    first = {address.version for address in own.private_addresses[:1]} if default else set()
    return frozenset(_link(own, family, mine, inside) for family in first | {cable.outer for cable in mine})


def _link(own: Endpoint, family: int, cables: Sequence[CablePath], inside: tuple[int, ...]) -> Link:
    local = next(address for address in own.private_addresses if address.version == family)
    end = cable_end(own.cluster, own.rail, ownership.VXLAN_NETWORKS[family])
    underlays = [own.mtu, *(cable.endpoint.mtu for cable in cables if cable.outer == family)]
    return Link(
        name=ownership.VXLAN_CABLE_DEVICES[family],
        mtu=mtu.cable_mtu(VXLAN, min(underlays), family),
        mac=end.mac,
        vxlan=Vxlan(vni=ownership.CABLE_VNI, port=ownership.vxlan_cable_port(own.port_base), local=local),
        addresses=cable_interfaces(end, inside),
    )


def peers(cables: Iterable[CablePath]) -> tuple[frozenset[Neighbour], frozenset[FdbEntry]]:
    """Static neighbour and forwarding entries: no flooding, no learning."""
    neighbours: set[Neighbour] = set()
    fdb: set[FdbEntry] = set()
    for cable in cables:
        if cable.driver != VXLAN or cable.remote is None:
            continue
        fdb.add(FdbEntry(cable.device, cable.end.mac, cable.remote))
        neighbours |= {Neighbour(cable.device, cable.address(family), cable.end.mac) for family in cable.families}
    return frozenset(neighbours), frozenset(fdb)

"""Which cable driver two gateways use: what the clusterset says for their clusters, if both offer it. Never another
one instead: traffic that was to be encrypted must not go in the clear because a gateway lacks something.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mcnet.model.cluster import ClusterId, ClusterSet
from mcnet.model.endpoint import DriverOffer, Endpoint

WIREGUARD: Final = "wireguard"
VXLAN: Final = "vxlan"
LIBRESWAN: Final = "libreswan"
DRIVERS: Final = (WIREGUARD, LIBRESWAN, VXLAN)
"""Cable drivers that this version has, the default first."""
UNENCRYPTED: Final = (VXLAN,)


@dataclass(frozen=True, slots=True)
class Agreed:
    """The driver with both sides' offers; `problem` names in a sentence why there is none ("" if there is)."""

    driver: str
    own: DriverOffer | None = None
    other: DriverOffer | None = None
    problem: str = ""


def wanted(options: ClusterSet, one: ClusterId, other: ClusterId) -> str:
    """The driver between two clusters: an exception for the pair, else the clusterset's default."""
    return options.drivers_for_pairs.get(frozenset({one, other}), options.default_driver)


def in_use(options: ClusterSet | None, own: ClusterId) -> tuple[str, ...]:
    """The drivers that cables of a cluster may have; all of them while the clusterset's options are not known."""
    if options is None:
        return DRIVERS
    exceptions = {driver for pair, driver in options.drivers_for_pairs.items() if own in pair}
    return tuple(sorted({options.default_driver, *exceptions}))


def agree(options: ClusterSet, own: Endpoint, remote: Endpoint) -> Agreed:
    """The same answer on both sides, since both see the same options and Endpoints."""
    driver = wanted(options, own.cluster, remote.cluster)
    mine, theirs = (_offer(endpoint.drivers, driver) for endpoint in (own, remote))
    for endpoint, offer in ((own, mine), (remote, theirs)):
        if offer is None:
            return Agreed(driver, problem=_missing(driver, endpoint, own.cluster, remote.cluster))
    return Agreed(driver, mine, theirs)


def _offer(offers: Iterable[DriverOffer], driver: str) -> DriverOffer | None:
    return next((offer for offer in offers if offer.name == driver), None)


def _missing(driver: str, endpoint: Endpoint, *pair: ClusterId) -> str:
    offered = ", ".join(offer.name for offer in endpoint.drivers) or "none"
    return (
        f"{' and '.join(pair)} are to use the driver {driver}, which gateway {endpoint.gateway} "
        f"of {endpoint.cluster} does not offer (it offers {offered})"
    )

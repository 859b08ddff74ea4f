"""What an importing cluster gets of a merged service: which endpoints of which clusters, under which port names.

Nothing that the broker says of addresses is believed beyond what its admin has approved for the cluster that says it
(CVE-2026-66788 was that in another project). How it is written is mcnet.plan.services'.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mcnet.model.cluster import ClusterId
from mcnet.model.kernel import Address, Network
from mcnet.model.service import (
    ExportedService,
    MergedService,
    Port,
    ServiceSlice,
    ServiceType,
    imported_slice_name,
)
from mcnet.plan.service_merge import renamed
from mcnet.plan.service_traffic import chosen, weights
from mcnet.plan.service_weights import WEIGHTS_OF_HEADLESS, weighed

SHOWN: Final = 3
"""Addresses of one slice that are named when they are left out."""


@dataclass(frozen=True, slots=True)
class Importer:
    """The importing cluster, and what it knows of the others."""

    cluster: ClusterId
    families: tuple[str, ...]
    """IP families of its own services."""
    prefixes: Mapping[ClusterId, tuple[Network, ...]]
    """Approved ones of all members, by cluster."""
    lost: frozenset[ClusterId] = frozenset()
    """Clusters that no cable leads to any more."""

    @property
    def members(self) -> frozenset[ClusterId]:
        """The clusterset's, its own one among them; none as long as they are not known."""
        return frozenset({*self.prefixes, self.cluster}) if self.prefixes else frozenset()


@dataclass(frozen=True, slots=True)
class Imported:
    """`ports` are the derived Service's, `slices` in the order of their names, with whose they are. `families` are
    the derived Service's, none if the cluster has none of the service's; of a headless one the service's."""

    ports: tuple[Port, ...]
    families: tuple[str, ...]
    slices: tuple[tuple[ClusterId, ServiceSlice], ...]
    clusters: tuple[ClusterId, ...]
    problems: tuple[str, ...] = ()


def imported(
    importer: Importer,
    merged: MergedService,
    slices: Mapping[ClusterId, Sequence[ServiceSlice]],
    *,
    traffic: str = "",
) -> Imported:
    """The import. `slices` are those at the broker, by cluster; `traffic` is the annotation that counts."""
    problems: list[str] = []
    ports = derived_ports(merged)
    believed: dict[ClusterId, list[ServiceSlice]] = {}
    for export in merged.exports:
        prefixes = None if export.cluster == importer.cluster else importer.prefixes.get(export.cluster, ())
        names = _names(export, merged, ports)
        found = [_believed(one, prefixes) for one in slices.get(export.cluster, ())]
        believed[export.cluster] = [_named(merged, kept, names) for kept, _ in found]
        problems += [_refused(export.cluster, wrong) for _, wrong in found if wrong]
    alive = {cluster: found for cluster, found in believed.items() if cluster not in importer.lost}
    ready = [cluster for cluster, found in alive.items() if _is_ready(found)]
    local = merged.internal_traffic_policy == "Local"
    way = traffic or merged.traffic
    used = chosen(way, own=importer.cluster, clusters=tuple(alive), ready=ready, local=local)
    left = {cluster: found for cluster, found in alive.items() if cluster in used}
    if merged.type is ServiceType.HEADLESS:
        problems += [] if not weights(traffic) else [WEIGHTS_OF_HEADLESS]
    elif asked := weights(way):
        share = weighed(left, asked, importer.cluster)
        left = share.slices
        problems += share.problems
    pairs = [(cluster, one) for cluster, found in left.items() for one in found]
    pairs.sort(key=lambda pair: pair[1].name)
    return Imported(ports, _families(importer, merged), tuple(pairs), tuple(sorted(believed)), tuple(problems))


def derived_ports(merged: MergedService) -> tuple[Port, ...]:
    """The merged ports, as a Service may have them: with several each needs a name. A headless service has no
    derived Service, and its ports keep what they are."""
    if merged.type is ServiceType.HEADLESS or len(merged.ports) < 2:
        return merged.ports
    taken = {port.name for port in merged.ports}
    return tuple(port if port.name else replace(port, name=_free(port, taken)) for port in merged.ports)


def _free(port: Port, taken: set[str]) -> str:
    plain = f"{port.protocol.lower()}-{port.port}"
    return next(name for name in (plain, *(f"{plain}-{n}" for n in range(2, 200))) if name not in taken)


def _families(importer: Importer, merged: MergedService) -> tuple[str, ...]:
    if merged.type is ServiceType.HEADLESS:
        return merged.ip_families
    return tuple(one for one in merged.ip_families or importer.families[:1] if one in importer.families)


def _believed(found: ServiceSlice, prefixes: Iterable[Network] | None) -> tuple[ServiceSlice, list[Address]]:
    """The slice without endpoints that have an address which is not believable; those addresses."""
    wrong = [one for end in found.endpoints for one in end.addresses if not is_believable(one, prefixes)]
    if not wrong:
        return found, []
    refused = set(wrong)
    return replace(found, endpoints=tuple(end for end in found.endpoints if refused.isdisjoint(end.addresses))), wrong


def _named(merged: MergedService, found: ServiceSlice, names: Mapping[str, str] | None) -> ServiceSlice:
    """The slice as it is called here, its ports under `names`: one that has none there is none of the service's."""
    name = imported_slice_name(merged.service, found.name)
    if names is None:
        return replace(found, name=name)
    ports = tuple(replace(port, name=names[port.name]) for port in found.ports if port.name in names)
    return replace(found, name=name, ports=ports)


def _names(export: ExportedService, merged: MergedService, ports: Sequence[Port]) -> dict[str, str] | None:
    """By name of a port of the export, its name in the derived Service, by which kube-proxy joins slices and ports;
    None for a headless service: its ports keep their names."""
    if merged.type is ServiceType.HEADLESS:
        return None
    final = {before.name: after.name for before, after in zip(merged.ports, ports, strict=True)}
    return {name: final[united] for name, united in renamed(export, merged.ports).items()}


def is_believable(address: Address, prefixes: Iterable[Network] | None) -> bool:
    """Whether an address may be an endpoint: one that a packet can go to, and within the prefixes approved for its
    cluster. Those of the own cluster (None) are its own affair, host-network pods included."""
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    return prefixes is None or any(address.version == one.version and address in one for one in prefixes)


def _refused(cluster: ClusterId, addresses: Sequence[Address]) -> str:
    shown = ", ".join(map(str, addresses[:SHOWN]))
    more = f" and {len(addresses) - SHOWN} more" if len(addresses) > SHOWN else ""
    return f"endpoints of {cluster} outside of its approved prefixes are left out: {shown}{more}"


def _is_ready(slices: Iterable[ServiceSlice]) -> bool:
    return any(endpoint.ready for one in slices for endpoint in one.endpoints)

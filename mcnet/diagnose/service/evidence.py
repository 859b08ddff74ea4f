"""What is known of one service, as values: in each member, at the broker, and from a pod of each member."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mcnet.diagnose.inside import Lookup
from mcnet.model.cluster import ClusterId
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.model.service import Service, ServiceName
from mcnet.model.service_state import ExportState, ImportedEndpoints, ImportState
from mcnet.plan.service_audience import Audience, is_for


@dataclass(frozen=True, slots=True)
class Tried:
    """Connections to one address and port: how many were tried, and why some failed."""

    address: str
    port: int
    tries: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reached:
    """What a pod saw: names looked up, connections tried."""

    names: Mapping[str, Lookup]
    connections: tuple[Tried, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The service in one member. `unread` is why nothing is known; `installed`: whether there are the kinds of the
    MCS API; `namespace`: whether its namespace is there."""

    cluster: ClusterId
    context: str = ""
    unread: str = ""
    installed: bool = True
    namespace: bool = True
    source: bool = False
    """Whether there is a Service of that name."""
    export: ExportState | None = None
    service_import: ImportState | None = None
    derived: Service | None = None
    """The Service that has the derived Service's name; a foreign one is not `derived`."""
    endpoints: tuple[ImportedEndpoints, ...] = ()
    lost: frozenset[ClusterId] = frozenset()
    """Clusters that no cable leads to, by what the own gateways report."""
    reached: Reached | None = None
    unreached: str = ""
    """Why no pod could look."""

    @property
    def option(self) -> str:
        """The option that makes our commands act there, with a blank before it."""
        return f" --context {self.context}" if self.context else ""

    @property
    def kubectl(self) -> str:
        return "kubectl" + self.option

    @property
    def logs(self) -> str:
        """The command that shows what discovery said last."""
        return f"{self.kubectl} -n {SYSTEM_NAMESPACE} logs -l app.kubernetes.io/component=discovery --tail 20"

    @property
    def about(self) -> str:
        """The member, as the subject of findings."""
        return f"cluster {self.cluster}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`records` are the clusters whose record the broker has, None if it can't be read, for `broker_unread`;
    `audiences` whom those records are for that are not for all; `absent`
    are members of the clusterset that are not in `places`: no context leads there, or another one was named."""

    service: ServiceName
    places: tuple[Place, ...]
    records: frozenset[ClusterId] | None = frozenset()
    audiences: Mapping[ClusterId, Audience] = field(default_factory=dict)
    broker_unread: str = ""
    absent: tuple[ClusterId, ...] = ()

    @property
    def name(self) -> str:
        """Under which it is looked up (KEP-1645, "DNS")."""
        return f"{self.service.name}.{self.service.namespace}.svc.clusterset.local"

    @property
    def arguments(self) -> str:
        """The service, as our commands take it."""
        return f"{self.service.name} -n {self.service.namespace}"

    @property
    def read(self) -> tuple[Place, ...]:
        return tuple(place for place in self.places if not place.unread and place.installed)

    @property
    def importing(self) -> tuple[Place, ...]:
        """Where it is to be imported."""
        return tuple(place for place in self.read if place.namespace)

    @property
    def imports(self) -> tuple[tuple[Place, ImportState], ...]:
        """Where it is imported, and the ServiceImport there."""
        return tuple((place, place.service_import) for place in self.importing if place.service_import)

    @property
    def unknown(self) -> tuple[ClusterId, ...]:
        """Members that can't be asked themselves."""
        return (*self.absent, *(place.cluster for place in self.places if place not in self.read))

    @property
    def exporters(self) -> tuple[ClusterId, ...]:
        """Clusters that export it: those that say so themselves, and those of which only the broker tells."""
        told = {place.cluster for place in self.read if is_valid(place)}
        return tuple(sorted(told | (self.records or frozenset()).intersection(self.unknown)))

    def audience(self, exporter: ClusterId) -> Audience:
        """Whom the export is for, as its cluster says, or else the broker."""
        place = self.place(exporter)
        return place.export.to if place and place.export else self.audiences.get(exporter)

    def exporters_for(self, cluster: ClusterId) -> tuple[ClusterId, ...]:
        """Those of `exporters` whose export is for that cluster, as a cluster's own always is."""
        return tuple(one for one in self.exporters if one == cluster or is_for(self.audience(one), cluster))

    @property
    def chosen(self) -> bool:
        """Whether an annotation chooses where its traffic goes, so that a cluster may be left out by intent."""
        states = [one for place in self.read for one in (place.export, place.service_import) if one]
        return any(state.traffic for state in states)

    def place(self, cluster: ClusterId) -> Place | None:
        return next((place for place in self.places if place.cluster == cluster), None)


def is_valid(place: Place) -> bool:
    """Whether the place exports it and says that this is in order."""
    valid = place.export.condition("Valid") if place.export else None
    return valid is not None and valid.true

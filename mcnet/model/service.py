"""Services across clusters as values: what a cluster exports, how exports merge, what an importing cluster gets.

The words are KEP-1645's. What the API objects look like is mcnet.codec's, how exports merge mcnet.plan's.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple

from mcnet.model.cluster import ClusterId
from mcnet.model.kernel import Address

MCS_GROUP: Final = "multicluster.x-k8s.io"
SERVICE_NAME_LABEL: Final = "multicluster.kubernetes.io/service-name"
"""On EndpointSlices of a ServiceImport and on its derived Service (KEP-1645, "Tracking Endpoints")."""
SOURCE_CLUSTER_LABEL: Final = "multicluster.kubernetes.io/source-cluster"
SERVICE_NAMESPACE_LABEL: Final = "mcnet.dev/service-namespace"
"""On EndpointSlices at the broker only: there all of them lie in one namespace."""
KUBE_SERVICE_LABEL: Final = "kubernetes.io/service-name"
"""By which kube-proxy finds a Service's EndpointSlices."""
SLICE_MANAGER_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
SLICE_MANAGER: Final = "discovery.mcnet.dev"
EXPORT_MODE_ANNOTATION: Final = "mcnet.dev/export-mode"
"""On a ServiceExport: "endpoints" or "aggregate"."""
EXPORT_TO_ANNOTATION: Final = "mcnet.dev/export-to"
"""On a ServiceExport: the clusters that may import it, separated by commas; all if it is not there."""
TRAFFIC_ANNOTATION: Final = "mcnet.dev/traffic"
"""On a ServiceExport or ServiceImport: to which clusters its traffic goes (mcnet.plan.service_traffic)."""

SYSTEM_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "kube-node-lease"})
OWN_NAMESPACES: Final = "mcnet-"
"""What the names of mcnet's own namespaces begin with."""

EXPORTED_ANNOTATION: Final = "mcnet.dev/exported"
"""On a ServiceImport: which of its labels and annotations are the exports', as JSON; the others are the users'."""

DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""RFC 1123. Names of namespaces, services, ports and hosts: all of them become labels of DNS names."""


class ServiceName(NamedTuple):
    """A service of the clusterset: what bears one name in one namespace is one service everywhere (KEP-1645,
    "namespace sameness")."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ServiceType(Enum):
    """ServiceImport.spec.type."""

    CLUSTERSET_IP = "ClusterSetIP"
    HEADLESS = "Headless"


class ExportMode(Enum):
    """What of a service crosses to other clusters."""

    ENDPOINTS = "endpoints"
    """Its pods' addresses: each importing cluster balances over all of them."""
    AGGREGATE = "aggregate"
    """Its ClusterIP alone, as one endpoint: for services of so many pods that their changes cost too much."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a service, or, in a slice, of its endpoints. `name` is "" for an only port without one."""

    name: str
    protocol: str
    port: int
    app_protocol: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A Service (core/v1) as far as it matters to other clusters."""

    service: ServiceName
    type: str
    """"ClusterIP", "NodePort", "LoadBalancer" or "ExternalName"."""
    headless: bool
    cluster_ips: tuple[Address, ...]
    ports: tuple[Port, ...]
    session_affinity: str = "None"
    session_affinity_timeout: int = 0
    internal_traffic_policy: str = ""
    traffic_distribution: str = ""
    ip_families: tuple[str, ...] = ()
    publish_not_ready_addresses: bool = False
    derived: bool = False
    """Whether it is the derived Service of an import."""


@dataclass(frozen=True, slots=True)
class ServiceExport:
    """A user's wish that the Service of the same name be exported."""

    service: ServiceName
    exported_at: datetime
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    mode: ExportMode = ExportMode.ENDPOINTS
    to: tuple[ClusterId, ...] | None = None
    """The clusters that may import it, sorted; None for all."""
    traffic: str = ""
    fault: str = ""
    """What of its annotations means nothing; it is exported nevertheless, as if that were not there."""


@dataclass(frozen=True, slots=True)
class ExportedService:
    """One cluster's export of one service: the record that it keeps at the broker."""

    cluster: ClusterId
    service: ServiceName
    exported_at: datetime
    """When its ServiceExport was made: of conflicting values the oldest export's hold (KEP-1645)."""
    type: ServiceType
    ports: tuple[Port, ...] = ()
    session_affinity: str = "None"
    """"None" or "ClientIP"."""
    session_affinity_timeout: int = 0
    """Seconds, 0 without affinity."""
    internal_traffic_policy: str = ""
    """"Cluster", "Local", or "" where the Service says nothing."""
    traffic_distribution: str = ""
    ip_families: tuple[str, ...] = ()
    """"IPv4", "IPv6", the preferred one first."""
    labels: tuple[tuple[str, str], ...] = ()
    """ServiceExport.spec.exportedLabels, sorted; likewise the annotations."""
    annotations: tuple[tuple[str, str], ...] = ()
    publish_not_ready_addresses: bool = False
    mode: ExportMode = ExportMode.ENDPOINTS
    traffic: str = ""
    """What the ServiceExport says of TRAFFIC_ANNOTATION."""
    to: tuple[ClusterId, ...] | None = None
    """The clusters that may import it, sorted, its own one always among them; None for all."""


@dataclass(frozen=True, slots=True)
class ServiceEndpoint:
    """One endpoint of a slice, without all that means something in its own cluster only (node, zone, target)."""

    addresses: tuple[Address, ...]
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class ServiceSlice:
    """Endpoints of one service in one cluster. `name` is the object's."""

    name: str
    family: str
    """"IPv4" or "IPv6"."""
    ports: tuple[Port, ...]
    endpoints: tuple[ServiceEndpoint, ...]


class Reason(Enum):
    """Reasons of conditions (sigs.k8s.io/mcs-api, v1beta1), and one of our own."""

    VALID = "Valid"
    NO_SERVICE = "NoService"
    INVALID_SERVICE_TYPE = "InvalidServiceType"
    REFUSED_NAMESPACE = "RefusedNamespace"
    """Not of the standard: a namespace that never crosses."""
    REFUSED_SERVICE = "RefusedService"
    """Not of the standard: a Service that can't be understood, or is derived from an import."""
    EXPORTED = "Exported"
    PENDING = "Pending"
    FAILED = "Failed"
    READY = "Ready"
    IP_FAMILY_NOT_SUPPORTED = "IPFamilyNotSupported"
    NO_CONFLICTS = "NoConflicts"
    TYPE_CONFLICT = "TypeConflict"
    PORT_CONFLICT = "PortConflict"
    SESSION_AFFINITY_CONFLICT = "SessionAffinityConflict"
    SESSION_AFFINITY_CONFIG_CONFLICT = "SessionAffinityConfigConflict"
    INTERNAL_TRAFFIC_POLICY_CONFLICT = "InternalTrafficPolicyConflict"
    TRAFFIC_DISTRIBUTION_CONFLICT = "TrafficDistributionConflict"
    IP_FAMILY_CONFLICT = "IPFamilyConflict"
    LABELS_CONFLICT = "LabelsConflict"
    ANNOTATIONS_CONFLICT = "AnnotationsConflict"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a ServiceExport or ServiceImport. `reason` may be several, joined by commas."""

    type: str
    status: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """In what the exports of a service differ, and what holds."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class MergedService:
    """A service as all its exports together make it. `exports` are those that take part, the oldest first."""

    service: ServiceName
    type: ServiceType
    ports: tuple[Port, ...]
    session_affinity: str
    session_affinity_timeout: int
    internal_traffic_policy: str
    traffic_distribution: str
    ip_families: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]
    publish_not_ready_addresses: bool
    traffic: str
    exports: tuple[ExportedService, ...]
    left_out: tuple[ClusterId, ...] = ()
    """Clusters whose export is of the other type."""
    conflicts: tuple[Conflict, ...] = ()


def is_refused_namespace(namespace: str) -> bool:
    """Whether nothing of a namespace is ever exported or imported, so that no cluster writes into the system
    namespaces of another."""
    return namespace in SYSTEM_NAMESPACES or namespace.startswith(OWN_NAMESPACES)


def record_name(cluster: ClusterId, service: ServiceName) -> str:
    """Name of the ExportedService at the broker: hashed, since "a-b" in "c" and "a" in "b-c" are two services."""
    return f"{cluster}.{_hash(str(service), 16)}"


def broker_slice_name(cluster: ClusterId, service: ServiceName, source: str) -> str:
    """Name at the broker of the slice made from the EndpointSlice `source`."""
    return f"{cluster}.{_hash(f'{service}/{source}', 16)}"


def derived_name(service: ServiceName) -> str:
    """Name of the derived Service, and beginning of the names of imported slices."""
    return f"mcnet-{_hash(str(service), 10)}"


def imported_slice_name(service: ServiceName, broker_slice: str) -> str:
    """Name in an importing cluster of the slice `broker_slice`."""
    return f"{derived_name(service)}-{_hash(broker_slice, 10)}"


def _hash(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]

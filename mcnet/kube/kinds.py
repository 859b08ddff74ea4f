"""The kinds of objects that mcnet reads or writes, and where their API server keeps them.

Importing this costs nothing: the command line builds its help from modules that do.
"""

from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from mcnet.model.errors import UsageError
from mcnet.model.member import API_GROUP, API_VERSION

JsonObject: TypeAlias = dict[str, Any]
"""An API object as it travels: plain JSON."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of API object. `group` is "" for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """As objects write it: "apps/v1", "v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, name: str = "", namespace: str | None = None, *, subresource: str = "") -> str:
        """The URL path of an object, or of the collection if `name` is empty; of all namespaces without one."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/" + "/".join(quote(part, safe="") for part in parts)


def _own(plural: str, kind: str) -> Kind:
    return Kind(API_GROUP, API_VERSION, plural, kind, namespaced=True)


CLUSTERSET: Final = _own("clustersets", "ClusterSet")
CLUSTER: Final = _own("clusters", "Cluster")
ENDPOINT: Final = _own("endpoints", "Endpoint")
GATEWAY: Final = _own("gateways", "Gateway")
NODE_STATE: Final = _own("nodestates", "NodeState")
MEMBER: Final = _own("members", "Member")
EXPORTED_SERVICE: Final = _own("exportedservices", "ExportedService")

SERVICE_EXPORT: Final = Kind("multicluster.x-k8s.io", "v1beta1", "serviceexports", "ServiceExport", namespaced=True)
SERVICE_IMPORT: Final = Kind("multicluster.x-k8s.io", "v1beta1", "serviceimports", "ServiceImport", namespaced=True)
SERVICE_EXPORT_ALPHA: Final = replace(SERVICE_EXPORT, version="v1alpha1")
"""Where the CRD is older; v1alpha1 and v1beta1 have one schema."""
SERVICE_IMPORT_ALPHA: Final = replace(SERVICE_IMPORT, version="v1alpha1")

NODE: Final = Kind("", "v1", "nodes", "Node", namespaced=False)
NAMESPACE: Final = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
POD: Final = Kind("", "v1", "pods", "Pod", namespaced=True)
SERVICE: Final = Kind("", "v1", "services", "Service", namespaced=True)
SECRET: Final = Kind("", "v1", "secrets", "Secret", namespaced=True)
CONFIG_MAP: Final = Kind("", "v1", "configmaps", "ConfigMap", namespaced=True)
SERVICE_ACCOUNT: Final = Kind("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
EVENT: Final = Kind("events.k8s.io", "v1", "events", "Event", namespaced=True)
LEASE: Final = Kind("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)
ENDPOINT_SLICE: Final = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", namespaced=True)
DAEMON_SET: Final = Kind("apps", "v1", "daemonsets", "DaemonSet", namespaced=True)
DEPLOYMENT: Final = Kind("apps", "v1", "deployments", "Deployment", namespaced=True)
REPLICA_SET: Final = Kind("apps", "v1", "replicasets", "ReplicaSet", namespaced=True)
CONTROLLER_REVISION: Final = Kind("apps", "v1", "controllerrevisions", "ControllerRevision", namespaced=True)
JOB: Final = Kind("batch", "v1", "jobs", "Job", namespaced=True)
PRIORITY_CLASS: Final = Kind("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False)
POD_DISRUPTION_BUDGET: Final = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", namespaced=True)

_RBAC = "rbac.authorization.k8s.io"
ROLE: Final = Kind(_RBAC, "v1", "roles", "Role", namespaced=True)
ROLE_BINDING: Final = Kind(_RBAC, "v1", "rolebindings", "RoleBinding", namespaced=True)
CLUSTER_ROLE: Final = Kind(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDING: Final = Kind(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)

CRD: Final = Kind(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
_ADMISSION = "admissionregistration.k8s.io"
ADMISSION_POLICY: Final = Kind(
    _ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False
)
ADMISSION_POLICY_BINDING: Final = Kind(
    _ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", namespaced=False
)
ACCESS_REVIEW: Final = Kind(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
SUBJECT_ACCESS_REVIEW: Final = Kind(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
NETWORK_POLICY: Final = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", namespaced=True)
CILIUM_POLICY: Final = Kind("cilium.io", "v2", "ciliumnetworkpolicies", "CiliumNetworkPolicy", namespaced=True)
CALICO_POLICY: Final = Kind("crd.projectcalico.org", "v1", "networkpolicies", "NetworkPolicy", namespaced=True)
IP_POOL: Final = Kind("crd.projectcalico.org", "v1", "ippools", "IPPool", namespaced=False)
OPENSHIFT_DNS: Final = Kind("operator.openshift.io", "v1", "dnses", "DNS", namespaced=False)

KINDS: Final = tuple(value for value in globals().copy().values() if isinstance(value, Kind))
_BY_NAME: Final = {(kind.api_version, kind.kind): kind for kind in KINDS}


def kind_of(obj: JsonObject) -> Kind:
    """The kind of an object by its apiVersion and kind. Raises UsageError for one that mcnet doesn't know."""
    key = str(obj.get("apiVersion", "")), str(obj.get("kind", ""))
    if key not in _BY_NAME:
        raise UsageError(f"an object of the unknown kind {key[1] or '(none)'} of {key[0] or '(no apiVersion)'}")
    return _BY_NAME[key]

"""The objects a new cluster starts with: its Nodes and its DNS. Pure: a cluster in, objects out."""

from typing import Any

from mcnet.lab.configs import CLUSTER_DOMAIN
from mcnet.lab.topology import Cluster, Machine
from mcnet.lab.versions import coredns_version
from mcnet.model.node import NAT_MARK

COREDNS_IMAGE = f"localhost/mcnet-lab-coredns:{coredns_version()}"
"""Tagged as CoreDNS's own images are: by it `join` sees what this CoreDNS can."""
_LABELS = {"k8s-app": "kube-dns"}
_META = {"name": "coredns", "namespace": "kube-system", "labels": _LABELS}
_RBAC = "rbac.authorization.k8s.io"
_PORTS = (("dns", 53, "UDP"), ("dns-tcp", 53, "TCP"), ("metrics", 9153, "TCP"))

_COREFILE = f""".:53 {{
    errors
    health {{
       lameduck 5s
    }}
    ready
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    prometheus :9153
    cache 30
    reload
    loadbalance
}}
"""


def initial_objects(cluster: Cluster) -> dict[str, Any]:
    """A List of everything, to be applied before the kubelets start."""
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [*(node_object(node, cluster, node.name) for node in cluster.nodes), *_coredns(cluster)],
    }


def node_object(node: Machine, cluster: Cluster, name: str) -> dict[str, Any]:
    """The Node of a machine that registers as `name`, made ahead of its kubelet: so a Node never lacks
    its pod CIDR. That it is behind a NAT router is said in an annotation, by which `join` refuses drivers that can't
    cross one."""
    cidrs = [str(cidr) for cidr in node.pod_cidrs]
    annotations = {NAT_MARK: cluster.router.kind.value} if cluster.router else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name},
            "annotations": annotations,
        },
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
    }


def _coredns(cluster: Cluster) -> list[dict[str, Any]]:
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _META},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["endpoints", "services", "pods", "namespaces"],
                    "verbs": ["list", "watch"],
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["list", "watch"],
                },
            ],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _META, "data": {"Corefile": _COREFILE}},
        _service(cluster),
        _deployment(),
    ]


def _service(cluster: Cluster) -> dict[str, Any]:
    addresses = [str(address) for address in cluster.dns_addresses]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**_META, "name": "kube-dns"},
        "spec": {
            "selector": _LABELS,
            "clusterIP": addresses[0],
            "clusterIPs": addresses,
            "ipFamilyPolicy": "RequireDualStack" if len(addresses) > 1 else "SingleStack",
            "ports": [
                {"name": name, "port": port, "targetPort": port, "protocol": protocol}
                for name, port, protocol in _PORTS
            ],
        },
    }


def _deployment() -> dict[str, Any]:
    container = {
        "name": "coredns",
        "image": COREDNS_IMAGE,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [{"name": name, "containerPort": port, "protocol": protocol} for name, port, protocol in _PORTS],
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": 8181},
            "periodSeconds": 1,
            "failureThreshold": 3,
        },
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": 8080},
            "initialDelaySeconds": 60,
            "timeoutSeconds": 5,
            "failureThreshold": 5,
        },
        # Without a request the kernel gives a container next to nothing on a busy machine.
        "resources": {"requests": {"cpu": "200m"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "priorityClassName": "system-cluster-critical",
        "terminationGracePeriodSeconds": 5,
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _META,
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": pod},
        },
    }

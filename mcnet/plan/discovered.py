"""What `join` finds out about a cluster, judged from objects that were read from it. Reading them is
mcnet.install.discover's.

Each function takes plain API objects and never fails on odd ones: what can't be told is "unknown" or empty,
and the user can say it with an option.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import collapse_addresses, ip_network
from typing import Any, Final

from mcnet.model.kernel import Network

JsonObject = dict[str, Any]

CNI_BY_DAEMON_SET: Final = {
    "calico-node": "calico",
    "canal": "canal",
    "cilium": "cilium",
    "kube-flannel": "flannel",
    "kindnet": "kindnet",
    "aws-node": "aws-vpc-cni",
    "azure-cns": "azure-cni",
    "antrea-agent": "antrea",
    "weave-net": "weave-net",
    "kube-router": "kube-router",
    "ovnkube-node": "ovn-kubernetes",
    "netd": "gke",
}
"""Names of DaemonSets (or their beginnings) by which a CNI is known."""

DISTRIBUTION_BY_VERSION: Final = {"gke": "gke", "eks": "eks", "k3s": "k3s", "rke2": "rke2", "k0s": "k0s"}
"""Marks in the API server's version, after + or -."""
DISTRIBUTION_BY_LABEL: Final = {
    "kubernetes.azure.com/": "aks",
    "eks.amazonaws.com/": "eks",
    "cloud.google.com/gke-": "gke",
    "node.openshift.io/": "openshift",
    "microk8s.io/": "microk8s",
    "minikube.k8s.io/": "minikube",
}
"""Beginnings of node labels."""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """A cluster as discovered. Prefixes are aggregated and sorted; () where nothing was found."""

    version: str
    distribution: str
    cni: str
    kube_proxy_mode: str
    pod_prefixes: tuple[Network, ...]
    service_prefixes: tuple[Network, ...]
    nodes: tuple[JsonObject, ...] = ()
    """The Node objects."""
    pods_from_nodes: bool = False
    """Whether the pod prefixes are only those of today's nodes: nothing named the cluster's whole range."""


def distribution(version: str, nodes: Iterable[JsonObject]) -> str:
    """Which distribution of Kubernetes it is: by the version's mark, else by the nodes' labels and provider."""
    mark = re.search(r"[-+.](gke|eks|k3s|rke2|k0s)", version)
    if mark:
        return DISTRIBUTION_BY_VERSION[mark[1]]
    for node in nodes:
        labels = (node.get("metadata") or {}).get("labels") or {}
        for prefix, name in DISTRIBUTION_BY_LABEL.items():
            if any(label.startswith(prefix) for label in labels):
                return name
        if str((node.get("spec") or {}).get("providerID", "")).startswith("kind://"):
            return "kind"
    return "kubernetes"


def cni(daemon_sets: Iterable[JsonObject]) -> str:
    """Which CNI runs, by its DaemonSet; "unknown" if none is known. Calico beside flannel is canal."""
    found = {
        name
        for daemon_set in daemon_sets
        for mark, name in CNI_BY_DAEMON_SET.items()
        if _is_named(daemon_set["metadata"]["name"], mark)
    }
    if {"calico", "flannel"} <= found:
        return "canal"
    chosen = sorted(found - {"gke"}) or sorted(found)
    return chosen[0] if chosen else "unknown"


def kube_proxy_mode(config: str | None, cni_name: str, *, has_kube_proxy: bool) -> str:
    """kube-proxy's mode by its configuration file's text; "none" where Cilium stands in for it."""
    if config is not None:
        mode = re.search(r"^\s*mode:\s*\"?([a-z]*)\"?\s*$", config, re.MULTILINE)
        return (mode[1] if mode else "") or "iptables"
    if not has_kube_proxy and cni_name == "cilium":
        return "none"
    return "unknown"


def pod_prefixes(
    *,
    nodes: Sequence[JsonObject] = (),
    controller_arguments: Sequence[str] = (),
    pools: Iterable[str] = (),
    flannel: str | None = None,
    kubeadm: str | None = None,
) -> tuple[Network, ...]:
    """The pod prefixes: of the CNI's own configuration, else the controller manager's, else the nodes' own.

    `pools` are the CIDRs of Calico's enabled IP pools, `flannel` the text of flannel's net-conf.json, `kubeadm`
    that of kubeadm's ClusterConfiguration, `controller_arguments` the arguments of kube-controller-manager's pods.
    """
    sources = (
        pools,
        re.findall(r'"(?:IPv6)?Network"\s*:\s*"([^"]+)"', flannel or ""),
        argument(controller_arguments, "--cluster-cidr").split(","),
        _subnets(kubeadm, "podSubnet"),
        [cidr for node in nodes for cidr in node_pod_cidrs(node)],
    )
    return _first(sources)


def node_pod_cidrs(node: JsonObject) -> list[str]:
    """spec.podCIDRs of a Node."""
    spec = node.get("spec") or {}
    return list(spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else []))


def service_prefixes(
    *,
    service_cidrs: Iterable[JsonObject] = (),
    server_arguments: Sequence[str] = (),
    refusal: str = "",
    kubeadm: str | None = None,
) -> tuple[Network, ...]:
    """The service prefixes: of ServiceCIDR objects (1.33), else the API server's arguments or kubeadm's, else what
    the server says when it refuses a Service with an impossible ClusterIP (`refusal`)."""
    named = re.search(r"valid IPs is ([0-9a-fA-F.:/, ]+)", refusal)
    sources = (
        [cidr for found in service_cidrs for cidr in (found.get("spec") or {}).get("cidrs") or ()],
        argument(server_arguments, "--service-cluster-ip-range").split(","),
        _subnets(kubeadm, "serviceSubnet"),
        named[1].split(",") if named else [],
    )
    return _first(sources)


def argument(arguments: Sequence[str], name: str) -> str:
    """The value of `--name=value` or `--name value` in a command line; "" if it is not there."""
    for position, word in enumerate(arguments):
        if word.startswith(name + "="):
            return word.partition("=")[2]
        if word == name and position + 1 < len(arguments):
            return arguments[position + 1]
    return ""


def _is_named(name: str, mark: str) -> bool:
    return name == mark or name.startswith(mark + "-")


def _first(sources: Iterable[Iterable[str]]) -> tuple[Network, ...]:
    """What the first source says that says anything."""
    return next((found for source in sources if (found := _networks(source))), ())


def _subnets(kubeadm: str | None, key: str) -> list[str]:
    found = re.search(rf"^\s*{key}:\s*(\S+)\s*$", kubeadm or "", re.MULTILINE)
    return found[1].strip("\"'").split(",") if found else []


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The texts that are networks, neighbours joined, IPv4 first; one that is not makes nothing fail."""
    families: dict[int, list[Any]] = {4: [], 6: []}
    for text in texts:
        try:
            network = ip_network(text.strip(), strict=False)
        except ValueError:
            continue
        families[network.version].append(network)
    return tuple(network for version in (4, 6) for network in collapse_addresses(families[version]))

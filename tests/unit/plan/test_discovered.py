"""What is found out about a cluster from its own objects, as its distributions write them."""

from ipaddress import ip_network
from typing import Any

import pytest

from mcnet.plan import discovered


def nets(*texts: str) -> tuple[Any, ...]:
    return tuple(map(ip_network, texts))


def named(*names: str) -> list[dict[str, Any]]:
    return [{"metadata": {"name": name}} for name in names]


def node(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "n", "labels": spec.pop("labels", {})}, "spec": spec}


@pytest.mark.parametrize(
    ("version", "nodes", "expected"),
    [
        ("v1.30.4-gke.100", [], "gke"),
        ("v1.30.1-eks-036c24b", [], "eks"),
        ("v1.31.0+k3s1", [], "k3s"),
        ("v1.31.0+rke2r1", [], "rke2"),
        ("v1.31.0", [node(labels={"kubernetes.azure.com/cluster": "x"})], "aks"),
        ("v1.31.0", [node(labels={"node.openshift.io/os_id": "rhcos"})], "openshift"),
        ("v1.31.0", [node(providerID="kind://docker/kind/n")], "kind"),
        ("v1.31.0", [node(providerID="openstack:///x")], "kubernetes"),
        ("", [], "kubernetes"),
    ],
)
def test_distribution(version: str, nodes: list[dict[str, Any]], expected: str) -> None:
    assert discovered.distribution(version, nodes) == expected


@pytest.mark.parametrize(
    ("daemon_sets", "expected"),
    [
        (["kube-proxy", "calico-node"], "calico"),
        (["canal"], "canal"),
        (["calico-node", "kube-flannel-ds"], "canal"),
        (["cilium", "cilium-envoy"], "cilium"),
        (["kube-flannel-ds-amd64"], "flannel"),
        (["aws-node"], "aws-vpc-cni"),
        (["netd", "cilium"], "cilium"),
        (["netd"], "gke"),
        (["ovnkube-node"], "ovn-kubernetes"),
        (["calico-nodes-watcher", "kube-proxy"], "unknown"),
        ([], "unknown"),
    ],
)
def test_cni(daemon_sets: list[str], expected: str) -> None:
    assert discovered.cni(named(*daemon_sets)) == expected


@pytest.mark.parametrize(
    ("config", "cni", "has_proxy", "expected"),
    [
        ('mode: "ipvs"\n', "calico", True, "ipvs"),
        ("apiVersion: x\nmode: nftables\n", "calico", True, "nftables"),
        ('mode: ""\n', "calico", True, "iptables"),
        ("kind: KubeProxyConfiguration\n", "calico", True, "iptables"),
        (None, "cilium", False, "none"),
        (None, "calico", False, "unknown"),
        (None, "cilium", True, "unknown"),
    ],
)
def test_kube_proxy_mode(config: str | None, cni: str, has_proxy: bool, expected: str) -> None:
    assert discovered.kube_proxy_mode(config, cni, has_kube_proxy=has_proxy) == expected


NODES = [node(podCIDRs=["10.1.0.0/24", "fd00:1::/64"]), node(podCIDR="10.1.1.0/24"), node()]


def test_pod_prefixes_by_source() -> None:
    flannel = '{"Network": "10.244.0.0/16", "IPv6Network": "fd00::/56", "Backend": {"Type": "vxlan"}}'
    kubeadm = "networking:\n  podSubnet: 10.3.0.0/16,fd03::/56\n  serviceSubnet: 10.96.0.0/12\n"
    arguments = ["kube-controller-manager", "--cluster-cidr=10.2.0.0/16"]
    everything = {"nodes": NODES, "controller_arguments": arguments, "flannel": flannel, "kubeadm": kubeadm}
    assert discovered.pod_prefixes(**everything, pools=["10.9.0.0/16"]) == nets("10.9.0.0/16")
    assert discovered.pod_prefixes(**everything) == nets("10.244.0.0/16", "fd00::/56")
    assert discovered.pod_prefixes(nodes=NODES, controller_arguments=arguments, kubeadm=kubeadm) == nets(
        "10.2.0.0/16"
    )
    assert discovered.pod_prefixes(nodes=NODES, kubeadm=kubeadm) == nets("10.3.0.0/16", "fd03::/56")
    assert discovered.pod_prefixes(nodes=NODES) == nets("10.1.0.0/23", "fd00:1::/64")
    assert discovered.pod_prefixes() == ()


def test_a_broken_source_is_passed_over() -> None:
    assert discovered.pod_prefixes(nodes=NODES[:1], pools=["", "all"], flannel="{") == nets(
        "10.1.0.0/24", "fd00:1::/64"
    )


REFUSAL = (
    "create Service default/x at https://s: Service is invalid: spec.clusterIPs: Invalid value: failed to allocate "
    "IP 192.0.2.1: the provided IP is not in the valid range. The range of valid IPs is 10.96.0.0/16"
)


def test_service_prefixes_by_source() -> None:
    cidrs = [{"spec": {"cidrs": ["10.96.0.0/16", "fd96::/108"]}}, {"spec": {"cidrs": ["10.97.0.0/16"]}}]
    kubeadm = "networking:\n  serviceSubnet: 10.99.0.0/16\n"
    found = discovered.service_prefixes(service_cidrs=cidrs, refusal=REFUSAL)
    assert found == nets("10.96.0.0/15", "fd96::/108")
    arguments = ["--service-cluster-ip-range", "10.98.0.0/16"]
    assert discovered.service_prefixes(server_arguments=arguments, refusal=REFUSAL) == nets("10.98.0.0/16")
    assert discovered.service_prefixes(kubeadm=kubeadm, refusal=REFUSAL) == nets("10.99.0.0/16")
    assert discovered.service_prefixes(refusal=REFUSAL) == nets("10.96.0.0/16")
    assert discovered.service_prefixes(refusal="something else") == ()


def test_argument_forms() -> None:
    assert discovered.argument(["--a=1", "--ab", "2"], "--a") == "1"
    assert discovered.argument(["--a=1", "--ab", "2"], "--ab") == "2"
    assert discovered.argument(["--ab"], "--ab") == ""

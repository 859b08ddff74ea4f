"""What a cluster's components are started with."""

import json
from pathlib import Path

import yaml

from mcnet.lab import configs
from mcnet.lab.addresses import Block
from mcnet.lab.manifests import initial_objects
from mcnet.lab.spec import IpFamily, LabSpec, NatKind, RuleSyntax
from mcnet.lab.topology import plan

PKI = Path("/pki")
SPEC = LabSpec(ip_family=IpFamily.DUAL, kube_proxy_mode=RuleSyntax.IPTABLES)
EAST = plan(SPEC, Block(0)).clusters[0]
NODE = EAST.nodes[0]
FILES = configs.node_files(SPEC, EAST, NODE, PKI)


def test_every_file_of_a_node_lies_where_the_node_has_its_own() -> None:
    assert all(path.is_relative_to("/var/lib") for path in FILES)


def test_both_families_reach_every_component() -> None:
    assert "--service-cluster-ip-range=10.64.96.0/22,fd6d:636e:6500:300::/112" in configs.apiserver(EAST, PKI)
    assert "--cluster-cidr=10.64.128.0/20,fd6d:636e:6500:8000::/56" in configs.controller_manager(EAST, PKI)
    assert "--node-ip=10.64.64.11,fd6d:636e:6500:200::b" in configs.kubelet(NODE, PKI)
    proxy = yaml.safe_load(FILES[configs.PROXY_CONFIG])
    assert (proxy["mode"], proxy["clusterCIDR"]) == ("iptables", "10.64.128.0/20,fd6d:636e:6500:8000::/56")


def test_the_cni_gives_addresses_of_the_node_and_leaves_masquerading_alone() -> None:
    [path] = [path for path in FILES if path.suffix == ".conflist"]
    bridge = json.loads(FILES[path])["plugins"][0]
    assert bridge["ipMasq"] is False
    assert [each[0]["subnet"] for each in bridge["ipam"]["ranges"]] == ["10.64.129.0/24", "fd6d:636e:6500:8001::/64"]
    assert [each["dst"] for each in bridge["ipam"]["routes"]] == ["0.0.0.0/0", "::/0"]


def test_a_kubelet_asks_the_api_server_who_may_call_it() -> None:
    kubelet = yaml.safe_load(FILES[configs.KUBELET_CONFIG])
    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    assert kubelet["authorization"] == {"mode": "Webhook"}
    assert kubelet["clusterDNS"] == ["10.64.96.10", "fd6d:636e:6500:300::a"]


def test_nodes_exist_with_their_pod_cidrs_before_their_kubelets() -> None:
    nodes = [each for each in initial_objects(EAST)["items"] if each["kind"] == "Node"]
    assert [node["metadata"]["name"] for node in nodes] == ["east-n1", "east-n2"]
    assert nodes[0]["spec"]["podCIDRs"] == ["10.64.129.0/24", "fd6d:636e:6500:8001::/64"]


def test_dns_has_the_conventional_address_and_name() -> None:
    [service] = [each for each in initial_objects(EAST)["items"] if each["kind"] == "Service"]
    assert (service["metadata"]["namespace"], service["metadata"]["name"]) == ("kube-system", "kube-dns")
    assert service["spec"]["clusterIPs"] == ["10.64.96.10", "fd6d:636e:6500:300::a"]
    [deployment] = [each for each in initial_objects(EAST)["items"] if each["kind"] == "Deployment"]
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]


def test_nodes_behind_nat_say_so() -> None:
    spec = LabSpec(name="t", clusters=("east", "west"), nat=(("west", NatKind.SYMMETRIC),))
    marks = {}
    for cluster in plan(spec, Block(0)).clusters:
        (first, *_) = [each for each in initial_objects(cluster)["items"] if each["kind"] == "Node"]
        marks[cluster.name] = first["metadata"]["annotations"]
    assert marks == {"east": {}, "west": {"mcnet.dev/nat": "symmetric"}}


def test_kubelet_has_the_underlays_address_and_the_api_server_the_services() -> None:
    cluster = plan(LabSpec(ip_family=IpFamily.IPV4, underlay_family=IpFamily.IPV6), Block(0)).clusters[0]
    assert "--node-ip=fd6d:636e:6500:200::b" in configs.kubelet(cluster.nodes[0], PKI)
    assert "--advertise-address=10.64.64.10" in configs.apiserver(cluster, PKI)

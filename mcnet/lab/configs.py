"""Configuration files and command lines of a cluster's components. Pure: a topology in, texts out.

Paths are those inside a machine (machines.py gives each a /run, /var/lib and /var/log of its own), so the
components keep their usual places.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from mcnet.lab.addresses import interface
from mcnet.lab.network import CNI_BRIDGE
from mcnet.lab.spec import LabSpec
from mcnet.lab.topology import API_PORT, Cluster, Machine

PAUSE_IMAGE = "localhost/mcnet-lab-pause:1"
CNI_PLUGINS = Path("/usr/lib/cni")
CNI_CONFIG = Path("/var/lib/cni/net.d")
CONTAINERD_CONFIG = Path("/var/lib/containerd/config.toml")
KUBELET_CONFIG = Path("/var/lib/kubelet/config.yaml")
PROXY_CONFIG = Path("/var/lib/kube-proxy/config.yaml")
CLUSTER_DOMAIN = "cluster.local"
_ETCD = "http://127.0.0.1:2379"


def etcd(cluster: Cluster) -> list[str]:
    """etcd listens on the control plane's own loopback device, so it needs no certificates."""
    return [
        "etcd",
        f"--name={cluster.name}",
        "--data-dir=/var/lib/etcd",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        f"--initial-cluster={cluster.name}=http://127.0.0.1:2380",
        # A lab does not outlive a power failure.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(cluster: Cluster, pki: Path) -> list[str]:
    """kube-apiserver, serving on all addresses of the control plane."""
    return [
        "kube-apiserver",
        f"--etcd-servers={_ETCD}",
        f"--secure-port={API_PORT}",
        f"--advertise-address={cluster.control_plane.advertise_address}",
        f"--service-cluster-ip-range={_join(cluster.service_cidrs)}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        f"--service-account-issuer=https://kubernetes.default.svc.{CLUSTER_DOMAIN}",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        "--profiling=false",
    ]


def controller_manager(cluster: Cluster, pki: Path) -> list[str]:
    """kube-controller-manager; pod CIDRs are the topology's, so it allocates none."""
    return [
        "kube-controller-manager",
        f"--kubeconfig={pki}/controller-manager.kubeconfig",
        f"--service-account-private-key-file={pki}/sa.key",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-cidr={_join(cluster.pod_cidrs)}",
        "--allocate-node-cidrs=false",
        "--leader-elect=false",
        "--use-service-account-credentials",
        "--flex-volume-plugin-dir=/var/lib/kube-controller-manager/volume-plugins",
        "--profiling=false",
    ]


def scheduler(pki: Path) -> list[str]:
    """kube-scheduler."""
    return [
        "kube-scheduler",
        f"--kubeconfig={pki}/scheduler.kubeconfig",
        "--leader-elect=false",
        "--profiling=false",
    ]


def containerd() -> list[str]:
    """containerd, at its usual socket inside of the machine."""
    return ["containerd", "--config", str(CONTAINERD_CONFIG)]


def kubelet(machine: Machine, pki: Path, name: str = "") -> list[str]:
    """kubelet, registering as `name` (by default the machine's); its node address is the one on the cluster's
    network."""
    name = name or machine.name
    return [
        "kubelet",
        f"--kubeconfig={pki}/{name}.kubeconfig",
        f"--config={KUBELET_CONFIG}",
        f"--hostname-override={name}",
        f"--node-ip={_join(machine.cluster_addresses)}",
    ]


def kube_proxy() -> list[str]:
    """kube-proxy."""
    return ["kube-proxy", f"--config={PROXY_CONFIG}"]


def node_files(spec: LabSpec, cluster: Cluster, machine: Machine, pki: Path) -> dict[Path, str]:
    """The configuration files of a node by their path inside of it."""
    return {
        CONTAINERD_CONFIG: _containerd_toml(),
        CNI_CONFIG / "10-lab.conflist": json.dumps(cni_config(machine), indent=1),
        KUBELET_CONFIG: yaml.safe_dump(_kubelet_config(cluster, pki)),
        PROXY_CONFIG: yaml.safe_dump(_proxy_config(spec, cluster, machine, pki)),
    }


def cni_config(machine: Machine) -> dict[str, Any]:
    """A bridge per node, addresses from the node's pod CIDR.

    The plugin's ipMasq stays off: it would also masquerade what goes to the cluster's other nodes.
    """
    ranges = [[{"subnet": str(cidr), "gateway": str(interface(cidr, 1).ip)}] for cidr in machine.pod_cidrs]
    routes = [{"dst": "0.0.0.0/0" if cidr.version == 4 else "::/0"} for cidr in machine.pod_cidrs]
    bridge = {
        "type": "bridge",
        "bridge": CNI_BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": ranges, "routes": routes},
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "lab", "plugins": [bridge, portmap]}


def _containerd_toml() -> str:
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.native", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  # Without CAP_SYS_RESOURCE, as inside of another sandbox, scores can't be lowered.
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE_IMAGE}"
  disable_tcp_service = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{CNI_CONFIG}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"""


def _kubelet_config(cluster: Cluster, pki: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [str(address) for address in cluster.dns_addresses],
        "resolvConf": "",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        # Nodes share the machine: no node may lower what the others can use, nor clean up under pressure.
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": True,
    }


def _proxy_config(spec: LabSpec, cluster: Cluster, machine: Machine, pki: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": spec.kube_proxy_mode.value,
        "clusterCIDR": _join(cluster.pod_cidrs),
        "clientConnection": {"kubeconfig": f"{pki}/kube-proxy.kubeconfig"},
        "hostnameOverride": machine.name,
        # Limits of the whole machine, not of a node.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def _join(values: Iterable[object]) -> str:
    return ",".join(map(str, values))

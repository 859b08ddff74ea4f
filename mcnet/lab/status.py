"""The state of a lab as one value, for `mcnet lab status`; and that value as text."""

import json
from typing import Any

import yaml

from mcnet.lab.processes import is_running
from mcnet.lab.store import Store
from mcnet.lab.topology import Cluster, Machine, Topology


def snapshot(store: Store) -> dict[str, Any]:
    """Clusters, contexts, machines, namespaces, addresses, CIDRs, interfaces and running process ids."""
    state = store.load()
    topology = state.topology
    running: dict[str, dict[str, int]] = {}
    for record in store.processes():
        if is_running(record.pid, record.started):
            running.setdefault(record.machine, {})[record.program] = record.pid
    return {
        "name": store.name,
        "phase": state.phase.value,
        "kubeconfig": str(store.kubeconfig),
        "directory": str(store.directory),
        "blocks": [str(topology.block.network(family)) for family in state.spec.versions],
        "kubeProxyMode": state.spec.kube_proxy_mode.value,
        "masquerade": state.spec.masquerade.value,
        "namespaces": topology.namespaces,
        "host": _host(topology),
        "clusters": [_cluster(cluster, running) for cluster in topology.clusters],
    }


def render(found: dict[str, Any], output: str) -> str:
    """`json`, `yaml`, or a table of machines."""
    match output:
        case "json":
            return json.dumps(found, indent=2) + "\n"
        case "yaml":
            return yaml.safe_dump(found, sort_keys=False)
        case _:
            return _table(found)


def _table(found: dict[str, Any]) -> str:
    lines = [f"lab {found['name']} ({found['phase']})   kubeconfig {found['kubeconfig']}"]
    for cluster in found["clusters"]:
        pods, services = ", ".join(cluster["podCIDRs"]), ", ".join(cluster["serviceCIDRs"])
        lines += [
            "",
            f"cluster {cluster['name']}   {cluster['server']}   pods {pods}   services {services}",
        ]
        for machine in [cluster["controlPlane"], *cluster["nodes"]]:
            addresses = " ".join(f"{device} {', '.join(a)}" for device, a in machine["interfaces"].items())
            programs = " ".join(f"{name}:{pid}" for name, pid in machine["processes"].items())
            lines.append(f"  {machine['name']:<12} {addresses}   {programs or 'not running'}")
    return "\n".join(lines) + "\n"


def _host(topology: Topology) -> dict[str, Any]:
    near = topology.host_link.near
    return {
        "interface": near.device,
        "addresses": [str(address.ip) for address in near.addresses],
        "routes": [str(net) for net in topology.host_routes],
    }


def _cluster(cluster: Cluster, running: dict[str, dict[str, int]]) -> dict[str, Any]:
    return {
        "name": cluster.name,
        "context": cluster.name,
        "server": cluster.public_server,
        "podCIDRs": [str(cidr) for cidr in cluster.pod_cidrs],
        "serviceCIDRs": [str(cidr) for cidr in cluster.service_cidrs],
        "dns": [str(address) for address in cluster.dns_addresses],
        "nat": cluster.router.kind.value if cluster.router else None,
        "controlPlane": _machine(cluster.control_plane, running),
        "nodes": [_machine(node, running) for node in cluster.nodes],
    }


def _machine(machine: Machine, running: dict[str, dict[str, int]]) -> dict[str, Any]:
    return {
        "name": machine.name,
        "place": f"{machine.cluster}/{machine.short_name}",
        "namespace": machine.namespace,
        "podCIDRs": [str(cidr) for cidr in machine.pod_cidrs],
        "interfaces": {
            machine.wan.near.device: [str(address) for address in machine.wan_addresses],
            machine.net.near.device: [str(address) for address in machine.cluster_addresses],
        },
        "processes": running.get(machine.name, {}),
    }

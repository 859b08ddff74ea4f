"""Reads what tells a cluster's networks, CNI and distribution; what it means is mcnet.plan.discovered's.

Everything is optional reading: what may not be read, or is not there, counts as not found.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.model.errors import ApiError
from mcnet.plan import discovered
from mcnet.plan.discovered import ClusterFacts

SERVICE_CIDR: Final = Kind("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", namespaced=False)
SYSTEM: Final = "kube-system"
FLANNEL_NAMESPACES: Final = ("kube-flannel", SYSTEM)
IMPOSSIBLE_CLUSTER_IP: Final = "192.0.2.1"
"""TEST-NET-1 (RFC 5737): in nobody's service range, so the API server refuses it and names its range."""


async def discover(api: Api) -> ClusterFacts:
    """What can be found out about the cluster without changing anything."""
    async with asyncio.TaskGroup() as group:
        version = group.create_task(api.version())
        nodes = group.create_task(api.list(kinds.NODE))
        daemon_sets = group.create_task(_list(api, kinds.DAEMON_SET))
        texts = group.create_task(_config_texts(api))
        pools = group.create_task(_list(api, kinds.IP_POOL))
        service_cidrs = group.create_task(_list(api, SERVICE_CIDR))
        control_plane = group.create_task(_control_plane_arguments(api))
        refusal = group.create_task(_refusal(api))
    cni = discovered.cni(daemon_sets.result())
    has_proxy = any(found["metadata"]["name"] == "kube-proxy" for found in daemon_sets.result())
    configured = discovered.pod_prefixes(
        controller_arguments=control_plane.result().get("kube-controller-manager", []),
        pools=[pool["spec"].get("cidr", "") for pool in pools.result() if not pool["spec"].get("disabled")],
        flannel=texts.result().get("flannel"),
        kubeadm=texts.result().get("kubeadm"),
    )
    return ClusterFacts(
        version=version.result(),
        distribution=discovered.distribution(version.result(), nodes.result()),
        cni=cni,
        kube_proxy_mode=discovered.kube_proxy_mode(texts.result().get("kube-proxy"), cni, has_kube_proxy=has_proxy),
        pod_prefixes=configured or discovered.pod_prefixes(nodes=nodes.result()),
        pods_from_nodes=not configured,
        service_prefixes=discovered.service_prefixes(
            service_cidrs=service_cidrs.result(),
            server_arguments=control_plane.result().get("kube-apiserver", []),
            refusal=refusal.result(),
            kubeadm=texts.result().get("kubeadm"),
        ),
        nodes=tuple(nodes.result()),
    )


async def _list(api: Api, kind: Kind) -> list[JsonObject]:
    found: list[JsonObject] = await _or(api.list(kind), [])
    return found


async def _config_texts(api: Api) -> dict[str, str]:
    """Texts of kube-proxy's, flannel's and kubeadm's configuration, where they are."""
    texts: dict[str, str] = {}
    proxy = await _or(api.find(kinds.CONFIG_MAP, "kube-proxy", SYSTEM), None)
    if proxy:
        texts["kube-proxy"] = "\n".join((proxy.get("data") or {}).values())
    kubeadm = await _or(api.find(kinds.CONFIG_MAP, "kubeadm-config", SYSTEM), None)
    if kubeadm:
        texts["kubeadm"] = str((kubeadm.get("data") or {}).get("ClusterConfiguration", ""))
    for namespace in FLANNEL_NAMESPACES:
        flannel = await _or(api.find(kinds.CONFIG_MAP, "kube-flannel-cfg", namespace), None)
        if flannel:
            texts["flannel"] = str((flannel.get("data") or {}).get("net-conf.json", ""))
            break
    return texts


async def _control_plane_arguments(api: Api) -> dict[str, list[str]]:
    """Command lines of control-plane pods by component, where the cluster shows them as pods."""
    components = "component in (kube-apiserver,kube-controller-manager)"
    pods = await _or(api.list(kinds.POD, SYSTEM, labels=components), [])
    lines: dict[str, list[str]] = {}
    for pod in pods:
        component = pod["metadata"]["labels"]["component"]
        for container in pod["spec"]["containers"]:
            lines.setdefault(component, []).extend([*container.get("command", []), *container.get("args", [])])
    return lines


async def _refusal(api: Api) -> str:
    """What the API server says to a Service with an impossible ClusterIP; as a dry run, nothing is created."""
    service = {
        "metadata": {"name": "mcnet-service-range", "namespace": "default"},
        "spec": {"clusterIP": IMPOSSIBLE_CLUSTER_IP, "ports": [{"port": 443}]},
    }
    try:
        await api.create(kinds.SERVICE, service, "default", dry_run=True)
    except ApiError as error:
        return error.message
    return ""


async def _or(work: Coroutine[Any, Any, Any], default: Any) -> Any:
    try:
        return await work
    except ApiError:
        return default

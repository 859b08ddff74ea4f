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
    version, nodes, daemon_sets, config_maps, pools, cidrs, control, refusal = await asyncio.gather(
        api.version(),
        api.list(kinds.NODE),
        _list(api, kinds.DAEMON_SET),
        _config_maps(api),
        _list(api, kinds.IP_POOL),
        _list(api, SERVICE_CIDR),
        _control_plane_arguments(api),
        _refusal(api),
    )
    cni = discovered.cni(daemon_sets)
    has_proxy = any(found["metadata"]["name"] == "kube-proxy" for found in daemon_sets)
    return ClusterFacts(
        version=version,
        distribution=discovered.distribution(version, nodes),
        cni=cni,
        kube_proxy_mode=discovered.kube_proxy_mode(
            config_maps.get("kube-proxy"), cni, has_kube_proxy=has_proxy
        ),
        pod_prefixes=discovered.pod_prefixes(
            nodes=nodes,
            controller_arguments=control.get("kube-controller-manager", []),
            pools=[pool["spec"].get("cidr", "") for pool in pools if not pool["spec"].get("disabled")],
            flannel=config_maps.get("flannel"),
        ),
        service_prefixes=discovered.service_prefixes(
            service_cidrs=cidrs, server_arguments=control.get("kube-apiserver", []), refusal=refusal
        ),
        nodes=tuple(nodes),
    )


async def _list(api: Api, kind: Kind) -> list[JsonObject]:
    return await _or(api.list(kind), [])


async def _config_maps(api: Api) -> dict[str, str]:
    """Texts of kube-proxy's and flannel's configuration, where they are."""
    texts: dict[str, str] = {}
    proxy = await _or(api.find(kinds.CONFIG_MAP, "kube-proxy", SYSTEM), None)
    if proxy:
        texts["kube-proxy"] = "\n".join((proxy.get("data") or {}).values())
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

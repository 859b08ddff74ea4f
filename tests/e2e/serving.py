"""Services on three clusters, for the end-to-end tests: who serves web where, and the faults they are tried with."""

from functools import partial
from typing import Any

from mcnet.kube.kinds import DEPLOYMENT, ENDPOINT_SLICE, POD, SERVICE, SERVICE_EXPORT, Kind
from mcnet.lab.manifests import COREDNS_IMAGE
from mcnet.model.service import SOURCE_CLUSTER_LABEL
from tests.e2e.clusterset import Clusterset, eventually
from tests.e2e.resolving import addresses, ask

CLUSTERS = ("east", "west", "north")
ZONE = "svc.clusterset.local"
WEB = f"web.default.{ZONE}"
STATEFUL_SET = Kind("apps", "v1", "statefulsets", "StatefulSet", namespaced=True)
OLD = COREDNS_IMAGE.rpartition(":")[0] + ":1.11.3"


async def zone_is_served(made: Clusterset) -> bool:
    for cluster in CLUSTERS:
        (answer,) = await ask(made, made.pod(f"{cluster}-n1"), ("clusterset.local", "SOA"))
        if not answer.records:
            return False
    return True


async def age_coredns(made: Clusterset, cluster: str) -> None:
    """Lets a cluster's CoreDNS bear the name of a version that knows nothing of ServiceImports."""
    tag = ("ctr", "-n", "k8s.io", "images", "tag", COREDNS_IMAGE, OLD)
    done = await made.node(f"{cluster}/n1", *tag)
    assert done.status == 0, done.errors
    async with await made.api(cluster) as api:
        found = await api.get(DEPLOYMENT, "coredns", "kube-system")
        container = found["spec"]["template"]["spec"]["containers"][0] | {"image": OLD}
        spec = {"template": {"spec": {"containers": [container]}}}
        await api.merge_patch(DEPLOYMENT, "coredns", {"spec": spec}, "kube-system")

        async def aged() -> bool:
            pods = await api.list(POD, "kube-system", labels="k8s-app=kube-dns")
            return all(pod["spec"]["containers"][0]["image"] == OLD for pod in pods)

        await eventually(aged, 60, "CoreDNS is the old one")


async def resolves(made: Clusterset, sources: set[str], places: tuple[str, ...] = CLUSTERS) -> bool:
    """Whether in each cluster web has addresses, behind them ready endpoints of exactly these clusters."""
    for cluster in places:
        if not await addresses(made, made.pod(f"{cluster}-n1"), WEB) or await serving(made, cluster) != sources:
            return False
    return True


async def serving(made: Clusterset, cluster: str, name: str = "web", namespace: str = "default") -> set[str]:
    """The clusters whose endpoints a cluster has for a service."""
    async with await made.api(cluster) as api:
        slices = await api.list(ENDPOINT_SLICE, namespace, labels=f"multicluster.kubernetes.io/service-name={name}")
    ready = [one for one in slices if any(end["conditions"].get("ready") for end in one.get("endpoints") or ())]
    return {one["metadata"]["labels"][SOURCE_CLUSTER_LABEL] for one in ready}


async def unknown(made: Clusterset) -> bool:
    for cluster in CLUSTERS:
        (answer,) = await ask(made, made.pod(f"{cluster}-n1"), (WEB, "A"))
        if answer.rcode != "NXDOMAIN":
            return False
    return True


async def fetched(made: Clusterset, cluster: str, count: int = 1, name: str = WEB) -> list[str]:
    """The pods that answered so many requests by name, one connection each."""
    seen = await made.loads[cluster].fetch_all(made.pod(f"{cluster}-n1"), [f"http://{name}/"] * count)
    return [one.server for one in seen]


def _objects(image: str) -> list[dict[str, Any]]:
    """A StatefulSet of two and its headless Service, exported."""
    metadata = {"name": "db", "namespace": "default"}
    container = {
        "name": "db",
        "image": image,
        "command": ["python3", "-m", "mcnet.probe.echo"],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m"}},
    }
    pod = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "clusterIP": "None",
                "ipFamilyPolicy": "PreferDualStack",
                "selector": {"app": "db"},
                "ports": [{"name": "http", "port": 8080}],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata,
            "spec": {
                "serviceName": "db",
                "replicas": 2,
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": {"app": "db"}},
                "template": {"metadata": {"labels": {"app": "db"}}, "spec": pod},
            },
        },
    ]


async def headless(made: Clusterset, cluster: str) -> None:
    async with await made.api(cluster) as api:
        service, stateful_set = _objects(made.image)
        await api.apply(service)
        await api.create(STATEFUL_SET, stateful_set)
    await made.mcnet("export", "service", "db", "--context", cluster)


async def no_headless(made: Clusterset, cluster: str) -> None:
    await made.run("unexport", "service", "db", "--context", cluster)
    async with await made.api(cluster) as api:
        for kind in (SERVICE, STATEFUL_SET):
            await api.delete(kind, "db", "default")


async def nobody(made: Clusterset) -> bool:
    return not any([await serving(made, cluster) for cluster in CLUSTERS])


async def kill_discovery(made: Clusterset, *clusters: str) -> None:
    """All its replicas in these clusters, in the middle of what they do. New pods take their place, which no back-off
    of earlier tests holds up."""
    for cluster in clusters:
        await eventually(partial(_kill, made, f"{cluster}/n1"), 60, "discovery runs, to be killed")
        await _renew_discovery(made, cluster)


async def _kill(made: Clusterset, node: str) -> bool:
    return (await made.node(node, "pkill", "-KILL", "-f", "python3 -m mcnet_discovery")).status == 0


async def _renew_discovery(made: Clusterset, cluster: str) -> None:
    async with await made.api(cluster) as api:
        for pod in await api.list(POD, "mcnet-system", labels="app.kubernetes.io/component=discovery"):
            await api.delete(POD, pod["metadata"]["name"], "mcnet-system")


async def uses(made: Clusterset, cluster: str, sources: set[str]) -> bool:
    return await serving(made, cluster) == sources


async def set_ready(made: Clusterset, cluster: str, ready: bool) -> None:
    """Lets the Service web of a cluster find its pod, or no pod."""
    async with await made.api(cluster) as api:
        await api.merge_patch(
            POD, f"web-{cluster}-n1", {"metadata": {"labels": {"app": "web" if ready else "away"}}}, "default"
        )


async def export(made: Clusterset, cluster: str, name: str = "web") -> None:
    """As kubectl does it: no more than the object."""
    async with await made.api(cluster) as api:
        await api.create(SERVICE_EXPORT, {"metadata": {"name": name, "namespace": "default"}})


async def unexport(made: Clusterset, cluster: str, name: str = "web") -> None:
    async with await made.api(cluster) as api:
        await api.delete(SERVICE_EXPORT, name, "default")

"""A name of another cluster's service that pods look up while gateways fail: the cluster's DNS stands aside of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcnet.kube.kinds import DEPLOYMENT, POD
from tests.e2e.clusterset import Clusterset, eventually, is_ready
from tests.e2e.flows import Name
from tests.e2e.resolving import addresses

WEB = "web.default.svc.clusterset.local"


@asynccontextmanager
async def exported(made: Clusterset, exporter: str, client: str) -> AsyncIterator[Name]:
    """The cluster `exporter` exports its Service web while the block runs; on the node `client` it has a name. That
    cluster's DNS server is there too: else a fault of a gateway's node would take it away, which is not mcnet's."""
    await made.mcnet("export", "service", "web", "--context", exporter)
    await _moved(made, client)
    try:
        found: set[str] = set()

        async def known() -> bool:
            found.update(one for one in await addresses(made, made.pod(client), WEB) if ":" not in one)
            return len(found) == 1

        await eventually(known, 60, f"{WEB} has an address")
        yield Name(WEB, *found)
    finally:
        await _moved(made, None, cluster=client.partition("-")[0])
        await made.run("unexport", "service", "web", "--context", exporter)


async def _moved(made: Clusterset, node: str | None, *, cluster: str = "") -> None:
    """Have the cluster's CoreDNS run on `node`; None: wherever the scheduler likes."""
    async with await made.api(cluster or str(node).partition("-")[0]) as api:
        selector = {"kubernetes.io/hostname": node}
        patch = {"spec": {"template": {"spec": {"nodeSelector": selector}}}}
        await api.merge_patch(DEPLOYMENT, "coredns", patch, "kube-system")

        async def there() -> bool:
            pods = await api.list(POD, "kube-system", labels="k8s-app=kube-dns")
            return len(pods) == 1 and is_ready(pods[0]) and node in (None, pods[0]["spec"]["nodeName"])

        await eventually(there, 90, f"DNS of the cluster runs on {node}")

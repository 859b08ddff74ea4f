"""mcnet's DNS daemon in a cluster: whether it is there, and how it goes where the cluster's own DNS can do without.

That the cluster's DNS asks it is mcnet.install.cluster_dns'.
"""

from typing import Final

from mcnet.install.apply import SYSTEM_LABELS
from mcnet.install.rollout import DNS
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.render.values import DnsValues

_LABELS: Final = ",".join(
    f"{name}={value}" for name, value in (SYSTEM_LABELS | {"app.kubernetes.io/component": "dns"}).items()
)
_IN_NAMESPACE: Final = (kinds.DEPLOYMENT, kinds.POD_DISRUPTION_BUDGET, kinds.SERVICE, kinds.SERVICE_ACCOUNT)


async def is_there(api: Api) -> bool:
    return await api.find(DNS.kind, DNS.name, SYSTEM_NAMESPACE) is not None


async def values(api: Api) -> DnsValues | None:
    """What a change of all daemons is to have of it: nothing where it is not there."""
    return DnsValues() if await is_there(api) else None


async def remove(api: Api) -> None:
    """All that `join` has made for it."""
    for kind in _IN_NAMESPACE:
        for obj in await api.list(kind, SYSTEM_NAMESPACE, labels=_LABELS):
            await api.delete(kind, obj["metadata"]["name"], SYSTEM_NAMESPACE)
    for kind in (kinds.CLUSTER_ROLE_BINDING, kinds.CLUSTER_ROLE):
        for obj in await api.list(kind, labels=_LABELS):
            await api.delete(kind, obj["metadata"]["name"])

"""What the gateway daemon sees at its API server: stores of objects into values. Decides nothing.

An object that can't be decoded is left out and counted; it never stops a round.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mcnet.codec import cluster, clusterset, endpoint, gateway, member, node
from mcnet.codec.batch import decode_all
from mcnet.kube.api import Api
from mcnet.kube.kinds import CLUSTER, CLUSTERSET, ENDPOINT, GATEWAY, LEASE, MEMBER, NODE, SERVICE, JsonObject
from mcnet.kube.store import Store
from mcnet.model.cluster import Cluster, ClusterSet
from mcnet.model.endpoint import Endpoint, endpoint_name
from mcnet.model.errors import McnetError
from mcnet.model.gateway import Gateway
from mcnet.model.member import MEMBER_NAME, Member
from mcnet.model.node import Node
from mcnet.model.ownership import MAX_RAILS


@dataclass(frozen=True, slots=True)
class View:
    """The API server's objects as values; `own` and `report` are what this gateway has published."""

    member: Member
    clusters: tuple[Cluster, ...]
    endpoints: tuple[Endpoint, ...]
    options: ClusterSet | None
    nodes: tuple[Node, ...]
    rails: dict[int, str]
    """Rail -> the node that holds its Lease."""
    own: Endpoint | None
    report: Gateway | None
    problems: tuple[str, ...]


class Stores:
    """All watches of the daemon."""

    def __init__(self, api: Api, namespace: str, node_name: str, on_change: Callable[[str], None]) -> None:
        self._api, self._namespace = api, namespace
        self.members = Store(api, MEMBER, namespace=namespace, on_change=lambda: on_change("member changed"))
        self.clusters = Store(api, CLUSTER, namespace=namespace, on_change=lambda: on_change("clusters changed"))
        self.endpoints = Store(api, ENDPOINT, namespace=namespace, on_change=lambda: on_change("endpoints changed"))
        self.clustersets = Store(api, CLUSTERSET, namespace=namespace, on_change=lambda: on_change("options changed"))
        self.gateways = Store(
            api, GATEWAY, namespace=namespace, fields=f"metadata.name={node_name}", on_change=lambda: None
        )
        self.nodes = Store(api, NODE, on_change=lambda: on_change("nodes changed"))
        self.leases = Store(api, LEASE, namespace=namespace, on_change=lambda: on_change("rails changed"))

    @property
    def all(self) -> tuple[Store, ...]:
        return self.members, self.clusters, self.endpoints, self.clustersets, self.gateways, self.nodes, self.leases

    @property
    def synced(self) -> bool:
        """Whether every store has listed once: before that nothing may be applied."""
        return all(store.synced for store in self.all)

    def view(self, node_name: str) -> View | None:
        """The objects as values, or None without a Member: this cluster is not joined (any more)."""
        problems: list[str] = []
        found = decode_all(member.decode, self.members.objects, problems)
        mine = next(iter(found), None)
        if mine is None:
            return None
        endpoints = decode_all(endpoint.decode, self.endpoints.objects, problems)
        name = endpoint_name(mine.cluster, node_name)
        reports = decode_all(gateway.decode, self.gateways.objects, problems)
        for obj in self.nodes.objects:
            if obj["metadata"]["name"] == node_name:
                problems += node.annotation_problems(obj)
        return View(
            member=mine,
            clusters=decode_all(cluster.decode, self.clusters.objects, problems),
            endpoints=endpoints,
            options=next(iter(decode_all(clusterset.decode, self.clustersets.objects, problems)), None),
            nodes=decode_all(node.decode, self.nodes.objects, problems),
            rails=_rails(self.leases.objects),
            own=next((one for one in endpoints if one.name == name), None),
            report=next((one for one in reports if one.node == node_name), None),
            problems=tuple(problems),
        )

    async def load_balancer(self, service: str) -> list[str]:
        """The addresses and host names that a Service in our namespace has from outside. Raises OSError."""
        try:
            found = await self._api.get(SERVICE, service, self._namespace)
        except McnetError as error:
            raise OSError(error.message) from error
        given = ((found.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        return [str(one.get("ip") or one.get("hostname") or "") for one in given]

    def node_object(self, name: str) -> JsonObject | None:
        """The Node as the API server has it (its UID goes into owner references)."""
        return self.nodes.get(name)

    def report_object(self, name: str) -> JsonObject | None:
        """The Gateway as the API server has it: what events are about."""
        return self.gateways.get(name)

    @property
    def member_object(self) -> JsonObject | None:
        return self.members.get(MEMBER_NAME)


def _rails(leases: Iterable[JsonObject]) -> dict[int, str]:
    rails: dict[int, str] = {}
    for lease in leases:
        name = lease["metadata"]["name"]
        number = name.removeprefix("rail-")
        if name.startswith("rail-") and number.isascii() and number.isdigit() and int(number) < MAX_RAILS:
            rails[int(number)] = (lease.get("spec") or {}).get("holderIdentity") or ""
    return rails

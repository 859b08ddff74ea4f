"""What the route agent sees at its API server: stores of objects into values. Decides nothing.

An object that can't be decoded is left out and named in a problem; it never stops a round.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mcnet.codec import cluster, clusterset, endpoint, member, node, node_state
from mcnet.codec.batch import decode_all
from mcnet.kube.api import Api
from mcnet.kube.kinds import CLUSTER, CLUSTERSET, ENDPOINT, GATEWAY, MEMBER, NODE, NODE_STATE, JsonObject
from mcnet.kube.store import Store
from mcnet.model.cluster import Cluster, ClusterSet
from mcnet.model.endpoint import Endpoint
from mcnet.model.member import Member
from mcnet.model.node import Node, NodeState


@dataclass(frozen=True, slots=True)
class View:
    """The API server's objects as values; `report` is what this node has published."""

    member: Member
    clusters: tuple[Cluster, ...]
    endpoints: tuple[Endpoint, ...]
    options: ClusterSet | None
    nodes: tuple[Node, ...]
    report: NodeState | None
    problems: tuple[str, ...]

    @property
    def own_endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(one for one in self.endpoints if one.cluster == self.member.cluster)


class Stores:
    """All watches of the daemon."""

    def __init__(self, api: Api, namespace: str, node_name: str, on_change: Callable[[str], None]) -> None:
        self.members = Store(api, MEMBER, namespace=namespace, on_change=lambda: on_change("member changed"))
        self.clusters = Store(api, CLUSTER, namespace=namespace, on_change=lambda: on_change("clusters changed"))
        self.endpoints = Store(api, ENDPOINT, namespace=namespace, on_change=lambda: on_change("endpoints changed"))
        self.clustersets = Store(api, CLUSTERSET, namespace=namespace, on_change=lambda: on_change("options changed"))
        self.nodes = Store(api, NODE, on_change=lambda: on_change("nodes changed"))
        self.states = Store(
            api,
            NODE_STATE,
            namespace=namespace,
            fields=f"metadata.name={node_name}",
            on_change=lambda: None,
        )
        # What its daemon measures concerns nobody here; that it is there does, on a node that is no gateway any more.
        self.reports = Store(
            api,
            GATEWAY,
            namespace=namespace,
            fields=f"metadata.name={node_name}",
            on_change=lambda: None,
            on_object=lambda before, _: on_change("a gateway's report is there") if before is None else None,
        )

    @property
    def all(self) -> tuple[Store, ...]:
        return self.members, self.clusters, self.endpoints, self.clustersets, self.nodes, self.states, self.reports

    @property
    def synced(self) -> bool:
        """Whether every store has listed once: before that nothing may be applied."""
        return all(store.synced for store in self.all)

    def view(self, node_name: str) -> View | None:
        """The objects as values, or None without a Member: this cluster is not joined (any more)."""
        problems: list[str] = []
        mine = next(iter(decode_all(member.decode, self.members.objects, problems)), None)
        if mine is None:
            return None
        states = decode_all(node_state.decode, self.states.objects, problems)
        return View(
            member=mine,
            clusters=decode_all(cluster.decode, self.clusters.objects, problems),
            endpoints=decode_all(endpoint.decode, self.endpoints.objects, problems),
            options=next(iter(decode_all(clusterset.decode, self.clustersets.objects, problems)), None),
            nodes=decode_all(node.decode, self.nodes.objects, problems),
            report=next((one for one in states if one.node == node_name), None),
            problems=tuple(problems),
        )

    def state_object(self, name: str) -> JsonObject | None:
        """The NodeState as the API server has it: what events are about."""
        return self.states.get(name)

    def leaves_behind(self, node: Node, own: Iterable[Endpoint]) -> bool:
        """Whether a node that is no gateway has something of one at the API server; `own` are its cluster's
        Endpoints. The report may be there without the Endpoint: where both daemons hear late of the label, after the
        node was away, the gateway's may report once more after the other one has taken back what there was."""
        return not node.gateway and (
            self.reports.get(node.name) is not None or any(one.gateway == node.name for one in own)
        )

    def node_object(self, name: str) -> JsonObject | None:
        """The Node as the API server has it (its UID goes into owner references)."""
        return self.nodes.get(name)

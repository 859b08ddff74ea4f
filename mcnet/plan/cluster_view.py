"""What was read of the contexts: members, brokers, and both together at one moment. What is said about them stands in
mcnet.plan.views; reading them is mcnet.show.gather's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mcnet.model.cluster import Cluster, ClusterId, ClusterSet, Requested
from mcnet.model.endpoint import Endpoint
from mcnet.model.gateway import Gateway
from mcnet.model.member import SYSTEM_NAMESPACE, Member
from mcnet.model.node import Node, NodeState
from mcnet.model.service_state import ExportState, ImportedEndpoints, ImportState
from mcnet.model.trust import Pin

Row = dict[str, Any]
JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicesView:
    """What a member's API server has of services across clusters, in all namespaces. `installed`: whether it has the
    kinds of the MCS API; `unread` is why nothing is known, `late` whether they only took too long."""

    exports: tuple[ExportState, ...] = ()
    imports: tuple[ImportState, ...] = ()
    endpoints: tuple[ImportedEndpoints, ...] = ()
    namespaces: frozenset[str] = frozenset()
    installed: bool = True
    unread: str = ""
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """A member as read from its API server. `daemon_problems` says by node why a gateway's daemon does not run;
    nodes where it runs are not in it. `gateway_nodes` are the nodes with the gateway label."""

    context: str
    member: Member
    server: str = ""
    kubernetes: str = ""
    """The API server's version, "v1.37.2"."""
    clusterset: ClusterSet | None = None
    clusters: tuple[Cluster, ...] = ()
    requests: Mapping[ClusterId, Requested] = field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    node_states: tuple[NodeState, ...] = ()
    nodes: tuple[Node, ...] = ()
    gateway_nodes: tuple[str, ...] = ()
    daemon_problems: Mapping[str, str] = field(default_factory=dict)
    unready_nodes: tuple[str, ...] = ()
    """Gateway nodes whose daemon runs and reports, but does not call itself ready."""
    workloads: tuple[JsonObject, ...] = ()
    """Our DaemonSets and Deployments."""
    pods: tuple[JsonObject, ...] = ()
    """Our pods."""
    pins: Mapping[ClusterId, Pin] = field(default_factory=dict)
    """By which keys it knows the other members."""
    broker_server: str = ""
    """URL of its broker, "" if this user may not know."""
    services: ServicesView | None = None
    """None if nobody has asked: there may be thousands."""
    unreadable: tuple[str, ...] = ()
    """Sentences about objects that could not be read."""

    @property
    def cluster(self) -> ClusterId:
        return self.member.cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerView:
    """A broker as read from its API server."""

    context: str
    server: str = ""
    kubernetes: str = ""
    clusterset: ClusterSet | None = None
    created: str = ""
    """RFC 3339 time of the ClusterSet's creation."""
    clusters: tuple[Cluster, ...] = ()
    requests: Mapping[ClusterId, Requested] = field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = ()
    renewals: Mapping[str, datetime] = field(default_factory=dict)
    """By cluster ID, when the member last renewed its Lease."""
    policy: bool = True
    """Whether the admission policy and its binding are there."""
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All that was read, and when: what every view is made from. `version` is this command's own."""

    members: tuple[ClusterView, ...] = ()
    brokers: tuple[BrokerView, ...] = ()
    now: datetime
    version: str = ""


def kubectl(view: ClusterView) -> str:
    """How the user looks at this member's namespace."""
    return f"kubectl --context {view.context} -n {SYSTEM_NAMESPACE}"


def describe_pods(view: ClusterView, component: str) -> str:
    """The command that says why a daemon's pods do not run."""
    return f"{kubectl(view)} describe pods -l app.kubernetes.io/component={component}"


def logs(view: ClusterView, component: str) -> str:
    """The command that shows what a daemon said last."""
    return f"{kubectl(view)} logs -l app.kubernetes.io/component={component} --tail 20"

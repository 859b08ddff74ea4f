"""What the templates may use, one frozen dataclass per folder of `templates/`. No decisions, no defaults that
depend on a cluster."""

from dataclasses import dataclass, field
from typing import Any

from mcnet.model.dns import HOSTS
from mcnet.model.member import BROKER_NAMESPACE, SYSTEM_NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerValues:
    """`templates/broker`: what `deploy-broker` applies."""

    namespace: str = BROKER_NAMESPACE
    default_driver: str = "wireguard"
    protocol_version: int = 1
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountValues:
    """`templates/broker/account`: Roles and bindings of one member at the broker.

    They are owned by the ServiceAccounts (hence the UIDs), so that deleting the account removes all of it.
    `join_uid` is "" where there is no join account (the broker's admin joins the cluster directly).
    """

    cluster: str
    member_uid: str
    join_uid: str = ""
    namespace: str = BROKER_NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsValues:
    """The DNS daemon of a member; what is left out is as its own settings say (daemons/mcnet_dns)."""

    replicas: int = 2
    hosts: int = HOSTS
    """Endpoints of a headless service in its answers; 0 for all."""
    cluster_names: bool = False
    """Lighthouse's CLUSTER.SVC.NS.svc.clusterset.local too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberValues:
    """`templates/member`: what `join` applies to the joining cluster."""

    cluster: str
    image: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in mcnet-system."""
    node_selector: dict[str, str] = field(default_factory=dict)
    """Where the discovery pods run."""
    tolerations: tuple[dict[str, Any], ...] = ()
    """Of the discovery pods; the node daemons tolerate everything."""
    member: dict[str, Any] = field(default_factory=dict)
    """The Member object, encoded."""
    discovery_on_host: bool = False
    """Discovery in the nodes' network: where pods have no address of the family of the broker's."""
    discovery_replicas: int = 2
    replaces_gateways: bool = False
    """Whether discovery may label nodes."""
    dns: DnsValues | None = None
    """None where the cluster's own DNS answers clusterset.local."""
    namespace: str = SYSTEM_NAMESPACE
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorednsValues:
    """`templates/coredns`: what the cluster's own CoreDNS may read in addition, where it answers clusterset.local."""

    account: str
    """Its ServiceAccount."""
    namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePodValues:
    """`templates/node`: one throw-away pod on one node, for preflight or for cleaning the node."""

    name: str
    image: str
    module: str
    """The Python module it runs."""
    arguments: tuple[str, ...] = ()
    node: str = ""
    """"" lets the scheduler choose."""
    namespace: str = SYSTEM_NAMESPACE
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    host_network: bool = True
    """With the host's network, NET_ADMIN and /proc/sys/net, as the node daemons; else as discovery."""
    seconds: int = 60
    """The pod is ended by the kubelet after this long, whatever happens to the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkPodValues:
    """`templates/benchmark`: one end of a measurement on a certain node."""

    name: str
    run: str
    """Marks all pods of one run."""
    node: str
    image: str
    module: str
    """The Python module it runs."""
    arguments: tuple[str, ...] = ()
    host_network: bool
    raw_sockets: bool = False
    """As root with NET_RAW and nothing else, which sending ICMP takes; else as nobody."""
    namespace: str = SYSTEM_NAMESPACE
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    seconds: int = 60
    """The pod is ended by the kubelet after this long, whatever happens to the command line."""

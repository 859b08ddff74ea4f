"""The views of `mcnet show`: of each its rows, its columns and what is said when there are none."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from mcnet.plan.cluster_view import Picture, Row
from mcnet.plan.views import brokers, connections, endpoints, gateways, members, networks, ports, services, versions
from mcnet.show import forms
from mcnet.show.output import Column


class Needs(Enum):
    """What a named context has to be, so that the view has something to show."""

    MEMBER = "member"
    BROKER = "broker"
    """A broker will do, too."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`title` heads it in `show all`; `about` are the keys that name a row below the table, put together by
    `joint`."""

    name: str
    title: str
    rows: Callable[[Picture], list[Row]]
    columns: tuple[Column, ...]
    about: tuple[str, ...]
    empty: str
    joint: str = " "
    needs: Needs = Needs.MEMBER
    services: bool = False
    """Whether it needs services across clusters to be read, of which there may be thousands."""


CONNECTIONS: Final = View(
    name="connections",
    title="Connections",
    rows=connections.rows,
    columns=(
        Column("CLUSTER", "cluster"),
        Column("GATEWAY", "gateway"),
        Column("REMOTE", "remoteCluster"),
        Column("REMOTE GATEWAY", "remoteGateway"),
        Column("STATE", "state", colored=True),
        Column("SHARE", "share", form=forms.percent),
        Column("RECEIVED", "receivedBitsPerSecond", form=forms.bit_rate),
        Column("SENT", "sentBitsPerSecond", form=forms.bit_rate),
        Column("RTT", "roundTripSeconds", form=forms.milliseconds),
        Column("LOSS", "loss", form=forms.percent),
        Column("DRIVER", "driver", form=forms.driver),
        Column("SINCE", "since", form=forms.age),
        Column("PODS BY", "families", wide=True, form=forms.families),
        Column("RAIL", "rail", wide=True),
        Column("PATH", "path", wide=True),
        Column("DEVICE", "device", wide=True),
        Column("MTU", "mtu", wide=True),
        Column("LOCAL ADDRESS", "localAddress", wide=True),
        Column("REMOTE ADDRESS", "remoteAddress", wide=True),
        Column("MIN", "minimumSeconds", wide=True, form=forms.milliseconds),
        Column("AVG", "averageSeconds", wide=True, form=forms.milliseconds),
        Column("MAX", "maximumSeconds", wide=True, form=forms.milliseconds),
        Column("DEV", "deviationSeconds", wide=True, form=forms.milliseconds),
    ),
    about=("cluster", "remoteCluster"),
    joint=" → ",
    empty="No connections yet: this clusterset has one member. Join another: mcnet join",
)
ENDPOINTS: Final = View(
    name="endpoints",
    title="Endpoints",
    rows=endpoints.rows,
    columns=(
        Column("CLUSTER", "cluster"),
        Column("ENDPOINT OF", "endpointCluster"),
        Column("GATEWAY", "gateway"),
        Column("RAIL", "rail"),
        Column("ADDRESS", "addresses"),
        Column("PUBLIC", "publicAddresses"),
        Column("DRIVERS", "drivers"),
        Column("PREFIXES", "prefixes"),
        Column("UDP PORTS", "ports", wide=True),
        Column("MTU", "mtu", wide=True),
    ),
    about=("cluster", "gateway"),
    empty="No endpoints yet: mcnet show gateways",
)
GATEWAYS: Final = View(
    name="gateways",
    title="Gateways",
    rows=gateways.rows,
    columns=(
        Column("CLUSTER", "cluster"),
        Column("GATEWAY", "gateway"),
        Column("RAIL", "rail"),
        Column("STATE", "state", colored=True),
        Column("WEIGHT", "weight", form=forms.weight),
        Column("CONNECTED", "connected", form=forms.connected),
        Column("RECEIVED", "receivedBitsPerSecond", form=forms.bit_rate),
        Column("SENT", "sentBitsPerSecond", form=forms.bit_rate),
        Column("ADDRESS", "addresses"),
        Column("VERSION", "version"),
    ),
    about=("cluster", "gateway"),
    empty="No gateways: mcnet join --gateways 1",
)
NETWORKS: Final = View(
    name="networks",
    title="Networks",
    rows=networks.rows,
    columns=(
        Column("CLUSTER", "cluster"),
        Column("NETWORK OF", "networkOf"),
        Column("KIND", "kind"),
        Column("PREFIX", "prefix"),
        Column("STATE", "state", colored=True),
        Column("CNI", "cni"),
        Column("KUBE-PROXY", "kubeProxyMode"),
        Column("DISTRIBUTION", "distribution"),
        Column("FAMILY", "family", wide=True),
        Column("FOUND", "found", wide=True, form=forms.yes_or_no),
        Column("REQUESTED", "requested", wide=True, form=forms.yes_or_no),
        Column("APPROVED", "approved", wide=True, form=forms.yes_or_no),
        Column("ADVERTISED", "advertised", wide=True, form=forms.yes_or_no),
    ),
    about=("cluster",),
    empty="No networks: no cluster has joined. mcnet join",
)
VERSIONS: Final = View(
    name="versions",
    title="Versions",
    rows=versions.rows,
    columns=(
        Column("CLUSTER", "cluster"),
        Column("COMPONENT", "component"),
        Column("STATE", "state", colored=True),
        Column("VERSION", "versions", form=forms.versions),
        Column("READY", "ready", form=forms.of_desired),
        Column("UPDATED", "updated", form=forms.of_desired),
        Column("KUBERNETES", "kubernetes"),
        Column("IMAGE", "images", wide=True, form=forms.images),
    ),
    about=("cluster", "component"),
    empty="",
)
BROKERS: Final = View(
    name="brokers",
    title="Brokers",
    rows=brokers.rows,
    columns=(
        Column("CONTEXT", "context"),
        Column("STATE", "state", colored=True),
        Column("SERVER", "server"),
        Column("MEMBERS", "members"),
        Column("DRIVER", "driver"),
        Column("PROTOCOL", "protocolVersion"),
        Column("POLICY", "policy", form=forms.yes_or_no),
        Column("AGE", "created", form=forms.age),
        Column("KUBERNETES", "kubernetes", wide=True),
    ),
    about=("context", "server"),
    empty="No broker: mcnet deploy-broker",
    needs=Needs.BROKER,
)
MEMBERS: Final = View(
    name="members",
    title="Members",
    rows=members.rows,
    columns=(
        Column("MEMBER", "cluster"),
        Column("STATE", "state", colored=True),
        Column("LAST SEEN", "lastSeen", form=forms.age),
        Column("PODS", "podPrefixes"),
        Column("SERVICES", "servicePrefixes"),
        Column("NOT APPROVED", "pending"),
        Column("GATEWAYS", "gateways"),
        Column("VERSION", "version"),
        Column("BROKER", "broker", wide=True),
        Column("CONTEXT", "context", wide=True),
        Column("OVERLAPPING", "refused", wide=True),
    ),
    about=("cluster",),
    empty="No members yet: mcnet join",
    needs=Needs.BROKER,
)
SERVICES: Final = View(
    name="services",
    title="Services",
    rows=services.rows,
    columns=(
        Column("CLUSTER", "cluster"),
        Column("SERVICE", "service"),
        Column("TYPE", "type"),
        Column("STATE", "state", colored=True),
        Column("EXPORTED", "exported", form=forms.yes),
        Column("CLUSTERSET IP", "ips"),
        Column("PORTS", "ports", form=forms.service_ports),
        Column("ENDPOINTS", "clusters", form=forms.endpoints),
        Column("CONFLICTS", "conflicts"),
        Column("TO", "to", wide=True),
        Column("MODE", "mode", wide=True),
        Column("TRAFFIC", "traffic", wide=True),
        Column("DERIVED SERVICE", "derived", wide=True),
    ),
    about=("cluster", "service"),
    empty="No services: mcnet export service NAME -n NAMESPACE",
    services=True,
)
PORTS: Final = View(
    name="ports",
    title="Ports to open",
    rows=ports.rows,
    columns=(
        Column("CLUSTER", "cluster"),
        Column("PORT", "ports", form=forms.port),
        Column("FROM", "from", form=forms.side),
        Column("TO", "to", form=forms.side),
        Column("NEED", "required", form=forms.need),
        Column("FOR", "purpose", wide=True),
    ),
    about=("cluster",),
    empty="",
    needs=Needs.NOTHING,
)

VIEWS: Final = (CONNECTIONS, ENDPOINTS, GATEWAYS, NETWORKS, VERSIONS, BROKERS, MEMBERS, SERVICES, PORTS)
"""In the order of `show all`."""
BY_NAME: Final = {view.name: view for view in VIEWS}

"""Pictures for the tests of `mcnet show`: clustersets of any size, as the contexts of their members say them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

from mcnet.codec import service_state
from mcnet.model.cluster import Cluster, ClusterId, ClusterSet, Requested
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.gateway import Cable, CableState, Gateway, RoundTrip
from mcnet.model.member import Member
from mcnet.model.node import Node, NodeState
from mcnet.model.traffic import Throughput
from mcnet.plan.cluster_view import BrokerView, ClusterView, Picture, ServicesView
from tests.fakes import service_objects

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
VERSION = "0.1.0"


def member(name: str, number: int) -> Member:
    pods, services = ip_network(f"10.{number}.0.0/16"), ip_network(f"10.{100 + number}.0.0/16")
    return Member(ClusterId(name), (pods,), (services,), cni="calico", kube_proxy_mode="iptables", distribution="k3s")


def endpoint(name: str, number: int, rail: int) -> Endpoint:
    of = member(name, number)
    return Endpoint(
        cluster=of.cluster,
        gateway=f"{name}-n{rail + 1}",
        rail=rail,
        private_addresses=(ip_address(f"192.0.{number}.{rail + 1}"),),
        drivers=(DriverOffer("vxlan"),),
        prefixes=of.pod_prefixes + of.service_prefixes,
    )


def cable(remote: Endpoint, milliseconds: float, *, active: bool) -> Cable:
    trip = milliseconds / 1000
    return Cable(
        cluster=remote.cluster,
        gateway=remote.gateway,
        rail=remote.rail,
        state=CableState.CONNECTED,
        driver="vxlan",
        remote_address=remote.private_addresses[0],
        round_trip=RoundTrip(trip, trip, trip, trip, 0.0),
        active=active,
        throughput=Throughput(941_000_000, 12_300_000),
    )


def services(exported_by: str, *, exporter: bool) -> ServicesView:
    """A member's view of one service, which one cluster exports."""
    objects = service_objects
    return ServicesView(
        exports=(service_state.decode_export(objects.export(*objects.EXPORTED)),) if exporter else (),
        imports=(service_state.decode_import(objects.service_import(exported_by)),),
        endpoints=(service_state.decode_endpoints(objects.imported_slice(exported_by, "10.0.0.1", "10.0.0.2")),),
        namespaces=frozenset({objects.WEB.namespace}),
    )


def clusterset(sizes: Mapping[str, int]) -> Picture:
    """A full mesh, all well: so many gateways by cluster, one broker, every context read."""
    ends = {
        name: [endpoint(name, at, rail) for rail in range(count)] for at, (name, count) in enumerate(sizes.items())
    }
    members = {name: member(name, at) for at, name in enumerate(sizes)}
    clusters = tuple(
        Cluster(one.cluster, one.pod_prefixes, one.service_prefixes, version=VERSION) for one in members.values()
    )
    requests = {one.cluster: Requested(one.pod_prefixes, one.service_prefixes) for one in members.values()}
    everything = tuple(one for here in ends.values() for one in here)
    views = []
    for at, name in enumerate(sizes):
        reports = tuple(
            Gateway(
                own.gateway,
                own.cluster,
                own.rail,
                tuple(
                    cable(remote, 0.3 + 7.1 * (own.rail + remote.rail + at), active=remote.rail == 0)
                    for remote in everything
                    if remote.cluster != name
                ),
                version=VERSION,
            )
            for own in ends[name]
        )
        names = [f"{name}-n{one}" for one in range(1, max(2, sizes[name]) + 1)]
        views.append(
            ClusterView(
                context=f"{name}-admin",
                member=members[name],
                server=f"https://{name}.example.com:6443",
                kubernetes="v1.37.2",
                clusterset=ClusterSet(),
                clusters=clusters,
                requests=requests,
                endpoints=everything,
                gateways=reports,
                node_states=tuple(NodeState(node, version=VERSION, ready=True) for node in names),
                nodes=tuple(
                    Node(node, node, (ip_address(f"172.16.{at}.{one}"),), ())
                    for one, node in enumerate(names, start=1)
                ),
                gateway_nodes=tuple(one.gateway for one in ends[name]),
                broker_server="https://broker.example.com:6443",
                services=services(next(iter(sizes)), exporter=at == 0),
            )
        )
    broker = BrokerView(
        context="broker-admin",
        server="https://10.0.0.1:6443",
        kubernetes="v1.37.2",
        clusterset=ClusterSet(),
        created="2026-01-01T12:00:00Z",
        clusters=clusters,
        requests=requests,
        endpoints=everything,
        renewals={name: NOW - timedelta(seconds=20) for name in sizes},
    )
    return Picture(members=tuple(views), brokers=(broker,), now=NOW, version=VERSION)


def changed(picture: Picture, at: int = 0, **changes: object) -> Picture:
    """With other fields in the view of one member."""
    views = list(picture.members)
    views[at] = replace(views[at], **changes)  # type: ignore[arg-type]
    return replace(picture, members=tuple(views))

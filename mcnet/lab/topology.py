"""The plan of a lab: which namespaces, links, addresses and CIDRs it has. Pure: a spec and a block go in.

Everything that `up` makes and `down` removes is named here, so that taking a lab down needs nothing but
its spec and block index, however little of it exists.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Network

from mcnet.lab.addresses import Address, Block, Interface, Network, interface
from mcnet.lab.spec import Families, Family, LabSpec, NatKind

WAN = "wan0"
CLUSTER = "eth0"
API_PORT = 6443
# Kubernetes' convention: the tenth address of the service CIDR is the cluster's DNS.
_DNS_OFFSET = 10
LINK_LOCAL = IPv6Network("fe80::/64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One end of a veth pair. `namespace` None is the host's root namespace."""

    namespace: str | None
    device: str
    addresses: tuple[Interface, ...] = ()
    """None on the port of a bridge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A veth pair: `near` belongs to the machine, `far` to the network it hangs on."""

    near: Port
    far: Port
    default_route: bool = False
    """Whether the near end's namespace has its default routes over this link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A node, or a cluster's control plane: a network, mount and process namespace of its own."""

    cluster: str
    short_name: str
    """`n1` ... or `cp`."""
    namespace: str
    wan: Link
    net: Link
    """The link to the cluster's network."""
    pod_cidrs: tuple[Network, ...]
    """Empty for the control plane, which runs no pods."""
    families: Families

    @property
    def name(self) -> str:
        """Unique in the lab; a node's name in Kubernetes: `east-n1`."""
        return f"{self.cluster}-{self.short_name}"

    @property
    def is_node(self) -> bool:
        """Whether it runs pods."""
        return bool(self.pod_cidrs)

    @property
    def cluster_addresses(self) -> tuple[Address, ...]:
        """Its addresses on the cluster's network: a node's InternalIPs."""
        return tuple(address.ip for address in self.net.near.addresses)

    @property
    def link_local(self) -> Interface:
        """Its link-local address on the cluster's network, the same in every lab."""
        number = int(self.short_name.removeprefix("n")) if self.is_node else 0
        return interface(LINK_LOCAL, 10 + number)

    @property
    def advertise_address(self) -> Address:
        """Where a control plane's API server is found behind the Service `kubernetes`. Kubernetes wants it to be
        of the services' first family, whatever the nodes have."""
        return next(
            address for address in self.cluster_addresses if address.version == self.families.pods.versions[0]
        )

    @property
    def wan_addresses(self) -> tuple[Address, ...]:
        """Its addresses on the wan link; private ones behind a NAT."""
        return tuple(address.ip for address in self.wan.near.addresses)

    @property
    def hash_seed(self) -> int:
        """For net.ipv4.fib_multipath_hash_seed.

        All namespaces share the kernel's own secret and would choose paths alike; nodes of the real world
        don't. Never 0, which means "the kernel's".
        """
        return zlib.crc32(self.namespace.encode()) | 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """The NAT router in front of a cluster."""

    kind: NatKind
    namespace: str
    uplink: Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One Kubernetes cluster."""

    name: str
    index: int
    control_plane: Machine
    nodes: tuple[Machine, ...]
    net_namespace: str
    """Holds the bridge that is the cluster's network."""
    pod_cidrs: tuple[Network, ...]
    service_cidrs: tuple[Network, ...]
    router: Router | None

    @property
    def machines(self) -> tuple[Machine, ...]:
        """The control plane, then the nodes."""
        return (self.control_plane, *self.nodes)

    @property
    def dns_addresses(self) -> tuple[Address, ...]:
        """The cluster IPs of kube-dns."""
        return tuple(interface(cidr, _DNS_OFFSET).ip for cidr in self.service_cidrs)

    @property
    def api_service_addresses(self) -> tuple[Address, ...]:
        """The cluster IPs of the Service `kubernetes`."""
        return tuple(interface(cidr, 1).ip for cidr in self.service_cidrs)

    @property
    def internal_server(self) -> str:
        """The API server for the cluster's own nodes: survives the loss of every wan link."""
        plane = self.control_plane
        underlay = plane.families.underlay.versions[0]
        return _url(next(address for address in plane.cluster_addresses if address.version == underlay))

    @property
    def public_server(self) -> str:
        """The API server for the host, for the cluster's own pods and for those of the other clusters."""
        return self.public_servers[0]

    @property
    def public_servers(self) -> tuple[str, ...]:
        """The same by each family of the wan."""
        return tuple(_url(address) for address in self.control_plane.wan_addresses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A whole lab."""

    spec: LabSpec
    block: Block
    wan_namespace: str
    host_link: Link
    """From the host's root namespace (near) into the wan (far)."""
    clusters: tuple[Cluster, ...]

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Control planes and nodes of all clusters."""
        return tuple(machine for cluster in self.clusters for machine in cluster.machines)

    @property
    def nodes(self) -> tuple[Machine, ...]:
        """The nodes of all clusters."""
        return tuple(node for cluster in self.clusters for node in cluster.nodes)

    @property
    def namespaces(self) -> dict[str, str]:
        """Every network namespace of the lab by what `mcnet lab exec` calls it."""
        found = {"wan": self.wan_namespace}
        for cluster in self.clusters:
            found[f"{cluster.name}/net"] = cluster.net_namespace
            if cluster.router:
                found[f"{cluster.name}/nat"] = cluster.router.namespace
            for machine in cluster.machines:
                found[f"{cluster.name}/{machine.short_name}"] = machine.namespace
        return found

    @property
    def links(self) -> Iterator[Link]:
        """Every veth pair of the lab."""
        yield self.host_link
        for cluster in self.clusters:
            if cluster.router:
                yield cluster.router.uplink
            for machine in cluster.machines:
                yield machine.wan
                yield machine.net

    @property
    def host_routes(self) -> tuple[Network, ...]:
        """What the host's root namespace routes into the lab."""
        return tuple(self.block.wan(family) for family in self.spec.wan_versions)


def plan(spec: LabSpec, block: Block) -> Topology:
    """The lab that `spec` describes, with the addresses of `block`."""
    wan = f"mcnet-{spec.name}-wan"
    host = _wan_link(
        block, spec.wan_versions, -1, 0, near=(None, f"mcl-{spec.name}"), far=(wan, "host"), default_route=False
    )
    clusters = tuple(_cluster(spec, block, wan, index, name) for index, name in enumerate(spec.clusters))
    return Topology(spec=spec, block=block, wan_namespace=wan, host_link=host, clusters=clusters)


def _cluster(spec: LabSpec, block: Block, wan: str, index: int, name: str) -> Cluster:
    versions = spec.families_of(name).pods.versions
    cidr_index = 0 if spec.overlapping_cidrs else index
    router = _router(spec, block, wan, index, name)
    upstream = router.namespace if router else wan
    return Cluster(
        name=name,
        index=index,
        # The API server of a cluster behind NAT stays public, as with a cloud's private nodes.
        control_plane=_machine(spec, block, index, name, 0, upstream=wan, inside_nat=False),
        nodes=tuple(
            _machine(spec, block, index, name, k, upstream=upstream, inside_nat=router is not None)
            for k in spec.numbers(name)
        ),
        net_namespace=f"mcnet-{spec.name}-{name}-net",
        pod_cidrs=tuple(block.pods(version, cidr_index) for version in versions),
        service_cidrs=tuple(block.services(version, cidr_index) for version in versions),
        router=router,
    )


def _router(spec: LabSpec, block: Block, wan: str, index: int, cluster: str) -> Router | None:
    kind = spec.nat_of(cluster)
    if kind is None:
        return None
    namespace = f"mcnet-{spec.name}-{cluster}-nat"
    # Link 0 of the public range is the control plane's; its nodes' links are inside, so 1 is free.
    versions = spec.families_of(cluster).underlay.versions
    uplink = _wan_link(block, versions, index, 1, near=(namespace, WAN), far=(wan, f"{cluster}-nat"))
    return Router(kind=kind, namespace=namespace, uplink=uplink)


def _machine(
    spec: LabSpec, block: Block, index: int, cluster: str, number: int, *, upstream: str, inside_nat: bool
) -> Machine:
    short = f"n{number}" if number else "cp"
    namespace = f"mcnet-{spec.name}-{cluster}-{short}"
    families = spec.families_of(cluster)
    cidr_index = 0 if spec.overlapping_cidrs else index
    net = Link(
        near=Port(
            namespace=namespace,
            device=CLUSTER,
            addresses=tuple(
                interface(block.cluster_network(v, index), 10 + number) for v in _net_versions(families, number)
            ),
        ),
        far=Port(namespace=f"mcnet-{spec.name}-{cluster}-net", device=short),
    )
    wan = _wan_link(
        block,
        families.underlay.versions,
        index,
        number,
        near=(namespace, WAN),
        far=(upstream, f"{cluster}-{short}"),
        inside_nat=inside_nat,
    )
    pods = tuple(block.node_pods(v, cidr_index, number) for v in families.pods.versions) if number else ()
    return Machine(
        cluster=cluster,
        short_name=short,
        namespace=namespace,
        wan=wan,
        net=net,
        pod_cidrs=pods,
        families=families,
    )


def _net_versions(families: Families, number: int) -> tuple[Family, ...]:
    """Of the addresses on the cluster's network: the underlay's; the control plane also has the services', since
    its API server must advertise an address of their family."""
    underlay = families.underlay.versions
    if number:
        return underlay
    return (*underlay, *(version for version in families.pods.versions if version not in underlay))


def _wan_link(
    block: Block,
    versions: tuple[Family, ...],
    index: int,
    link: int,
    *,
    near: tuple[str | None, str],
    far: tuple[str, str],
    inside_nat: bool = False,
    default_route: bool = True,
) -> Link:
    networks = [
        block.host_link(v) if index < 0 else block.wan_link(v, index, link, inside_nat=inside_nat) for v in versions
    ]
    return Link(
        near=Port(namespace=near[0], device=near[1], addresses=tuple(interface(net, 1) for net in networks)),
        far=Port(namespace=far[0], device=far[1], addresses=tuple(interface(net, 0) for net in networks)),
        default_route=default_route,
    )


def _url(address: Address) -> str:
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"https://{host}:{API_PORT}"

"""Builds a lab's namespaces, links, addresses, routes and sysctls from its topology, and removes them.

The texts for `ip` and `sysctl` are made by pure functions; iproute2 does the work, in one run per
namespace. Packet filter rules are in filters.py.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from mcnet.lab import processes
from mcnet.lab.addresses import Interface, interface
from mcnet.lab.filters import masquerade_commands, router_rules
from mcnet.lab.topology import Cluster, Link, Machine, Port, Topology
from mcnet.model.errors import McnetError

CNI_BRIDGE = "cni0"
NAMES = Path("/run/netns")
_BRIDGE = "br0"
_GONE_SECONDS = 90
_EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}

_FORWARD = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}
_COMMON = {
    # Duplicate address detection would keep every new address unusable for a second.
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    # A link that is cut and restored has its addresses back, as in IPv4.
    "net.ipv6.conf.default.keep_addr_on_down": "1",
    "net.ipv6.conf.all.keep_addr_on_down": "1",
}
_NODE = {
    # Strict, as RHEL sets it: for every device, with `all` left at 0.
    "net.ipv4.conf.default.rp_filter": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    # Services between pods of one node need the bridge's frames to pass the NAT rules.
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
}
_SWITCH = {
    "net.bridge.bridge-nf-call-iptables": "0",
    "net.bridge.bridge-nf-call-ip6tables": "0",
    "net.bridge.bridge-nf-call-arptables": "0",
}


async def build(topology: Topology, mark: str) -> None:
    """Makes everything; the namespaces must not exist yet."""
    await processes.check(["sh", "-c", creation(topology.namespaces.values())], mark=mark)
    await asyncio.gather(
        *(_set_sysctls(namespace, settings, mark) for namespace, settings in sysctls(topology).items())
    )
    await processes.check(["ip", "-batch", "-"], mark=mark, stdin=_lines(map(link_command, topology.links)))
    await asyncio.gather(
        *(
            processes.check(_ip(namespace), mark=mark, stdin=_lines(commands))
            for namespace, commands in configuration(topology).items()
        )
    )
    await asyncio.gather(*_filters(topology, mark))


async def attach(topology: Topology, cluster: Cluster, machine: Machine, mark: str) -> None:
    """Makes what one machine more needs, in a network that is up."""
    await processes.check(["sh", "-c", creation([machine.namespace])], mark=mark)
    await _set_sysctls(machine.namespace, sysctls(topology)[machine.namespace], mark)
    links = [link_command(link) for link in (machine.wan, machine.net)]
    await processes.check(["ip", "-batch", "-"], mark=mark, stdin=_lines(links))
    for namespace, commands in attachment(cluster, machine).items():
        await processes.check(_ip(namespace), mark=mark, stdin=_lines(commands))
    for argv, stdin in masquerade_commands(cluster, topology.spec.masquerade):
        await _in(machine.namespace, argv, mark, stdin)


async def detach(cluster: Cluster, machine: Machine, mark: str) -> None:
    """Removes a machine's namespace and the ways to its pods; `cluster` is that without it."""
    for other in cluster.machines:
        commands = [f"route delete {cidr}" for cidr in machine.pod_cidrs]
        await processes.call(
            ["ip", "-n", other.namespace, "-force", "-batch", "-"], mark=mark, stdin=_lines(commands)
        )
    await processes.call(["ip", "netns", "delete", machine.namespace], mark=mark)


def attachment(cluster: Cluster, machine: Machine) -> dict[str | None, list[str]]:
    """The `ip` commands per namespace for one machine more; `cluster` has it already."""
    found: dict[str | None, list[str]] = {machine.namespace: ["link set lo up"]}
    for link in (machine.wan, machine.net):
        found[machine.namespace] += _port_commands(link.near)
        found.setdefault(link.far.namespace, []).extend(_port_commands(link.far))
    found[machine.namespace] += _default_routes(machine.wan)
    found[cluster.net_namespace].append(f"link set {machine.net.far.device} master {_BRIDGE}")
    found[machine.namespace] += [*_pod_routes(cluster, machine), *_pod_bridge(machine)]
    for other in cluster.machines:
        if other.namespace != machine.namespace:
            found[other.namespace] = [route for route in _pod_routes(cluster, other) if _leads_to(route, machine)]
    return found


def _leads_to(command: str, machine: Machine) -> bool:
    return command.split()[2] in {str(cidr) for cidr in machine.pod_cidrs}


def _default_routes(link: Link) -> list[str]:
    return [
        f"route add {_EVERYWHERE[address.version]} via {address.ip} dev {link.near.device}"
        for address in link.far.addresses
    ]


async def remove(topology: Topology, mark: str) -> None:
    """Removes what there is of it. Processes inside must be gone before, or they keep a namespace alive."""
    await processes.call(["ip", "link", "delete", topology.host_link.near.device], mark=mark)
    # Without -force iproute2 stops at the first that is missing.
    batch = "".join(f"netns delete {name}\n" for name in topology.namespaces.values())
    await processes.call(["ip", "-force", "-batch", "-"], mark=mark, stdin=batch)
    # The directory too, unless others use it.
    with contextlib.suppress(OSError):
        NAMES.rmdir()


async def remove_machine(topology: Topology, machine: Machine, mark: str) -> None:
    """Takes one machine's namespace away, and returns once the far ends of its links have gone with it."""
    await processes.check(["ip", "netns", "delete", machine.namespace], mark=mark)

    async def gone() -> bool:
        return not any([await _exists(link.far, mark) for link in (machine.wan, machine.net)])

    # The kernel takes a namespace down in its own time.
    if not await processes.wait_until(gone, seconds=_GONE_SECONDS, poll=0.1):
        raise McnetError(f"the links of {machine.name} stay although its namespace was deleted", "mcnet lab down")


async def build_machine(topology: Topology, machine: Machine, mark: str) -> None:
    """Makes one machine's network again, as `build` made it."""
    await processes.check(["sh", "-c", creation([machine.namespace])], mark=mark)
    await _set_sysctls(machine.namespace, sysctls(topology)[machine.namespace], mark)
    links = (machine.wan, machine.net)
    await processes.check(["ip", "-batch", "-"], mark=mark, stdin=_lines(map(link_command, links)))
    for namespace, commands in machine_configuration(topology, machine).items():
        await processes.check(_ip(namespace), mark=mark, stdin=_lines(commands))
    cluster = next(each for each in topology.clusters if each.name == machine.cluster)
    if machine.is_node:
        for argv, stdin in masquerade_commands(cluster, topology.spec.masquerade):
            await _in(machine.namespace, argv, mark, stdin)


async def _exists(port: Port, mark: str) -> bool:
    shown = await processes.call([*_ip(port.namespace)[:-2], "link", "show", "dev", port.device], mark=mark)
    return shown.status == 0


def creation(namespaces: Iterable[str]) -> str:
    """A shell script that makes named namespaces, as `ip netns add` does.

    That one would also mount /run/netns on itself, which nobody takes back.
    """
    making = "".join(f": > {NAMES}/{name}\nunshare --net={NAMES}/{name} true\n" for name in namespaces)
    return f"set -e\nmkdir -p {NAMES}\n{making}"


def sysctls(topology: Topology) -> dict[str, dict[str, str]]:
    """Settings per namespace, made before any device exists so that all inherit them."""
    found = {topology.wan_namespace: {**_COMMON, **_FORWARD}}
    for cluster in topology.clusters:
        found[cluster.net_namespace] = {**_COMMON, **_SWITCH}
        if cluster.router:
            found[cluster.router.namespace] = {**_COMMON, **_FORWARD}
        found[cluster.control_plane.namespace] = dict(_COMMON)
        for node in cluster.nodes:
            seed = {"net.ipv4.fib_multipath_hash_seed": str(node.hash_seed)}
            found[node.namespace] = {**_COMMON, **_FORWARD, **_NODE, **seed}
    return found


def link_command(link: Link) -> str:
    """Makes a veth pair, each end at once in its own namespace."""
    near, far = link.near, link.far
    place = f" netns {near.namespace}" if near.namespace else ""
    return f"link add {near.device}{place} type veth peer name {far.device} netns {far.namespace}"


def configuration(topology: Topology) -> dict[str | None, list[str]]:
    """The `ip` commands per namespace (None: the host's root namespace), to be run in their order."""
    found: dict[str | None, list[str]] = {name: ["link set lo up"] for name in topology.namespaces.values()}
    found[None] = []
    for cluster in topology.clusters:
        found[cluster.net_namespace] += [f"link add {_BRIDGE} type bridge", f"link set {_BRIDGE} up"]
    for link in topology.links:
        found[link.near.namespace] += _port_commands(link.near)
        found[link.far.namespace] += _port_commands(link.far)
        if link.default_route:
            found[link.near.namespace] += _default_routes(link)
    for cluster in topology.clusters:
        for machine in cluster.machines:
            found[cluster.net_namespace].append(f"link set {machine.net.far.device} master {_BRIDGE}")
            found[machine.namespace] += [
                *_link_local(machine),
                *_pod_routes(cluster, machine),
                *_pod_bridge(machine),
                *_service_routes(cluster, machine),
            ]
    via_wan = topology.host_link
    found[None] += [
        f"route add {net} via {gateway.ip} dev {via_wan.near.device}"
        for net, gateway in zip(topology.host_routes, via_wan.far.addresses, strict=True)
    ]
    return found


def machine_configuration(topology: Topology, machine: Machine) -> dict[str | None, list[str]]:
    """Those of `configuration`'s commands that one machine's namespace and the far ends of its links need."""
    whole = configuration(topology)
    found: dict[str | None, list[str]] = {}
    for link in (machine.wan, machine.net):
        words = {link.far.device}
        found.setdefault(link.far.namespace, []).extend(
            command for command in whole[link.far.namespace] if words & set(command.split())
        )
    return found | {machine.namespace: whole[machine.namespace]}


def _port_commands(port: Port) -> Iterator[str]:
    for address in port.addresses:
        yield _address_command(address, port.device)
    yield f"link set {port.device} up"


def _address_command(address: Interface, device: str) -> str:
    nodad = " nodad" if address.version == 6 else ""
    return f"addr add {address} dev {device}{nodad}"


def _pod_routes(cluster: Cluster, machine: Machine) -> Iterator[str]:
    """To the pods of the other nodes, by the cluster's network."""
    for node in cluster.nodes:
        if node is machine:
            continue
        for cidr in node.pod_cidrs:
            yield f"route add {cidr} {_via(node, cidr.version)} dev {machine.net.near.device}"


def _via(machine: Machine, version: int) -> str:
    """The next hop to a machine. Where its node addresses are of the other family: IPv4 goes by its IPv6 address
    (RFC 8950, Linux 5.2), IPv6 by its link-local one, since Linux has nothing the other way round."""
    own = {address.version: address for address in machine.cluster_addresses}
    if version in machine.families.underlay.versions:
        return f"via {own[version]}"
    return f"via inet6 {own[6]}" if version == 4 else f"via {machine.link_local.ip}"


def _link_local(machine: Machine) -> Iterator[str]:
    """An address that is known beforehand, where IPv6 pods have no IPv6 network below them."""
    if 6 not in machine.families.underlay.versions and 6 in machine.families.pods.versions:
        yield _address_command(machine.link_local, machine.net.near.device)


def _service_routes(cluster: Cluster, node: Machine) -> Iterator[str]:
    """For what starts on a node without a default route of the services' family: a first route, without which
    the node would not even ask kube-proxy's rules, and the way to the API server behind the Service
    `kubernetes`. The node's own address is that on its pod bridge."""
    if not node.is_node:
        return
    for cidr in cluster.service_cidrs:
        if cidr.version not in node.families.underlay.versions:
            yield f"route add {cidr} dev {CNI_BRIDGE}"
    plane = cluster.control_plane
    for address in plane.cluster_addresses:
        if address.version not in node.families.underlay.versions:
            yield f"route add {address} {_via(plane, address.version)} dev {node.net.near.device}"


def _pod_bridge(machine: Machine) -> Iterator[str]:
    """The bridge of the node's pods: made before the first pod, so that the node has its pod address."""
    if not machine.is_node:
        return
    # Without an address of its own a bridge takes the lowest of its ports': each pod that comes or goes may change
    # it, and what others still send to the old one is lost until they ask again.
    yield f"link add {CNI_BRIDGE} address {_bridge_mac(machine)} type bridge"
    for cidr in machine.pod_cidrs:
        yield _address_command(interface(cidr, 1), CNI_BRIDGE)
    yield f"link set {CNI_BRIDGE} up"


def _bridge_mac(machine: Machine) -> str:
    """A locally administered unicast address, one per node."""
    digest = hashlib.sha256(f"{CNI_BRIDGE}/{machine.namespace}".encode()).digest()
    return ":".join(f"{octet:02x}" for octet in (0x02, *digest[:5]))


def _filters(topology: Topology, mark: str) -> Iterator[asyncio.Future[str]]:
    for cluster in topology.clusters:
        if cluster.router:
            yield _in(cluster.router.namespace, ["nft", "-f", "-"], mark, router_rules(cluster.router))
        for node in cluster.nodes:
            for argv, stdin in masquerade_commands(cluster, topology.spec.masquerade):
                yield _in(node.namespace, argv, mark, stdin)


def _in(namespace: str, argv: list[str], mark: str, stdin: str) -> asyncio.Future[str]:
    command = ["nsenter", f"--net={NAMES}/{namespace}", *argv]
    return asyncio.ensure_future(processes.check(command, mark=mark, stdin=stdin))


async def _set_sysctls(namespace: str, settings: dict[str, str], mark: str) -> None:
    # -e: an older kernel lacks some of them, and the lab works without.
    argv = ["nsenter", f"--net={NAMES}/{namespace}", "sysctl", "-eqw"]
    await processes.check([*argv, *(f"{key}={value}" for key, value in settings.items())], mark=mark)


def _ip(namespace: str | None) -> list[str]:
    return ["ip", *(["-n", namespace] if namespace else []), "-batch", "-"]


def _lines(commands: Iterator[str] | list[str]) -> str:
    return "".join(f"{command}\n" for command in commands)

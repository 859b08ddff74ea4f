"""The names of `clusterset.local`: an immutable snapshot, made service by service from imports and their slices.

Each service brings the whole of its part of the tree, names without records of their own among it ("empty
non-terminals", RFC 8020: below a name that does not exist there is nothing). So whether a name is there, and with
which records, is one look-up (mcnet.plan.dns_answer). The rules are the KEP-1645 DNS specification's, schema 1.0.0.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final, TypeAlias

from mcnet.codec.dns import LONGEST_NAME, encode_name
from mcnet.model.dns import HOSTS, ZONE, Data, Import, Name, Port, Record, Slice, Srv, Type, type_of
from mcnet.model.kernel import Address

TTL: Final = 5
"""Seconds of all records but dns-version's: an answer of a lost cluster is not kept for longer."""

_WEIGHT: Final = 100
"""What the SRV records of one name share."""

Key: TypeAlias = tuple[str, str]
"""Namespace and name of a service."""
Records: TypeAlias = Mapping[int, tuple[Record, ...]]
"""Of one name, by type; empty where only names below it have some."""


@dataclass(frozen=True, slots=True)
class Options:
    """What of a service is served. `hosts`: see HOSTS; 0 means all of them."""

    hosts: int = HOSTS
    cluster_names: bool = False
    """CLUSTER.SVC.NS.svc.clusterset.local too, as Lighthouse has it and KEP-1645 forbids."""


@dataclass(frozen=True, slots=True)
class Service:
    """The part of the tree from SVC.NS.svc.clusterset.local down, by the labels to the left of that: () is itself."""

    names: Mapping[Name, Records]
    reverse: tuple[tuple[Address, Name], ...]
    endpoints: int
    """Ready ones, each address counted."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Zone:
    """Everything that there is to be asked for."""

    services: Mapping[Key, Service] = field(default_factory=dict)
    namespaces: frozenset[str] = frozenset()
    reverse: Mapping[Address, Name] = field(default_factory=dict)

    def changed(self, services: Mapping[Key, Service | None], namespaces: Iterable[str]) -> "Zone":
        """The zone with other `services` (None: it is gone)."""
        there = dict(self.services)
        for key, service in services.items():
            there.pop(key, None)
            if service is not None:
                there[key] = service
        same = all(_reverse(self.services.get(key)) == _reverse(service) for key, service in services.items())
        named = frozenset(namespaces).union(namespace for namespace, _ in there)
        return Zone(there, named, self.reverse if same else _reversed(there))


def _reverse(service: Service | None) -> tuple[tuple[Address, Name], ...]:
    return service.reverse if service else ()


def _reversed(services: Mapping[Key, Service]) -> Mapping[Address, Name]:
    """One name per address; where several claim it, always the same one."""
    found: dict[Address, Name] = {}
    for key in sorted(services):
        for address, name in services[key].reverse:
            found.setdefault(address, name)
    return found


def service_name(namespace: str, name: str) -> Name:
    """SVC.NS.svc.clusterset.local."""
    return (name, namespace, "svc", *ZONE)


def service(imported: Import, slices: Iterable[Slice], options: Options) -> Service:
    """What is served of a ServiceImport with the EndpointSlices that bear its name."""
    tree = _Tree(service_name(imported.namespace, imported.name))
    hosts = _hosts(slices)
    if imported.headless:
        chosen = _chosen(hosts, options.hosts)
        _headless(tree, chosen)
        reverse = [
            (address, host.name + tree.top) for host in hosts if tree.fits(host.name) for address in host.addresses
        ]
    else:
        chosen = hosts
        tree.add((), imported.addresses)
        for port in imported.ports if imported.addresses else ():
            if port.name:
                tree.add(_port_name(port), (_srv(port, tree.top, _WEIGHT),))
        tree.names.setdefault((), {})
        reverse = [(address, tree.top) for address in imported.addresses]
    if options.cluster_names:
        _cluster_names(tree, chosen, headless=imported.headless)
    _portless(tree)
    endpoints = sum(len(host.addresses) for host in hosts)
    return Service(tree.names, tuple(reverse), endpoints, tuple(tree.problems))


class _Tree:
    """Names below `top` that grow; a name's parents come to be with it."""

    def __init__(self, top: Name) -> None:
        self.top = top
        self.names: dict[Name, dict[int, tuple[Record, ...]]] = {}
        self.problems: list[str] = []
        self._length = len(encode_name(top))

    def fits(self, name: Name) -> bool:
        """Whether a name below `top` is short enough for DNS."""
        return self._length + sum(len(label) + 1 for label in name) <= LONGEST_NAME

    def add(self, name: Name, data: Iterable[Data]) -> None:
        """Records of `name`; the same twice is one."""
        if not self.fits(name):
            self.problems.append(f"{'.'.join(name + self.top)} is longer than names in DNS can be")
            return
        found: dict[int, dict[Record, None]] = {}
        for one in data:
            found.setdefault(type_of(one), {})[Record(name + self.top, TTL, one)] = None
        if not found:
            return
        for start in range(len(name) + 1):
            self.names.setdefault(name[start:], {})
        at = self.names[name]
        for kind, records in found.items():
            at[kind] = tuple(dict.fromkeys((*at.get(kind, ()), *records)))


@dataclass(slots=True)
class _Host:
    """An endpoint of all its slices: both families, and whichever slice it is moving from or to."""

    hostname: str
    cluster: Name
    addresses: dict[Address, None] = field(default_factory=dict)
    ports: dict[Port, None] = field(default_factory=dict)

    @property
    def name(self) -> Name:
        return (self.hostname, *self.cluster)


def _hosts(slices: Iterable[Slice]) -> list[_Host]:
    found: dict[Name, _Host] = {}
    for one in slices:
        for host in one.hosts:
            for hostname, addresses in _named(host.hostname, host.addresses):
                name = (hostname, *one.cluster)
                there = found.setdefault(name, _Host(hostname, one.cluster))
                there.addresses.update(dict.fromkeys(addresses))
                there.ports.update(dict.fromkeys(one.ports))
    return [found[name] for name in sorted(found)]


def _named(hostname: str, addresses: tuple[Address, ...]) -> Iterable[tuple[str, tuple[Address, ...]]]:
    """What has no hostname is called by its address, "10-0-0-1": a label is never empty."""
    if hostname:
        return ((hostname, addresses),)
    return tuple((one.exploded.replace(".", "-").replace(":", "-"), (one,)) for one in addresses)


def _chosen(hosts: list[_Host], most: int) -> list[_Host]:
    """At most so many, of each cluster alike, and always the same ones: A and AAAA, and all replicas, must agree."""
    if not most or len(hosts) <= most:
        return hosts
    by_cluster: dict[Name, list[_Host]] = {}
    for host in sorted(hosts, key=lambda host: hashlib.sha256(".".join(host.name).encode()).digest()):
        by_cluster.setdefault(host.cluster, []).append(host)
    rounds = zip_longest(*(by_cluster[cluster] for cluster in sorted(by_cluster)))
    taken = [host for one in rounds for host in one if host is not None]
    return sorted(taken[:most], key=lambda host: host.name)


def _headless(tree: _Tree, hosts: list[_Host]) -> None:
    """With no host there is no name at all: KEP-1645 asks for NXDOMAIN."""
    tree.add((), (address for host in hosts for address in host.addresses))
    weight = _weight(hosts)
    for host in hosts:
        tree.add(host.name, host.addresses)
    for name, ports in _by_port([host for host in hosts if tree.fits(host.name)]).items():
        tree.add(name, (_srv(port, host.name + tree.top, weight) for host, port in ports))


def _by_port(hosts: list[_Host]) -> dict[Name, list[tuple[_Host, Port]]]:
    found: dict[Name, list[tuple[_Host, Port]]] = {}
    for host in hosts:
        for port in host.ports:
            if port.name:
                found.setdefault(_port_name(port), []).append((host, port))
    return found


def _port_name(port: Port) -> Name:
    return (f"_{port.name}", f"_{port.protocol}")


def _srv(port: Port, target: Name, weight: int) -> Srv:
    return Srv(0, weight, port.number, target)


def _weight(hosts: list[_Host]) -> int:
    return max(1, _WEIGHT // max(1, len(hosts)))


def _cluster_names(tree: _Tree, hosts: list[_Host], *, headless: bool) -> None:
    """Lighthouse's names of one cluster's part. With a clusterset IP they lead to that cluster's endpoints."""
    for cluster in dict.fromkeys(host.cluster for host in hosts):
        part = [host for host in hosts if host.cluster == cluster and tree.fits(host.name)]
        tree.add(cluster, (address for host in part for address in host.addresses))
        for name, ports in _by_port(part).items():
            targets = ((port, host.name if headless else cluster) for host, port in ports)
            tree.add(name + cluster, (_srv(port, to + tree.top, _weight(part)) for port, to in targets))


def _portless(tree: _Tree) -> None:
    """SRV records of all ports at the name that the ports stand before: the conformance suite of the MCS API asks for
    them, CoreDNS and Lighthouse have them."""
    for name, records in list(tree.names.items()):
        if Type.SRV in records and name[0].startswith("_"):
            tree.add(name[2:], (record.data for record in records[Type.SRV]))

"""The `wireguard` cable driver: one device per remote rail, remote gateways as peers of it.

Each peer may bring, and is sent, its cluster's prefixes and its own address inside the cable, nothing else: that is
WireGuard's own rule (allowed IPs), and the firewall need not repeat it. Keys come from the identities of both
clusters (mcnet.codec.cable_keys): nothing secret is handed out or kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import groupby

from mcnet.codec.cable_keys import gateway_key, preshared_key, public_key
from mcnet.codec.fields import base64_text, octets_of
from mcnet.codec.identity import PrivateIdentity
from mcnet.model import ownership
from mcnet.model.cluster import ClusterId, Identity
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.kernel import Address, KernelState, Link, Network, Route
from mcnet.model.wireguard import KEY_BYTES, WireguardDevice, WireguardPeer
from mcnet.plan import mtu
from mcnet.plan.addresses import cable_end, single_interfaces
from mcnet.plan.cable import CablePath
from mcnet.plan.choice import Health
from mcnet.plan.driver import WIREGUARD
from mcnet.plan.remote import Remotes
from mcnet.plan.throw import subtract

PUBLIC_KEY = "publicKey"
"""In the offer's data: base64."""


def offer(identity: PrivateIdentity, gateway: str, epoch: int) -> DriverOffer:
    """What a gateway publishes."""
    key = base64_text(public_key(gateway_key(identity, gateway, epoch)))
    return DriverOffer(WIREGUARD, epoch, ((PUBLIC_KEY, key),))


def offered(endpoint: Endpoint) -> DriverOffer | None:
    """What an Endpoint offers of this driver."""
    return next((one for one in endpoint.drivers if one.name == WIREGUARD), None)


@dataclass(frozen=True, slots=True)
class Keys:
    """What the keys of this gateway's cables are made from: its cluster's private identity and the others' public
    ones."""

    identity: PrivateIdentity
    others: Mapping[ClusterId, Identity]

    def private(self, own: Endpoint) -> bytes:
        """The private key of this gateway's devices."""
        return gateway_key(self.identity, own.gateway, _epoch(own))

    def preshared(self, own: Endpoint, remote: Endpoint) -> bytes:
        """The key that only the two clusters can compute. Raises ValueError if the other's identity is none."""
        return preshared_key(
            self.identity,
            self.others[remote.cluster],
            own_end=(own.name, _epoch(own)),
            other_end=(remote.name, _epoch(remote)),
        )


def _epoch(endpoint: Endpoint) -> int:
    found = offered(endpoint)
    return found.key_epoch if found else 0


def with_keys(own: Endpoint, cables: Iterable[CablePath], keys: Keys | None) -> tuple[CablePath, ...]:
    """The cables, those of this driver that lack a key with the problem in words."""
    return tuple(_checked(own, cable, keys) for cable in cables)


def _checked(own: Endpoint, cable: CablePath, keys: Keys | None) -> CablePath:
    if cable.driver != WIREGUARD or cable.problem:
        return cable
    remote = cable.endpoint
    problem = ""
    if keys is None:
        problem = f"gateway {own.gateway} has no keys of its cluster: the Secret mcnet-identity can't be read"
    elif remote.cluster not in keys.others:
        problem = f"cluster {remote.cluster} has published no identity, so no key can be agreed with it"
    elif peer_key(remote) is None:
        problem = f"endpoint {remote.name} offers wireguard without a usable public key"
    else:
        try:
            keys.preshared(own, remote)
        except ValueError:
            problem = f"no key can be agreed with cluster {remote.cluster}: its identity is not usable"
    return replace(cable, remote=None, problem=problem) if problem else cable


def peer_key(remote: Endpoint) -> bytes | None:
    """The public key that an Endpoint offers, None where there is none that can be used."""
    found = offered(remote)
    return octets_of(dict(found.data).get(PUBLIC_KEY, ""), KEY_BYTES) if found else None


def usable(cables: Iterable[CablePath]) -> tuple[CablePath, ...]:
    """Those of this driver that can be made, by device."""
    return tuple(
        sorted(
            (cable for cable in cables if cable.driver == WIREGUARD and not cable.problem),
            key=lambda cable: (cable.device, cable.endpoint.name),
        )
    )


def links(own: Endpoint, cables: Iterable[CablePath], families: Iterable[int]) -> frozenset[Link]:
    """The devices. All of them bear the gateway's own address inside: which one an answer leaves by follows from the
    routes to the peers."""
    inside = tuple(families)
    found = set()
    for device, group in _by_device(cables):
        sizes = [mtu.cable_mtu(WIREGUARD, min(own.mtu, one.endpoint.mtu), one.outer) for one in group]
        end = cable_end(own.cluster, own.rail, group[0].network)
        interfaces = single_interfaces(end, inside)
        found.add(Link(device, min(sizes), mac="", vxlan=None, addresses=interfaces, wireguard=True))
    return frozenset(found)


def _by_device(cables: Iterable[CablePath]) -> Iterator[tuple[str, tuple[CablePath, ...]]]:
    for device, group in groupby(usable(cables), key=lambda cable: cable.device):
        yield device, tuple(group)


def settings(
    own: Endpoint,
    cables: Iterable[CablePath],
    former: Iterable[CablePath] = (),
    *,
    keys: Keys | None,
    remotes: Remotes,
    throws: tuple[Network, ...],
    health: Mapping[str, Health],
    actual: KernelState,
) -> frozenset[WireguardDevice]:
    """Keys and peers of each device. An outer address to which a living peer has moved by itself is left to it. What
    belongs to `former` cables stays as it is."""
    there = {device.name: device.by_key() for device in actual.wireguard}
    made = _kept(former, actual)
    if keys is None:
        return frozenset(made.values())
    for device, group in _by_device(cables):
        peers: set[WireguardPeer] = set()
        for cable in group:
            peer = _peer(own, cable, keys, remotes, throws)
            found = there.get(device, {}).get(peer.public_key)
            alive = health.get(cable.probe(cable.families[0])) in (Health.UP, Health.HELD)
            if alive and found is not None and found.endpoint is not None:
                peer = replace(peer, endpoint=found.endpoint)
            peers.add(peer)
        kept = made[device].peers if device in made else frozenset()
        peers |= {peer for peer in kept if peer.public_key not in {one.public_key for one in peers}}
        made[device] = WireguardDevice(device, keys.private(own), group[0].own_port, frozenset(peers))
    return frozenset(made.values())


def moved(paths: Iterable[CablePath], devices: Iterable[WireguardDevice]) -> dict[str, tuple[Address, int]]:
    """By gateway, the outer address and port that its packets come from, where it is not what it published."""
    at = {
        (device.name, prefix): peer.endpoint
        for device in devices
        for peer in device.peers
        for prefix in peer.allowed
        if prefix.prefixlen == prefix.max_prefixlen
    }
    found: dict[str, tuple[Address, int]] = {}
    for path in usable(paths):
        seen = at.get((path.device, _host(path.address(path.families[0]))))
        if seen is not None and seen != (path.remote, path.port):
            found[path.endpoint.name] = seen
    return found


def _kept(former: Iterable[CablePath], actual: KernelState) -> dict[str, WireguardDevice]:
    """The devices of former cables with their peers, and no others."""
    hosts: dict[str, set[Network]] = {}
    for cable in usable(former):
        hosts.setdefault(cable.device, set()).update(_host(cable.address(family)) for family in cable.families)
    return {
        device.name: replace(
            device, peers=frozenset(peer for peer in device.peers if peer.allowed & hosts[device.name])
        )
        for device in actual.wireguard
        if device.name in hosts
    }


def _peer(
    own: Endpoint, cable: CablePath, keys: Keys, remotes: Remotes, throws: tuple[Network, ...]
) -> WireguardPeer:
    remote = cable.endpoint
    key = peer_key(remote)
    assert key is not None
    assert cable.remote is not None
    mine = next(one for one in remotes.clusters if one.cluster == remote.cluster)
    allowed: set[Network] = set()
    for family in cable.families:
        allowed |= {_host(cable.address(family)), *subtract(mine.prefixes_of(family), throws)}
    return WireguardPeer(
        public_key=key,
        preshared_key=keys.preshared(own, remote),
        endpoint=(cable.remote, cable.port),
        allowed=frozenset(allowed),
    )


def routes(cables: Iterable[CablePath]) -> frozenset[Route]:
    """To each peer's address inside: these devices have no prefix that leads there."""
    return frozenset(
        Route(ownership.CABLES_TABLE, _host(cable.address(family)), device=cable.device)
        for cable in usable(cables)
        for family in cable.families
    )


def _host(address: Address) -> Network:
    return ip_network(address)

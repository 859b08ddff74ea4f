"""The Endpoint that a gateway publishes of itself, and when it has to be published anew."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from mcnet.codec.identity import PrivateIdentity
from mcnet.codec.nat_discovery import Place
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.kernel import Address, HostFacts, Network
from mcnet.model.member import Member
from mcnet.model.node import Node
from mcnet.model.ownership import VXLAN_NETWORKS
from mcnet.plan import key_epoch, libreswan_cable, mtu, nat, wireguard_cable
from mcnet.plan.addresses import cable_end
from mcnet.plan.driver import VXLAN
from mcnet.plan.remote import families


def wanted(
    *,
    member: Member,
    node: Node,
    rail: int,
    advertised: Collection[Network],
    host: HostFacts,
    published: Endpoint | None,
    identity: PrivateIdentity | None = None,
    now: int = 0,
    found: Sequence[Sequence[Address]] = (),
    seen: Mapping[str, Place] = MappingProxyType({}),
) -> Endpoint:
    """The Endpoint as it should stand, with the sequence and signature of `published`.

    `advertised` are the prefixes that the clusterset approved; while they are not known (no Cluster of our own is
    there) those published stay, at first the pods'. A host that shows no default route now (its link
    is cut) keeps the addresses and MTU that it published: others must not see it come and go. `now` are seconds since
    1970: which key is due depends on it. `found` are the public addresses that each source gave, `seen` is how other
    gateways see this one (mcnet.plan.nat); what was published stays until a source has given something, or without
    sources a gateway has seen this one: a restart must not take it back for a moment.
    """
    addresses = _private(node, host)
    measured = _underlay_mtu(addresses, host)
    if not addresses and published is not None:
        addresses, measured = published.private_addresses, published.mtu
    routed = advertised or (published.prefixes if published is not None else member.pod_prefixes)
    used = [family for family in families(member) if family == 4 or host.ipv6]
    end = cable_end(member.cluster, rail, VXLAN_NETWORKS[addresses[0].version if addresses else 4])
    return Endpoint(
        cluster=member.cluster,
        gateway=node.name,
        rail=rail,
        private_addresses=addresses,
        public_addresses=_public(member, addresses, published, found, seen),
        port_base=node.port_base or member.port_base,
        public_port_base=node.public_port_base,
        nat=nat.kind(node.nat, seen, addresses, published.nat if published else ""),
        drivers=_offers(member, node.name, published, identity, now),
        cable_address4=end.address4 if 4 in used else None,
        cable_address6=end.address6 if 6 in used else None,
        mtu=mtu.underlay_mtu(measured, member.underlay_mtu),
        prefixes=tuple(sorted(routed, key=lambda prefix: (prefix.version, prefix))),
        sequence=published.sequence if published is not None else 0,
        signature=published.signature if published is not None else "",
        weight=0 if node.draining else node.weight,
    )


def _public(
    member: Member,
    private: tuple[Address, ...],
    published: Endpoint | None,
    found: Sequence[Sequence[Address]],
    seen: Mapping[str, Place],
) -> tuple[Address, ...]:
    if member.air_gapped:
        return ()
    if published is not None and not any(found) and (found or not seen):
        return tuple(address for address in published.public_addresses if address not in private)
    return nat.chosen(found, seen, private)


def _offers(
    member: Member, gateway: str, published: Endpoint | None, identity: PrivateIdentity | None, now: int
) -> tuple[DriverOffer, ...]:
    """The drivers, the safest first. Keys that can't be read now don't take back what was published with them."""
    before = wireguard_cable.offered(published) if published is not None else None
    if identity is not None:
        epoch = key_epoch.epoch(member, published=before.key_epoch if before else 0, now=now)
        before = wireguard_cable.offer(identity, gateway, epoch)
    keyed = (before, libreswan_cable.offer(before.key_epoch)) if before else ()
    return (*keyed, DriverOffer(VXLAN))


def next_sequence(published: Endpoint | None, now: int) -> int:
    """Above every earlier one, also when the object was deleted in between: at least the time in seconds."""
    return max(published.sequence + 1 if published is not None else 0, now)


def must_publish(wanted: Endpoint, published: Endpoint | None, last: int = 0) -> bool:
    """Whether anything but the signature differs, or an earlier Endpoint than the one with sequence `last` is back
    (etcd was restored): others may refuse to go back with it."""
    if published is None or not published.signature or published.sequence < last:
        return True
    return replace(wanted, sequence=published.sequence) != published


def _private(node: Node, host: HostFacts) -> tuple[Address, ...]:
    if node.private_address is not None:
        return (node.private_address,)
    return tuple(address for address in (host.private4, host.private6) if address is not None)


def _underlay_mtu(addresses: tuple[Address, ...], host: HostFacts) -> int:
    """The smallest of the devices that carry cables."""
    return min(
        (link.mtu for link in host.links if any(interface.ip in addresses for interface in link.addresses)),
        default=1500,
    )

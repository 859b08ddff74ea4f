"""NAT: by which public addresses a gateway is published, what kind of NAT it is behind, whom it can't reach so."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mcnet.codec.nat_discovery import Place
from mcnet.codec.public_address import is_public
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address

SYMMETRIC, ENDPOINT_INDEPENDENT = "symmetric", "eim"
"""Kinds of NAT: a mapping for each destination, or the same for all (RFC 4787, 4.1)."""


def chosen(
    found: Sequence[Sequence[Address]], seen: Mapping[str, Place], private: Iterable[Address]
) -> tuple[Address, ...]:
    """What to publish, at most one address per family, IPv4 first. `found` is what each source gave, in their order;
    without any source the address by which most peers see the gateway (`seen`, by peer) counts. The gateway's own
    addresses say nothing new: peers in the same network see those."""
    own = set(private)
    ranked = [address for addresses in found for address in addresses] if found else _most_seen(seen)
    first: dict[int, Address] = {}
    for address in ranked:
        if is_public(address) and address not in own:
            first.setdefault(address.version, address)
    return tuple(first[family] for family in sorted(first))


def kind(marked: str, seen: Mapping[str, Place], private: Iterable[Address], before: str = "") -> str:
    """As the node is marked, else by what peers see of one port of this gateway behind its NAT: two that see the same
    place, or not. "" where nothing translates. `before` is what was said until now: it stays while nobody has looked
    yet, or one peer alone, who can't tell."""
    if marked:
        return marked
    own = set(private)
    places = [place for place in seen.values() if place.address is not None]
    if not places:
        return before
    translated = [place for place in places if place.address not in own]
    if not translated:
        return ""
    by_family: dict[int, list[Place]] = {}
    for place in translated:
        assert place.address is not None
        by_family.setdefault(place.address.version, []).append(place)
    if max(map(len, by_family.values())) < 2:
        return before
    return SYMMETRIC if any(len(set(one)) > 1 for one in by_family.values()) else ENDPOINT_INDEPENDENT


def obstacle(own: Endpoint, remote: Endpoint) -> str:
    """What NATs on both sides mean, "" where one side at most is behind one (RFC 5128, 3.3 to 3.5)."""
    if not own.nat or not remote.nat or own.public_port_base or remote.public_port_base:
        return ""
    symmetric = [one.cluster for one in (own, remote) if one.nat == SYMMETRIC]
    cure = (
        "give one of them a public address, or forward the ports of one and say so: mcnet gateway set NODE "
        "--public-address ADDRESS --public-port-base PORT"
    )
    if len(symmetric) == 2:
        return f"{own.cluster} and {remote.cluster} are both behind symmetric NAT, so neither can be sent to: {cure}"
    if symmetric:
        return (
            f"{own.cluster} and {remote.cluster} are both behind NAT, {symmetric[0]} behind a symmetric one, whose "
            f"ports nobody knows beforehand: {cure}"
        )
    unknown = [one.cluster for one in (own, remote) if not one.public_addresses]
    if unknown:
        names = " and ".join(unknown)
        return (
            f"{own.cluster} and {remote.cluster} are both behind NAT, and the public address of {names} is unknown: "
            "mcnet gateway set NODE --public-address ADDRESS"
        )
    return ""


def _most_seen(seen: Mapping[str, Place]) -> list[Address]:
    count = Counter(place.address for place in seen.values() if place.address is not None)
    return sorted(count, key=lambda address: (-count[address], str(address)))

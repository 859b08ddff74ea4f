"""The `libreswan` cable driver: one XFRM device per remote gateway, and per family inside one connection of pluto.

Selectors are everything to everything, and the interface id keeps cables apart: what goes into a device is its
routes' to say, what may come out of it the firewall's. So each cable's device takes only what its own secret opened,
but any source: unlike with WireGuard the firewall has to check that.

Secrets come from the identities of both clusters (mcnet.codec.cable_keys), and identities in IKE bear the epochs of
the keys: so a new key is a new connection beside the former one, on a device of its own.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network

from mcnet.codec.cable_keys import ike_key
from mcnet.codec.identity import PrivateIdentity
from mcnet.model import ownership
from mcnet.model.cluster import ClusterId, Identity
from mcnet.model.endpoint import DriverOffer, Endpoint
from mcnet.model.kernel import Link, Network, Route
from mcnet.model.libreswan import IkeConnection, IkeEnd, PlutoRequest, PlutoStatus, PlutoVerb
from mcnet.plan import mtu
from mcnet.plan.addresses import cable_end, cable_number, single_interfaces
from mcnet.plan.cable import CablePath
from mcnet.plan.driver import LIBRESWAN


def offer(epoch: int) -> DriverOffer:
    """What a gateway publishes: nothing but its epoch, since secrets follow from the clusters' identities."""
    return DriverOffer(LIBRESWAN, epoch)


def _epoch(endpoint: Endpoint) -> int:
    return next((one.key_epoch for one in endpoint.drivers if one.name == LIBRESWAN), 0)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the secrets of this gateway's cables are made from: its cluster's private identity and the others' public
    ones."""

    identity: PrivateIdentity
    others: Mapping[ClusterId, Identity]

    def between(self, own: Endpoint, remote: Endpoint) -> bytes:
        """The secret that only the two clusters can compute. Raises ValueError if the other's identity is none."""
        return ike_key(
            self.identity,
            self.others[remote.cluster],
            own_end=(own.name, _epoch(own)),
            other_end=(remote.name, _epoch(remote)),
        )


def with_secrets(own: Endpoint, cables: Iterable[CablePath], secrets: Secrets | None) -> tuple[CablePath, ...]:
    """The cables, those of this driver that lack a secret with the problem in words."""
    return tuple(_checked(own, cable, secrets) for cable in cables)


def _checked(own: Endpoint, cable: CablePath, secrets: Secrets | None) -> CablePath:
    if cable.driver != LIBRESWAN or cable.problem:
        return cable
    cluster = cable.endpoint.cluster
    problem = ""
    if secrets is None:
        problem = f"gateway {own.gateway} has no keys of its cluster: the Secret mcnet-identity can't be read"
    elif cluster not in secrets.others:
        problem = f"cluster {cluster} has published no identity, so no key can be agreed with it"
    else:
        try:
            secrets.between(own, cable.endpoint)
        except ValueError:
            problem = f"no key can be agreed with cluster {cluster}: its identity is not usable"
    return replace(cable, remote=None, problem=problem) if problem else cable


def _usable(cables: Iterable[CablePath]) -> tuple[CablePath, ...]:
    return tuple(cable for cable in cables if cable.driver == LIBRESWAN and not cable.problem)


def _if_id(cable: CablePath) -> int:
    number = cable_number(cable.endpoint.cluster, cable.endpoint.rail)
    return ownership.libreswan_if_id(number, ownership.LIBRESWAN_NETWORKS.index(cable.network))


def links(own: Endpoint, cables: Iterable[CablePath], families: Iterable[int]) -> frozenset[Link]:
    """The devices, each with the gateway's own address inside."""
    inside = tuple(families)
    return frozenset(
        Link(
            name=cable.device,
            mtu=mtu.cable_mtu(LIBRESWAN, min(own.mtu, cable.endpoint.mtu), cable.outer),
            mac="",
            vxlan=None,
            addresses=single_interfaces(cable_end(own.cluster, own.rail, cable.network), inside),
            if_id=_if_id(cable),
        )
        for cable in _usable(cables)
    )


def routes(cables: Iterable[CablePath]) -> frozenset[Route]:
    """To each remote gateway's address inside: these devices have no prefix that leads there."""
    return frozenset(
        Route(ownership.CABLES_TABLE, _host(cable, family), device=cable.device)
        for cable in _usable(cables)
        for family in cable.families
    )


def sources(cable: CablePath, prefixes: Iterable[Network]) -> frozenset[Network]:
    """What may come out of a cable's device, for the firewall to check: `prefixes` and the other end's address."""
    return frozenset({*prefixes, *(_host(cable, family) for family in cable.families)})


def _host(cable: CablePath, family: int) -> Network:
    return ip_network(cable.address(family))


def connections(own: Endpoint, cables: Iterable[CablePath], secrets: Secrets) -> frozenset[IkeConnection]:
    """What pluto is to have. The lower Endpoint name begins, so that one side does."""
    return frozenset(connection for cable in _usable(cables) for connection in _connections(own, cable, secrets))


def _connections(own: Endpoint, cable: CablePath, secrets: Secrets) -> Iterator[IkeConnection]:
    assert cable.local is not None
    assert cable.remote is not None
    remote = cable.endpoint
    for family in cable.families:
        made = IkeConnection(
            name="",
            local=IkeEnd(_identity(own), cable.local, cable.own_port),
            remote=IkeEnd(_identity(remote), cable.remote, cable.port),
            family=family,
            if_id=_if_id(cable),
            begins=own.name < remote.name,
            secret=secrets.between(own, remote),
        )
        yield replace(made, name=_name(made))


def _identity(endpoint: Endpoint) -> str:
    """Ends with the epoch, which no Endpoint's name does: they have no underscore (RFC 1123)."""
    return f"{endpoint.name}.epoch_{_epoch(endpoint)}"


def _name(connection: IkeConnection) -> str:
    """The cable, the family, and 48 bits of a digest of the rest: a changed connection is another one. Of the secret,
    256 bits that nobody can guess, the digest gives nothing away."""
    rest = (connection.local, connection.remote, connection.begins)
    digest = hashlib.sha256(repr(rest).encode() + connection.secret).hexdigest()[:12]
    return f"{_prefix(connection.if_id)}{connection.family}-{digest}"


def _prefix(if_id: int) -> str:
    """Of the names of a cable's connections."""
    return f"{ownership.LIBRESWAN_CONNECTION_PREFIX}{if_id:08x}-"


def requests(
    wanted: Iterable[IkeConnection], status: PlutoStatus, former: Iterable[CablePath] = ()
) -> tuple[PlutoRequest, ...]:
    """What brings pluto from what it says to what is wanted, in order; () if nothing does. The files are there.

    What belongs to `former` cables stays as it is, but is not begun again: of the epochs of their keys nothing is
    known any more, and what they have agreed on needs no secret to go on.
    """
    by_name = {connection.name: connection for connection in wanted}
    kept = tuple(_prefix(_if_id(cable)) for cable in _usable(former))
    ours = {
        name
        for name in status.connections
        if name.startswith(ownership.LIBRESWAN_CONNECTION_PREFIX) and not name.startswith(kept)
    }
    alive = status.established | {name for name, _ in status.under_way}
    missing = sorted(by_name.keys() - ours)
    idle = sorted(name for name, connection in by_name.items() if connection.begins and name not in alive)
    known = {address for address, _ in status.listening}
    unheard = any(connection.local.address not in known for connection in by_name.values())
    return (
        *(PlutoRequest(PlutoVerb.DELETE, name) for name in sorted(ours - by_name.keys())),
        *([PlutoRequest(PlutoVerb.LISTEN)] if unheard else []),
        *([PlutoRequest(PlutoVerb.SECRETS)] if missing else []),
        *(PlutoRequest(PlutoVerb.ADD, name) for name in missing),
        *(PlutoRequest(PlutoVerb.BEGIN, name) for name in idle),
    )

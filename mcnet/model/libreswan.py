"""Cables by Libreswan as values: what pluto is to have, what it says it has, and what is asked of it.

Sources: ipsec.conf(5), ipsec.secrets(5), ipsec_pluto(8); RFC 7296 (IKEv2), RFC 4303 (ESP), RFC 3948 (ESP in UDP).
"""

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address


@dataclass(frozen=True, slots=True)
class IkeEnd:
    """One side of a cable: what it calls itself in IKE (ID_FQDN, without the "@"), its outer address and UDP port."""

    identity: str
    address: IPv4Address | IPv6Address
    port: int


@dataclass(frozen=True, slots=True)
class IkeConnection:
    """One family inside one cable. Both families of a cable have the same ends, secret and `if_id`, and share one IKE
    SA; each has a Child SA of its own, since 4.10 puts no two families into one."""

    name: str
    """Made from all the rest (mcnet.plan.libreswan_cable): one that is there under its name is the wanted one."""
    local: IkeEnd
    remote: IkeEnd
    family: int
    if_id: int
    begins: bool
    """Whether this side begins; the other one waits. Both beginning gives two of everything."""
    secret: bytes = field(repr=False)


class PlutoVerb(Enum):
    """What is asked of pluto, as the words of a request."""

    STATUS = "status"
    LISTEN = "listen"
    """Look for addresses of the node that are new."""
    SECRETS = "secrets"
    """Read the secrets again."""
    ADD = "add"
    """Take a connection from the configuration."""
    BEGIN = "begin"
    DELETE = "delete"
    """Forget a connection, and end what it has."""


@dataclass(frozen=True, slots=True)
class PlutoRequest:
    """One request; `name` is a connection's, "" where none is meant."""

    verb: PlutoVerb
    name: str = ""


@dataclass(frozen=True, slots=True)
class PlutoStatus:
    """What pluto says of itself.

    `connections` are the names of all that it has, `established` of those with a Child SA, which carry packets.
    `under_way` tells of those that are being agreed on how far they are, in pluto's words; one that has an IKE SA and
    no more is not. `listening` are addresses and UDP ports.
    """

    connections: frozenset[str] = frozenset()
    established: frozenset[str] = frozenset()
    under_way: tuple[tuple[str, str], ...] = ()
    listening: frozenset[tuple[IPv4Address | IPv6Address, int]] = frozenset()

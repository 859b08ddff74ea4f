"""What is asked of and answered by `clusterset.local`, and what the answers are made of: plain values.

Names are tuples of labels, the leftmost first, the root left out, in lower case (RFC 4343: DNS compares so). How they
travel is mcnet.codec.dns', which names there are is mcnet.plan.dns_zone's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias

from mcnet.model.kernel import Address

Name: TypeAlias = tuple[str, ...]
"""("web", "shop", "svc", "clusterset", "local")."""

ZONE: Final[Name] = ("clusterset", "local")
"""The only zone that KEP-1645 knows."""
DNS_PORT: Final = 5353
"""UDP and TCP port of mcnet_dns inside its pod; its Service has port 53."""
HOSTS: Final = 100
"""Endpoints of a headless service that are in its answers, unless something else is set."""
IN: Final = 1
"""The class of all records here."""


class Type(IntEnum):
    """Record types that are looked at (IANA's numbers); any other one may be asked for too."""

    A = 1
    NS = 2
    SOA = 6
    PTR = 12
    TXT = 16
    AAAA = 28
    SRV = 33
    OPT = 41
    IXFR = 251
    AXFR = 252
    ANY = 255


class Rcode(IntEnum):
    """How a query went (RFC 1035 4.1.1, RFC 6891 9)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


@dataclass(frozen=True, slots=True)
class Srv:
    """RFC 2782."""

    priority: int
    weight: int
    port: int
    target: Name


@dataclass(frozen=True, slots=True)
class Soa:
    """RFC 1035 3.3.13; times are seconds. `minimum` is how long a negative answer is kept (RFC 2308)."""

    server: Name
    mailbox: Name
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int


@dataclass(frozen=True, slots=True)
class Ns:
    """The name of a name server of the zone."""

    target: Name


@dataclass(frozen=True, slots=True)
class Ptr:
    """The name that an address has."""

    target: Name


@dataclass(frozen=True, slots=True)
class Txt:
    """One text of at most 255 ASCII characters."""

    text: str


Data: TypeAlias = Address | Srv | Soa | Ns | Ptr | Txt
_TYPES: Final[Mapping[type, Type]] = {
    IPv4Address: Type.A,
    IPv6Address: Type.AAAA,
    Srv: Type.SRV,
    Soa: Type.SOA,
    Ns: Type.NS,
    Ptr: Type.PTR,
    Txt: Type.TXT,
}


def type_of(data: Data) -> Type:
    """The record type that such data has."""
    return _TYPES[type(data)]


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record of class IN; `ttl` in seconds. Its type follows from its data."""

    name: Name
    ttl: int
    data: Data

    @property
    def type(self) -> Type:
        return type_of(self.data)


@dataclass(frozen=True, slots=True)
class Question:
    """`type` and `of_class` are any numbers of 16 bits."""

    name: Name
    type: int
    of_class: int = IN


@dataclass(frozen=True, slots=True)
class Answer:
    """The sections of an answer. Which of several records stands first is free: whoever sends it turns them."""

    rcode: Rcode
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    authoritative: bool = True


@dataclass(frozen=True, slots=True)
class Port:
    """A port as SRV records need it; `name` and `protocol` in lower case, `name` "" where it has none."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True, slots=True)
class Host:
    """A ready endpoint as one EndpointSlice has it; `hostname` in lower case, "" where it has none of use."""

    hostname: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """What DNS needs of an EndpointSlice of one source cluster. `problems` say what of it was left out."""

    namespace: str
    service: str
    cluster: Name
    """The cluster ID's labels: one, or two as KEP-2149 has it."""
    hosts: tuple[Host, ...]
    ports: tuple[Port, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Import:
    """What DNS needs of a ServiceImport. `problems` say what of it was left out."""

    namespace: str
    name: str
    headless: bool
    addresses: tuple[Address, ...]
    """Clusterset IPs; none while it waits for them, and for a headless one."""
    ports: tuple[Port, ...]
    problems: tuple[str, ...] = ()

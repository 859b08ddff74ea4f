"""What is answered to a question, from a snapshot of the zone: records, no such records, no such name, or a refusal.

No bytes here, no cache and no turning of records: those belong to whoever sends the answer.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from mcnet.model.dns import IN, ZONE, Answer, Name, Ns, Ptr, Question, Rcode, Record, Soa, Srv, Txt, Type
from mcnet.model.kernel import Address
from mcnet.plan.dns_zone import TTL, Key, Records, Zone

SCHEMA_VERSION: Final = "1.0.0"
"""Of the KEP-1645 DNS specification that is served."""
SCHEMA_TTL: Final = 28800
_SERVER: Final[Name] = ("ns", "dns", *ZONE)
_REVERSE4: Final[Name] = ("in-addr", "arpa")
_REVERSE6: Final[Name] = ("ip6", "arpa")
_TRANSFERS: Final = frozenset({Type.AXFR, Type.IXFR})
ELSEWHERE: Final[Key] = ("", "")
"""The `concern` of a question that no single service or namespace answers."""

SOA: Final = Record(ZONE, TTL, Soa(_SERVER, ("hostmaster", *ZONE), 1, 7200, 1800, 86400, TTL))
"""The serial stays: nobody can transfer the zone."""
_APEX: Final[Records] = {Type.SOA: (SOA,), Type.NS: (Record(ZONE, TTL, Ns(_SERVER)),)}
_VERSION: Final[Name] = ("dns-version", *ZONE)
_FIXED: Final[dict[Name, Records]] = {
    (): _APEX,
    ("svc",): {},
    ("dns",): {},
    ("ns", "dns"): {},
    ("dns-version",): {Type.TXT: (Record(_VERSION, SCHEMA_TTL, Txt(SCHEMA_VERSION)),)},
}
"""Names that are there without any service."""

_REFUSED: Final = Answer(Rcode.REFUSED, authoritative=False)
_NO_NAME: Final = Answer(Rcode.NXDOMAIN, authority=(SOA,))
_NO_RECORDS: Final = Answer(Rcode.NOERROR, authority=(SOA,))


def answer(zone: Zone | None, question: Question) -> Answer:
    """The answer; `zone` is None before everything has been listed once: then nothing is said not to be there."""
    name = question.name
    inside = name[-len(ZONE) :] == ZONE
    if question.of_class != IN or question.type in _TRANSFERS or not (inside or _is_reverse(name)):
        return _REFUSED
    if zone is None:
        return Answer(Rcode.SERVFAIL, authoritative=False)
    if not inside:
        return _pointer(zone, question)
    records = _records(zone, name[: -len(ZONE)])
    if records is None:
        return _NO_NAME
    asked = next(iter(records), question.type) if question.type == Type.ANY else question.type  # RFC 8482 4.1
    found = records.get(asked, ())
    return Answer(Rcode.NOERROR, found, additional=_additional(zone, found)) if found else _NO_RECORDS


def concern(name: Name) -> Key:
    """Whose change may change the answers for this name: namespace and service, which need not be there; "" as the
    service if only the namespace's own coming and going does."""
    if name[-len(ZONE) - 1 :] != ("svc", *ZONE):
        return ELSEWHERE
    below = name[: -len(ZONE) - 1]
    if not below:
        return ELSEWHERE
    return below[-1], below[-2] if len(below) > 1 else ""


def _records(zone: Zone, below: Name) -> Records | None:
    """The records of a name within the zone, None if there is no such name."""
    if below in _FIXED:
        return _FIXED[below]
    if below[-1] != "svc":
        return None
    namespace, rest = below[-2], below[:-2]
    if not rest:
        return {} if namespace in zone.namespaces else None
    service = zone.services.get((namespace, rest[-1]))
    return service.names.get(rest[:-1]) if service else None


def _additional(zone: Zone, found: tuple[Record, ...]) -> tuple[Record, ...]:
    """The addresses of what SRV records lead to (RFC 2782)."""
    more: dict[Record, None] = {}
    for record in found:
        if isinstance(record.data, Srv):
            records = _records(zone, record.data.target[: -len(ZONE)]) or {}
            more.update(dict.fromkeys((*records.get(Type.A, ()), *records.get(Type.AAAA, ()))))
    return tuple(more)


def _pointer(zone: Zone, question: Question) -> Answer:
    """The name of a known address. The reverse zones are not ours: of other addresses nothing is said."""
    address = _reversed_address(question.name)
    name = zone.reverse.get(address) if address else None
    if name is None:
        return _REFUSED
    if question.type not in (Type.PTR, Type.ANY):
        return Answer(Rcode.NOERROR)
    return Answer(Rcode.NOERROR, (Record(question.name, TTL, Ptr(name)),))


def _is_reverse(name: Name) -> bool:
    return name[-2:] in (_REVERSE4, _REVERSE6)


def _reversed_address(name: Name) -> Address | None:
    parts = name[-3::-1]
    try:
        if name[-2:] == _REVERSE4:
            return IPv4Address(".".join(parts))
        if len(parts) == 32 and all(len(part) == 1 for part in parts):
            return IPv6Address(int("".join(parts), 16))
    except ValueError:
        pass
    return None

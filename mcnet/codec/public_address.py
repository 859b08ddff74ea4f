"""Sources of public addresses as text: in a setting, in a node's annotation.

The forms are Submariner's (pkg/endpoint/public_ip.go): `ipv4:198.51.100.7`, `ipv6:2001:db8::7`, `dns:NAME`,
`lb:SERVICE`, `api:HOST`; a bare address too.
"""

import re
from ipaddress import ip_address
from typing import Final

from mcnet.model.kernel import Address
from mcnet.model.public_address import Kind, Source

EXAMPLE: Final = "write it like 198.51.100.7, dns:gw.example.com, lb:SERVICE or api:ip.example.com"
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_URL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:[0-9]{1,5})?(/[!-~]{0,200})?")
_MOST: Final = 8
"""Sources in one list."""


def decode(text: str) -> tuple[Source, ...]:
    """The sources in a comma-separated list, in order, each once. Raises ValueError with a sentence."""
    found = tuple(dict.fromkeys(_source(word) for word in (part.strip() for part in text.split(",")) if word))
    if len(found) > _MOST:
        raise ValueError(f"{len(found)} places to look are more than {_MOST}")
    return found


def encode(sources: tuple[Source, ...]) -> str:
    """As `decode` reads it."""
    return ",".join(map(str, sources))


def is_public(address: Address) -> bool:
    """Whether packets can be sent to it from elsewhere. Private ranges count: one NAT may stand behind another."""
    return not (address.is_unspecified or address.is_loopback or address.is_link_local or address.is_multicast)


def _source(word: str) -> Source:
    prefix, _, rest = word.partition(":")
    match prefix:
        case "ipv4" | "ipv6":
            return Source(Kind.ADDRESS, _address(word, rest, int(prefix[-1])))
        case "dns" | "lb":
            if not _HOST.fullmatch(rest):
                raise ValueError(f"{word!r} names no {'Service' if prefix == 'lb' else 'host'}")
            return Source(Kind(prefix), rest)
        case "api":
            if not _URL.fullmatch(rest):
                raise ValueError(f"{word!r} names no host")
            return Source(Kind.API, rest)
        case _:
            return Source(Kind.ADDRESS, _address(word, word, None))


def _address(word: str, text: str, family: int | None) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(f"{word!r} is no address and names no place to look one up") from None
    if family not in (None, address.version):
        raise ValueError(f"{word!r} is no IPv{family} address")
    if not is_public(address) or "%" in text:
        raise ValueError(f"{word!r} is an address that nobody can send to from elsewhere")
    return str(address)

"""Where the public addresses of a gateway are looked up, as values."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """Where to look; the word before the colon."""

    ADDRESS = "address"
    DNS = "dns"
    """A name's A and AAAA records."""
    LOAD_BALANCER = "lb"
    """The addresses that a Service of type LoadBalancer in mcnet-system has been given."""
    API = "api"
    """https://HOST/PATH, which answers with the address that asks."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place to look: `value` is an address, a name, a Service or a host with an optional path."""

    kind: Kind
    value: str

    def __str__(self) -> str:
        return self.value if self.kind is Kind.ADDRESS else f"{self.kind.value}:{self.value}"

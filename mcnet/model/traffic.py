"""What has been counted of traffic, and how much goes now: of one cable, of one device."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """Bytes since counting began. `made` tells two counters of one name apart: the index of a device, the handle of
    an nft table."""

    received: int = 0
    sent: int = 0
    made: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """What an nft rule has counted."""

    packets: int = 0
    octets: int = 0


@dataclass(frozen=True, slots=True)
class Throughput:
    """Bits in a second."""

    received: int = 0
    sent: int = 0

"""The advert: a gateway tells the nodes of its cluster which clusters it reaches. One UDP datagram, JSON.

Small enough for one packet up to some hundred clusters, since clusters go by their 21-bit numbers. A datagram
of another protocol version or shape is refused; unknown fields are ignored.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from mcnet.codec.errors import DecodeError
from mcnet.model.cluster import ClusterId, cluster_number

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Advert:
    """`reach` are numbers of clusters (mcnet.model.cluster.cluster_number)."""

    gateway: str
    rail: int
    reach: frozenset[int]


def encode(gateway: str, rail: int, reach: Collection[ClusterId]) -> bytes:
    """The datagram for these clusters."""
    numbers = sorted(cluster_number(cluster) for cluster in reach)
    return json.dumps(
        {"mcnet": VERSION, "gateway": gateway, "rail": rail, "reach": numbers}, separators=(",", ":")
    ).encode()


def decode(datagram: bytes) -> Advert:
    """The advert in `datagram`; DecodeError for anything else."""
    try:
        body = json.loads(datagram)
        if body["mcnet"] != VERSION:
            raise DecodeError(f"advert of version {body['mcnet']!r}, not {VERSION}")
        reach = body["reach"]
        if not isinstance(reach, list) or not all(type(number) is int for number in reach):
            raise DecodeError("advert without a list of cluster numbers")
        gateway, rail = body["gateway"], body["rail"]
        if not isinstance(gateway, str) or type(rail) is not int:
            raise DecodeError("advert without gateway and rail")
        return Advert(gateway, rail, frozenset(reach))
    except DecodeError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DecodeError(f"advert not understood: {error}") from error

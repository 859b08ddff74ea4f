"""The advert: a gateway tells the nodes of its cluster which clusters it reaches, and what passes there. One UDP
datagram, JSON.

Small enough for one packet up to some hundred clusters, since clusters go by their 21-bit numbers. A datagram
of another protocol version or shape is refused; unknown fields are ignored.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from mcnet.codec.errors import DecodeError
from mcnet.model.cluster import ClusterId, cluster_number

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Advert:
    """`reach` are numbers of clusters (mcnet.model.cluster.cluster_number); `narrow`: of those to which less passes
    than devices promise, the bytes of an IP packet that do."""

    gateway: str
    rail: int
    reach: frozenset[int]
    narrow: Mapping[int, int] = field(default_factory=dict)


def encode(
    gateway: str, rail: int, reach: Collection[ClusterId], narrow: Mapping[ClusterId, int] | None = None
) -> bytes:
    """The datagram for these clusters."""
    body: dict[str, object] = {"mcnet": VERSION, "gateway": gateway, "rail": rail}
    body["reach"] = sorted(cluster_number(cluster) for cluster in reach)
    if narrow:
        body["narrow"] = {str(cluster_number(cluster)): size for cluster, size in sorted(narrow.items())}
    return json.dumps(body, separators=(",", ":")).encode()


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
        return Advert(gateway, rail, frozenset(reach), _narrow(body.get("narrow", {})))
    except DecodeError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DecodeError(f"advert not understood: {error}") from error


def _narrow(found: object) -> dict[int, int]:
    if not isinstance(found, dict) or not all(type(size) is int and 0 < size < 1 << 16 for size in found.values()):
        raise DecodeError("advert with sizes that are none")
    return {int(number): size for number, size in found.items()}

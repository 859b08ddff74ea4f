"""Brings OpenShift's DNS operator to `clusterset.local`: by one entry of `spec.servers` of its object `default`
(dns.operator.openshift.io). All other entries stay, in their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mcnet.model.kernel import Address
from mcnet.plan.corefile import DOMAIN, upstream

SERVER: Final = "mcnet"
"""The entry's name."""
JsonObject: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Servers:
    """`spec.servers` as it should be, left as it is where `why` is not ""."""

    servers: tuple[JsonObject, ...]
    why: str = ""


def entry(address: Address) -> dict[str, Any]:
    """The entry that hands the zone to the DNS daemon at `address`."""
    return {
        "name": SERVER,
        "zones": [DOMAIN],
        "forwardPlugin": {"policy": "Random", "upstreams": [upstream(address)]},
    }


def with_server(servers: Sequence[JsonObject], address: Address) -> Servers:
    """`servers` are those that are there."""
    for one in servers:
        if one.get("name") != SERVER and DOMAIN in (one.get("zones") or ()):
            return Servers(tuple(servers), f"the entry {one.get('name')} of spec.servers has {DOMAIN} already")
    made = entry(address)
    if not any(one.get("name") == SERVER for one in servers):
        return Servers((*servers, made))
    return Servers(tuple(made if one.get("name") == SERVER else one for one in servers))


def without_server(servers: Sequence[JsonObject]) -> tuple[JsonObject, ...]:
    """`spec.servers` as it was before."""
    return tuple(one for one in servers if one.get("name") != SERVER)

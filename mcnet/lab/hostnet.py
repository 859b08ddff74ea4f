"""What the host's own network occupies, so that a lab's addresses stay clear of it. Reads, never writes."""

import json
from ipaddress import ip_network

from mcnet.lab import processes
from mcnet.lab.addresses import BLOCKS, Block, Network


async def blocks_in_use() -> set[int]:
    """Indices of address blocks that overlap a route or address of this host."""
    occupied: list[Network] = []
    for family in ("-4", "-6"):
        said = await processes.check(["ip", "-j", family, "route", "show", "table", "all"], mark="MCNET_LAB=")
        occupied += [net for entry in json.loads(said or "[]") if (net := _network(entry.get("dst", "")))]
    return overlapping(occupied)


def overlapping(occupied: list[Network]) -> set[int]:
    """Indices of the address blocks that share an address with one of the networks."""
    return {
        index
        for index in range(BLOCKS)
        for net in occupied
        if (block := Block(index).network(4 if net.version == 4 else 6)) and _overlap(block, net)
    }


def _overlap(one: Network, other: Network) -> bool:
    return (
        one.version == other.version
        and int(one.network_address) <= int(other.broadcast_address)
        and (int(other.network_address) <= int(one.broadcast_address))
    )


def _network(text: str) -> Network | None:
    if text in ("", "default"):
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None

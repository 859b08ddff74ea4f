"""A table, and what nft prints of it."""

import json
import re
from typing import Any

from mcnet.codec.nft import render
from mcnet.codec.nft_seal import seal
from mcnet.model.kernel import NftChain, NftSet, NftTable

TABLE = NftTable(
    "mcnet",
    (
        NftSet("remote4", "ipv4_addr", ("interval",), frozenset({"10.0.0.0/8", "192.0.2.1"})),
        NftSet("allowed", "ether_addr . ipv6_addr", ("interval",), frozenset({"02:00:00:00:00:01 . fd00::/64"})),
    ),
    (
        NftChain("raw", "type filter hook prerouting priority raw", ("udp dport 4800 accept", "notrack")),
        NftChain("post", "type nat hook postrouting priority srcnat - 10", ("snat ip to ip saddr",)),
    ),
    (("ipv4/ip_forward", "0"), ("ipv4/tcp_rmem", "4096 131072")),
)


def listing(table: NftTable, **changes: object) -> str:
    """What nft 1.0.6 prints for TABLE, in its JSON."""
    script = render(table)
    marks = dict(re.findall(r'^    (.+) comment "(mcnet:\w+)"$', script, re.MULTILINE))
    objects: list[dict[str, object]] = [
        {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
        {"table": {"family": "inet", "name": table.name, "handle": 2}},
        {"set": {"name": "remote4", "type": "ipv4_addr", "handle": 5, "flags": ["interval"],
                 "elem": [{"prefix": {"addr": "10.0.0.0", "len": 8}}, "192.0.2.1"]}},
        {"set": {"name": "allowed", "type": ["ether_addr", "ipv6_addr"], "flags": ["interval"],
                 "elem": [{"concat": ["02:00:00:00:00:01", {"prefix": {"addr": "fd00::", "len": 64}}]}]}},
        {"set": {"name": "notes", "type": "mark",
                 "elem": [{"elem": {"val": 512, "comment": "ipv4/tcp_rmem=4096%20131072"}},
                          {"elem": {"val": 256, "comment": "ipv4/ip_forward=0"}}]}},
        {"chain": {"name": "raw", "type": "filter", "hook": "prerouting", "prio": -300, "policy": "accept"}},
        {"chain": {"name": "post", "type": "nat", "hook": "postrouting", "prio": 90, "policy": "accept"}},
        {"rule": {"chain": "raw", "handle": 9, "comment": marks["udp dport 4800 accept"], "expr": []}},
        {"rule": {"chain": "raw", "handle": 10, "comment": marks["notrack"], "expr": []}},
        {"rule": {"chain": "post", "handle": 11, "comment": marks["snat ip to ip saddr"], "expr": []}},
    ]  # fmt: skip
    notes: Any = objects[4]["set"]
    notes["elem"].append({"elem": {"val": 0, "comment": seal(objects)}})
    return json.dumps({"nftables": objects} | changes)


def edited(position: int, **changes: object) -> str:
    objects = json.loads(listing(TABLE))["nftables"]
    (body,) = objects[position].values()
    body.update(changes)
    return json.dumps({"nftables": objects})

"""Translation before ours: by priority, by family, by what is known of the packet; real listings of nft."""

import json
from ipaddress import ip_network
from typing import Any

import pytest

from mcnet.codec.nft_translation import parse
from mcnet.model.look import Translation
from mcnet.plan.masquerade import translations

PODS = (ip_network("10.2.0.0/16"), ip_network("fd02::/56"))
REMOTE = (ip_network("10.1.0.0/16"), ip_network("10.101.0.0/16"), ip_network("fd01::/56"))


def listing(*statements: dict[str, Any], family: str = "inet", priority: int = 50, hook: str = "postrouting") -> str:
    """What `nft -j list table` says of a nat chain with one rule."""
    place = {"family": family, "table": "cni"}
    chain = place | {"name": "post", "handle": 1, "type": "nat", "hook": hook, "prio": priority, "policy": "accept"}
    rule = place | {"chain": "post", "handle": 3, "expr": list(statements)}
    head = {"metainfo": {"version": "1.0.6", "json_schema_version": 1}}
    return json.dumps({"nftables": [head, {"table": place | {"handle": 1}}, {"chain": chain}, {"rule": rule}]})


def match(protocol: str, field: str, op: str, right: Any) -> dict[str, Any]:
    return {"match": {"op": op, "left": {"payload": {"protocol": protocol, "field": field}}, "right": right}}


def net(text: str) -> dict[str, Any]:
    address, _, length = text.partition("/")
    return {"prefix": {"addr": address, "len": int(length)}}


MASQUERADE: dict[str, Any] = {"masquerade": None}
SNAT: dict[str, Any] = {"snat": {"addr": "192.0.2.1"}}


def found(text: str) -> list[tuple[str, bool]]:
    return [(one.source, one.certain) for one in translations([parse(text)], PODS, REMOTE)]


def test_a_chain_before_ours() -> None:
    text = listing(match("ip", "saddr", "==", net("10.2.0.0/16")), MASQUERADE)
    assert translations([parse(text)], PODS, REMOTE) == (
        Translation(
            chain="inet cni post",
            priority=50,
            source="10.2.0.0/16",
            target="10.1.0.0/16",
            why="its rule with handle 3 translates",
            certain=True,
            remedy="nft insert rule inet cni post ip daddr 10.1.0.0/16 accept && "
            "nft insert rule inet cni post ip daddr 10.101.0.0/16 accept",
        ),
    )


@pytest.mark.parametrize("statement", [MASQUERADE, SNAT])
def test_without_a_condition_both_families_are_translated(statement: dict[str, Any]) -> None:
    assert found(listing(statement)) == [("10.2.0.0/16", True), ("fd02::/56", True)]
    assert found(listing(statement, family="ip6")) == [("fd02::/56", True)]


@pytest.mark.parametrize(
    "text",
    [
        # The usual place is after ours.
        listing(MASQUERADE, priority=100),
        listing(MASQUERADE, priority=90),
        listing(MASQUERADE, hook="input"),
        # Other packets.
        listing(match("ip", "saddr", "==", net("10.9.0.0/16")), MASQUERADE, family="ip"),
        listing(match("ip", "daddr", "==", net("10.2.0.0/16")), MASQUERADE, family="ip"),
        # Excepted before.
        listing({"accept": None}, family="inet"),
        # The destination is translated, not the source.
        listing({"dnat": {"addr": "10.2.0.1"}}),
    ],
)
def test_what_does_no_harm(text: str) -> None:
    assert found(text) == []


def test_a_condition_that_is_not_known_is_no_match() -> None:
    limited = {"match": {"op": "==", "left": {"meta": {"key": "cgroup"}}, "right": 7}}
    assert found(listing(limited, MASQUERADE)) == []


@pytest.mark.parametrize("text", ["{}", "[]", '{"nftables": [{"chain": {"type": "nat", "hook": "postrouting"}}]}'])
def test_what_is_no_listing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="nft"):
        parse(text)

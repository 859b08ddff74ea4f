"""What nft prints of other programs' tables, as chains: matches and verdicts kept, the rest opaque or left out."""

import contextlib
import json
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings

from mcnet.codec.nft_ruleset import parse
from mcnet.model.foreign import Clause, ForeignChain, Match, Opaque, Verdict
from tests.fakes.mutations import changed_texts, mutations

CHAIN = {"family": "inet", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}


def chain(*expressions: list[dict[str, Any]]) -> ForeignChain:
    objects: list[dict[str, Any]] = [{"metainfo": {}}, {"table": {"family": "inet", "name": "t"}}]
    objects.append({"chain": CHAIN})
    for handle, expression in enumerate(expressions):
        rule = {"family": "inet", "table": "t", "chain": "c", "handle": handle, "expr": expression}
        objects.append({"rule": rule})
    (found,) = parse(json.dumps({"nftables": objects}))
    return found


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


STATE = {"ct": {"key": "state"}}
DPORT = {"payload": {"protocol": "udp", "field": "dport"}}


@pytest.mark.parametrize(
    ("statement", "condition"),
    [
        (match(DPORT, 4800), Match("udp dport", (4800,))),
        (match(DPORT, {"set": [22, {"range": [100, 200]}]}), Match("udp dport", (22, (100, 200)))),
        (match(DPORT, "@ports"), Opaque("udp dport")),
        (match({"meta": {"key": "iifname"}}, "lo", "!="), Match("iifname", ("lo",), True)),
        (match(STATE, ["established", "related"], "in"), Match("ct state", ("established", "related"))),
        (
            match({"payload": {"protocol": "ip", "field": "saddr"}}, {"prefix": {"addr": "10.0.0.0", "len": 8}}),
            Match("ip saddr", (ip_network("10.0.0.0/8"),)),
        ),
        (match({"&": [{"meta": {"key": "mark"}}, 0x4000]}, 0x4000), Match("mark", (0x4000,))),
        (match({"fib": {"result": "oif"}}, False), Opaque("match")),
        (match(DPORT, 4800, "<"), Opaque("udp dport")),
        ({"xt": {"type": "match", "name": "multiport"}}, Opaque("multiport")),
        ({"xt": None}, Opaque("extension")),
        ({"limit": {"rate": 3}}, Opaque("limit")),
    ],
)
def test_conditions(statement: dict[str, Any], condition: Match | Opaque) -> None:
    (rule,) = chain([statement, {"counter": {"packets": 0}}, {"accept": None}]).rules
    assert rule.clauses == (Clause((condition,), Verdict.ACCEPT),)


@pytest.mark.parametrize(
    ("statement", "clause"),
    [
        ({"drop": None}, Clause((), Verdict.DROP)),
        ({"reject": {"type": "icmpx"}}, Clause((), Verdict.DROP)),
        ({"xt": {"type": "target", "name": "REJECT"}}, Clause((), Verdict.DROP)),
        ({"jump": {"target": "x"}}, Clause((), Verdict.JUMP, "x")),
        ({"goto": {"target": "x"}}, Clause((), Verdict.GOTO, "x")),
        ({"return": None}, Clause((), Verdict.RETURN)),
    ],
)
def test_verdicts(statement: dict[str, Any], clause: Clause) -> None:
    (rule,) = chain([{"xt": {"type": "match", "name": "comment"}}, {"log": {}}, statement]).rules
    assert rule.clauses == (clause,)


def test_a_verdict_map_is_several_clauses() -> None:
    elements = [["established", {"accept": None}], ["invalid", {"drop": None}], [7, {"jump": {"target": "x"}}]]
    (rule,) = chain([{"vmap": {"key": STATE, "data": {"set": elements}}}]).rules
    assert rule.clauses == (
        Clause((Match("ct state", ("established",)),), Verdict.ACCEPT),
        Clause((Match("ct state", ("invalid",)),), Verdict.DROP),
        Clause((Match("ct state", (7,)),), Verdict.JUMP, "x"),
    )
    (named,) = chain([{"vmap": {"key": STATE, "data": "@states"}}]).rules
    assert named.clauses == (Clause((Opaque("map"),), Verdict.ACCEPT),)


def test_heads() -> None:
    found = chain([{"accept": None}], [{"accept": None}])
    assert (found.type, found.hook, found.policy) == ("filter", "input", Verdict.DROP)
    assert found.place == "inet t c"


def test_marks_and_owner_are_told_from_outside() -> None:
    objects: list[Any] = [{"chain": CHAIN}]
    objects += [{"rule": {"family": "inet", "table": "t", "chain": "c", "handle": one, "expr": []}} for one in (4, 5)]
    (found,) = parse(json.dumps({"nftables": objects}), {5: "mcnet:host:x"}, owned=True)
    assert [rule.mark for rule in found.rules] == ["", "mcnet:host:x"]
    assert found.owned


def test_our_own_tables_are_left_out() -> None:
    objects = [{"chain": CHAIN | {"table": name}} for name in ("mcnet", "mcnet_gateway", "other")]
    assert [found.table for found in parse(json.dumps({"nftables": objects}))] == ["other"]


@pytest.mark.parametrize("text", ["[]", '{"nftables": 3}', '{"nftables": [{"chain": {}}]}', "no json"])
def test_what_is_no_ruleset(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


MATCHES = [
    match(DPORT, {"set": [22, {"range": [100, 200]}]}),
    match({"&": [{"meta": {"key": "mark"}}, 0x4000]}, {"prefix": {"addr": "10.0.0.0", "len": 8}}),
    {"vmap": {"key": STATE, "data": {"set": [["established", {"accept": None}], [7, {"jump": {"target": "x"}}]]}}},
    {"xt": {"type": "target", "name": "REJECT"}},
]
RULESET = {
    "nftables": [
        {"metainfo": {}}, {"chain": CHAIN},
        {"rule": {"family": "inet", "table": "t", "chain": "c", "handle": 4, "expr": MATCHES}},
    ]
}  # fmt: skip


def test_a_ruleset_with_one_thing_wrong_is_read_or_a_value_error() -> None:
    assert parse(json.dumps(RULESET))
    read = 0
    for _, text in changed_texts(RULESET):
        with contextlib.suppress(ValueError):
            read += bool(parse(text))
    assert read > 500


@settings(max_examples=40)
@given(mutations(RULESET))
def test_a_ruleset_with_many_things_wrong_raises_nothing_else(document: Any) -> None:
    with contextlib.suppress(ValueError):
        parse(json.dumps(document))


@pytest.mark.parametrize("left", [{"&": []}, {"&": {}}, {"&": None}, {"meta": {}}, {"meta": None}, {}])
def test_a_match_without_its_parts_is_a_value_error(left: object) -> None:
    rule = {"family": "inet", "table": "t", "chain": "c", "handle": 1, "expr": [match(left, 1)]}
    with pytest.raises(ValueError, match=r"."):
        parse(json.dumps({"nftables": [{"chain": CHAIN}, {"rule": rule}]}))

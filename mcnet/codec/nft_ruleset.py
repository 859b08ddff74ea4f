"""`nft -j list ruleset` into the chains of other programs; what can't be read becomes `Opaque`, never an error.

Only what decides whether a packet goes on is kept: matches and verdicts. Our own tables are left out. Which rules
bear our mark is told from outside: where iptables has rewritten one, nft shows its comment in no form.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Final

from mcnet.model.foreign import Clause, Condition, ForeignChain, ForeignRule, Match, Opaque, Value, Verdict
from mcnet.model.ownership import GATEWAY_NFT_TABLE, NODE_NFT_TABLE

_OURS: Final = frozenset({NODE_NFT_TABLE, GATEWAY_NFT_TABLE})
_VERDICTS: Final = {
    "accept": Verdict.ACCEPT,
    "drop": Verdict.DROP,
    "reject": Verdict.DROP,
    "jump": Verdict.JUMP,
    "goto": Verdict.GOTO,
    "return": Verdict.RETURN,
}
_XT_VERDICTS: Final = {"REJECT": Verdict.DROP, "DROP": Verdict.DROP, "ACCEPT": Verdict.ACCEPT}
_DECIDES_NOTHING: Final = frozenset({"counter", "log", "comment", "mangle", "notrack", "set", "meter", "ct helper"})


@dataclass(slots=True)
class _Chain:
    head: Mapping[str, Any]
    rules: list[ForeignRule] = field(default_factory=list)


def parse(json_text: str, marks: Mapping[int, str] | None = None, *, owned: bool = False) -> tuple[ForeignChain, ...]:
    """All chains but ours. `marks` are our rules in a single table by handle; `owned`: only its program may change
    it. Raises ValueError."""
    try:
        return tuple(_parse(json.loads(json_text)["nftables"], marks or {}, owned))
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not the output of `nft -j list ruleset`: {error!r}") from error


def _parse(objects: Iterable[Mapping[str, Any]], marks: Mapping[int, str], owned: bool) -> Iterator[ForeignChain]:
    chains: dict[tuple[str, str, str], _Chain] = {}
    for entry in objects:
        ((kind, body),) = entry.items()
        if body.get("family") == "inet" and body.get("table") in _OURS:
            continue
        if kind == "chain":
            chains[body["family"], body["table"], body["name"]] = _Chain(body)
        elif kind == "rule":
            chain = chains.get((body["family"], body["table"], body["chain"]))
            if chain is not None:
                clauses = tuple(_clauses(body.get("expr", ())))
                chain.rules.append(ForeignRule(body["handle"], clauses, marks.get(body["handle"], "")))
    for (family, table, name), chain in chains.items():
        yield ForeignChain(
            family=family,
            table=table,
            name=name,
            rules=tuple(chain.rules),
            type=chain.head.get("type", ""),
            hook=chain.head.get("hook", ""),
            policy=_VERDICTS.get(chain.head.get("policy", "accept"), Verdict.ACCEPT),
            owned=owned,
        )


def _clauses(statements: Iterable[Mapping[str, Any]]) -> Iterator[Clause]:
    conditions: list[Condition] = []
    for statement in statements:
        ((kind, body),) = statement.items()
        if kind in _VERDICTS:
            target = body["target"] if kind in {"jump", "goto"} else ""
            yield Clause(tuple(conditions), _VERDICTS[kind], target)
        elif kind == "match":
            conditions.append(_match(body))
        elif kind == "xt":
            name = body.get("name", "") if isinstance(body, Mapping) else ""
            if name in _XT_VERDICTS:
                yield Clause(tuple(conditions), _XT_VERDICTS[name])
            elif name != "comment":
                conditions.append(Opaque(name or "extension"))
        elif kind == "vmap":
            yield from _map_clauses(body, conditions)
        elif kind not in _DECIDES_NOTHING:
            conditions.append(Opaque(kind))


def _map_clauses(body: Mapping[str, Any], conditions: list[Condition]) -> Iterator[Clause]:
    data = body.get("data")
    elements = data.get("set", ()) if isinstance(data, Mapping) else ()
    for value, verdict in elements:
        ((kind, target),) = verdict.items()
        match = _match({"op": "==", "left": body["key"], "right": value})
        if kind in _VERDICTS:
            name = target["target"] if kind in {"jump", "goto"} else ""
            yield Clause((*conditions, match), _VERDICTS[kind], name)
    if not elements:
        # A named map: it may accept.
        yield Clause((*conditions, Opaque("map")), Verdict.ACCEPT)


def _match(body: Mapping[str, Any]) -> Condition:
    key = _key(body["left"])
    values = _values(body["right"])
    if not key or values is None or body["op"] not in {"==", "!=", "in"}:
        return Opaque(key or "match")
    return Match(key, values, body["op"] == "!=")


def _key(left: Any) -> str:
    """ "" for what is not known."""
    if not isinstance(left, Mapping):
        return ""
    ((kind, body),) = left.items()
    if kind == "meta":
        return str(body["key"])
    if kind == "ct" and "dir" not in body:
        return f"ct {body['key']}"
    if kind == "payload" and "protocol" in body:
        return f"{body['protocol']} {body['field']}"
    if kind == "&" and _key(body[0]) == "mark":
        return "mark"
    return ""


def _values(right: Any) -> tuple[Value, ...] | None:
    """None for what can't be read."""
    if isinstance(right, Mapping) and "set" in right:
        right = right["set"]
    found: list[Value] = []
    for one in _listed(right):
        value = _value(one)
        if value is None:
            return None
        found.append(value)
    return tuple(found)


def _value(one: Any) -> Value | None:
    match one:
        case bool():
            return None
        case int():
            return one
        case str() if not one.startswith("@"):
            return _network(one)
        case {"range": [int(first), int(last)]}:
            return first, last
        case {"prefix": {"addr": address, "len": length}}:
            return _network(f"{address}/{length}")
        case _:
            return None


def _network(text: str) -> Value:
    try:
        return ip_network(text)
    except ValueError:
        return text


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]

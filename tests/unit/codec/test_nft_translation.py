"""Foreign tables that translate sources: what translates is read as what drops, and only postrouting counts."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings

from mcnet.codec.nft_translation import parse
from mcnet.model.foreign import Clause, Verdict
from tests.fakes.mutations import changed_texts, mutations

HEAD = {"family": "ip", "table": "nat"}
TABLE = {
    "nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {"chain": {**HEAD, "name": "POSTROUTING", "type": "nat", "hook": "postrouting", "prio": 100}},
        {"chain": {**HEAD, "name": "PREROUTING", "type": "nat", "hook": "prerouting", "prio": -100}},
        {"chain": {**HEAD, "name": "OWN"}},
        {"rule": {**HEAD, "chain": "POSTROUTING", "handle": 1, "expr": [{"jump": {"target": "OWN"}}]}},
        {"rule": {**HEAD, "chain": "OWN", "handle": 2, "expr": [{"counter": None}, {"masquerade": None}]}},
        {"rule": {**HEAD, "chain": "OWN", "handle": 3, "expr": [{"xt": {"type": "target", "name": "SNAT"}}]}},
        {"rule": {**HEAD, "chain": "OWN", "handle": 4, "expr": [{"accept": None}]}},
    ]
}


def test_what_translates_is_what_drops() -> None:
    found = parse(json.dumps(TABLE))
    assert found.priorities == {"POSTROUTING": 100}
    rules = {chain.name: [rule.clauses for rule in chain.rules] for chain in found.chains}
    assert rules == {
        "POSTROUTING": [(Clause((), Verdict.JUMP, "OWN"),)],
        "OWN": [(Clause((), Verdict.DROP),), (Clause((), Verdict.DROP),), (Clause((), Verdict.ACCEPT),)],
    }


def test_a_table_with_one_thing_wrong_is_read_or_a_value_error() -> None:
    read = 0
    for _, text in changed_texts(TABLE):
        with contextlib.suppress(ValueError):
            read += bool(parse(text).chains)
    assert read > 500


@settings(max_examples=40)
@given(mutations(TABLE))
def test_a_table_with_many_things_wrong_raises_nothing_else(document: Any) -> None:
    with contextlib.suppress(ValueError):
        parse(json.dumps(document))


@pytest.mark.parametrize("prio", ["1e400", "NaN", "null", "[]", '"x"'])
def test_a_priority_is_a_number(prio: str) -> None:
    head = json.dumps({**HEAD, "name": "c", "type": "nat", "hook": "postrouting"})
    with pytest.raises(ValueError, match=r"."):
        parse(f'{{"nftables": [{{"chain": {head[:-1]}, "prio": {prio}}}}}]}}')

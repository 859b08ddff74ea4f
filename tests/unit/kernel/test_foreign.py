"""Which foreign tables nft's listing of chains names; a listing that can't be read is a KernelError."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from mcnet.kernel.foreign import _filtering, _translating
from mcnet.model.errors import KernelError
from tests.fakes.mutations import changed_texts, mutations

FILTER = {"family": "ip", "table": "filter", "name": "INPUT", "type": "filter", "hook": "input", "prio": 0}
NAT = {"family": "ip", "table": "nat", "name": "POSTROUTING", "type": "nat", "hook": "postrouting", "prio": -5}
CHAINS = {"nftables": [{"metainfo": {}}, {"chain": FILTER}, {"chain": NAT}]}
READERS: list[Callable[[str], object]] = [_filtering, lambda output: _translating(output, 0)]


def test_tables_by_what_their_chains_do() -> None:
    assert _filtering(json.dumps(CHAINS)) == [("ip", "filter")]
    assert _translating(json.dumps(CHAINS), 0) == [("ip", "nat")]
    assert _translating(json.dumps(CHAINS), -5) == []


def outcome(read: Callable[[str], object], text: str) -> object:
    try:
        return read(text)
    except KernelError as error:
        return error.message


@pytest.mark.parametrize("read", READERS)
def test_a_listing_with_one_thing_wrong(read: Callable[[str], object]) -> None:
    found = [outcome(read, text) for _, text in changed_texts(CHAINS)]
    assert {type(one) for one in found} == {list, str}


@settings(max_examples=40)
@given(mutations(CHAINS))
def test_a_listing_with_many_things_wrong(document: Any) -> None:
    for read in READERS:
        assert isinstance(outcome(read, json.dumps(document)), list | str)

"""The overlay's family: one that all nodes use, whatever order each lists its addresses in."""

from dataclasses import replace
from ipaddress import ip_address
from itertools import permutations

import pytest

from mcnet.model.node import Node
from mcnet.plan.underlay import outer_address, overlay_family
from tests.fakes.worlds import node


def with_families(number: int, families: str) -> Node:
    found = {"4": ip_address(f"172.30.1.{number}"), "6": ip_address(f"fd01::{number}")}
    return replace(node(number), addresses=tuple(found[one] for one in families))


@pytest.mark.parametrize(
    ("nodes", "family"),
    [
        ([], 4),
        ([""], 4),
        (["4", "4"], 4),
        (["6", "6"], 6),
        (["46", "46"], 4),
        (["64", "64"], 6),
        (["46", "64"], 4),
        (["64", "46"], 6),
        (["46", "6"], 6),
        (["64", "4", "46"], 4),
        (["4", "6", "6"], 6),
    ],
)
def test_most_nodes_have_the_overlays_family_and_the_oldest_decides_a_tie(nodes: list[str], family: int) -> None:
    made = [with_families(number, families) for number, families in enumerate(nodes, 1)]
    assert {overlay_family(order) for order in permutations(made)} == {family}


def test_a_nodes_outer_address() -> None:
    assert outer_address(with_families(1, "64"), 4) == ip_address("172.30.1.1")
    assert outer_address(with_families(1, "6"), 4) is None

"""One bad object costs nothing but itself."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.codec import node_state
from mcnet.codec.batch import decode_all
from mcnet.model.node import NodeState
from tests.fakes.mutations import mutations

GOOD = node_state.encode(NodeState("n1", version="1"), namespace="n")


@settings(max_examples=30)
@given(st.lists(st.just(GOOD) | mutations(GOOD), max_size=6))
def test_every_object_is_a_value_or_a_problem(objects: list[Any]) -> None:
    problems: list[str] = []
    values = decode_all(node_state.decode, objects, problems)
    assert len(values) + len(problems) == len(objects)
    assert values.count(node_state.decode(GOOD)) >= objects.count(GOOD)
    assert all(problems)


def test_problems_are_added_and_order_is_kept() -> None:
    other = node_state.encode(NodeState("n2"), namespace="n")
    problems = ["earlier"]
    values = decode_all(node_state.decode, [GOOD, {"metadata": {"name": "x"}, "status": 5}, other], problems)
    assert values == (NodeState("n1", version="1"), NodeState("n2"))
    assert problems == ["earlier", "x: status: is not an object"]

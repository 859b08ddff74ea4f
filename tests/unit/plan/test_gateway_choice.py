"""Which nodes become gateways. Factors: label, role, zone, readiness, selector, count."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.plan.gateway_choice import choose_gateways, labelled_gateways


def node(
    name: str, *, zone: str = "", control: bool = False, label: bool = False, ready: bool = True
) -> dict[str, Any]:
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    labels |= {"node-role.kubernetes.io/control-plane": ""} if control else {}
    labels |= {"mcnet.dev/gateway": "true"} if label else {}
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    return {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": {"conditions": conditions}}


def test_workers_before_control_plane() -> None:
    nodes = [node("a", control=True), node("b"), node("c")]
    assert choose_gateways(nodes, 1) == ("b",)
    assert choose_gateways(nodes, 3) == ("b", "c", "a")


def test_a_single_control_plane_node_is_better_than_none() -> None:
    assert choose_gateways([node("a", control=True)], 2) == ("a",)


def test_spread_over_zones() -> None:
    nodes = [node("a1", zone="a"), node("a2", zone="a"), node("b1", zone="b"), node("b2", zone="b")]
    assert choose_gateways(nodes, 2) == ("a1", "b1")


def test_labelled_nodes_stay_and_count_for_their_zone() -> None:
    nodes = [node("a1", zone="a"), node("a2", zone="a", label=True), node("b1", zone="b")]
    assert choose_gateways(nodes, 1) == ("a2",)
    assert choose_gateways(nodes, 2) == ("a2", "b1")
    two = [node("x", label=True), node("y", label=True), node("z")]
    assert choose_gateways(two, 1) == ("x", "y")
    assert labelled_gateways(two) == ("x", "y")


def test_nodes_that_are_not_ready_or_cordoned_come_last() -> None:
    cordoned = node("b") | {"spec": {"unschedulable": True}}
    assert choose_gateways([node("a", ready=False), cordoned, node("c", control=True)], 1) == ("c",)


def test_selector() -> None:
    nodes = [node("a", zone="a"), node("b", zone="b")]
    assert choose_gateways(nodes, 2, {"topology.kubernetes.io/zone": "b"}) == ("b",)
    assert choose_gateways(nodes, 2, {"missing": "x"}) == ()


@pytest.mark.parametrize("value", ["false", "", "True"])
def test_only_the_labels_value_true_counts(value: str) -> None:
    odd = node("a")
    odd["metadata"]["labels"]["mcnet.dev/gateway"] = value
    assert labelled_gateways([odd]) == ()


@given(st.lists(st.integers(0, 50), unique=True), st.integers(1, 8), st.randoms())
def test_the_order_of_nodes_does_not_matter(numbers: list[int], count: int, random: Any) -> None:
    nodes = [node(f"n{number}", zone=f"z{number % 3}", control=number % 5 == 0) for number in numbers]
    chosen = choose_gateways(nodes, count)
    random.shuffle(nodes)
    assert choose_gateways(nodes, count) == chosen
    assert len(set(chosen)) == min(count, len(nodes))

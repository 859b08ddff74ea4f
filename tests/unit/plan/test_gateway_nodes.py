"""Nodes as gateways: what speaks against adding, draining and removing one, and words that are typed wrongly."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import ClusterId
from mcnet.model.errors import McnetError, UsageError
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.model.node import Node
from mcnet.plan.gateway_nodes import (
    GatewayNode,
    Gateways,
    check_add,
    describe,
    find,
    find_gateway,
    lost,
    parse_weight,
    refusal,
    unmark,
)
from tests.fakes.worlds import EAST, NORTH, WEST, WEST_0


def gateway(name: str, *reached: ClusterId, drained: bool = False, cordoned: bool = False) -> GatewayNode:
    cables = tuple(Cable(one, "n1", 0, CableState.CONNECTED, "vxlan") for one in reached)
    node = Node(name, name, (), (), gateway=True, draining=drained or cordoned)
    return GatewayNode(node, drained=drained, cordoned=cordoned, report=Gateway(name, EAST, 0, cables))


def plain(name: str) -> GatewayNode:
    return GatewayNode(Node(name, name, (), ()))


def cluster(*nodes: GatewayNode) -> Gateways:
    return Gateways(EAST, {one.name: one for one in nodes}, (WEST_0,), at=" --context east")


def drain(*nodes: GatewayNode) -> McnetError | None:
    """What speaks against draining the first."""
    return refusal(cluster(*nodes), nodes[0])


def said(error: McnetError | None) -> str:
    assert error is not None
    return f"{error.message} | {error.hint}"


def test_another_one_takes_over() -> None:
    assert drain(gateway("a", WEST, NORTH), gateway("b", WEST, NORTH)) is None
    assert drain(gateway("a", WEST, NORTH), gateway("b", WEST), gateway("c", NORTH)) is None


def test_the_only_one_is_kept_and_what_would_be_lost_is_said() -> None:
    assert said(drain(gateway("a", WEST, NORTH), plain("b"))) == (
        "a is the only healthy gateway of east: without it north, west can't be reached | add another one first: "
        "mcnet gateway add b --context east; or the same command with --force"
    )
    assert "no other could carry on" in said(drain(gateway("a")))


def test_one_after_the_other_ends_before_the_last() -> None:
    error = said(drain(gateway("a", WEST), gateway("b", WEST, drained=True)))
    assert "take b back first: mcnet gateway undrain b --context east" in error
    error = said(drain(gateway("a", WEST), gateway("b", WEST, cordoned=True)))
    assert "kubectl --context east uncordon b" in error


@pytest.mark.parametrize(
    "other",
    [replace(gateway("b", WEST), ready=False), replace(gateway("b", WEST), daemon="there is no pod"),
     replace(gateway("b", WEST), report=None)],
)  # fmt: skip
def test_what_is_not_healthy_takes_nothing_over(other: GatewayNode) -> None:
    assert "only healthy gateway" in said(drain(gateway("a", WEST), other))
    assert drain(replace(other, node=replace(other.node, name="a")), gateway("b", WEST)) is None
    assert drain(other) is None, "it carries nothing that could be lost"


def test_what_only_it_reaches_is_said() -> None:
    error = said(drain(gateway("a", WEST, NORTH), gateway("b", WEST)))
    assert error.startswith("only a of the gateways of east is connected to north | mcnet diagnose --context east")


CLUSTERS = st.sets(st.sampled_from([WEST, NORTH]))


@given(st.lists(st.tuples(CLUSTERS, st.booleans(), st.booleans()), min_size=1, max_size=4))
def test_draining_whatever_is_let_keeps_every_cluster(drawn: list[tuple[set[ClusterId], bool, bool]]) -> None:
    """However one drains one after the other: what was reached by those that carry traffic stays reached."""
    nodes = [
        replace(gateway(f"n{at}", *reached, drained=drained), ready=ready)
        for at, (reached, drained, ready) in enumerate(drawn)
    ]

    def carried(found: Iterable[GatewayNode]) -> set[ClusterId]:
        return {name for one in found if one.takes_over for name in one.reached}

    before = carried(nodes)
    for at, one in enumerate(nodes):
        if one.takes_over and refusal(cluster(*nodes), one) is None:
            nodes[at] = replace(one, drained=True, node=replace(one.node, draining=True))
            assert not lost(cluster(*nodes), one)
    assert carried(nodes) == before


def test_a_node_is_found_or_said_where_it_is() -> None:
    there = cluster(gateway("a", WEST), plain("b"))
    assert find(there, "b", "add").name == "b"
    with pytest.raises(UsageError, match="n1 is a gateway of west, not of east") as raised:
        find(there, "n1", "drain")
    assert raised.value.hint == "mcnet gateway drain n1 --context CONTEXT, with the context of west"
    with pytest.raises(UsageError, match="east has no node 'x'") as raised:
        find(there, "x", "drain")
    assert raised.value.hint == "its nodes are a, b"
    with pytest.raises(UsageError, match="b of east is no gateway") as raised:
        find_gateway(there, "b", "drain")
    assert raised.value.hint == "its gateways are a; to make it one: mcnet gateway add b --context east"


@pytest.mark.parametrize(("text", "weight"), [("1", 1), (" 50 ", 50), ("100", 100), ("default", None)])
def test_weights(text: str, weight: int | None) -> None:
    assert parse_weight(text, "a") == weight


@pytest.mark.parametrize("text", ["500", "-1", "1.5", "x", "", "٣", "9" * 5000, "50%"])
def test_what_is_no_weight(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a weight from 1 to 100"):
        parse_weight(text, "a")


def test_weight_0_is_what_draining_does() -> None:
    with pytest.raises(UsageError, match="would carry nothing") as raised:
        parse_weight("0", "a", " --context east")
    assert raised.value.hint == "drain it instead: mcnet gateway drain a --context east"


@pytest.mark.parametrize(
    ("node", "says", "following"),
    [
        (replace(plain("z"), ready=False), "z of east is not Ready", "kubectl --context east describe node z"),
        (replace(plain("z"), cordoned=True), "z of east is cordoned", "kubectl --context east uncordon z"),
        (plain("z"), "east has 8 gateways already, and 8 are the most", "mcnet gateway remove NODE --context east"),
    ],
)
def test_who_can_not_become_one(node: GatewayNode, says: str, following: str) -> None:
    full = cluster(*(gateway(f"n{at}") for at in range(8)), node)
    with pytest.raises(McnetError, match=says) as raised:
        check_add(full, node)
    assert following in raised.value.hint
    check_add(full, gateway("n0"))
    check_add(cluster(plain("z")), plain("z"))


def node_object(name: str, **metadata: Any) -> dict[str, Any]:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, **metadata}, "spec": {}, "status": ready}


LABEL = {"mcnet.dev/gateway": "true"}


def test_described_from_objects() -> None:
    marks = {"mcnet.dev/gateway-drain": "true", "mcnet.dev/gateway-weight": "500"}
    cordoned = node_object("c", labels=LABEL)
    cordoned["spec"]["unschedulable"] = True
    damaged = {"metadata": {"name": 5}}
    found = describe(
        [node_object("a", labels=LABEL, annotations=marks), node_object("b"), cordoned, damaged], [], [], []
    )
    assert list(found) == ["a", "b", "c"]
    assert (found["a"].drained, found["a"].cordoned, found["a"].node.draining) == (True, False, True)
    assert (found["c"].drained, found["c"].cordoned, found["c"].node.draining) == (False, True, True)
    assert found["a"].daemon == "there is no pod"
    assert found["b"].daemon == ""
    assert "'500' is not a weight" in found["a"].problems[0]


def test_a_node_is_unmarked_once() -> None:
    marks = {"mcnet.dev/gateway-weight": "5", "mcnet.dev/port-base": "4600"}
    assert unmark(node_object("a", labels={**LABEL, "other": "x"}, annotations=marks)) == {
        "labels": {"mcnet.dev/gateway": None},
        "annotations": {"mcnet.dev/gateway-weight": None},
    }
    assert unmark(node_object("a", annotations={"mcnet.dev/port-base": "4600"})) == {}

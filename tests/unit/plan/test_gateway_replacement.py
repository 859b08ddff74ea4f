"""A gateway whose node is lost is replaced, one change at a time, and no healthy one is ever taken away."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.plan.gateway_choice import is_ready, labelled_gateways
from mcnet.plan.gateway_replacement import REPLACE_AFTER, Action, Label, Unlabel, decide, not_ready_since

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def node(
    name: str, *, gateway: bool = False, down: float | None = None, cordoned: bool = False, zone: str = ""
) -> dict[str, Any]:
    since = (NOW - timedelta(seconds=down or 0)).isoformat()
    ready = {"type": "Ready", "status": "True" if down is None else "Unknown", "lastTransitionTime": since}
    labels = {"mcnet.dev/gateway": "true"} if gateway else {}
    labels |= {"topology.kubernetes.io/zone": zone} if zone else {}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"unschedulable": cordoned},
        "status": {"conditions": [ready]},
    }


def gateway(name: str, down: float | None = None, zone: str = "") -> dict[str, Any]:
    return node(name, gateway=True, down=down, zone=zone)


@pytest.mark.parametrize(
    ("nodes", "wanted", "action"),
    [
        ([gateway("a"), gateway("b"), node("c")], 2, None),
        ([gateway("a"), gateway("b", 299), node("c")], 2, None),
        ([gateway("a"), gateway("b", 300), node("c")], 2, Label("c")),
        ([gateway("a"), gateway("b", 300), gateway("c")], 2, Unlabel("b")),
        ([gateway("a"), gateway("b", 400), gateway("d", 500), gateway("c")], 2, Unlabel("d")),
        ([gateway("a"), node("c")], 2, Label("c")),
        ([gateway("a"), gateway("b"), gateway("c")], 2, None),
        ([gateway("a"), gateway("b", 300)], 2, None),
        ([gateway("a", 300), node("b", down=10)], 1, None),
        ([gateway("a", 900)], 1, None),
        ([gateway("a"), node("b", cordoned=True), node("c")], 2, Label("c")),
        ([gateway("a"), node("b", cordoned=True)], 2, Label("b")),
        ([gateway("a", zone="1"), node("b", zone="1"), node("c", zone="2")], 2, Label("c")),
        (
            [gateway("x", 300, "2"), gateway("a", zone="1"), node("b", zone="1"), node("c", zone="2")],
            2,
            Label("c"),
        ),
        ([*(gateway(f"a{at}") for at in range(7)), gateway("b", 300), node("c")], 8, Unlabel("b")),
        ([*(gateway(f"a{at}") for at in range(7)), gateway("b", 300)], 8, None),
        ([], 1, None),
    ],
)
def test_the_next_change(nodes: list[dict[str, Any]], wanted: int, action: Action | None) -> None:
    assert decide(nodes, wanted, None, NOW) == action


def test_only_nodes_that_the_selector_takes() -> None:
    assert decide([gateway("a"), node("b")], 2, {"role": "network"}, NOW) is None


@pytest.mark.parametrize("text", [None, "", "soon", 5, "2026-01-02T12:00:09"])
def test_a_node_that_does_not_say_since_when_is_given_time(text: Any) -> None:
    broken = node("a", down=1)
    broken["status"]["conditions"][0]["lastTransitionTime"] = text
    assert not_ready_since(broken, NOW) == NOW
    assert not_ready_since({"metadata": {"name": "a"}}, NOW) == NOW
    assert not_ready_since(node("a"), NOW) is None


DOWN = st.sampled_from([None, None, 0.0, 299.0, 300.0, 1000.0])
NODES = st.lists(st.tuples(st.booleans(), DOWN, st.booleans(), st.sampled_from("12")), max_size=12)


@given(NODES, st.integers(1, 8))
def test_it_comes_to_rest_and_takes_no_healthy_one_away(
    drawn: list[tuple[bool, float | None, bool, str]], wanted: int
) -> None:
    nodes = [
        node(f"n{at:02}", gateway=is_gateway, down=down, cordoned=cordoned, zone=zone)
        for at, (is_gateway, down, cordoned, zone) in enumerate(drawn)
    ]
    healthy = {one["metadata"]["name"] for one in nodes if is_ready(one)}
    before = set(labelled_gateways(nodes))
    for _ in range(len(nodes) * 2 + 1):
        match decide(nodes, wanted, None, NOW):
            case Label(name):
                assert name in healthy
                assert len(labelled_gateways(nodes)) < 8
                find(nodes, name)["metadata"]["labels"]["mcnet.dev/gateway"] = "true"
            case Unlabel(name):
                assert name not in healthy
                assert (NOW - (not_ready_since(find(nodes, name), NOW) or NOW)).total_seconds() >= REPLACE_AFTER
                del find(nodes, name)["metadata"]["labels"]["mcnet.dev/gateway"]
            case None:
                break
    else:
        raise AssertionError("it never ends")
    after = set(labelled_gateways(nodes))
    assert before & healthy <= after
    assert len(after & healthy) >= min(wanted - len(after - healthy), len(healthy), 8) or len(before) > 8
    assert decide(nodes[::-1], wanted, None, NOW) is None, "in whatever order"


def find(nodes: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(one for one in nodes if one["metadata"]["name"] == name)

"""What nodes tell of their gateways: by the change alone, and few of many nodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.plan.choice import Health
from mcnet.plan.node_paths import BACK, LOST, SPEAKERS, changes, speaks

HEALTH = st.dictionaries(st.sampled_from(("n1", "n2", "n3")), st.sampled_from(Health))


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (Health.UP, Health.DOWN, (LOST, "silent")),
        (Health.UNKNOWN, Health.DOWN, (LOST, "silent")),
        (Health.UP, Health.HELD, (LOST, "flapping")),
        (Health.DOWN, Health.HELD, None),
        (Health.HELD, Health.DOWN, None),
        (Health.DOWN, Health.UP, (BACK, "answers")),
        (Health.HELD, Health.UP, (BACK, "answers")),
        (Health.UNKNOWN, Health.UP, None),
        (Health.DOWN, Health.UNKNOWN, None),
    ],
)
def test_a_change_is_told_with_its_cause(before: Health, now: Health, told: tuple[str, str] | None) -> None:
    found = changes({"n1": before}, {"n1": now})
    assert [(name, one.reason, one.cause) for name, one in found] == ([("n1", *told)] if told else [])
    assert all("gateway n1" in one.note for _, one in found)


def test_a_gateway_that_is_new_or_gone_is_no_change_of_its_path() -> None:
    assert changes({"n1": Health.UP}, {"n2": Health.DOWN}) == ()


@given(HEALTH)
def test_what_stays_is_not_told(health: dict[str, Health]) -> None:
    assert changes(health, health) == ()


@given(HEALTH, HEALTH)
def test_each_gateway_is_told_of_once(before: dict[str, Health], now: dict[str, Health]) -> None:
    assert len(changes(before, now)) <= len(before.keys() & now.keys())


@pytest.mark.parametrize("count", [1, SPEAKERS, SPEAKERS + 1, 1000])
def test_of_many_nodes_few_speak(count: int) -> None:
    nodes = [f"n{number}" for number in range(count)]
    assert sum(speaks(node, nodes) for node in nodes) == min(count, SPEAKERS)

"""Where the traffic of a service goes, by annotation."""

import pytest

from mcnet.plan.service_traffic import chosen, fault
from tests.fakes.services import EAST, NORTH, WEST

ALL = (EAST, NORTH, WEST)

CHOICES = [
    ("", ALL, {EAST, NORTH, WEST}),
    ("nonsense", ALL, {EAST, NORTH, WEST}),
    ("prefer-local", ALL, {WEST}),
    ("prefer-local", (EAST, NORTH), {EAST, NORTH, WEST}),
    ("local-only", ALL, {WEST}),
    ("local-only", (EAST,), {WEST}),
    ("remote-only", ALL, {EAST, NORTH}),
    ("failover=north,east", ALL, {NORTH}),
    ("failover=north, east", (EAST, WEST), {EAST}),
    ("failover=north", (EAST, WEST), {EAST, NORTH, WEST}),
    ("failover=", ALL, {EAST, NORTH, WEST}),
]


@pytest.mark.parametrize(("traffic", "ready", "used"), CHOICES)
def test_the_choice(traffic: str, ready: tuple[str, ...], used: set[str]) -> None:
    assert chosen(traffic, own=WEST, clusters=ALL, ready=ready, local=False) == used  # type: ignore[arg-type]


def test_the_policy_local_is_the_own_cluster() -> None:
    assert chosen("remote-only", own=WEST, clusters=ALL, ready=ALL, local=True) == {WEST}
    assert chosen("", own=WEST, clusters=(EAST,), ready=(EAST,), local=True) == frozenset()


@pytest.mark.parametrize("traffic", ["", "prefer-local", "local-only", "remote-only", "failover=a", "failover=a,b-1"])
def test_what_is_understood(traffic: str) -> None:
    assert fault(traffic) == ""


@pytest.mark.parametrize("traffic", ["Prefer-Local", "failover=", "failover=A", "failover=a,,b", "x" * 500])
def test_what_is_not(traffic: str) -> None:
    assert "mcnet.dev/traffic" in fault(traffic)
    assert len(fault(traffic)) < 250

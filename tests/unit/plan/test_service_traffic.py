"""Where the traffic of a service goes, by annotation."""

import pytest

from mcnet.plan.service_traffic import chosen, fault, named, weights
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
    ("weights=north:1", ALL, {EAST, NORTH, WEST}),
]


@pytest.mark.parametrize(("traffic", "ready", "used"), CHOICES)
def test_the_choice(traffic: str, ready: tuple[str, ...], used: set[str]) -> None:
    assert chosen(traffic, own=WEST, clusters=ALL, ready=ready, local=False) == used  # type: ignore[arg-type]


def test_the_policy_local_is_the_own_cluster() -> None:
    assert chosen("remote-only", own=WEST, clusters=ALL, ready=ALL, local=True) == {WEST}
    assert chosen("", own=WEST, clusters=(EAST,), ready=(EAST,), local=True) == frozenset()


@pytest.mark.parametrize(
    "traffic",
    [
        "",
        "prefer-local",
        "local-only",
        "remote-only",
        "failover=a",
        "failover=a,b-1",
        "weights=a:1",
        "weights=a:1000, b: 0",
    ],
)
def test_what_is_understood(traffic: str) -> None:
    assert fault(traffic) == ""


NONSENSE = [
    "Prefer-Local", "failover=", "failover=A", "failover=a,,b", "x" * 500, "weights=", "weights=a", "weights=a:",
    "weights=a:0", "weights=a:0,b:0", "weights=a:1,a:2", "weights=a:-1", "weights=a:1.5", "weights=a:1001",
    "weights=A:1", "weights=a:1,", "weights=a:²", "weights=a:٣", "weights=a:" + "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("traffic", NONSENSE, ids=lambda one: one[:20])
def test_what_is_not(traffic: str) -> None:
    assert "mcnet.dev/traffic" in fault(traffic)
    assert len(fault(traffic)) < 300
    assert weights(traffic) == {}


def test_the_clusters_that_are_named() -> None:
    assert named("failover=west, east") == (WEST, EAST)
    assert named("weights=west:80,east:0") == (WEST, EAST)
    assert named("failover=") == named("weights=x") == named("prefer-local") == named("") == ()


def test_weights() -> None:
    assert weights("weights=west:80, east: 20,north:0") == {WEST: 80, EAST: 20, NORTH: 0}
    assert weights("failover=west") == weights("") == {}
    assert "not all 0" in fault("weights=a:0")

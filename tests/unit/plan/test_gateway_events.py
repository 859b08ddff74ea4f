"""What is told of a gateway, by two reports."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import ClusterId
from mcnet.model.gateway import Gateway
from mcnet.model.node import Drain
from mcnet.plan.gateway_events import changes

CARRIES = Gateway("n1", ClusterId("east"), 0, version="1")


def drains(*why: Drain) -> Gateway:
    return replace(CARRIES, draining=True, drained_by=why)


@pytest.mark.parametrize(
    ("before", "now", "reason", "cause", "words"),
    [
        (CARRIES, drains(Drain.MARKED), "GatewayDrains", "annotation", "mcnet gateway undrain n1 takes it back"),
        (CARRIES, drains(Drain.CORDONED), "GatewayDrains", "cordon", "kubectl uncordon n1 takes it back"),
        (CARRIES, drains(Drain.SHUTDOWN), "GatewayDrains", "shutdown", "since its node is shutting down"),
        (CARRIES, drains(Drain.MARKED, Drain.CORDONED), "GatewayDrains", "annotation", " and its node is cordoned"),
        (CARRIES, drains(), "GatewayDrains", "unknown", "leads as well"),
        (None, drains(Drain.CORDONED), "GatewayDrains", "cordon", "its node is cordoned"),
        (drains(Drain.CORDONED), CARRIES, "GatewayCarriesAgain", "cordon", "its node is no longer cordoned"),
        (drains(), CARRIES, "GatewayCarriesAgain", "unknown", "n1 takes traffic again"),
        (CARRIES, replace(CARRIES, weight=50), "GatewayWeightChanged", "weight", "weight n1 default takes it back"),
        (replace(CARRIES, weight=50), CARRIES, "GatewayWeightChanged", "weight", "has weight 100, was 50"),
    ],
)
def test_a_change_is_told_with_its_cause(
    before: Gateway | None, now: Gateway, reason: str, cause: str, words: str
) -> None:
    (told,) = changes(before, now)
    assert (told.reason, told.cause) == (reason, cause)
    assert words in told.note


def test_a_first_report_and_one_that_is_empty_yet_tell_of_no_weight() -> None:
    assert changes(None, replace(CARRIES, weight=50)) == ()
    assert changes(Gateway("n1", ClusterId("east"), None), replace(CARRIES, weight=50)) == ()


def test_another_cause_of_the_same_drain_is_no_change() -> None:
    assert changes(drains(Drain.CORDONED), drains(Drain.CORDONED, Drain.SHUTDOWN)) == ()


@given(st.booleans(), st.lists(st.sampled_from(Drain), unique=True), st.integers(1, 100))
def test_what_has_not_changed_is_not_told(draining: bool, why: list[Drain], weight: int) -> None:
    report = replace(CARRIES, draining=draining, drained_by=tuple(why), weight=weight)
    assert changes(report, report) == ()

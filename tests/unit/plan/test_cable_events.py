"""What is told of cables, by two reports."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import ClusterId
from mcnet.model.gateway import Cable, CableState, Cause
from mcnet.plan.cable_events import changes

NEW = Cable(
    ClusterId("west"), "n1", 0, CableState.CONNECTING, "vxlan", remote_address=ip_address("192.0.2.7"),
    cause=Cause.WAITING, reason="no probe has been answered yet",
)  # fmt: skip
UP = replace(NEW, state=CableState.CONNECTED, active=True, cause=Cause.ANSWERS, reason="")
DOWN = replace(NEW, state=CableState.ERROR, cause=Cause.SILENT, reason="it does not answer")
HELD = replace(DOWN, cause=Cause.FLAPPING, reason="it comes and goes")
ALONE = replace(UP, active=False, cause=Cause.ISOLATED, reason="it reaches no node")
ODD = replace(ALONE, cause=Cause.NONE, reason="")


@pytest.mark.parametrize(
    ("before", "now", "reason", "cause", "note"),
    [
        (NEW, UP, "CableConnected", "answers", ": connected"),
        (None, UP, "CableConnected", "answers", ": connected"),
        (None, DOWN, "CableLost", "silent", ": error: it does not answer"),
        (NEW, DOWN, "CableLost", "silent", ": error: it does not answer"),
        (UP, DOWN, "CableLost", "silent", ": error: it does not answer"),
        (DOWN, HELD, "CableLost", "flapping", ": error: it comes and goes"),
        (HELD, UP, "CableConnected", "answers", ": connected"),
        (DOWN, ALONE, "CableConnected", "answers", ": connected: it reaches no node"),
        (UP, ALONE, "CableUnused", "isolated", " is connected, but not used: it reaches no node"),
        (ALONE, UP, "CableUsed", "isolated", " is used again"),
        (UP, ODD, "CableUnused", "unknown", " is connected, but not used"),
        (ODD, UP, "CableUsed", "unknown", " is used again"),
    ],
)
def test_a_change_is_told_with_its_cause(
    before: Cable | None, now: Cable, reason: str, cause: str, note: str
) -> None:
    ((cable, told),) = changes([before] if before else [], [now])
    assert (cable, told.reason, told.cause) == (now, reason, cause)
    assert told.note == f"cable to west.n1 over 192.0.2.7{note}"
    assert told.warning == (reason == "CableLost")


@pytest.mark.parametrize("before", [None, NEW, UP, DOWN])
def test_one_that_is_not_connected_yet_is_no_news(before: Cable | None) -> None:
    assert changes([before] if before else [], [NEW]) == ()


def test_a_report_of_an_older_version_names_no_cause_which_is_no_change() -> None:
    assert changes([replace(DOWN, cause=Cause.NONE)], [DOWN]) == ()


def test_of_one_that_is_gone_nothing_is_told() -> None:
    assert changes([UP], []) == ()


cables = st.builds(
    lambda gateway, cable: replace(cable, gateway=gateway),
    st.sampled_from(["n1", "n2", "n3"]),
    st.sampled_from([NEW, UP, DOWN, HELD, ALONE, ODD]),
)
reports = st.lists(cables, unique_by=lambda cable: cable.gateway)


@given(reports)
def test_what_has_not_changed_is_not_told(report: list[Cable]) -> None:
    assert changes(report, list(reversed(report))) == ()


@given(reports, reports)
def test_each_cable_by_itself(before: list[Cable], now: list[Cable]) -> None:
    alone = [one for cable in now for one in changes(before, [cable])]
    assert list(changes(before, now)) == alone

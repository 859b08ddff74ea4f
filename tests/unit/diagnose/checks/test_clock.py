"""Clocks: how far apart, and whose is off."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.diagnose.checks.clock import Evidence, judge, node_clocks
from mcnet.diagnose.site import Looks
from mcnet.model.diagnosis import Verdict
from mcnet.model.look import NodeLook, Order

NO_LOOKS = Looks({}, {}, {})
WELL = Evidence(cluster="west", own=0.4, broker=-0.3, others={"east": -0.3}, nodes={"n1": 0.0}, looks=NO_LOOKS)


def test_clocks_that_agree_are_fine() -> None:
    assert judge(WELL).findings == ()
    assert judge(WELL).looked == "3 API servers and 1 nodes within 1 s"


@pytest.mark.parametrize(
    ("change", "about", "said", "verdict"),
    [
        ({"own": 42.0}, "API server of west", "42 s ahead of this machine's", Verdict.WARNING),
        ({"own": -600.0}, "API server of west", "600 s behind this machine's", Verdict.WRONG),
        ({"broker": 90.0}, "API server of the broker", "90 s ahead of this machine's", Verdict.WRONG),
        ({"nodes": {"n1": -75.0}}, "node n1", "at least 75 s behind this machine's", Verdict.WRONG),
        ({"own": 100.0, "broker": 100.4, "others": {"east": 99.7}, "nodes": {"n1": 100.0}}, "this machine",
         "100 s behind that of 3 API servers, which agree with each other", Verdict.WRONG),
        ({"own": None}, "API server of west", "does not tell its time", Verdict.UNKNOWN),
    ],
)  # fmt: skip
def test_whose_clock_is_off(change: dict[str, Any], about: str, said: str, verdict: Verdict) -> None:
    (finding,) = judge(replace(WELL, **change)).findings
    assert (finding.about, finding.verdict) == (about, verdict)
    assert said in finding.said


def test_another_members_clock_is_its_own_diagnosis() -> None:
    assert judge(replace(WELL, others={"east": 500.0})).findings == ()


def test_one_server_alone_is_never_outvoted_by_itself_as_the_broker() -> None:
    evidence = replace(WELL, own=70.0, broker=70.0, same=True, others={})
    assert [finding.about for finding in judge(evidence).findings] == ["API server of west"]


def test_a_broker_that_could_not_be_asked_is_left_to_its_check() -> None:
    assert judge(replace(WELL, broker=None)).findings == ()


@pytest.mark.parametrize(
    ("began", "ended", "ahead"),
    [(102.0, 108.0, 0.0), (90.0, 96.0, -10.0), (130.0, 136.0, 26.0), (99.0, 111.0, -1.0), (102.0, 0.0, None)],
)
def test_a_nodes_clock_by_when_its_look_must_have_been(began: float, ended: float, ahead: float | None) -> None:
    looks = Looks({"n1": Order("n1")}, {"n1": NodeLook("n1", began, ended)}, {}, 100.0, 110.0)
    assert node_clocks(looks).get("n1") == ahead


def test_a_node_without_a_look_is_unknown() -> None:
    (finding,) = judge(replace(WELL, looks=Looks({}, {}, {"n2": "the node is not Ready"}))).findings
    assert finding.verdict is Verdict.UNKNOWN


@given(st.floats(-1e6, 1e6), st.none() | st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_fine_exactly_within_the_bound_of_some_reference(own: float, broker: float | None, other: float) -> None:
    findings = judge(replace(WELL, own=own, broker=broker, others={"east": other})).findings
    if abs(own) < 15 and abs(other) < 15 and (broker is None or abs(broker) < 15):
        assert findings == ()
    if abs(own) > 100 and abs(own - other) > 100:
        assert findings

"""Members: alive by their Lease or by a live cable, with gateways, and known here as at the broker."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.diagnose.broker import Broker
from mcnet.diagnose.checks.members import GRACE, Evidence, judge
from mcnet.model.cluster import ClusterId
from mcnet.model.diagnosis import Verdict
from mcnet.model.trust import Pin
from tests.fakes.identities import identity_of
from tests.unit.diagnose.world import CREDENTIAL, NOW, broker, cluster, endpoint, lease

CLUSTERS = (cluster("east"), cluster("west", 2))
ENDPOINTS = (endpoint("east", "e1"), endpoint("west", "w1"))
FRESH = NOW - timedelta(seconds=15)
LONG_AGO = NOW - timedelta(days=3)
HELD: dict[str, Any] = {
    "clusters": CLUSTERS,
    "endpoints": ENDPOINTS,
    "leases": (lease("east", "east", renewed=FRESH), lease("west", "west", renewed=FRESH)),
}
WELL = Evidence(
    cluster="west",
    kubectl="kubectl --context w -n mcnet-system",
    broker=broker(**HELD),
    clusters=CLUSTERS,
    contexts={"west": " --context w"},
)
RESTART = "kubectl --context w -n mcnet-system rollout restart deployment/mcnet-discovery"


def holding(**held: Any) -> Evidence:
    return replace(WELL, broker=broker(**HELD | held))


def test_all_alive_is_fine() -> None:
    assert judge(WELL).findings == ()
    assert judge(WELL).looked == "2 members at the broker: east, west"


def test_a_member_that_was_not_seen_for_long() -> None:
    evidence = holding(leases=(lease("east", renewed=LONG_AGO), HELD["leases"][1]))
    (finding,) = judge(evidence).findings
    assert (finding.verdict, finding.about) == (Verdict.WARNING, "member east")
    assert finding.said.startswith("it was last seen 3 d ago at the broker, and no cable to it is connected")
    assert finding.remedy == "mcnet member remove east --context hub"


def test_a_live_cable_is_more_than_a_missing_sign_of_life() -> None:
    evidence = holding(leases=(HELD["leases"][1],))
    assert judge(evidence).findings[0].said.startswith("it has never been seen")
    assert judge(replace(evidence, connected=frozenset({"east"}))).findings == ()


def test_our_own_silence_is_discoverys_fault() -> None:
    (finding,) = judge(holding(leases=(HELD["leases"][0],))).findings
    assert (finding.verdict, finding.about, finding.remedy) == (Verdict.WRONG, "member west", RESTART)


@pytest.mark.parametrize(
    ("seconds", "fine"), [(0, True), (60, True), (60 + GRACE, True), (61 + GRACE, False), (-600, True)]
)
def test_how_long_a_lease_counts(seconds: float, fine: bool) -> None:
    evidence = holding(leases=(lease("east", renewed=NOW - timedelta(seconds=seconds)), HELD["leases"][1]))
    assert (judge(evidence).findings == ()) is fine


@pytest.mark.parametrize(
    ("gone", "verdict", "remedy"),
    [
        ("west", Verdict.WRONG, "kubectl --context w label node NODE mcnet.dev/gateway=true"),
        ("east", Verdict.WARNING, "mcnet show gateways, in east's context"),
    ],
)
def test_a_member_without_gateways(gone: str, verdict: Verdict, remedy: str) -> None:
    endpoints = tuple(one for one in ENDPOINTS if one["spec"]["cluster"] != gone)
    (finding,) = judge(holding(endpoints=endpoints)).findings
    assert (finding.about, finding.verdict, finding.remedy) == (f"member {gone}", verdict, remedy)


@pytest.mark.parametrize(
    ("here", "said"),
    [
        ((CLUSTERS[1],), "the broker has it, but it is not known in west"),
        ((*CLUSTERS, cluster("gone", 7)), "it is known in west, but the broker has it no more"),
        ((cluster("east", 9), CLUSTERS[1]), "what is known of it in west differs from what the broker has"),
    ],
)
def test_what_is_mirrored_wrongly(here: tuple[dict[str, Any], ...], said: str) -> None:
    (finding,) = judge(replace(WELL, clusters=here)).findings
    assert (finding.verdict, finding.said, finding.remedy) == (Verdict.WRONG, said, RESTART)


def test_a_broker_that_can_not_be_read_is_unknown() -> None:
    (finding,) = judge(replace(WELL, broker=Broker(CREDENTIAL, unreached="no route"))).findings
    assert (finding.verdict, finding.remedy) == (Verdict.UNKNOWN, "mcnet diagnose broker")


@given(
    st.none() | st.text(max_size=30) | st.integers() | st.datetimes().map(str),
    st.none() | st.text(max_size=3) | st.integers(),
)
def test_no_lease_is_too_odd(renewed: object, duration: object) -> None:
    odd = lease("east")
    odd["spec"] = {"renewTime": renewed, "leaseDurationSeconds": duration}
    judge(holding(leases=(odd,)))
    judge(holding(leases=({**odd, "spec": None},)))


def test_changed_keys_are_named_with_what_trusts_them() -> None:
    pin = Pin(identity_of("east").public, offered=identity_of("east", 2).public)
    changed = {**CLUSTERS[0], "spec": CLUSTERS[0]["spec"] | {"identity": {"signingKey": "x"}}}
    evidence = replace(WELL, clusters=(changed, CLUSTERS[1]), pins={ClusterId("east"): pin}, option=" --context w")
    (finding,) = judge(evidence).findings
    assert (finding.verdict, finding.about) == (Verdict.WRONG, "member east")
    assert finding.said.startswith("its keys have changed (known here by the key SHA256:")
    assert finding.remedy == "mcnet member trust east --context w"
    pinned = replace(pin, offered=None)
    assert judge(replace(WELL, pins={ClusterId("east"): pinned})).findings == ()

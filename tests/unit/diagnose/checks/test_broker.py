"""The way to the broker, and the credential's end, renewal and refusal."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mcnet.diagnose.broker import Broker
from mcnet.diagnose.checks.broker import UNUSABLE, USABLE, Evidence, judge, newest
from mcnet.model.diagnosis import Verdict
from tests.unit.diagnose.world import CREDENTIAL, NOW, broker, jwt

WELL = Evidence(cluster="west", option=" --context w", broker=broker(), inside="", said=(USABLE, ""), now=NOW)
DAY = timedelta(days=1)
RENEW = "mcnet member renew west --context hub --member-context w"


def with_token(issued: timedelta, expires: timedelta) -> Broker:
    return replace(WELL.broker, credential=replace(CREDENTIAL, token=jwt(NOW + issued, NOW + expires)))


def test_reached_and_accepted_is_fine() -> None:
    assert judge(WELL).findings == ()
    assert judge(WELL).looked == "https://broker:6443 reached from a pod; the credential ends 2026-03-21"


@pytest.mark.parametrize(
    ("change", "verdict", "said", "remedy"),
    [
        (
            {"inside": "no connection to broker:6443 within 10 s"}, Verdict.WRONG,
            "it can't be reached from the pods of west: no connection to broker:6443 within 10 s",
            "open the way from the nodes and pods of west to https://broker:6443",
        ),
        ({"inside": None, "unlooked": "no image"}, Verdict.UNKNOWN, "no pod could try to reach it: no image", ""),
        ({"broker": Broker(None, "there is no Secret mcnet-broker")}, Verdict.WRONG,
         "there is no Secret mcnet-broker", "mcnet join broker-info.mcnet --context w"),
        ({"broker": replace(WELL.broker, refused="not accepted")}, Verdict.WRONG,
         "the broker does not accept it: not accepted", RENEW),
        ({"broker": with_token(-30 * DAY, -DAY)}, Verdict.WRONG, "it ended at 2026-02-28 12:00 UTC", RENEW),
        ({"broker": with_token(-20 * DAY, 10 * DAY)}, Verdict.WARNING, "should have been renewed since 2026-02-19",
         RENEW),
        ({"said": (UNUSABLE, "no ClusterSet")}, Verdict.WARNING,
         "discovery can't use https://broker:6443: no ClusterSet", "kubectl -n mcnet-system logs"),
        ({"broker": replace(WELL.broker, unreached="no route", held=None), "said": ("", "")}, Verdict.UNKNOWN,
         "whether the broker accepts it could not be asked from here: no route", ""),
    ],
)  # fmt: skip
def test_what_is_not_fine(change: dict[str, Any], verdict: Verdict, said: str, remedy: str) -> None:
    (finding,) = judge(replace(WELL, **change)).findings
    assert finding.verdict is verdict
    assert said in finding.said
    assert finding.remedy.startswith(remedy)
    assert bool(finding.remedy) == bool(remedy)


@pytest.mark.parametrize(("issued", "expires"), [(-DAY, 29 * DAY), (-10 * DAY, 20 * DAY), (-timedelta(hours=1), DAY)])
def test_a_credential_within_its_time(issued: timedelta, expires: timedelta) -> None:
    assert judge(replace(WELL, broker=with_token(issued, expires))).findings == ()


def test_a_broker_that_only_this_machine_can_not_reach_is_fine_if_discovery_uses_it() -> None:
    assert judge(replace(WELL, broker=replace(WELL.broker, unreached="no route", held=None))).findings == ()


def test_what_explains_discoverys_complaint_is_said_alone() -> None:
    evidence = replace(WELL, broker=replace(WELL.broker, refused="no"), said=(UNUSABLE, "401"))
    assert [finding.about for finding in judge(evidence).findings] == ["credential of west"]


def test_renewal_where_no_context_is_known() -> None:
    evidence = replace(WELL, option="", broker=replace(WELL.broker, refused="no", context=""))
    assert judge(evidence).findings[0].remedy == "mcnet member renew west"


def event(reason: str, time: str, name: str = "mcnet", note: str = "") -> dict[str, Any]:
    return {"reason": reason, "eventTime": time, "note": note, "regarding": {"name": name}}


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], ""),
        ([event(UNUSABLE, "2026-01-01T00:00:01Z"), event(USABLE, "2026-01-01T00:00:02Z")], USABLE),
        ([event(USABLE, "2026-01-01T00:00:01Z"), event(UNUSABLE, "2026-01-01T00:00:02Z")], UNUSABLE),
        ([event(UNUSABLE, "2026-01-01T00:00:01Z", "other")], ""),
        ([event("Scheduled", "2026-01-01T00:00:01Z"), {"reason": UNUSABLE}], ""),
    ],
)
def test_discoverys_newest_word(events: list[dict[str, Any]], reason: str) -> None:
    assert newest(events)[0] == reason


def test_no_secret_is_said() -> None:
    evidence = replace(WELL, broker=with_token(-30 * DAY, -DAY))
    assert "token" not in repr(evidence.broker.credential)
    assert jwt(NOW - 30 * DAY, NOW - DAY) not in str(judge(evidence))

"""A report survives being written and read; a damaged one is refused in one sentence."""

import json
from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.errors import DecodeError
from mcnet.codec.latency import decode, encode, encode_comparison
from mcnet.model.cluster import ClusterId
from mcnet.model.latency import (
    Block,
    Comparison,
    Difference,
    Estimate,
    Histogram,
    Measure,
    Path,
    PathResult,
    Place,
    Report,
    Summary,
    Verdict,
)
from tests.fakes.mutations import changed

PATH = Path(Place(ClusterId("east"), "n1", "east-admin", True), Place(ClusterId("west"), "n2", "west-admin"))
TIMES = st.integers(1, 10**9).map(lambda hundredths: hundredths / 100)
QUANTILES = st.dictionaries(st.sampled_from(["p50", "p90", "p99"]), TIMES)
RATIOS = st.integers(1, 10**7).map(lambda parts: parts / 10**4)
SUMMARIES = st.builds(
    lambda sent, share, times: Summary(sent, int(sent * share), *times),
    st.integers(0, 1000), st.floats(0, 1), st.lists(st.one_of(st.none(), TIMES), min_size=6, max_size=6),
)  # fmt: skip
MEASURES = st.builds(
    Measure,
    protocol=st.sampled_from(["icmp", "tcp"]),
    family=st.sampled_from([4, 6]),
    nodes_family=st.sampled_from([4, 6]),
    pods=SUMMARIES,
    nodes=SUMMARIES,
    ratios=st.dictionaries(
        st.sampled_from(["p50", "p90"]), st.builds(Estimate, RATIOS, RATIOS | st.just(-inf), RATIOS | st.just(inf))
    ),
    blocks=st.lists(st.builds(Block, QUANTILES, QUANTILES), max_size=3).map(tuple),
    histogram=st.none() | st.just(Histogram((1.0, 2.0, 4.0), (1, 2), (0, 5))),
)
REPORTS = st.builds(
    Report,
    time=st.just("2026-01-31T12:00:00Z"),
    version=st.just("0.1.0"),
    duration=st.just(10.0),
    interval=st.just(0.01),
    results=st.lists(MEASURES, max_size=2).map(lambda made: (PathResult(PATH, tuple(made)),)),
)


@given(REPORTS)
def test_a_report_survives(report: Report) -> None:
    text = json.dumps(encode(report), allow_nan=False)
    assert decode(json.loads(text)) == report


def whole() -> dict[str, Any]:
    measure = Measure(
        protocol="icmp", family=4, nodes_family=4, pods=Summary(10, 1, 5.0), nodes=Summary(10, 0, 4.0),
        ratios={"p50": Estimate(1.25, -inf, inf)}, blocks=(Block({"p50": 5.0}, {"p50": 4.0}),),
        histogram=Histogram((1.0, 2.0), (9,), (10,)),
    )  # fmt: skip
    made = Report(time="t", version="v", duration=10, interval=0.01, results=(PathResult(PATH, (measure,)),))
    document: dict[str, Any] = json.loads(json.dumps(encode(made)))
    return document


def test_the_document() -> None:
    document = whole()
    assert (document["kind"], document["unit"]) == ("LatencyReport", "microseconds")
    (path,) = document["paths"]
    assert path["from"] == {"context": "east-admin", "cluster": "east", "node": "n1", "gateway": True}
    (measure,) = path["measures"]
    assert measure["ratio"] == {"p50": {"value": 1.25, "low": None, "high": None}}
    assert measure["pods"] == {
        "sent": 10, "lost": 1, "loss": 0.1,
        "p50": 5.0, "p90": None, "p99": None, "p99.9": None, "max": None, "jitter": None,
    }  # fmt: skip


def damaged(change: Any) -> dict[str, Any]:
    document = whole()
    change(document)
    return document


@pytest.mark.parametrize(
    ("document", "why"),
    [
        pytest.param([], "no LatencyReport of format 1", id="no-object"),
        pytest.param({"kind": "Pod"}, "no LatencyReport of format 1", id="another-kind"),
        pytest.param(damaged(lambda one: one.update(format=2)), "no LatencyReport of format 1", id="a-later-format"),
        pytest.param(damaged(lambda one: one.pop("paths")), "damaged: KeyError: 'paths'", id="no-paths"),
        pytest.param(damaged(lambda one: one.update(paths=[1])), "damaged: TypeError", id="a-path-is-no-object"),
        pytest.param(
            damaged(lambda one: one["paths"][0]["measures"][0]["pods"].update(lost=11)), "11 lost of 10", id="lost"
        ),
        pytest.param(
            damaged(lambda one: one["paths"][0]["measures"][0]["blocks"][0]["pods"].update(p50=0)),
            "not positive", id="no-time",
        ),
        pytest.param(
            damaged(lambda one: one["paths"][0]["measures"][0]["histogram"].update(edges=[1])),
            "don't match", id="histogram",
        ),
        pytest.param(
            damaged(lambda one: one["paths"][0]["measures"][0]["pods"].update(sent=inf)),
            "damaged: OverflowError", id="sent-without-end",
        ),
        pytest.param(
            damaged(lambda one: one["paths"][0]["measures"][0]["nodes"].update(p50=nan)), "nan is not a", id="nan"
        ),
        pytest.param(damaged(lambda one: one.update(intervalSeconds=10**400)), "inf is not a", id="huge-number"),
    ],
)  # fmt: skip
def test_what_is_refused(document: object, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        decode(document)


def test_what_is_taken_can_be_written_again() -> None:
    """As JSON that others read, too: without NaN and infinity."""
    taken = 0
    for what, document in changed(whole()):
        try:
            report = decode(document)
        except DecodeError:
            continue
        taken += 1
        assert json.dumps(encode(report), allow_nan=False), what
    assert taken > 100


def test_a_comparison() -> None:
    difference = Difference(PATH, 4, "tcp", "p50", Estimate(1.5, 1.2, inf), Verdict.WORSE)
    other = replace(PATH, target=PATH.source)
    document = encode_comparison(Comparison((difference,), (other,), ()))
    assert document["verdict"] == "worse"
    assert document["differences"][0]["change"] == {"value": 1.5, "low": 1.2, "high": None}
    assert (document["onlyInEarlier"][0]["to"]["node"], document["onlyInThis"]) == ("n1", [])

"""`mcnet benchmark latency`: what is refused before any server is asked, what is written, how it ends."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcnet.benchmark import latency
from mcnet.cli import entry
from mcnet.codec.latency import decode, encode
from mcnet.model.cluster import ClusterId
from mcnet.model.latency import Path as Way_
from mcnet.model.latency import PathResult, Place, Report, Series, Way
from mcnet.plan.latency import measures

LATENCY = ("benchmark", "latency")


def report(microseconds: float) -> Report:
    path = Way_(Place(ClusterId("east"), "n1", "e"), Place(ClusterId("west"), "n1", "w"))
    ats = tuple(number / 100 for number in range(1000))
    made = [
        Series("icmp", 4, way, ats, tuple(center + number % 9 for number in range(1000)))
        for way, center in ((Way.PODS, microseconds), (Way.NODES, 100.0))
    ]
    return Report(
        time="2026-01-31T12:00:00Z",
        version="v",
        duration=10,
        interval=0.01,
        results=(PathResult(path, measures(made)),),
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[latency.Request]:
    """The requests that were made; each is answered with the same report."""
    requests: list[latency.Request] = []

    async def measure(request: latency.Request, progress: Any) -> Report:
        requests.append(request)
        return report(150.0)

    monkeypatch.setattr(latency, "measure", measure)
    return requests


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--duration", "soon"), "'soon' is not a duration"),
        (("--duration", "10h", "--interval", "10"), "samples"),
        (("--interval", "2"), "an interval of 2 ms is too short"),
        (("--interval", "0"), "--interval"),
        (("--compare", "missing.json"), "the report missing.json can't be read: [Errno 2]"),
        (("--save", "no/such/directory/file.json"), "there is no directory"),
        (("-o", "xml"), "xml"),
    ],
)
def test_what_is_refused(
    words: tuple[str, ...], says: str, asked: list[latency.Request], capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main([*LATENCY, *words]) == 2
    assert says in capsys.readouterr().err
    assert asked == []


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "LatencyReport", "format": 1}'])
def test_a_file_that_is_no_report(
    content: str, tmp_path: Path, asked: list[latency.Request], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.json"
    path.write_text(content)
    assert entry.main([*LATENCY, "--compare", str(path)]) == 2
    err = capsys.readouterr().err
    assert f"the report {path} can't be read" in err
    assert f"next: make one: mcnet benchmark latency --save {path}" in err
    assert asked == []


def test_the_options_reach_the_measurement(asked: list[latency.Request]) -> None:
    words = (
        "--from",
        "a/n1",
        "--to",
        "b",
        "--duration",
        "1m",
        "--interval",
        "20",
        "--image",
        "i",
        "--kubeconfig",
        "k",
    )
    assert entry.main([*LATENCY, *words]) == 0
    assert asked == [
        latency.Request(source="a/n1", target="b", duration=60, interval=0.02, image="i", kubeconfig=Path("k"))
    ]


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_forms(form: str, load: Any, asked: list[latency.Request], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main([*LATENCY, "-o", form]) == 0
    assert decode(load(capsys.readouterr().out)) == decode(encode(report(150.0)))


def test_the_table(asked: list[latency.Request], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(LATENCY) == 0
    out = capsys.readouterr().out
    assert out.startswith("east/n1 → west/n1\n  icmp IPv4  1.48x")
    assert "\x1b" not in out


@pytest.mark.parametrize(("before", "verdict"), [(100.0, "worse"), (150.0, "same"), (250.0, "better")])
def test_save_and_compare(
    before: float, verdict: str, tmp_path: Path, asked: list[latency.Request], capsys: pytest.CaptureFixture[str]
) -> None:
    status = 1 if verdict == "worse" else 0
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(encode(replace(report(before), time="then"))))
    assert entry.main([*LATENCY, "--compare", str(old), "--save", str(new)]) == status
    assert f"Compared with the run of then: {verdict}" in capsys.readouterr().out
    assert decode(json.loads(new.read_text())) == decode(encode(report(150.0)))
    assert entry.main([*LATENCY, "--compare", str(old), "-o", "json"]) == status
    assert json.loads(capsys.readouterr().out)["comparison"]["verdict"] == verdict
    # What a run has saved compares as the run itself.
    assert entry.main([*LATENCY, "--compare", str(new), "--tolerance", "1"]) == 0

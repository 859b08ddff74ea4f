"""`mcnet diagnose service`: told apart from checks, what it prints, what it ends with; the climb is made up."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcnet.cli import entry
from mcnet.diagnose.open import Absent
from mcnet.diagnose.service.climb import Climbed
from mcnet.diagnose.service.ladder import LADDER
from mcnet.diagnose.site import Site
from mcnet.model.cluster import ClusterId
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.errors import UnreachableError
from mcnet.model.member import Member
from mcnet.model.service import ServiceName
from mcnet.show.gather import Unread
from tests.fakes.api import FakeServer

Given = Callable[..., list[ServiceName]]
WRONG = Finding(Verdict.WRONG, "cluster west", "there is no ServiceImport", "kubectl logs")
DEAD = Unread("dead", UnreachableError("https://dead did not answer within 5 s"))


def climbed(*findings: Finding, broken_at: int = len(LADDER)) -> list[Climbed]:
    """All well up to the rung `broken_at`, which has the findings."""
    return [
        Climbed(rung, Judgement("looked", findings if at == broken_at else ()) if at <= broken_at else None)
        for at, rung in enumerate(LADDER)
    ]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    """Sets what is found behind the contexts and how far the climb comes; the services that are asked for."""
    asked: list[ServiceName] = []

    def set_up(found: Sequence[Climbed], opened: Sequence[str | Absent | Unread] = ("west",)) -> list[ServiceName]:
        async def open_sites(context: str | None, kubeconfig: Path | None) -> list[Any]:
            return [
                Site(FakeServer(context=one).api(), Member(ClusterId(one), (), ())) if isinstance(one, str) else one
                for one in opened
            ]

        async def climb(sites: Sequence[Site], service: ServiceName, doing: Any) -> list[Climbed]:
            asked.append(service)
            return list(found)

        monkeypatch.setattr("mcnet.diagnose.open.open_sites", open_sites)
        monkeypatch.setattr("mcnet.diagnose.service.climb.climb", climb)
        return asked

    return set_up


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = entry.main(["diagnose", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_all_is_well(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    asked = given(climbed())
    status, out, err = told(capsys, "service", "web", "-n", "shop")
    assert (status, err, asked) == (0, "", [ServiceName("shop", "web")])
    heading, *lines = out.splitlines()
    assert heading == "service shop/web"
    assert lines == [f"✓ {rung.title:<15}  looked" for rung in LADDER]
    assert told(capsys, "service", "web")[0] == 0
    assert asked[-1] == ServiceName("default", "web")


def test_a_broken_rung_and_what_lies_above_it(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    given(climbed(WRONG, broken_at=2))
    status, out, _ = told(capsys, "service", "web", "-n", "shop")
    assert status == 1
    assert out.splitlines()[3:8] == [
        "✗ Imported         looked",
        "  why it matters: a cluster knows a service of others by its ServiceImport",
        "  ✗ cluster west: there is no ServiceImport",
        "    next: kubectl logs",
        "- Derived Service  not looked at: the way is broken before",
    ]
    warning = Finding(Verdict.WARNING, "cluster west", "it differs")
    given(climbed(warning, broken_at=6))
    assert told(capsys, "service", "web")[0] == 0


def test_json_and_yaml(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    given(climbed(WRONG, broken_at=2))
    status, out, _ = told(capsys, "service", "web", "-o", "json")
    rows = json.loads(out)
    assert rows == yaml.safe_load(told(capsys, "service", "web", "-o", "yaml")[1])
    assert status == 1
    assert [(row["rung"], row["verdict"]) for row in rows[1:4]] == [
        ("broker", "fine"), ("import", "wrong"), ("derived", "unknown"),
    ]  # fmt: skip
    assert rows[2]["findings"] == [
        {"verdict": "wrong", "about": "cluster west", "said": "there is no ServiceImport", "remedy": "kubectl logs",
         "place": ""},
    ]  # fmt: skip
    assert (rows[3]["looked"], rows[3]["findings"]) == ("", [])


@pytest.mark.parametrize(
    ("opened", "words", "status", "says"),
    [
        ([], ["service", "web"], 2, "no context leads to a member"),
        ([Absent("plain")], ["service", "web", "--context", "plain"], 2, "context plain is no member"),
        ([DEAD], ["service", "web"], 3, "dead: could not be read"),
        (["west"], ["service", "Web"], 2, "'Web' is no name of a Service"),
        (["west"], ["service"], 2, "NAME"),
        (["west"], ["--context", "west", "service", "web"], 2, "it comes first: mcnet diagnose service NAME"),
        (["west"], ["mtu", "service"], 2, "it comes first"),
    ],
)
def test_what_can_t_be_climbed(
    opened: Sequence[Any], words: list[str], status: int, says: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("given")(climbed(), opened)
    ended, out, err = told(request.getfixturevalue("capsys"), *words)
    assert (ended, out) == (status, "")
    assert says in err


def test_contexts_that_could_not_be_read_are_named(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    given(climbed(), ["west", DEAD])
    status, _, err = told(capsys, "service", "web")
    assert (status, err) == (0, "dead: could not be read: https://dead did not answer within 5 s\n")


def test_help_of_both(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(capsys, "service", "--help")
    assert status == 0
    assert "Usage: mcnet diagnose service [OPTIONS]" in out
    assert "Example: mcnet diagnose service web -n shop" in out
    status, out, _ = told(capsys, "--help")
    assert (status, "mcnet diagnose service NAME" in out) == (0, True)

"""`mcnet diagnose`: what it prints, what it ends with, and what it refuses; the checks themselves are made up."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcnet.cli import entry
from mcnet.diagnose.check import AnyCheck, Check
from mcnet.diagnose.site import Site
from mcnet.model.cluster import ClusterId
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.errors import McnetError, UnreachableError
from mcnet.model.member import Member
from mcnet.show.gather import Absent, Unread
from tests.fakes.api import FakeServer

Open = Callable[..., None]
DEAD = Unread("dead", UnreachableError("https://dead did not answer within 5 s"))


def judged(verdict: Verdict) -> Judgement:
    if verdict is Verdict.FINE:
        return Judgement("2 nodes")
    return Judgement("2 nodes", (Finding(verdict, "node n1", "it is broken", "mend n1", "n1"),))


def check(name: str, verdict: Verdict = Verdict.FINE) -> AnyCheck:
    async def gather(site: Site) -> Verdict:
        return verdict

    return Check(name=name, title=name.title(), matters=f"{name} matters", gather=gather, judge=judged)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Sets the checks there are and what is found behind the contexts: names of members, or anything else."""

    def set_up(checks: Sequence[AnyCheck], found: Sequence[str | Absent | Unread] = ("west",)) -> None:
        async def open_sites(context: str | None, kubeconfig: Path | None) -> list[Any]:
            opened = []
            for one in found:
                if isinstance(one, str):
                    opened.append(Site(FakeServer(context=one).api(), Member(ClusterId(one), (), ())))
                else:
                    opened.append(one)  # type: ignore[arg-type]
            return opened

        monkeypatch.setattr("mcnet.diagnose.checks.CHECKS", tuple(checks))
        monkeypatch.setattr("mcnet.diagnose.open.open_sites", open_sites)

    return set_up


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = entry.main(["diagnose", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ((Verdict.FINE, Verdict.FINE), 0),
        ((Verdict.FINE, Verdict.WARNING), 0),
        ((Verdict.UNKNOWN, Verdict.WARNING), 0),
        ((Verdict.FINE, Verdict.WRONG), 1),
    ],
)
def test_the_exit_status_says_whether_something_is_wrong(
    verdicts: Sequence[Verdict], status: int, given: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    given([check(f"c{number}", verdict) for number, verdict in enumerate(verdicts)])
    assert told(capsys)[0] == status


def test_the_screen(given: Open, capsys: pytest.CaptureFixture[str]) -> None:
    given([check("links"), check("nodes", Verdict.WRONG)], ["west", "east"])
    status, out, err = told(capsys)
    assert status == 1
    assert (
        out
        == (
            "west: 1 fine, 1 wrong\n"
            "✓ Links  2 nodes\n"
            "✗ Nodes  2 nodes  [nodes]\n"
            "  why it matters: nodes matters\n"
            "  ✗ node n1: it is broken\n"
            "    next: on n1: mend n1\n"
            "\n"
        )
        + out[out.index("east:") :]
    )
    assert out[out.index("east:") :].startswith("east: 1 fine, 1 wrong\n")
    assert err == ""


def found(name: str, *findings: Finding) -> AnyCheck:
    async def gather(site: Site) -> None:
        return None

    judgement = Judgement("2 nodes", findings)
    return Check(name=name, title=name, matters="it matters", gather=gather, judge=lambda _: judgement)


def test_what_no_check_could_look_at_is_said_in_full_once(given: Open, capsys: pytest.CaptureFixture[str]) -> None:
    unknown = Finding(Verdict.UNKNOWN, "node n1", "the node is not Ready")
    given([found("a", unknown), found("b", unknown)])
    _, out, _ = told(capsys)
    assert out.count("node n1: the node is not Ready") == 1
    assert out.count("node n1: as above") == 1


def test_hundreds_of_findings_are_cut_on_the_screen(given: Open, capsys: pytest.CaptureFixture[str]) -> None:
    given([found("a", *(Finding(Verdict.WRONG, f"node n{number}", "gone") for number in range(500)))])
    _, out, _ = told(capsys)
    assert len(out.splitlines()) < 20
    assert "  … and 490 more: mcnet diagnose a -o wide" in out
    assert told(capsys, "-o", "wide")[1].count("gone") == 500


def test_sentences_are_wrapped_on_a_terminal_and_commands_are_not(
    given: Open, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = "nft insert rule inet firewall input " + "udp dport 4800 " * 10 + "accept"
    given([found("a", Finding(Verdict.WRONG, "node n1", "word " * 60, command))])
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    _, out, _ = told(capsys)
    assert f"    next: {command}\n" in out
    assert all(len(line) <= 80 for line in out.splitlines() if command not in line)
    assert out.count("word") == 60


def test_wide_says_of_everything_why_it_matters(given: Open, capsys: pytest.CaptureFixture[str]) -> None:
    given([check("links")])
    assert "why it matters" not in told(capsys)[1]
    assert "why it matters: links matters" in told(capsys, "-o", "wide")[1]


def test_json_and_yaml_hold_all_that_the_screen_shows(given: Open, capsys: pytest.CaptureFixture[str]) -> None:
    given([check("links"), check("nodes", Verdict.WARNING)])
    _, screen, _ = told(capsys, "-o", "wide")
    _, out, _ = told(capsys, "-o", "json")
    rows = json.loads(out)
    assert rows == yaml.safe_load(told(capsys, "-o", "yaml")[1])
    finding = {"verdict": "warning", "about": "node n1", "said": "it is broken", "remedy": "mend n1", "place": "n1"}
    assert rows[1] == {
        "cluster": "west", "check": "nodes", "title": "Nodes", "verdict": "warning", "looked": "2 nodes",
        "matters": "nodes matters", "findings": [finding],
    }  # fmt: skip
    shown = [row["title"] for row in rows] + [row["looked"] for row in rows] + [row["matters"] for row in rows]
    assert all(text in screen for text in [*shown, *finding.values()])


def test_only_the_named_checks_in_their_own_order(given: Open, capsys: pytest.CaptureFixture[str]) -> None:
    given([check("a"), check("b"), check("c")])
    rows = json.loads(told(capsys, "c", "a", "-o", "json")[1])
    assert [row["check"] for row in rows] == ["a", "c"]


def test_an_unknown_check_names_the_nearest(given: Open, capsys: pytest.CaptureFixture[str]) -> None:
    given([check("cable-port"), check("mtu")])
    status, out, err = told(capsys, "cableport")
    assert (status, out) == (2, "")
    assert "there is no check 'cableport'" in err
    assert "do you mean cable-port? mcnet diagnose --list shows all of them" in err
    assert "do you mean" not in told(capsys, "zzz")[2]


def test_the_list(given: Open, capsys: pytest.CaptureFixture[str]) -> None:
    given([check("cable-port"), check("mtu")], [])
    status, out, _ = told(capsys, "--list")
    assert (status, out) == (0, "cable-port  Cable-Port: cable-port matters\nmtu         Mtu: mtu matters\n")


def test_contexts_without_mcnet_in_one_line_and_unread_ones_by_name(
    given: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    given([check("a")], ["west", Absent("plain"), DEAD, Absent("hub", broker=True)])
    status, out, err = told(capsys)
    assert status == 0
    assert re.findall(r"^\w+:", out) == ["west:"]
    assert err == "dead: could not be read: https://dead did not answer within 5 s\nno member: plain, hub (broker)\n"


@pytest.mark.parametrize(
    ("found", "words", "status", "says"),
    [
        ([], [], 2, "no context leads to a member"),
        ([Absent("plain")], [], 2, "no context leads to a member"),
        ([DEAD, Absent("plain")], [], 3, "dead: could not be read"),
        ([Absent("plain")], ["--context", "plain"], 2, "context plain is no member"),
        ([Absent("hub", broker=True)], ["--context", "hub"], 2, "context hub is a broker, but no member"),
        ([DEAD], ["--context", "dead"], 3, "https://dead did not answer"),
        ([Unread("odd", McnetError("its Member object is damaged"))], ["--context", "odd"], 1, "damaged"),
    ],
)
def test_nothing_to_diagnose(
    found: Sequence[Any], words: list[str], status: int, says: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("given")([check("a")], found)
    ended, out, err = told(request.getfixturevalue("capsys"), *words)
    assert (ended, out) == (status, "")
    assert says in err


class Terminal:
    """Keeps the steps that would be shown on a terminal."""

    said: list[str]

    def __init__(self) -> None:
        type(self).said = []

    def doing(self, text: str) -> None:
        self.said.append(text)

    def clear(self) -> None:
        pass


def test_progress_names_what_is_waited_for(
    given: Open, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcnet.cli.diagnose.Steps", Terminal)
    given([check("a"), check("b")])
    told(capsys)
    assert Terminal.said[:2] == ["Asking the clusters", "2 checks on west"]
    assert Terminal.said[2].startswith("1 of 2 checks done; waiting for ")
    assert len(Terminal.said) == 3

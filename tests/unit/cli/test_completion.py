"""Completion by the table, and that the table and docs/cli.md are what the commands say."""

from pathlib import Path

import pytest

from mcnet.cli import reference
from mcnet.cli.completion import SCRIPTS, complete, script
from mcnet.model.errors import UsageError


@pytest.mark.parametrize(
    ("words", "some"),
    [
        ([], {"join", "leave", "show"}),
        (["jo"], {"join"}),
        (["show", ""], {"connections", "endpoints", "gateways"}),
        (["token", "cr"], {"create"}),
        (["show", "connections", "-o", ""], {"json", "table", "wide", "yaml"}),
        (["show", "connections", "-o", "j"], {"json"}),
        (["join", "info", "--dry"], {"--dry-run"}),
        (["join", "--deb"], {"--debug"}),
    ],
)
def test_candidates(words: list[str], some: set[str]) -> None:
    found = complete(words)
    assert some <= set(found)
    assert found == sorted(found)
    assert all(one.startswith(words[-1] if words else "") for one in found)


@pytest.mark.parametrize("words", [["join", "--image", ""], ["show", "connections", "-o", "x"], ["nonsense", "x"]])
def test_no_candidates(words: list[str]) -> None:
    assert complete(words) == []


def test_contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("contexts: [{name: east}, {name: west}]")
    two.write_text("contexts: [{name: north}]")
    monkeypatch.setenv("KUBECONFIG", f"{one}:{two}:{tmp_path / 'missing'}")
    assert complete(["join", "--context", ""]) == ["east", "north", "west"]
    assert complete(["join", "--broker-context", "e"]) == ["east"]
    assert complete(["join", "--kubeconfig", str(two), "--context", ""]) == ["north"]
    two.write_text("{")
    assert complete(["join", "--kubeconfig", str(two), "--context", ""]) == []


def test_scripts() -> None:
    assert "_mcnet" in script("bash")
    assert all("__complete" in text for text in SCRIPTS.values())
    with pytest.raises(UsageError, match="no completion for 'tcsh'"):
        script("tcsh")


def test_generated_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check"]) == 0, capsys.readouterr().err


def test_the_reference_has_a_section_for_every_command() -> None:
    text = reference.document()
    for command in ("mcnet join", "mcnet token create", "mcnet show connections", "mcnet lab up"):
        assert f"### {command}\n" in text


def test_a_stale_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "cli.md"
    stale.write_text("old")
    monkeypatch.setattr(reference, "DOCUMENT", stale)
    assert reference.main(["--check"]) == 1
    assert "cli.md is not current" in capsys.readouterr().err
    assert reference.main(["--other"]) == 2

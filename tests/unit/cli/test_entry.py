"""How the command line ends: exit statuses, one sentence on stderr, speed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mcnet import __version__
from mcnet.cli import commands, entry, main, terminal
from mcnet.model.errors import ForbiddenError, McnetError, UnreachableError, UsageError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes the next command fail with a given error."""

    def fail(error: BaseException) -> None:
        def run(**_settings: object) -> None:
            raise error

        monkeypatch.setattr(main, "program", lambda: SimpleNamespace(main=run))

    yield fail
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (McnetError("no cable.", "look"), 1, "error: no cable.\n next: look\n"),
        (UsageError("wrong."), 2, "error: wrong.\n"),
        (UnreachableError("no answer."), 3, "error: no answer.\n"),
        (ForbiddenError("not allowed.", status=403), 1, "error: not allowed.\n"),
        (BaseExceptionGroup("", [ExceptionGroup("", [UnreachableError("inner.")])]), 3, "error: inner.\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
        (
            ValueError("odd"),
            1,
            "error: mcnet itself failed: ValueError: odd\n next: the trace: the same command with --debug\n",
        ),
    ],
)
def test_errors(
    failing: Any, capsys: pytest.CaptureFixture[str], error: BaseException, status: int, says: str
) -> None:
    failing(error)
    assert entry.main(["join"]) == status
    assert capsys.readouterr() == ("", says)


def test_an_interrupted_command_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(_work: Any) -> None:
        _work.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("mcnet.cli.leave.run", interrupt)
    assert entry.main(["leave"]) == 130
    assert capsys.readouterr().err.endswith("error: interrupted\n")


@pytest.mark.parametrize("words", [["--debug", "join"], ["join", "--debug"]])
def test_debug_shows_the_trace(failing: Any, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    failing(UsageError("wrong."))
    assert entry.main(words) == 2
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.endswith("error: wrong.\n")


@pytest.mark.parametrize("words", [["nonsense"], ["join"], ["join", "--no-such-option"], ["show", "nothing"]])
def test_usage_errors_end_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(words) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert captured.err


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_version(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(words) == 0
    assert capsys.readouterr().out == f"mcnet {__version__}\n"


def test_words_after_the_double_dash_are_not_ours() -> None:
    assert entry._without(["lab", "exec", "--debug", "--", "cmd", "--debug"], "--debug") == (
        ["lab", "exec", "--", "cmd", "--debug"],
        True,
    )


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in commands.COMMANDS:
        assert command.name in out


def leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    if not children:
        yield name, command
    for child, sub in children.items():
        yield from leaves(f"{name} {child}", sub)


def all_leaves() -> list[tuple[str, Any]]:
    return [leaf for entry_ in commands.COMMANDS for leaf in leaves(entry_.name, main.load(entry_.name))]


@pytest.mark.parametrize(("name", "command"), [pytest.param(*leaf, id=leaf[0]) for leaf in all_leaves()])
def test_every_command_has_an_example_of_itself(name: str, command: Any) -> None:
    example = (command.help or "").strip().split("\n\n")[-1]
    assert example.startswith("Example: ")
    assert f"mcnet {name}" in example


@pytest.mark.parametrize(("name", "command"), [pytest.param(*leaf, id=leaf[0]) for leaf in all_leaves()])
def test_every_option_has_a_help(name: str, command: Any) -> None:
    for param in command.params:
        assert param.help, f"{name} {param.name}"


@pytest.mark.parametrize("words", [["version"], ["__complete", "show", ""]])
def test_what_is_fast_loads_neither_typer_nor_a_client(words: list[str]) -> None:
    code = (
        f"import sys; from mcnet.cli.entry import main; main({words!r}); "
        "print([name for name in ('typer', 'rich', 'kubernetes', 'aiohttp', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_colour_off_a_terminal_or_against_the_users_will(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = SimpleNamespace(isatty=lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert terminal.has_color(screen)  # type: ignore[arg-type]
    assert not terminal.has_color(SimpleNamespace(isatty=lambda: False))  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal.has_color(screen)  # type: ignore[arg-type]

"""The noxfile as a script: how it counts a level, and that it covers every level there is."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import IO

import pytest
from nox.command import CommandFailed

from tests.repo.checkout import ROOT


@pytest.fixture(scope="module")
def noxfile() -> ModuleType:
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SHARED = {"fakes", "bench"}
"""Folders of tests/ without tests: doubles for several levels, and benchmarks."""


def test_every_folder_of_tests_is_a_level(noxfile: ModuleType) -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert folders - SHARED == set(noxfile.LEVELS)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param('tests="5" failures="1" errors="1" skipped="1"', (5, 3), id="skips-count-as-failed"),
        pytest.param('tests="5" failures="0" errors="0" skipped="0"', (5, 0), id="all-passed"),
        pytest.param('tests="0" failures="0" errors="0" skipped="0"', (0, 0), id="empty"),
    ],
)
def test_a_report_is_counted(noxfile: ModuleType, tmp_path: Path, attributes: str, expected: tuple[int, int]) -> None:
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite {attributes}/></testsuites>")
    assert noxfile.counted(report) == expected


def test_without_a_report_nothing_was_collected(noxfile: ModuleType, tmp_path: Path) -> None:
    assert noxfile.counted(tmp_path / "missing.xml") == (0, 0)


class Session:
    """Stands for nox's session: pytest ends with this status and this report."""

    posargs: tuple[str, ...] = ()

    def __init__(self, folder: Path, attributes: str, *, fails: bool) -> None:
        self.folder = folder
        self.attributes = attributes
        self.fails = fails

    def create_tmp(self) -> str:
        return str(self.folder)

    def run(self, *command: str, stdout: IO[str] | None = None) -> None:
        report = next(word for word in command if word.startswith("--junitxml=")).partition("=")[2]
        Path(report).write_text(f"<testsuites><testsuite {self.attributes}/></testsuites>")
        if self.fails:
            raise CommandFailed(None)


@pytest.mark.parametrize(
    ("attributes", "fails", "expected"),
    [
        pytest.param('tests="3" failures="0"', False, (3, 3, 0), id="passed"),
        pytest.param('tests="3" failures="1"', True, (3, 2, 1), id="failed"),
        pytest.param('tests="3" failures="0"', True, (3, 3, 1), id="pytest-itself-failed"),
        pytest.param('tests="0" failures="0"', False, (0, 0, 1), id="an-empty-level-fails"),
    ],
)
def test_how_a_level_counts(
    noxfile: ModuleType, tmp_path: Path, attributes: str, fails: bool, expected: tuple[int, int, int]
) -> None:
    result = noxfile.run_level(Session(tmp_path, attributes, fails=fails), "unit")
    assert (result.collected, result.passed, result.failed) == expected


def test_the_level_vm_runs_in_its_machine_and_takes_tests_of_netns_along(noxfile: ModuleType, tmp_path: Path) -> None:
    session = TwoRuns(tmp_path, ["one"], [])
    assert noxfile.run_level(session, "vm").failed == 0
    assert session.asked == [["tests/vm", *noxfile.VM], ["tests/e2e/test_x.py::one"]]
    assert session.runners == ["tests.vm", "tests.vm"]
    assert [path for path in noxfile.VM if not (ROOT / path).exists()] == []
    noxfile.run_level(session := TwoRuns(tmp_path, [], []), "netns")
    assert (session.asked, session.runners) == ([["tests/netns"]], ["pytest"])


NAMES = ("one", "two", "a name [of 1/2]")


class TwoRuns(Session):
    """The first run fails as it says; the second fails the tests that are in `left`."""

    def __init__(self, folder: Path, first: list[str], left: list[str]) -> None:
        super().__init__(folder, "", fails=True)
        self.runs = [first, left]
        self.asked: list[list[str]] = []
        self.runners: list[str] = []

    def run(self, *command: str, stdout: IO[str] | None = None) -> None:
        words = [word for word in command if word.startswith("tests/")]
        self.asked.append(words)
        self.runners.append(command[2])
        report = next(word for word in command if word.startswith("--junitxml=")).partition("=")[2]
        failing = self.runs[len(self.asked) - 1]
        names = NAMES if len(self.asked) == 1 else [word.partition("::")[2] for word in words]
        outcome = {name: "<failure/>" if name in failing else "" for name in names}
        cases = [f'<testcase classname="tests.e2e.test_x" name="{one}">{outcome[one]}</testcase>' for one in names]
        suite = f'<testsuite tests="{len(names)}" failures="{len(failing)}">{"".join(cases)}</testsuite>'
        Path(report).write_text(f"<testsuites>{suite}</testsuites>")
        if failing:
            raise CommandFailed(None)


@pytest.mark.parametrize(
    ("level", "first", "left", "expected"),
    [
        pytest.param("netns", [], [], (0, 1), id="nothing-failed"),
        pytest.param("netns", ["a name [of 1/2]"], [], (0, 2), id="passed-then"),
        pytest.param("netns", ["one", "two"], ["two"], (1, 2), id="failed-again"),
        pytest.param("unit", ["one"], [], (1, 1), id="what-needs-nothing-has-one-chance"),
    ],
)
def test_what_failed_on_real_clusters_is_run_once_more(
    noxfile: ModuleType, tmp_path: Path, *, level: str, first: list[str], left: list[str], expected: tuple[int, int]
) -> None:
    session = TwoRuns(tmp_path, first, left)
    result = noxfile.run_level(session, level)
    failed, runs = expected
    assert (result.failed, len(session.asked)) == expected
    assert result.passed == 3 - failed
    assert session.asked[1:] == [[f"tests/e2e/test_x.py::{name}" for name in first]][: runs - 1]


def test_both_outcomes_are_said(noxfile: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noxfile.run_level(TwoRuns(tmp_path, ["one", "two"], ["two"]), "netns")
    said = capsys.readouterr().out
    assert "netns: failed at first, passed then: tests/e2e/test_x.py::one" in said
    assert "netns: failed at first, again: tests/e2e/test_x.py::two" in said


def test_many_failures_are_no_accident(noxfile: ModuleType, tmp_path: Path) -> None:
    noxfile.MOST_AGAIN, most = 1, noxfile.MOST_AGAIN
    try:
        session = TwoRuns(tmp_path, ["one", "two"], [])
        assert noxfile.run_level(session, "netns").failed == 2
        assert len(session.asked) == 1
    finally:
        noxfile.MOST_AGAIN = most


class InParts(Session):
    """Each part of the level collects and fails as it says."""

    def __init__(self, folder: Path, **parts: tuple[int, int]) -> None:
        super().__init__(folder, "", fails=False)
        self.parts = parts
        self.asked: set[str] = set()

    def run(self, *command: str, stdout: IO[str] | None = None) -> None:
        part = next((word.partition("=")[2] for word in command if word.startswith("--labs=")), "")
        self.asked.add(part)
        collected, failed = self.parts[part]
        report = next(word for word in command if word.startswith("--junitxml=")).partition("=")[2]
        suite = f'<testsuite tests="{collected}" failures="{failed}"/>'
        Path(report).write_text(f"<testsuites>{suite}</testsuites>")
        print(f"{part} ran", file=stdout)
        if failed:
            raise CommandFailed(None)


@pytest.mark.parametrize(
    ("shared", "own", "expected"),
    [
        pytest.param((3, 0), (2, 0), (5, 5, 0), id="passed"),
        pytest.param((3, 1), (2, 1), (5, 3, 2), id="both-fail"),
        pytest.param((3, 0), (0, 0), (3, 3, 1), id="an-empty-part-fails"),
    ],
)
def test_parts_of_a_level_count_together(
    noxfile: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    shared: tuple[int, int],
    own: tuple[int, int],
    expected: tuple[int, int, int],
) -> None:
    session = InParts(tmp_path, shared=shared, own=own)
    result = noxfile.run_level(session, "e2e")
    assert (result.collected, result.passed, result.failed) == expected
    assert session.asked == {"shared", "own"}
    said = capsys.readouterr().out
    assert "shared ran" in said
    assert "e2e, part own:\nown ran" in said


def test_whoever_chooses_tests_has_them_in_one_part(noxfile: ModuleType, tmp_path: Path) -> None:
    session = InParts(tmp_path)
    session.parts = {"": (1, 0)}
    session.posargs = ("-k", "nat")
    assert noxfile.run_level(session, "e2e").failed == 0
    assert session.asked == {""}

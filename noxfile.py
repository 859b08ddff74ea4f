"""The project's commands. In a fresh clone, as root on Debian 12, with nothing prepared:

    python3 noxfile.py demo      two real clusters on this machine, joined, with a tour
    python3 noxfile.py tests     every check and every level of tests

Run as a plain script this file installs the missing system packages (it says which), makes a Python environment
in the cache outside the tree, and runs itself there under nox. `python3 noxfile.py --list` shows all sessions;
arguments after `--` go to pytest, or to the command behind the session.
"""

import asyncio
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
LEVELS = ("unit", "repo", "apiserver", "netns", "vm", "e2e")
"""Folders of tests/, in the order they run: what needs least comes first."""
VM = ("tests/netns/test_cable_families.py", "tests/netns/test_wireguard.py")
"""What the level vm runs beside its own folder: tests of netns that go another way where the kernel has WireGuard."""
USES_VM = {"vm", "tests", "full"}
"""Sessions."""
SUMMARY = "MCNET_TESTS_SUMMARY"
"""The variable that names the file in which the session `tests` leaves its last line."""
NEEDS_LAB = ("apiserver", "netns", "e2e")
REAL = (*NEEDS_LAB, "vm")
"""Levels against real clusters and kernels."""
PARTS = {"e2e": ("shared", "own")}
"""Levels whose tests wait most of the time: parts (pytest's option --labs) that run at once."""
MOST_AGAIN = 12
"""Tests of such a level that are run once more where they failed (a busy machine, what a test before them left): both
outcomes are printed. More of them is no accident."""


class Result(NamedTuple):
    """How one static check or one level of tests went; a static check counts as one test."""

    name: str
    collected: int
    passed: int
    failed: int
    """Skipped tests and errors too; at least 1 where nothing was collected."""
    seconds: float


def say(line: str) -> None:
    """One progress line, at once."""
    print(f"noxfile: {line}", flush=True)


async def environment(*, machine: bool) -> Path:
    """The Python environment of this checkout, made or brought up to date; its `bin` directory. With `machine` also
    what the level vm needs of Debian."""
    from mcnet.lab import cache, packages
    from mcnet.lab.command import run
    from tests.vm.machine import PACKAGES

    extra = list(PACKAGES) if machine else []
    try:
        import ensurepip  # noqa: F401  (Debian keeps it in python3-venv)
    except ModuleNotFoundError:
        extra.append(f"python3.{sys.version_info.minor}-venv")
    await packages.ensure_packages(say, extra=extra)
    home = cache.cache_directory() / "env" / hashlib.sha256(str(HERE).encode()).hexdigest()[:8]
    stamp = home / "made-from"
    project = hashlib.sha256((HERE / "pyproject.toml").read_bytes()).hexdigest()
    made_from = stamp.read_text().splitlines() if stamp.exists() else []
    if made_from == [sys.version.splitlines()[0], project]:
        return home / "bin"
    async with cache.locked(f"env-{home.name}", say):
        say(f"making the Python environment {home} (about a minute)")
        if made_from[:1] != [sys.version.splitlines()[0]]:
            await run([sys.executable, "-m", "venv", "--clear", home], doing="making the environment")
        pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # Debian 12's pip fetches whole wheels to read their metadata: more than twice as slow.
        await run([*pip, "--upgrade", "pip"], doing="updating pip")
        await run([*pip, "--editable", f"{HERE}[test]"], doing="installing Python packages", progress=say)
        stamp.write_text(f"{sys.version.splitlines()[0]}\n{project}\n")
    return home / "bin"


def bootstrap(arguments: list[str]) -> int:
    """Prepares this machine and runs the named session under nox; returns only when something is missing."""
    if sys.version_info < (3, 11):  # noqa: UP036  (whoever starts this may not know)
        say(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
        return 2
    sys.dont_write_bytecode = True
    from mcnet.lab import cache
    from mcnet.model.errors import McnetError

    try:
        binaries = asyncio.run(environment(machine=not USES_VM.isdisjoint(arguments)))
    except McnetError as error:
        say(f"{error.message}." + (f" Next: {error.hint}" if error.hint else ""))
        return int(error.exit_code)
    sessions = [] if not arguments or arguments[0].startswith("-") else ["--session"]
    caches = cache.cache_directory()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the byte code goes beside the tree, not into it
    os.environ |= {
        "PATH": f"{binaries}:{os.environ.get('PATH', '/usr/bin')}:/usr/sbin:/sbin",
        "PYTHONPYCACHEPREFIX": str(caches / "pycache"),
        "RUFF_CACHE_DIR": str(caches / "ruff"),
        "MYPY_CACHE_DIR": str(caches / "mypy"),
    }
    nox_command = [str(binaries / "python"), "-m", "nox", "--noxfile", str(HERE / "noxfile.py")]
    nox_command += ["--envdir", str(binaries.parent / "nox"), *sessions, *arguments]
    with tempfile.NamedTemporaryFile("r") as summary:
        status = subprocess.call(nox_command, env={**os.environ, SUMMARY: summary.name})
        # After nox's own last words, so that the outcome is the last line.
        sys.stdout.write(summary.read())
    return status


if __name__ == "__main__":
    sys.exit(bootstrap(sys.argv[1:] or ["--list"]))

import nox  # noqa: E402  (there only after the bootstrap above)

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "layers", "unit", "repo"]


@nox.session
def lint(session: nox.Session) -> None:
    """Style: ruff check, ruff format."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types: mypy, strict."""
    session.run("mypy")


@nox.session
def layers(session: nox.Session) -> None:
    """Who may import whom: import-linter."""
    session.run("lint-imports", "--no-cache")


@nox.session
def unit(session: nox.Session) -> None:
    """Tests that need nothing."""
    level(session, "unit")


@nox.session
def repo(session: nox.Session) -> None:
    """Tests of the repository itself: layout, packaging, docs."""
    level(session, "repo")


@nox.session
def apiserver(session: nox.Session) -> None:
    """Tests against a real kube-apiserver."""
    level(session, "apiserver")


@nox.session
def netns(session: nox.Session) -> None:
    """Tests against the kernel, in network namespaces (root)."""
    level(session, "netns")


@nox.session
def vm(session: nox.Session) -> None:
    """Tests on Debian's kernel, in an emulated machine (root)."""
    level(session, "vm")


@nox.session
def e2e(session: nox.Session) -> None:
    """Tests on real clusters in the lab (root)."""
    level(session, "e2e")


@nox.session
def tests(session: nox.Session) -> None:
    """Every check and every level; ends with `N passed, M failed`."""
    results = [check(session, name) for name in ("lint", "types", "layers")]
    for name in LEVELS:
        if name == NEEDS_LAB[0]:
            prepare(session)
        results.append(run_level(session, name))
    for name, collected, passed, failed, seconds in results:
        print(f"{name:<10} {collected:>5} collected {passed:>5} passed {failed:>3} failed {seconds:>6.0f} s")
    failed = sum(result.failed for result in results)
    outcome = f"{sum(result.passed for result in results)} passed, {failed} failed"
    if SUMMARY in os.environ:
        Path(os.environ[SUMMARY]).write_text(outcome + "\n")
    if failed:
        session.error(outcome)
    session.log(outcome)


@nox.session
def full(session: nox.Session) -> None:
    """As tests, with the variants that take long: more rounds, more kinds of clusters."""
    os.environ["MCNET_FULL"] = "1"
    tests.func(session)


@nox.session
def demo(session: nox.Session) -> None:
    """Two clusters on this machine, joined, with a tour (root)."""
    session.run("mcnet", "lab", "demo", *session.posargs)
    from mcnet.lab.binaries import find_binaries

    kubectl = asyncio.run(find_binaries())["kubectl"]
    say(f"for mcnet and kubectl: export PATH={Path(sys.executable).parent}:{kubectl.parent}:$PATH")


@nox.session
def docs(session: nox.Session) -> None:
    """Writes docs/cli.md and the table of checks from the command line's own definitions."""
    session.run("python", "-m", "mcnet.cli.reference", "--write", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Benchmarks, all or those named after --, written into docs/benchmarks.md (root)."""
    if session.posargs != ["startup"]:
        prepare(session)
    session.run("python", "-m", "tests.bench", *session.posargs)


def prepare(session: nox.Session) -> None:
    """Binaries and image into the cache; where that fails the tests that need them say so."""
    session.run("python", "-m", "mcnet.lab.prepare", success_codes=range(256))


def level(session: nox.Session, name: str) -> None:
    """One level as a session of its own."""
    if name in NEEDS_LAB:
        prepare(session)
    result = run_level(session, name)
    print(f"{result.passed} passed, {result.failed} failed", flush=True)
    if result.failed:
        session.error(f"{name} failed")


def check(session: nox.Session, name: str) -> Result:
    """One static check, whether or not it passes."""
    started = time.monotonic()
    try:
        globals()[name].func(session)
    except nox.command.CommandFailed:
        return Result(name, 1, 0, 1, time.monotonic() - started)
    return Result(name, 1, 1, 0, time.monotonic() - started)


def run_level(session: nox.Session, name: str) -> Result:
    """Runs one level to its end, whether or not it passes; what failed against clusters and kernels once more."""
    started = time.monotonic()
    succeeded, reports = run_parts(session, name)
    counts = [counted(report) for report in reports]
    collected, failed = sum(found for found, _ in counts), sum(wrong for _, wrong in counts)
    first = [test for report in reports for test in failed_tests(report)]
    if name in REAL and not succeeded and 0 < len(first) == failed <= MOST_AGAIN:
        succeeded, second = run_pytest(session, name, f"{name}-again", first)
        left = failed_tests(second) if counted(second)[0] == len(first) else first
        failed = len(left)
        for test in first:
            print(f"{name}: failed at first, {'again' if test in left else 'passed then'}: {test}", flush=True)
    passed = collected - failed
    if not succeeded or not all(found for found, _ in counts):
        # pytest itself may fail where no single test did: nothing collected, a broken conftest.
        failed = max(failed, 1)
    print(f"{name}: {collected} collected", flush=True)
    return Result(name, collected, passed, failed, time.monotonic() - started)


def run_parts(session: nox.Session, name: str) -> tuple[bool, list[Path]]:
    """Whether pytest was content with all parts of a level, and their JUnit reports. The first part is seen while it
    runs, the others when all have ended."""
    paths = [f"tests/{name}", *(VM if name == "vm" else ())]
    first, *others = ("",) if session.posargs else PARTS.get(name, ("",))
    with ExitStack() as files, ThreadPoolExecutor() as pool:
        outputs = {part: files.enter_context(tempfile.TemporaryFile("w+")) for part in others}
        running = [
            pool.submit(run_pytest, session, name, f"{name}-{part}", [*paths, f"--labs={part}"], outputs[part])
            for part in others
        ]
        label, option = (f"{name}-{first}", [f"--labs={first}"]) if first else (name, [])
        done = [run_pytest(session, name, label, [*paths, *option]), *(one.result() for one in running)]
        for part, output in outputs.items():
            output.seek(0)
            print(f"{name}, part {part}:\n{output.read()}", flush=True)
    return all(fine for fine, _ in done), [report for _, report in done]


def run_pytest(
    session: nox.Session, level_name: str, report_name: str, what: list[str], output: IO[str] | None = None
) -> tuple[bool, Path]:
    """Whether pytest was content with `what`, and its JUnit report. `output` takes what it prints."""
    report = Path(session.create_tmp()) / f"{report_name}.xml"
    report.unlink(missing_ok=True)
    # tests.vm takes pytest's words, and runs it in its machine.
    runner = "tests.vm" if level_name == "vm" else "pytest"
    words = [*what, f"--junitxml={report}", "-p", "no:cacheprovider", "--durations=5"]
    try:
        given = () if report_name.endswith("-again") else session.posargs
        session.run("python", "-m", runner, *words, *given, stdout=output)
    except nox.command.CommandFailed:
        return False, report
    return True, report


def failed_tests(report: Path) -> list[str]:
    """The tests of a JUnit report that did not pass, as pytest takes them."""
    cases = ElementTree.parse(report).getroot().iter("testcase") if report.exists() else ()
    return [
        f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name', '')}"
        for case in cases
        if any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
    ]


def counted(report: Path) -> tuple[int, int]:
    """(collected, failed) of a JUnit report; skipped tests and errors count as failed."""
    suite = ElementTree.parse(report).getroot().find("testsuite") if report.exists() else None
    if suite is None:
        return 0, 0
    failed = sum(int(suite.get(kind, 0)) for kind in ("failures", "errors", "skipped"))
    return int(suite.get("tests", 0)), failed

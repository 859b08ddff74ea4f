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
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
LEVELS = ("unit", "repo", "apiserver", "netns", "e2e")
"""Folders of tests/, in the order they run: what needs least comes first."""
NEEDS_LAB = ("apiserver", "netns", "e2e")


def say(line: str) -> None:
    """One progress line, at once."""
    print(f"noxfile: {line}", flush=True)


async def environment() -> Path:
    """The Python environment of this checkout, made or brought up to date; its `bin` directory."""
    from mcnet.lab import cache, packages
    from mcnet.lab.command import run

    try:
        import ensurepip  # noqa: F401  (Debian keeps it in python3-venv)

        await packages.ensure_packages(say)
    except ModuleNotFoundError:
        await packages.ensure_packages(say, extra=[f"python3.{sys.version_info.minor}-venv"])
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
        binaries = asyncio.run(environment())
    except McnetError as error:
        say(f"{error.message}." + (f" Next: {error.hint}" if error.hint else ""))
        return int(error.exit_code)
    sessions = [] if not arguments or arguments[0].startswith("-") else ["--session"]
    caches = cache.cache_directory()
    os.environ |= {
        "PATH": f"{binaries}:{os.environ.get('PATH', '/usr/bin')}:/usr/sbin:/sbin",
        "PYTHONPYCACHEPREFIX": str(caches / "pycache"),
        "RUFF_CACHE_DIR": str(caches / "ruff"),
        "MYPY_CACHE_DIR": str(caches / "mypy"),
    }
    nox_command = [str(binaries / "python"), "-m", "nox", "--noxfile", str(HERE / "noxfile.py")]
    nox_command += ["--envdir", str(caches / "nox"), *sessions, *arguments]
    sys.stdout.flush()
    return os.execv(nox_command[0], nox_command)


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
def e2e(session: nox.Session) -> None:
    """Tests on real clusters in the lab (root)."""
    level(session, "e2e")


@nox.session
def tests(session: nox.Session) -> None:
    """Every check and every level; ends with `N passed, M failed`."""
    results = [check(session, name) for name in ("lint", "types", "layers")]
    for name in LEVELS:
        results.append(run_level(session, name))
    for name, passed, failed, seconds in results:
        print(f"{name:<10} {passed + failed:>5} collected {passed:>5} passed {failed:>3} failed {seconds:>6.0f} s")
    passed, failed = sum(result[1] for result in results), sum(result[2] for result in results)
    print(f"{passed} passed, {failed} failed", flush=True)
    if failed:
        session.error("not everything passed")


@nox.session
def demo(session: nox.Session) -> None:
    """Two clusters on this machine, joined, with a tour (root)."""
    session.run("mcnet", "lab", "demo", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Writes docs/cli.md from the command line's own definitions."""
    session.run("python", "-m", "mcnet.cli.reference", "--write", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """How long the command line takes to start: the median of eleven runs, against its budget in ms."""
    import statistics
    import subprocess

    for arguments, budget in ((["version"], 150), (["--help"], 300)):
        spent = []
        for _ in range(11):
            started = time.perf_counter()
            subprocess.run(["mcnet", *arguments], check=True, stdout=subprocess.DEVNULL)
            spent.append((time.perf_counter() - started) * 1000)
        print(f"mcnet {' '.join(arguments):<10} {statistics.median(spent):>5.0f} ms (budget {budget} ms)")


def level(session: nox.Session, name: str) -> None:
    """One level as a session of its own."""
    _, passed, failed, _ = run_level(session, name)
    print(f"{name}: {passed} passed, {failed} failed", flush=True)
    if failed:
        session.error(f"{name} failed")


def check(session: nox.Session, name: str) -> tuple[str, int, int, float]:
    """One static check, counted as one test."""
    started = time.monotonic()
    try:
        globals()[name].func(session)
    except nox.command.CommandFailed:
        return name, 0, 1, time.monotonic() - started
    return name, 1, 0, time.monotonic() - started


def run_level(session: nox.Session, name: str) -> tuple[str, int, int, float]:
    """Runs one level to its end: (name, passed, failed, seconds). An empty level counts as a failure."""
    started = time.monotonic()
    report = Path(session.create_tmp()) / f"{name}.xml"
    report.unlink(missing_ok=True)
    any_status = range(256)
    if name in NEEDS_LAB:
        session.run("python", "-m", "mcnet.lab.prepare", success_codes=any_status)
    pytest = ["pytest", f"tests/{name}", f"--junitxml={report}", "-p", "no:cacheprovider", "--durations=5"]
    status = 0
    try:
        session.run("python", "-m", *pytest, *session.posargs)
    except nox.command.CommandFailed:
        status = 1
    passed, failed = counted(report)
    if status and not failed:
        failed = 1
    print(f"{name}: {passed + failed} collected", flush=True)
    return name, passed, failed or int(passed == 0), time.monotonic() - started


def counted(report: Path) -> tuple[int, int]:
    """(passed, failed) of a JUnit report; skipped tests and errors count as failed."""
    if not report.exists():
        return 0, 1
    suite = ElementTree.parse(report).getroot().find("testsuite")
    if suite is None:
        return 0, 1
    failed = sum(int(suite.get(kind, 0)) for kind in ("failures", "errors", "skipped"))
    return int(suite.get("tests", 0)) - failed, failed

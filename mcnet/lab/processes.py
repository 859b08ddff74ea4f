"""Programs run for a lab: to their end, or to stay; and how the lab's processes are found again.

Every process started here carries the lab's mark in its environment, from its first instruction, so that
one whose starter was killed before it could write it down is found all the same. What runs where is
decided by machines.py and its callers.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcnet.model.errors import KernelError, McnetError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program said."""

    status: int
    output: str
    errors: str


def environment(mark: str) -> dict[str, str]:
    """The whole environment of a lab's process."""
    name, _, value = mark.partition("=")
    return {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", name: value}


async def call(argv: Sequence[str], *, mark: str, stdin: str | Path = "") -> Completed:
    """Runs a program to its end, with a text or a file as its input. One that is cancelled is killed."""
    if isinstance(stdin, Path):
        with stdin.open("rb") as file:
            return await _call(argv, mark, file.fileno(), None)
    return await _call(argv, mark, asyncio.subprocess.PIPE, stdin.encode())


async def _call(argv: Sequence[str], mark: str, stdin: int, text: bytes | None) -> Completed:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=environment(mark),
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise McnetError(f"the program {argv[0]!r} is not installed", "mcnet lab up installs it") from None
    try:
        output, errors = await process.communicate(text)
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            process.kill()
        # Not wait(): that waits for its pipes to close too, which those full of unread output never do.
        await process.communicate()
        raise
    return Completed(process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))


async def check(argv: Sequence[str], *, mark: str, stdin: str | Path = "") -> str:
    """Like `call`, but raises KernelError with the program's own words when it fails."""
    done = await call(argv, mark=mark, stdin=stdin)
    if done.status:
        said = " / ".join(line for line in done.errors.splitlines() if line.strip())[-600:]
        raise KernelError(f"`{' '.join(argv)[:120]}` failed with status {done.status}: {said}")
    return done.output


def spawn(argv: Sequence[str], *, mark: str, log: Path) -> int:
    """Starts a program that outlives this process, its output in `log`; returns its process id.

    Not by asyncio, whose transports kill the program with the event loop.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawnp(
        argv[0],
        list(argv),
        environment(mark),
        setsid=True,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )


async def wait_until(condition: Callable[[], Awaitable[bool]], *, seconds: float, poll: float = 0.05) -> bool:
    """Asks again until `condition` holds; False when it did not within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            # Another program's state has nothing to subscribe to.
            while not await condition():  # noqa: ASYNC110
                await asyncio.sleep(poll)
    except TimeoutError:
        return False
    return True


async def child_of(pid: int, *, seconds: float = 10) -> int:
    """The first child of a process, once it has one; 0 when the process ended before."""
    async with asyncio.timeout(seconds):
        while is_running(pid):
            if children := _words(Path(f"/proc/{pid}/task/{pid}/children")):
                return int(children[0])
            await asyncio.sleep(_POLL)
    return 0


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when it has ended (also when not yet reaped).

    One whose first thread has ended before others has not: they may hold its sockets still.
    """
    try:
        # The name of the program stands in brackets and may contain anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    threads, started = int(fields[17]), int(fields[19])
    return 0 if fields[0] in "ZX" and threads <= 1 else started


def is_running(pid: int, started: int = 0) -> bool:
    """Whether the process runs, and is the one that started then."""
    now = start_time(pid) if pid else 0
    return now != 0 and started in (0, now)


def find(*, mark: str, namespaces: Iterable[str]) -> set[int]:
    """The processes of a lab: those with its mark, and those in its network namespaces.

    Containers have neither; they end with their machine.
    """
    inodes = set(_namespace_inodes(namespaces))
    entry = mark.encode()
    found = set()
    for path in Path("/proc").iterdir():
        if not path.name.isdigit() or int(path.name) == os.getpid():
            continue
        try:
            ours = _netns(path) in inodes or entry in (path / "environ").read_bytes().split(b"\0")
            if ours and start_time(int(path.name)):
                found.add(int(path.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def kill(pids: Iterable[int]) -> None:
    """Kills processes at once, and collects those that this process had started."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def reap(pids: Iterable[int]) -> None:
    """Collects the ended ones among `pids` that are children of this process."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _netns(process: Path) -> tuple[int, int] | None:
    try:
        status = (process / "ns" / "net").stat()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return status.st_dev, status.st_ino


def _namespace_inodes(names: Iterable[str]) -> Iterable[tuple[int, int]]:
    own = _netns(Path("/proc/self"))
    for name in names:
        try:
            status = Path("/run/netns", name).stat()
        except FileNotFoundError:
            continue
        if (status.st_dev, status.st_ino) != own:
            yield status.st_dev, status.st_ino

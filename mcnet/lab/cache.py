"""The cache outside every checkout: where it is, locks between processes, files that appear whole.

What lies in it is the business of `binaries` and `image`.
"""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

POLL = 0.5
"""Seconds between two tries for a lock that another process holds."""


def cache_directory() -> Path:
    """`$MCNET_CACHE`, else `$XDG_CACHE_HOME/mcnet`, else `~/.cache/mcnet`; made if it is missing."""
    own = os.environ.get("MCNET_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME")
    path = Path(own) if own else (Path(shared) if shared else Path.home() / ".cache") / "mcnet"
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


@asynccontextmanager
async def locked(name: str, progress: Callable[[str], None]) -> AsyncIterator[None]:
    """Holds the cache's lock `name`; says so once if another process has it.

    The kernel drops the lock with the process, so a killed one never blocks the next.
    """
    locks = cache_directory() / "locks"
    locks.mkdir(exist_ok=True)
    with (locks / name).open("w") as file:
        told = False
        while not _try_lock(file.fileno()):
            if not told:
                progress(f"waiting for another mcnet process that prepares the same thing ({name})")
                told = True
            await asyncio.sleep(POLL)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def scratch(purpose: str) -> Iterator[Path]:
    """A directory on the cache's own file system, so that `place` can rename; removed at the end."""
    parent = cache_directory() / "tmp"
    parent.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def place(made: Path, wanted: Path) -> Path:
    """Moves a finished file to its place in one step and returns the place."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    made.replace(wanted)
    return wanted

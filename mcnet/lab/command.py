"""Runs one external program to its end: its output, or one sentence about its failure.

Long-running processes of a lab (etcd, kubelet, …) do not belong here.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mcnet.model.errors import McnetError

HEARTBEAT = 30.0
"""Seconds between two progress lines about a program that is still running."""


async def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    doing: str = "",
    progress: Callable[[str], None] | None = None,
) -> str:
    """Runs `argv` and returns its standard output.

    `env` is added to this process's environment. With `progress`, "still `doing` …" is told every
    `HEARTBEAT` seconds. The program gets a process group of its own, which is ended when this call is
    cancelled. Raises McnetError with the last lines of standard error.
    """
    program = str(argv[0])
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise McnetError(f"{program} is not installed") from error
    beat = asyncio.create_task(_heartbeat(doing or program, progress)) if progress else None
    try:
        out, err = await process.communicate()
    except BaseException:
        await _end(process)
        raise
    finally:
        if beat:
            beat.cancel()
    if process.returncode:
        lines = [line for line in (err or out).decode(errors="replace").splitlines() if line.strip()]
        raise McnetError(f"{doing or program} failed with status {process.returncode}: {' / '.join(lines[-4:])}")
    return out.decode(errors="replace")


async def _heartbeat(doing: str, progress: Callable[[str], None]) -> None:
    started = time.monotonic()
    while True:
        await asyncio.sleep(HEARTBEAT)
        progress(f"still {doing} ({time.monotonic() - started:.0f} s)")


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    try:
        # Not wait(): that waits for its pipes to close too, which those full of unread output never do.
        await asyncio.wait_for(process.communicate(), 5)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()

"""Running a program: its output, its failure in one sentence, its end when nobody waits any more."""

import asyncio
import os
from pathlib import Path

import pytest

from mcnet.lab import command
from mcnet.model.errors import McnetError
from tests.fakes.eventually import eventually


async def test_output_and_environment(tmp_path: Path) -> None:
    output = await command.run(["sh", "-c", "echo $WORD; pwd"], env={"WORD": "yes"}, cwd=tmp_path)
    assert output.splitlines() == ["yes", str(tmp_path)]


async def test_a_failure_is_one_sentence_with_the_last_lines() -> None:
    with pytest.raises(McnetError, match=r"^making it failed with status 3: broken / here$"):
        await command.run(["sh", "-c", "echo broken >&2; echo here >&2; exit 3"], doing="making it")


async def test_a_missing_program_is_named() -> None:
    with pytest.raises(McnetError, match=r"no-such-program is not installed"):
        await command.run(["no-such-program"])


async def test_a_long_run_says_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "HEARTBEAT", 0.01)
    said: list[str] = []
    await command.run(["sleep", "0.2"], doing="sleeping", progress=said.append)
    assert said[0].startswith("still sleeping (")


async def test_cancelling_ends_the_program_and_what_it_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    task = asyncio.create_task(command.run(["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"]))
    async with asyncio.timeout(5):
        while not (pid_file.exists() and pid_file.read_text().strip()):  # noqa: ASYNC110  (another process)
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while _runs(int(pid_file.read_text())):  # noqa: ASYNC110  (another process)
            await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


async def test_a_cancelled_program_ends_though_nobody_reads_its_output(tmp_path: Path) -> None:
    started = tmp_path / "started"
    task = asyncio.create_task(command.run(["sh", "-c", f"touch {started}; exec yes"]))
    await eventually(started.exists)
    task.cancel()
    assert await asyncio.wait({task}, timeout=5) == ({task}, set())
    assert task.cancelled()

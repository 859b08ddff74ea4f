"""Processes of a lab are found by their mark and by nothing less."""

import asyncio
import sys
from pathlib import Path

import pytest

from mcnet.lab import processes
from mcnet.lab.features import FEATURES, check
from mcnet.model.errors import KernelError, McnetError


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """Unique to this test."""
    return f"MCNET_LAB={tmp_path}"


async def test_a_spawned_process_is_found_killed_and_reaped(mark: str, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "sh.log"
    pid = processes.spawn(["sh", "-c", "echo started; sleep 60; :"], mark=mark, log=log)
    child = await processes.child_of(pid)
    assert processes.find(mark=mark, namespaces=[]) == {pid, child}
    assert processes.find(mark=f"{mark}/other", namespaces=[]) == set()
    assert log.read_text() == "started\n"
    started = processes.start_time(pid)
    assert processes.is_running(pid, started)
    assert not processes.is_running(pid, started + 1)
    processes.kill([pid, child])

    async def gone() -> bool:
        processes.reap([pid])
        return not processes.find(mark=mark, namespaces=[])

    assert await processes.wait_until(gone, seconds=5)
    assert not processes.is_running(pid)
    processes.kill([pid])


FIRST_THREAD_ENDS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


async def test_a_process_runs_as_long_as_any_of_its_threads(mark: str, tmp_path: Path) -> None:
    pid = processes.spawn([sys.executable, "-c", FIRST_THREAD_ENDS], mark=mark, log=tmp_path / "log")

    async def first_ended() -> bool:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"

    assert await processes.wait_until(first_ended, seconds=20)
    assert processes.is_running(pid)
    processes.kill([pid])

    async def gone() -> bool:
        processes.reap([pid])
        return not processes.is_running(pid)

    assert await processes.wait_until(gone, seconds=5)


async def test_a_program_without_children_has_none(mark: str, tmp_path: Path) -> None:
    pid = processes.spawn(["true"], mark=mark, log=tmp_path / "log")
    assert await processes.child_of(pid) == 0
    processes.reap([pid])
    assert not processes.is_running(pid)


async def test_a_failing_program_is_quoted(mark: str) -> None:
    with pytest.raises(KernelError, match="status 3: no luck"):
        await processes.check(["sh", "-c", "echo no luck >&2; exit 3"], mark=mark)


async def test_a_missing_program_is_named(mark: str) -> None:
    with pytest.raises(McnetError, match="'no-such-program' is not installed"):
        await processes.call(["no-such-program"], mark=mark)


async def test_input_is_a_text_or_a_file(mark: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from a file")
    assert await processes.check(["cat"], mark=mark, stdin="a text") == "a text"
    assert await processes.check(["cat"], mark=mark, stdin=tmp_path / "file") == "from a file"


async def test_a_cancelled_program_is_killed(mark: str) -> None:
    task = asyncio.create_task(processes.call(["sleep", "60"], mark=mark))

    async def started() -> bool:
        return bool(processes.find(mark=mark, namespaces=[]))

    assert await processes.wait_until(started, seconds=5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await started()


async def test_a_cancelled_program_is_killed_though_nobody_reads_its_output(mark: str) -> None:
    """Its pipe is full, so its end is not seen before what it wrote has been read."""
    task = asyncio.create_task(processes.call(["yes"], mark=mark))

    async def started() -> bool:
        return bool(processes.find(mark=mark, namespaces=[]))

    assert await processes.wait_until(started, seconds=5)
    task.cancel()
    assert await asyncio.wait({task}, timeout=5) == ({task}, set())
    assert task.cancelled()
    assert not await started()


async def test_waiting_ends_with_its_time() -> None:
    async def never() -> bool:
        return False

    assert not await processes.wait_until(never, seconds=0.1)


def test_a_kernel_that_lacks_something_is_told_what() -> None:
    check([])
    with pytest.raises(KernelError, match=r"veth pairs \(CONFIG_VETH\) and bridges \(CONFIG_BRIDGE\)"):
        check(["BRIDGE", "VETH"])
    assert len({each.option for each in FEATURES}) == len(FEATURES)

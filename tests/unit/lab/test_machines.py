"""When a machine counts as booted: its log may have what an earlier machine of its name said."""

import os
from pathlib import Path

import pytest

from mcnet.lab import machines, processes

EARLIER = "ready\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "init.log"
    path.write_text(EARLIER)
    return path


@pytest.mark.parametrize(("said", "booted"), [("", False), ("mount: refused\n", False), ("ready\n", True)])
async def test_only_what_this_one_says_counts(
    log: Path, monkeypatch: pytest.MonkeyPatch, said: str, booted: bool
) -> None:
    looks = iter((True, True, False))
    monkeypatch.setattr(processes, "is_running", lambda _: next(looks))
    with log.open("a") as file:
        file.write(said)
    assert await machines._said_ready(log, len(EARLIER), os.getpid()) is booted
    assert machines._said(log, len(EARLIER)) == said


async def test_a_machine_that_never_was_has_said_nothing(tmp_path: Path) -> None:
    assert machines._said(tmp_path / "init.log", 0) == ""

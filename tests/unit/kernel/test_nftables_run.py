"""A run of nft that is cancelled ends at once, however much it has still to say."""

import asyncio
from pathlib import Path

import pytest

from mcnet.kernel import nftables
from tests.fakes.eventually import eventually


async def test_a_cancelled_run_ends_though_nobody_reads_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pipe is full: a daemon that is stopped while it lists a long table must not wait for that."""
    started = tmp_path / "started"
    (tmp_path / "nft").write_text(f"#!/bin/sh\ntouch {started}\nexec yes\n")
    (tmp_path / "nft").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    task = asyncio.create_task(nftables.run("list", "ruleset"))
    await eventually(started.exists)
    task.cancel()
    assert await asyncio.wait({task}, timeout=5) == ({task}, set())
    assert task.cancelled()

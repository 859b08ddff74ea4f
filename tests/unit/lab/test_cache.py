"""The cache's place, its locks, and files that appear whole."""

import asyncio
from pathlib import Path

import pytest

from mcnet.lab import cache


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"MCNET_CACHE": "own"}, "own", id="own"),
        pytest.param({"XDG_CACHE_HOME": "xdg"}, "xdg/mcnet", id="xdg"),
        pytest.param({"HOME": "home"}, "home/.cache/mcnet", id="home"),
        pytest.param({"MCNET_CACHE": "own", "XDG_CACHE_HOME": "xdg"}, "own", id="own-before-xdg"),
    ],
)
def test_the_place(variables: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MCNET_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    assert cache.cache_directory() == tmp_path / expected
    assert (tmp_path / expected).is_dir()


async def test_a_lock_is_held_by_one_and_the_other_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCNET_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "POLL", 0.01)
    order: list[str] = []
    told: list[str] = []
    waiting = asyncio.Event()

    def say(line: str) -> None:
        told.append(line)
        waiting.set()

    async def second() -> None:
        async with cache.locked("one", say):
            order.append("second")

    async with cache.locked("one", told.append):
        task = asyncio.create_task(second())
        await waiting.wait()
        order.append("first")
    await task
    assert order == ["first", "second"]
    assert len(told) == 1
    assert "one" in told[0]


def test_scratch_is_gone_afterwards_and_placed_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCNET_CACHE", str(tmp_path))
    with cache.scratch("test") as work:
        (work / "file").write_text("whole")
        placed = cache.place(work / "file", tmp_path / "deep" / "down" / "file")
    assert placed.read_text() == "whole"
    assert not work.exists()

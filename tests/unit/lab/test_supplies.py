"""The lab's own images are made once and found again."""

from pathlib import Path
from typing import Any

import pytest

from mcnet.lab import supplies


@pytest.fixture
def coredns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called coredns, everything needed being there, and a cache of this test's own."""
    program = tmp_path / "coredns"
    program.write_bytes(b"program")
    monkeypatch.setenv("MCNET_CACHE", str(tmp_path / "cache"))

    async def nothing() -> None:
        return None

    async def binaries(_: Any) -> dict[str, Path]:
        return {"coredns": program}

    monkeypatch.setattr(supplies, "require_packages", nothing)
    monkeypatch.setattr(supplies, "require_features", nothing)
    monkeypatch.setattr(supplies, "ensure_binaries", binaries)
    return program


@pytest.fixture
def unpacked(coredns: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, ...]]:
    """The archives that were asked to be unpacked, call by call."""
    asked: list[tuple[Path, ...]] = []

    async def ensure_store(archives: tuple[Path, ...], _: Any) -> Path:
        asked.append(archives)
        return coredns.parent

    monkeypatch.setattr(supplies, "ensure_store", ensure_store)
    return asked


async def test_images_are_made_once_per_program(
    coredns: Path, unpacked: list[tuple[Path, ...]], tmp_path: Path
) -> None:
    await supplies.gather(print, (tmp_path / "more.tar",))
    assert [path.name.split("-")[0] for path in unpacked[0]] == ["pause", "coredns", "more.tar"]
    stamps = [path.stat().st_mtime_ns for path in unpacked[0][:2]]
    await supplies.gather(print)
    assert unpacked[1] == unpacked[0][:2]
    assert [path.stat().st_mtime_ns for path in unpacked[1]] == stamps
    coredns.write_bytes(b"another program")
    await supplies.gather(print)
    assert (unpacked[2][0], unpacked[2][1] != unpacked[0][1]) == (unpacked[0][0], True)
    assert not list((tmp_path / "cache" / "tmp").iterdir())

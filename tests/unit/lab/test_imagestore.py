"""Nodes share the files of images and nothing that is written."""

from pathlib import Path

import pytest

from mcnet.lab import imagestore


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A containerd root as far as cloning knows it."""
    for name in (*imagestore._DATABASES, "content/blob"):
        path = tmp_path / "store" / name
        path.parent.mkdir(parents=True)
        path.write_text(name)
    return tmp_path / "store"


async def test_a_clone_shares_blobs_but_has_its_own_databases(store: Path, tmp_path: Path) -> None:
    target = tmp_path / "machines" / "n1" / "containerd"
    await imagestore.clone(store, target)
    assert (target / "content" / "blob").samefile(store / "content" / "blob")
    for name in imagestore._DATABASES:
        (target / name).write_text("changed")
        assert (store / name).read_text() == name


async def test_a_store_is_made_once_for_the_same_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCNET_CACHE", str(tmp_path / "cache"))
    made: list[tuple[Path, ...]] = []

    async def make(wanted: Path, archives: tuple[Path, ...]) -> None:
        made.append(tuple(archives))
        wanted.mkdir(parents=True)

    async def version(_: object) -> str:
        return "containerd 1.6.20"

    monkeypatch.setattr(imagestore, "_make", make)
    monkeypatch.setattr(imagestore, "run", version)
    one, other = tmp_path / "one.tar", tmp_path / "other.tar"
    one.write_text("one")
    other.write_text("other")
    first = await imagestore.ensure_store((one,), print)
    assert await imagestore.ensure_store((one,), print) == first
    assert await imagestore.ensure_store((one, other), print) != first
    one.write_text("changed")
    assert await imagestore.ensure_store((one,), print) != first
    assert made == [(one,), (one, other), (one,)]


def test_old_stores_go(tmp_path: Path) -> None:
    for name in "abcde":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    imagestore._prune(tmp_path)
    assert len(list(tmp_path.iterdir())) == imagestore._STORES_KEPT

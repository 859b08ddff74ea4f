"""The checkout as the tests of this level see it: its root, and every file that belongs to it."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOP = {"daemons", "docs", "mcnet", "templates", "tests", "LICENSE", "README.md", "noxfile.py", "pyproject.toml"}
"""Everything at the top but dot-files."""
CODE = ("mcnet", "daemons", "tests")


def files(*folders: str) -> Iterator[Path]:
    """Every file below these top-level entries, all of `TOP` by default, without what Python and git leave."""
    for name in folders or sorted(TOP):
        yield from _below(ROOT / name)


def _below(path: Path) -> Iterator[Path]:
    if path.is_symlink() or path.name == "__pycache__":
        return
    if path.is_dir():
        for entry in sorted(path.iterdir()):
            yield from _below(entry)
    elif path.exists():
        yield path


def python_files() -> list[Path]:
    """Every Python file of the project and its tests."""
    return [path for path in [*files(*CODE), ROOT / "noxfile.py"] if path.suffix == ".py"]


def relative(path: Path) -> str:
    """The path as a reader of the checkout says it."""
    return str(path.relative_to(ROOT))

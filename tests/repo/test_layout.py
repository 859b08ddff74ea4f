"""What lies where in the checkout, and how long and what it may be called."""

import ast
import re
from pathlib import Path

from tests.repo.checkout import ROOT, TOP, files, python_files, relative

LONGEST = 500
WHOLE_PACKAGE = {
    "codec/test_decode.py",
    "codec/test_hostile.py",
    "codec/test_roundtrip.py",
    "kube/test_fake.py",
    "plan/test_dns_kep.py",
    "plan/test_node_convergence.py",
}
"""Unit tests of what the modules of a package do alike or together."""
DRAWERS = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
# Put together here so that this file does not find itself.
FOREIGN_PATHS = re.compile(
    "|".join([r"(?<![\w.])/" + "work/", "/var" + "/tmp/", r"\.\./" + "shared", "/opt/" + "wheels"])
)


def test_nothing_else_lies_at_the_top() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found == TOP


def test_no_file_is_too_long_to_read() -> None:
    long = {
        relative(path): count for path in python_files() if (count := len(path.read_text().splitlines())) > LONGEST
    }
    assert long == {}


def test_no_module_is_a_drawer() -> None:
    drawers = [relative(path) for path in files("mcnet", "daemons", "tests") if DRAWERS & set(path.stem.split("_"))]
    assert drawers == []


def test_every_module_opens_with_its_idea() -> None:
    silent = [
        relative(path)
        for path in python_files()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_no_path_of_the_machine_it_was_written_on() -> None:
    found = {
        f"{relative(path)}: {match[0]}"
        for path in files()
        if path.suffix not in {".png", ".tar"} and (match := FOREIGN_PATHS.search(path.read_text()))
    }
    assert found == set()


def test_every_unit_test_file_mirrors_a_module() -> None:
    strays = [relative(path) for path in files("tests") if _is_unit_test(path) and not _mirrored(path)]
    assert strays == []


def _is_unit_test(path: Path) -> bool:
    return path.is_relative_to(ROOT / "tests" / "unit") and path.name.startswith("test_")


def _mirrored(test: Path) -> bool:
    """tests/unit/plan/test_diff.py for mcnet/plan/diff.py; test_diff_order.py is about an aspect of it."""
    folder = test.parent.relative_to(ROOT / "tests" / "unit")
    words = test.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    homes = [ROOT / "mcnet" / folder, ROOT / "daemons" / folder]
    if folder.name == "render":
        homes.append(ROOT / "templates")
    if str(folder / test.name) in WHOLE_PACKAGE:
        return True
    return any((home / f"{name}.py").exists() or (home / name).is_dir() for home in homes for name in names)

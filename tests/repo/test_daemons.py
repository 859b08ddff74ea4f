"""Each daemon's README is its contract: five sections, and tables that equal the code.

The form, also in docs/contributing.md: sections Reads, Writes, Settings, Metrics, Health. Settings has a table
whose first column is the environment variable, as the fields' docstrings in `settings.py` begin; Metrics one whose
first column is a name of `metrics.NAMES`. Names stand in backquotes.
"""

import ast
import importlib
import itertools
import re
from pathlib import Path

import pytest

from tests.repo.checkout import ROOT

DAEMONS = sorted(path.parent for path in (ROOT / "daemons").glob("*/__init__.py"))
SECTIONS = ["Reads", "Writes", "Settings", "Metrics", "Health"]

each_daemon = pytest.mark.parametrize("daemon", DAEMONS, ids=lambda path: path.name)


def sections(daemon: Path) -> dict[str, str]:
    """The README's second-level sections by title."""
    parts = re.split(r"^## (.+)$", (daemon / "README.md").read_text(), flags=re.MULTILINE)[1:]
    return {title.strip(): text for title, text in zip(parts[::2], parts[1::2], strict=True)}


def first_column(table: str) -> set[str]:
    """What stands in backquotes at the beginning of a table's rows."""
    return set(re.findall(r"^\| *`([^`]+)`", table, re.MULTILINE))


def variables(settings: Path) -> set[str]:
    """The environment variables that the docstrings under the fields of `Settings` begin with."""
    tree = ast.parse(settings.read_text())
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    found = set()
    for field, below in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign):
            text = ast.unparse(below).strip("'\"")
            assert re.match(r"[A-Z][A-Z0-9_]*: ", text), f"{ast.unparse(field)} has no docstring `VARIABLE: meaning`"
            found.add(text.partition(":")[0])
    return found


@each_daemon
def test_the_contract_has_its_sections(daemon: Path) -> None:
    assert list(sections(daemon)) == SECTIONS
    assert all(text.strip() for text in sections(daemon).values())


@each_daemon
def test_the_settings_are_those_of_the_code(daemon: Path) -> None:
    settings = daemon / "settings.py"
    assert first_column(sections(daemon)["Settings"]) == (variables(settings) if settings.exists() else set())


@each_daemon
def test_the_metrics_are_those_of_the_code(daemon: Path) -> None:
    there = (daemon / "metrics.py").exists()
    names = importlib.import_module(f"{daemon.name}.metrics").NAMES if there else ()
    assert first_column(sections(daemon)["Metrics"]) == set(names)

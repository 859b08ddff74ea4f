"""The documents say what is there: their links resolve, their commands exist, the CLI reference is up to date."""

import ast
import re
from pathlib import Path

import pytest

from tests.repo.checkout import ROOT, files, relative

DOCUMENTS = [ROOT / "README.md", *(path for path in files("docs", "daemons") if path.suffix == ".md")]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
NOXFILE_COMMAND = re.compile(r"python3 noxfile\.py ([a-z]\w*)")
ESSENTIAL = {"architecture", "datapath", "security", "contributing", "cli", "changelog", "diagnose"}


def anchor_of(heading: str) -> str:
    """A heading's anchor as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_every_page_is_there() -> None:
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} >= ESSENTIAL


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links_resolve(document: Path) -> None:
    broken = []
    for link in LINK.findall(document.read_text()):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = (document.parent / target).resolve() if target else document
        headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE) if path.is_file() else []
        if not path.exists() or (anchor and anchor not in {anchor_of(heading) for heading in headings}):
            broken.append(link)
    assert broken == []


def sessions() -> set[str]:
    """The nox sessions, read without running the file."""
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name for node in functions if any("session" in ast.unparse(one) for one in node.decorator_list)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_commands_named_are_sessions(document: Path) -> None:
    assert set(NOXFILE_COMMAND.findall(document.read_text())) <= sessions()


def test_the_readme_has_the_two_commands() -> None:
    assert set(NOXFILE_COMMAND.findall((ROOT / "README.md").read_text())) == {"demo", "tests"}


def test_ci_runs_the_readmes_command() -> None:
    assert "python3 noxfile.py tests" in (ROOT / ".ci" / "run").read_text()


def test_what_is_generated_from_the_command_line_is_up_to_date() -> None:
    from mcnet.cli import reference

    assert reference.DOCUMENT.read_text() == reference.document(), "run: python3 noxfile.py docs"
    assert reference.DIAGNOSE.read_text() == reference.diagnose_page(), "run: python3 noxfile.py docs"
    assert reference.TABLE.read_text() == reference.table_text(), "run: python3 noxfile.py docs"


def test_every_benchmark_has_its_part_with_a_table() -> None:
    from tests.bench.__main__ import BENCHMARKS
    from tests.bench.document import DOCUMENT, parts

    found = parts(DOCUMENT.read_text())
    assert found.keys() == BENCHMARKS.keys()
    for body in found.values():
        head, ruler, *rows = [line for line in body.splitlines() if line.startswith("|")]
        assert rows
        assert set(ruler) <= set("|- ")
        assert {line.count("|") for line in (head, ruler, *rows)} == {head.count("|")}


def test_a_benchmarks_part_is_replaced_and_nothing_else() -> None:
    from tests.bench.document import parts, with_part

    text = "a\n<!-- bench: x -->\nold\n<!-- end: x -->\nb\n<!-- bench: y -->\nkept\n<!-- end: y -->\n"
    changed = with_part(text, "x", r"new \1")
    assert parts(changed) == {"x": "new \\1\n", "y": "kept\n"}
    assert changed.replace(r"new \1", "old") == text
    with pytest.raises(LookupError):
        with_part(text, "z", "")


def test_each_sentence_of_the_dns_specification_has_its_test() -> None:
    tree = ast.parse((ROOT / "tests" / "unit" / "plan" / "test_dns_kep.py").read_text())
    tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    assert set(re.findall(r"`(test_2_\w+)`", (ROOT / "docs" / "dns.md").read_text())) == tests


CONFORMANCE = ROOT / "docs" / "conformance.md"
TEST = re.compile(r"`((?:unit|apiserver|e2e)/[\w/]+\.py)::(test_\w+)`")


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_sentence_of_the_mcs_api_has_its_test() -> None:
    """Or it is said to be met otherwise or not at all. No test of the suite's cases is left without its sentence."""
    lines = [line for line in CONFORMANCE.read_text().splitlines() if line.startswith("| ")]
    rows = [line for line in lines if not line.endswith("| test |")]
    assert len(rows) > 80
    assert [row for row in rows if not TEST.search(row) and "*not met*" not in row] == []
    named = {found for row in rows for found in TEST.findall(row)}
    assert [one for one in sorted(named) if one[1] not in functions(ROOT / "tests" / one[0])] == []
    for file in ("apiserver/test_conformance.py", "unit/plan/test_services_kep.py"):
        tests = {name for name in functions(ROOT / "tests" / file) if name.startswith("test_")}
        assert tests == {name for path, name in named if path == file}

"""docs/benchmarks.md: each benchmark writes its own part, between markers that bear its name."""

import re
from collections.abc import Sequence
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
PART = re.compile(r"<!-- bench: (\w+) -->\n(.*?)<!-- end: \1 -->", re.DOTALL)


def parts(text: str) -> dict[str, str]:
    """The generated parts by name."""
    return dict(PART.findall(text))


def with_part(text: str, name: str, body: str) -> str:
    """`text` with another part `name`. Raises LookupError if it has no place for it."""
    if name not in parts(text):
        raise LookupError(f"docs/benchmarks.md has no markers for {name}")
    marked = f"<!-- bench: {name} -->\n{body.rstrip()}\n<!-- end: {name} -->"
    return PART.sub(lambda found: marked if found[1] == name else found[0], text)


def write(name: str, body: str) -> None:
    """Put the part into the document."""
    DOCUMENT.write_text(with_part(DOCUMENT.read_text(), name, body))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"

"""Findings of `mcnet diagnose` on the screen and as rows. What is found is mcnet.diagnose's."""

import sys
from typing import TYPE_CHECKING, Final

from mcnet.cli.terminal import DIM, GREEN, RED, YELLOW, paint

if TYPE_CHECKING:
    from mcnet.model.diagnosis import Finding, Verdict

MARKS: Final = {"fine": ("✓", GREEN), "unknown": ("?", YELLOW), "warning": ("!", YELLOW), "wrong": ("✗", RED)}


def mark(verdict: "Verdict") -> str:
    """The sign of a verdict, in its colour."""
    sign, color = MARKS[verdict]
    return paint(sign, color, sys.stdout)


def finding_row(finding: "Finding") -> dict[str, str]:
    """As JSON and YAML have it."""
    return {
        "verdict": str(finding.verdict),
        "about": finding.about,
        "said": finding.said,
        "remedy": finding.remedy,
        "place": finding.place,
    }


def print_finding(finding: "Finding", *, again: bool = False) -> None:
    """`again`: the same stands above, as with a node that no check could look at."""
    said = "as above" if again and finding.verdict == "unknown" else finding.said
    print_text("    ", f"{finding.about}: {said}", "", first=f"  {mark(finding.verdict)} ")
    if finding.remedy:
        # Never wrapped: it is to be copied.
        place = f"on {finding.place}: " if finding.place else ""
        print(f"    {paint('next:', DIM, sys.stdout)} {place}{finding.remedy}")


def print_text(indent: str, text: str, color: str, *, first: str = "") -> None:
    """Print a sentence, on a terminal wrapped at its width."""
    from shutil import get_terminal_size
    from textwrap import wrap

    width = get_terminal_size().columns if sys.stdout.isatty() else 0
    lines = wrap(text, max(40, width - len(indent)), break_on_hyphens=False) if width else [text]
    for number, line in enumerate(lines):
        print((first or indent if number == 0 else indent) + (paint(line, color, sys.stdout) if color else line))

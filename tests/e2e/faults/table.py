"""The table of faults in docs/diagnose.md: a row per fault, as it was found. MCNET_WRITE_DOCS=1 writes it.

Names and numbers of the lab are taken out, so that every run makes the same rows.
"""

import os
import re
from pathlib import Path
from typing import Final

from mcnet.model.diagnosis import Finding
from tests.e2e.faults.fault import Fault

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "diagnose.md"
WRITE: Final = "MCNET_WRITE_DOCS"
BEGIN: Final = "<!-- faults: written by MCNET_WRITE_DOCS=1 python3 noxfile.py e2e -- -k test_diagnose -->"
END: Final = "<!-- end of faults -->"
HEAD: Final = ("| fault | check | what it says | next |", "|---|---|---|---|")

_NEUTRAL: Final = (
    (r"(ErrImagePull|ImagePullBackOff): .*", "ImagePullBackOff: …"),
    (r"\blocalhost/mcnet:\d[\w.-]*", "IMAGE"),
    (r"\b(east|west)-n\d\b", "NODE"),
    (r"\b(mcnet-[a-z-]+?)(-[a-f0-9]{7,10})?-[bcdfghjklmnpqrstvwxz2456789]{5}\b", r"\1-…"),
    (r"\b(east|west|third)\b", "CLUSTER"),
    (r"\b\d+\.\d+\.\d+\.\d+(?::\d+)?(?P<length>/\d+)?", "ADDRESS"),
    (r"\b[0-9a-f]{1,4}:[0-9a-f:]*:[0-9a-f:]*(/\d+)?", "ADDRESS"),
    (r"(?<!UDP )(?<!TCP )(?<!port )(?<![\w./-])\d+(?:\.\d+)*(?![\w-])", "N"),
)


def neutral(text: str) -> str:
    """The text without what differs from lab to lab."""
    for pattern, name in _NEUTRAL:
        text = re.sub(pattern, name, text)
    return text


def row(fault: Fault, finding: Finding) -> str:
    """The fault's row."""
    remedy = neutral(finding.remedy)
    place = f"on {neutral(finding.place)}: " if finding.place else ""
    cells = (
        fault.title,
        f"`{fault.check}`",
        f"{finding.verdict}: {neutral(finding.about)}: {neutral(finding.said)}",
        f"{place}`{remedy}`" if fault.mends and not fault.captured else f"{place}{remedy}",
    )
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def rows() -> dict[str, str]:
    """The rows of the document by fault."""
    text = DOCUMENT.read_text()
    inside = text[text.index(BEGIN) : text.index(END)]
    lines = [line for line in inside.splitlines() if line.startswith("| ") and line not in HEAD]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines}


def record(fault: Fault, finding: Finding, order: list[str]) -> None:
    """Assert that the document has the fault's row, or write it there; `order` has the titles of all faults."""
    made, known = row(fault, finding), rows()
    if os.environ.get(WRITE):
        known[fault.title] = made
        _write([known[title] for title in order if title in known])
    assert rows().get(fault.title) == made, f"docs/diagnose.md lacks this row; {WRITE}=1 writes it:\n{made}"


def _write(lines: list[str]) -> None:
    text = DOCUMENT.read_text()
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    DOCUMENT.write_text("\n".join([before + BEGIN, "", *HEAD, *lines, "", after]))

"""Rows of values as a table, JSON or YAML. What the rows say is the callers'."""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TextIO

import yaml

GAP: Final = 3
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""What other clusters write into their objects must not command our user's terminal."""
GREEN, YELLOW, RED = "32", "33", "31"
COLORS: Final = {
    "connected": GREEN,
    "ready": GREEN,
    "alive": GREEN,
    "current": GREEN,
    "advertised": GREEN,
    "routed": GREEN,
    "connecting": YELLOW,
    "unknown": YELLOW,
    "found": YELLOW,
    "requested": YELLOW,
    "approved": YELLOW,
    "mixed": YELLOW,
    "other version": YELLOW,
    "elsewhere": YELLOW,
    "pending": YELLOW,
    "conflict": YELLOW,
    "error": RED,
    "not ready": RED,
    "missing": RED,
    "refused": RED,
    "stale": RED,
    "no endpoints": RED,
}
"""Of states, whichever view they are in."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: heading and the key of the row's value. `wide` columns are shown by `-o wide` only; `form` makes
    the text from row and key, where the value's own is not it."""

    heading: str
    key: str
    wide: bool = False
    colored: bool = False
    form: Callable[[Mapping[str, Any], str], str] | None = None


def write(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    form: str,
    *,
    empty: str = "",
    color: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Writes the rows in `form`: "table", "wide", "json" or "yaml". `empty` is said (to stderr) for a table
    without rows."""
    out = stream or sys.stdout
    match form:
        case "json":
            out.write(json.dumps(list(rows), indent=2) + "\n")
        case "yaml":
            out.write(yaml.safe_dump([dict(row) for row in rows], sort_keys=False, allow_unicode=True))
        case _ if not rows:
            print(empty, file=sys.stderr)
        case _:
            shown = [column for column in columns if form == "wide" or not column.wide]
            out.write(table(rows, shown, color=color) + "\n")


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], *, color: bool = False) -> str:
    """Headings and rows, aligned, without lines: what scripts can cut and people can read."""
    lines = [[column.heading for column in columns]]
    lines += [[_cell(row, column, color) for column in columns] for row in rows]
    widths = [max(_width(line[at]) for line in lines) for at in range(len(columns))]
    return "\n".join(_line(line, widths) for line in lines)


def _cell(row: Mapping[str, Any], column: Column, color: bool) -> str:
    text = plain(column.form(row, column.key) if column.form else _text(row.get(column.key)))
    if color and column.colored and text in COLORS:
        return f"\x1b[{COLORS[text]}m{text}\x1b[0m"
    return text or "-"


def plain(text: str) -> str:
    """The text with "?" for each control character."""
    return _CONTROL.sub("?", text)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _width(text: str) -> int:
    return len(_ESCAPE.sub("", text))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - _width(cell) + GAP) for cell, width in zip(cells, widths, strict=True)]
    return "".join(padded).rstrip()

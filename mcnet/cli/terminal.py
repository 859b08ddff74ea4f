"""What the command line writes to a terminal: colours, errors, steps of an operation. No decisions."""

import os
import sys
from typing import Final, TextIO

GREEN: Final = "32"
YELLOW: Final = "33"
RED: Final = "31"
DIM: Final = "2"
BOLD: Final = "1"

_allowed = [True]


def forbid_color() -> None:
    """No colours from now on (`--no-color`)."""
    _allowed[0] = False


def has_color(stream: TextIO) -> bool:
    """Colours only on a terminal, and not against the user's will (no-color.org)."""
    return _allowed[0] and stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text: str, color: str, stream: TextIO) -> str:
    """`text` in that colour if `stream` shows colours."""
    return f"\x1b[{color}m{text}\x1b[0m" if color and has_color(stream) else text


def error(message: str, hint: str = "") -> None:
    """One sentence to stderr, and the next thing to do on a line of its own."""
    print(paint("error:", RED, sys.stderr), message, file=sys.stderr)
    if hint:
        print(paint(" next:", DIM, sys.stderr), hint, file=sys.stderr)


def usage_status(failure: BaseException) -> int | None:
    """Shows an error of the command line's own syntax and returns its status; None if it is something else."""
    show = getattr(failure, "show", None)
    status = getattr(failure, "exit_code", None)
    if status is None:
        return 130 if type(failure).__name__ == "Abort" else None
    if show:
        show()
    return int(status)


def confirm(question: str, *, yes: bool) -> None:
    """Asks on a terminal, unless the user has said yes already; elsewhere the command itself is the answer. Raises
    UsageError for a no."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    from mcnet.model.errors import UsageError

    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed", "--yes does it without asking")


class Steps:
    """Progress of an operation on stderr: what is done stays, what is being waited for is overwritten on a
    terminal and not shown elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def doing(self, text: str) -> None:
        if self._live:
            width = os.get_terminal_size(self._stream.fileno()).columns - 3
            self._stream.write(f"\r\x1b[K{paint('…', DIM, self._stream)} {text[:width]}")
            self._stream.flush()

    def done(self, text: str) -> None:
        self._line("✓", GREEN, text)

    def warn(self, text: str) -> None:
        self._line("!", YELLOW, text)

    def clear(self) -> None:
        """Takes away what `doing` wrote last."""
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _line(self, mark: str, color: str, text: str) -> None:
        self.clear()
        self._stream.write(f"{paint(mark, color, self._stream)} {text}\n")
        self._stream.flush()

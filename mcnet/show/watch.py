"""Shows a screen again and again: redrawn in place on a terminal, elsewhere appended with the time when something has
changed. What is on it is the caller's.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final, TextIO

from mcnet.show.gather import Reading
from mcnet.show.screen import Screen

HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
BEGIN: Final = "\x1b[2J\x1b[?25l\x1b[?7l"
"""An empty screen, no cursor, and long lines cut: a wrapped one would move all that follow."""
END: Final = "\x1b[?7h\x1b[?25h"


async def watch(
    read: Callable[[], Awaitable[Sequence[Reading]]],
    draw: Callable[[Sequence[Reading]], Screen],
    *,
    interval: float,
    form: str,
    stream: TextIO,
) -> None:
    """Runs until cancelled. A round that takes long delays the next, they never overlap."""
    live = stream.isatty() and form not in {"json", "yaml"}
    before = ""
    if live:
        stream.write(BEGIN)
    try:
        while True:
            screen = draw(await read())
            if live:
                stream.write(_in_place(screen, interval, _height(stream)))
            elif screen.state + screen.err != before:
                stream.write(appended(screen, form, datetime.now(UTC)))
                before = screen.state + screen.err
            stream.flush()
            await asyncio.sleep(interval)
    finally:
        if live:
            stream.write(END)
            stream.flush()


def appended(screen: Screen, form: str, now: datetime) -> str:
    """A picture for a log: JSON as one line, a YAML document, or the time above the tables."""
    time = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    match form:
        case "json":
            return json.dumps({"time": time, "items": screen.document}) + "\n"
        case "yaml":
            return f"--- # {time}\n{screen.out}"
        case _:
            return f"{time}\n{screen.out}{screen.err}\n"


def _in_place(screen: Screen, interval: float, height: int) -> str:
    lines = f"{screen.out}{screen.err}".splitlines()
    head = f"every {interval:g} s · {datetime.now().astimezone():%H:%M:%S} · Ctrl-C ends"
    room = height - 3
    if len(lines) > room:
        lines = [*lines[: room - 1], f"… {len(lines) - room + 1} more lines: a taller window shows them"]
    return HOME + "".join(f"{line}{CLEAR_LINE}\n" for line in (head, "", *lines)) + CLEAR_BELOW


def _height(stream: TextIO) -> int:
    try:
        return max(8, os.get_terminal_size(stream.fileno()).lines)
    except OSError:
        return 24

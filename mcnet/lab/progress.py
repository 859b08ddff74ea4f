"""Shows how far a lab has come: finished steps stay; on a terminal a line below them shows that time passes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@contextmanager
def showing(console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """Yields a function that tells one step, with the seconds since the start; plain lines off a terminal."""
    console = console or Console(stderr=True)
    started = time.monotonic()

    def tell(text: str) -> None:
        line = f"{time.monotonic() - started:5.1f} s  {text}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    if not console.is_terminal:
        yield tell
        return
    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("working; Ctrl-C ends it"))
    with Progress(*columns, console=console, transient=True) as live:
        live.add_task("", total=None)
        yield tell

"""Shows how far a lab has come: a live line on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def showing(console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """Yields a function that tells one step, with the seconds since the start."""
    console = console or Console(stderr=True)
    started = time.monotonic()

    def tell(text: str) -> None:
        line = f"{time.monotonic() - started:5.1f} s  {text}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
        if live:
            live.update(text)

    live = console.status("starting") if console.is_terminal else None
    if live:
        with live:
            yield tell
    else:
        yield tell

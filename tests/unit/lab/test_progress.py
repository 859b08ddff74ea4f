"""Plain lines off a terminal; on one, the steps and a line that goes away."""

import io

from rich.console import Console

from mcnet.lab.progress import showing


def shown(*, terminal: bool) -> str:
    stream = io.StringIO()
    with showing(Console(file=stream, force_terminal=terminal, width=80)) as tell:
        tell("network built [east]")
        tell("clusters up")
    return stream.getvalue()


def test_plain_lines_where_nobody_watches() -> None:
    assert [line[9:] for line in shown(terminal=False).splitlines()] == ["network built [east]", "clusters up"]


def test_steps_stay_on_a_terminal() -> None:
    text = shown(terminal=True)
    assert "network built [east]" in text
    assert "working" in text
    # The last thing written erases the live line.
    assert text.rstrip().endswith("\x1b[2K")

"""Problems as they are published: few, short, and telling how many more there are.

A status must stay far below the API server's limit of 1.5 MB, and thousands of bad objects must neither fill a
screen nor make a status that changes with every one of them.
"""

from collections.abc import Iterable

LISTED = 20
LONGEST = 400
"""Characters of one problem."""


def bounded(problems: Iterable[str], listed: int = LISTED) -> tuple[str, ...]:
    """The first `listed` different problems, each cut to a readable length, and how many more there are."""
    unlike = tuple(dict.fromkeys(map(_cut, problems)))
    more = len(unlike) - listed
    return unlike if more <= 0 else (*unlike[:listed], f"and {_about(more)} more")


def _cut(problem: str) -> str:
    return problem if len(problem) <= LONGEST else problem[: LONGEST - 1] + "…"


def _about(count: int) -> str:
    """Exact while small; then by its first digit, so that it stays the same while they come and go."""
    if count < 10:
        return str(count)
    unit: int = 10 ** (len(str(count)) - 1)
    return f"over {(count - 1) // unit * unit}" if count > unit else f"{count}"

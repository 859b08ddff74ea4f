"""A page of docs whose screens are real: its commands are run in order, what they print is compared or written.

In a block of the language `console` each line `$ …` is a command, the lines up to the next one what it printed. A
line with nothing but `…` stands for any lines. Screens are compared without their numbers, which differ by run.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"
PROMPT = "$ "


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the page and what the page says that it prints."""

    command: str
    screen: tuple[str, ...]


def steps(page: str) -> list[Step]:
    """All commands of the page in their order."""
    return [step for block in BLOCK.findall(page) for step in _steps(block)]


def _steps(block: str) -> Iterator[Step]:
    command, screen = "", []
    for line in block.splitlines():
        if not line.startswith(PROMPT):
            screen.append(line)
            continue
        if command:
            yield Step(command, tuple(screen))
        command, screen = line.removeprefix(PROMPT), []
    if command:
        yield Step(command, tuple(screen))


def rewritten(page: str, screens: Iterable[str]) -> str:
    """The page with `screens` in place of what it says, except where it says `…` alone."""
    left = iter(screens)

    def block(found: re.Match[str]) -> str:
        lines = []
        for step in _steps(found[1]):
            screen = next(left).rstrip("\n").splitlines()
            lines += [PROMPT + step.command, *(step.screen if ANYTHING in step.screen else screen)]
        return "```console\n" + "\n".join(lines) + "\n```"

    return BLOCK.sub(block, page)


def differs(expected: Iterable[str], printed: str) -> str:
    """What of `expected` was not printed, or what was printed beside it; "" if the screens agree."""
    wanted, got = [neutral(line) for line in expected], [neutral(line) for line in printed.rstrip("\n").splitlines()]
    pattern = "\n".join(r".*" if line == ANYTHING else re.escape(line) for line in wanted)
    if re.fullmatch(pattern.replace("\n.*", r"(?:\n.*)?"), "\n".join(got), re.DOTALL):
        return ""
    return "\n".join(["the page says:", *wanted, "", "it printed:", *got])


def neutral(line: str) -> str:
    """A line without what differs from run to run: numbers, names with random parts, widths of columns and bars."""
    line = re.sub(r"\bmcnet:[\w.-]+", "mcnet:TAG", line)
    line = re.sub(r"\b(mcnet-[a-z-]+?)-[0-9a-z]{5,10}(-[0-9a-z]{5})?\b", r"\1-N", line)
    line = re.sub(r"\d+(?:[.:]\d+)*", "N", line)
    line = re.sub(r"\bN ?(?:µs|ms|s|m|h|d)\b(?: ?N ?(?:µs|ms|s|m|h|d)\b)*", "T", line)
    line = re.sub(r"[▁▂▃▄▅▆▇█▏▎▍▌▋▊▉]+", "▇", line)
    return re.sub(r"\s+", " ", line).strip()

"""Writes what is made from the command tree: docs/cli.md, the table that completion reads, and the table of checks in
docs/diagnose.md.

`python -m mcnet.cli.reference --write` writes both, `--check` says whether they are as they should be.
"""

import json
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final

from mcnet.cli.commands import COMMANDS
from mcnet.cli.completion import TABLE
from mcnet.cli.main import EPILOG, load

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "cli.md"
DIAGNOSE: Final = DOCUMENT.with_name("diagnose.md")
CHECKS_BEGIN: Final = "<!-- checks: made by `python -m mcnet.cli.reference --write` -->"
CHECKS_END: Final = "<!-- end of checks -->"
HEAD: Final = """\
# Command line

<!-- Made by `python -m mcnet.cli.reference --write`; the command modules in mcnet/cli are the source. -->

`mcnet` is also installed as `kubectl-mcnet`, so `kubectl mcnet …` works too.
{epilog}

Errors are one sentence and a line with the next command. Colours appear on a terminal only (`NO_COLOR` is obeyed).

"""


def document() -> str:
    """The text of docs/cli.md."""
    parts = [HEAD.format(epilog=EPILOG)]
    panel = ""
    for entry in COMMANDS:
        if entry.panel != panel:
            panel = entry.panel
            parts.append(f"## {panel}\n\n")
        parts += [_section(path, command) for path, command in _walk(entry.name, load(entry.name))]
    return "".join(parts).rstrip() + "\n"


def diagnose_page() -> str:
    """docs/diagnose.md with the table of checks as they are now."""
    from mcnet.diagnose.checks import CHECKS

    text = DIAGNOSE.read_text()
    before, after = text[: text.index(CHECKS_BEGIN)], text[text.index(CHECKS_END) :]
    rows = [f"| `{check.name}` | {check.title} | {check.matters} |" for check in CHECKS]
    return "\n".join(
        [before + CHECKS_BEGIN, "", "| check | about | why it matters |", "|---|---|---|", *rows, "", after]
    )


def table() -> dict[str, Any]:
    """Commands, options and choices, nested: what completion needs to know."""
    return {"commands": {entry.name: _node(load(entry.name)) for entry in COMMANDS}, "options": {}}


def table_text() -> str:
    """The table as the file holds it."""
    return json.dumps(table(), indent=1, sort_keys=True) + "\n"


def _walk(path: str, command: Any) -> list[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    found = [(path, command)]
    for name, child in children.items():
        found += _walk(f"{path} {name}", child)
    return found


def _section(path: str, command: Any) -> str:
    arguments = [param for param in command.params if _is_argument(param)]
    options = [param for param in command.params if not _is_argument(param) and not param.hidden]
    usage = " ".join(["mcnet", path, *(_name(one) for one in arguments), *(["[OPTIONS]"] if options else [])])
    if getattr(command, "commands", {}) and not arguments:
        usage = f"mcnet {path} COMMAND"
    lines = [f"### mcnet {path}\n", f"```\n{usage}\n```\n", _prose(command.help or ""), ""]
    rows = [f"| `{_name(one)}` | {_cell(one.help)} |" for one in arguments]
    rows += [f"| {_flags(one)} | {_cell(one.help)}{_default(one)} |" for one in options]
    if rows:
        lines += ["| | |", "|---|---|", *rows, ""]
    return "\n".join(lines) + "\n"


def _prose(text: str) -> str:
    """The help text; its last paragraph, the example, as code."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(
        f"```\n{one.removeprefix('Example: ')}\n```" if one.startswith("Example: ") else one for one in paragraphs
    )


def _is_argument(param: Any) -> bool:
    return bool(param.param_type_name == "argument")


def _name(param: Any) -> str:
    return str(param.metavar or param.name.upper()).strip("{}")


def _flags(param: Any) -> str:
    value = "" if _is_flag(param) else f" {param.metavar or _kind(param)}"
    return ", ".join(f"`{name}`" for name in param.opts) + (f" `{value.strip()}`" if value else "")


def _kind(param: Any) -> str:
    choices = _choices(param)
    return "\\|".join(choices) if choices else str(param.name).upper().replace("_", "-")


def _is_flag(param: Any) -> bool:
    return bool(getattr(param, "is_flag", False))


def _default(param: Any) -> str:
    default = getattr(param.default, "value", param.default)
    if _is_flag(param) or callable(default) or default in (None, "", (), []):
        return ""
    return f" Default: `{default}`."


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _choices(param: Any) -> list[str]:
    annotation = param.type_descriptor.annotation
    return [str(choice.value) for choice in annotation] if _is_enum(annotation) else []


def _is_enum(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Enum)


def _node(command: Any) -> dict[str, Any]:
    options = {
        name: {"value": not _is_flag(param), "choices": _choices(param)}
        for param in command.params
        if not _is_argument(param) and not param.hidden
        for name in param.opts
    }
    options |= {"--help": {"value": False, "choices": []}}
    children = {name: _node(child) for name, child in getattr(command, "commands", {}).items()}
    return {"options": options} | ({"commands": children} if children else {})


def main(arguments: Sequence[str]) -> int:
    """Exit status 1 from `--check` if a file is not current."""
    wanted = {DOCUMENT: document(), TABLE: table_text(), DIAGNOSE: diagnose_page()}
    if list(arguments) == ["--write"]:
        for path, text in wanted.items():
            path.write_text(text)
        return 0
    if list(arguments) != ["--check"]:
        print("usage: python -m mcnet.cli.reference --write | --check", file=sys.stderr)
        return 2
    stale = [path.name for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for name in stale:
        print(f"{name} is not current: python -m mcnet.cli.reference --write", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

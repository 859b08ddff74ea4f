"""Where `mcnet` and `kubectl-mcnet` begin: what must be fast is answered here, errors become one sentence.

`mcnet version` and completion must not load typer or a Kubernetes client, so nothing but the standard library
is imported at the top. What commands exist stands in `commands`, how they are told apart in `main`.
"""

import sys
from collections.abc import Sequence

from mcnet import __version__
from mcnet.model.errors import ExitCode, McnetError

DEBUG = "--debug"
NO_COLOR = "--no-color"
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status (mcnet.model.errors.ExitCode)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in (["version"], ["--version"]):
        print(f"mcnet {__version__}")
        return ExitCode.FINE
    if words[:1] == ["__complete"]:
        from mcnet.cli.completion import complete

        print("\n".join(complete(words[1:])))
        return ExitCode.FINE
    words, debug = _without(words, DEBUG)
    words, plain = _without(words, NO_COLOR)
    if plain:
        from mcnet.cli import terminal

        terminal.forbid_color()
    return _run(words, debug)


def _run(words: list[str], debug: bool) -> int:
    from mcnet.cli.main import program

    try:
        result = program().main(args=words, prog_name="mcnet", standalone_mode=False)
        if result == INTERRUPTED:  # typer makes a status of KeyboardInterrupt
            raise KeyboardInterrupt
        return result if isinstance(result, int) else ExitCode.FINE
    except BaseException as error:
        if debug and not isinstance(error, SystemExit):
            import traceback

            traceback.print_exc()
        return _report(error, debug)


def _report(error: BaseException, debug: bool) -> int:
    """Says what went wrong, in one sentence, and returns the exit status."""
    from mcnet.cli import terminal

    match error:
        case McnetError():
            terminal.error(error.message, error.hint)
            return error.exit_code
        case KeyboardInterrupt():
            terminal.error("interrupted")
            return INTERRUPTED
        case BaseExceptionGroup():
            return _report(error.exceptions[0], debug)
        case SystemExit(code=int() as code):
            return code
    status = terminal.usage_status(error)
    if status is None:
        status = ExitCode.WRONG
        hint = "" if debug else f"the trace: the same command with {DEBUG}"
        if not isinstance(error, BrokenPipeError):
            terminal.error(f"mcnet itself failed: {type(error).__name__}: {error}", hint)
    return status


def _without(words: list[str], flag: str) -> tuple[list[str], bool]:
    """The words without `flag`, which may stand anywhere before `--`, and whether it was there."""
    end = words.index("--") if "--" in words else len(words)
    head = [word for word in words[:end] if word != flag]
    return head + words[end:], len(head) < end

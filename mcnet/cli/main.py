"""The command tree: a group whose members are imported only when they are called. The table is `commands`."""

from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from mcnet.cli.commands import BY_NAME, COMMANDS

HELP = """Joins Kubernetes clusters, wherever they run, into one network.

Begin with: mcnet deploy-broker · mcnet join · mcnet show connections
"""
EPILOG = (
    "Everywhere: --debug shows the trace of an error, --no-color switches colours off. "
    "Exit status: 0 fine, 1 something is wrong with the clusters, 2 usage, 3 not reachable."
)


class LazyGroup(TyperGroup):
    """Lists commands from the table and imports a command's module only to run it, or to show its own help."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the table's order."""
        return [command.name for command in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in with name and help: all that a listing needs."""
        command = BY_NAME.get(cmd_name)
        if command is None:
            return None
        return TyperCommand(command.name, help=command.help, rich_help_panel=command.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        return (name, load(name), rest) if name else (name, stand_in, rest)


def load(name: str) -> Any:
    """The real command `name`, imported now."""
    made = typer.main.get_command(import_module(BY_NAME[name].module).app)
    made.name = name
    made.short_help = BY_NAME[name].help
    return made


def application(**settings: Any) -> typer.Typer:
    """A typer application as all our commands are: no completion of typer's own, no boxed tracebacks."""
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        **settings,
    )


@cache
def program() -> Any:
    """The root of the command tree."""
    root = application(cls=LazyGroup, help=HELP, epilog=EPILOG, no_args_is_help=True)

    @root.callback()
    def _root() -> None:
        pass

    return typer.main.get_command(root)

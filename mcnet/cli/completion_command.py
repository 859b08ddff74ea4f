"""`mcnet completion SHELL`. Answering is `completion`'s, which must not load typer."""

from typing import Annotated

import typer

from mcnet.cli.completion import write_script
from mcnet.cli.main import application

app = application()


@app.command()
def completion(shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]) -> None:
    """Print the completion script for a shell.

    Example: source <(mcnet completion bash)
    """
    write_script(shell)

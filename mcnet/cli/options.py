"""Options that several commands share, declared once: same name, same help, same meaning everywhere."""

import asyncio
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

Result = TypeVar("Result")


class Output(StrEnum):
    """Forms of an answer."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", metavar="FILE", help="The kubeconfig; $KUBECONFIG or ~/.kube/config if not given."),
]
Context = Annotated[
    str | None,
    typer.Option("--context", metavar="CONTEXT", help="The kubeconfig's context to act on; else the current one."),
]
Namespace = Annotated[str, typer.Option("--namespace", "-n", metavar="NAMESPACE", help="Its namespace.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask on a terminal.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change and do nothing.")]
OutputForm = Annotated[Output, typer.Option("--output", "-o", help="Form of the answer.", show_default=True)]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again, until Ctrl-C.")]
Interval = Annotated[
    float, typer.Option("--interval", metavar="SECONDS", min=0.2, help="How often --watch looks.", show_default=True)
]


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """The one place where the command line enters asyncio."""
    return asyncio.run(work)

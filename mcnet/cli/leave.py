"""`mcnet leave`: options and the list of what is left; the work is mcnet.install.leave's."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, Kubeconfig, run
from mcnet.cli.terminal import Steps

if TYPE_CHECKING:
    from mcnet.install.leave import Leftover

app = application()


@app.command()
def leave(
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    force: Annotated[
        bool, typer.Option("--force", help="Remove all objects even if a node or the broker could not be cleaned.")
    ] = False,
    broker_context: Annotated[
        str, typer.Option(metavar="CONTEXT", help="Act as the broker's admin there; else as the member.")
    ] = "",
    image: Annotated[str, typer.Option(metavar="IMAGE", help="Image that cleans the nodes; else the daemons'.")] = "",
) -> None:
    """Take a cluster out of the clusterset, without a trace.

    Removes the daemons, everything of mcnet on every node, all objects and the broker's records. What can't be
    removed (a node or the broker is down) is listed with the command that finishes it, and a second run goes on.

    Example: mcnet leave --context west
    """
    from mcnet.install.leave import leave as work
    from mcnet.kube.connect import from_kubeconfig

    steps = Steps()

    async def act() -> "list[Leftover] | None":
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            if not broker_context:
                return await work(api, force=force, image=image, progress=steps)
            async with await from_kubeconfig(context=broker_context, kubeconfig=kubeconfig) as broker:
                return await work(api, force=force, broker=broker, image=image, progress=steps)

    try:
        leftovers = run(act())
    finally:
        steps.clear()
    if leftovers is None:
        steps.done("Nothing to leave: there is nothing of mcnet in this cluster")
        return
    for one in leftovers:
        steps.warn(f"left: {one.what}: {one.why}")
        print(f"  finish with: {one.command}", file=sys.stderr)
    if leftovers:
        raise typer.Exit(1)

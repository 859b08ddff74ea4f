"""`mcnet unexport service`: options and output; the work is mcnet.install.service_export's."""

from typing import TYPE_CHECKING, Annotated

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, DryRun, Kubeconfig, Namespace, run
from mcnet.cli.terminal import Steps

if TYPE_CHECKING:
    from mcnet.install.service_export import Unexported

app = application(no_args_is_help=True, help="Take exported services back.")


@app.callback()
def _group() -> None:
    pass


@app.command()
def service(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The Service.")],
    *,
    namespace: Namespace = "default",
    dry_run: DryRun = False,
    timeout: Annotated[int, typer.Option(metavar="SECONDS", min=1, help="How long to wait for it.")] = 30,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Take a Service of this cluster back from the clusterset. The Service itself stays, other clusters' exports too.

    Deletes the ServiceExport and waits until the endpoints are withdrawn. A second run changes nothing.

    Example: mcnet unexport service web -n shop --context east
    """
    from mcnet.install import service_export
    from mcnet.install.exportable import service_name
    from mcnet.install.service_export import Outcome
    from mcnet.kube.connect import from_kubeconfig

    named = service_name(namespace, name)
    steps = Steps()

    async def work() -> "Unexported":
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            done = await service_export.unexport(api, named, dry_run=dry_run)
            if done.outcome is Outcome.DELETED and not dry_run:
                await service_export.settle_unexport(api, done, named, timeout=float(timeout), progress=steps)
            return done

    try:
        done = run(work())
    finally:
        steps.clear()
    if done.outcome is Outcome.UNCHANGED:
        steps.done(f"Nothing had to be changed: {named} is not exported here")
        return
    would = " would be deleted (dry run: nothing was changed)" if dry_run else " deleted"
    steps.done(f"ServiceExport {named}{would}")
    if done.keepers:
        steps.warn(f"it belonged to {', '.join(done.keepers)}, which may make it anew")

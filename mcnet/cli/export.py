"""`mcnet export service`: options and output; the work is mcnet.install.service_export's."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, DryRun, Kubeconfig, Namespace, Output, OutputForm, run
from mcnet.cli.terminal import Steps

if TYPE_CHECKING:
    from mcnet.install.service_export import Exported
    from mcnet.kube.kinds import JsonObject
    from mcnet.model.service import ServiceName

app = application(no_args_is_help=True, help="Make services usable from the other clusters.")


class Mode(StrEnum):
    """mcnet.model.service.ExportMode, without loading it for a help text."""

    ENDPOINTS = "endpoints"
    AGGREGATE = "aggregate"


@app.callback()
def _group() -> None:
    pass


@app.command()
def service(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The Service.")],
    *,
    namespace: Namespace = "default",
    mode: Annotated[
        Mode | None,
        typer.Option(
            "--export-mode",
            help="What crosses: its pods' addresses (endpoints, the default), or its ClusterIP alone (aggregate), "
            "for services of very many pods.",
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            metavar="CLUSTER[,CLUSTER…]",
            help="Which clusters may import it, this one always among them; `default` takes it back: all.",
        ),
    ] = "",
    traffic: Annotated[
        str,
        typer.Option(
            metavar="WAY",
            help="Where its traffic goes: prefer-local, local-only, remote-only, failover=CLUSTER,… or "
            "weights=CLUSTER:NUMBER,…; `default` takes it back: everywhere.",
        ),
    ] = "",
    dry_run: DryRun = False,
    timeout: Annotated[int, typer.Option(metavar="SECONDS", min=1, help="How long to wait for it.")] = 30,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: OutputForm = Output.TABLE,
) -> None:
    """Export a Service: every cluster that has its namespace can use it as NAME.NAMESPACE.svc.clusterset.local.

    Writes a ServiceExport (KEP-1645) and waits until it is at the broker. What is not given stays as it is; a second
    run changes nothing. With -o yaml the ServiceExport is printed.

    Example: mcnet export service web -n shop --context east
    """
    from mcnet.install import service_export
    from mcnet.install.exportable import service_name
    from mcnet.kube.connect import from_kubeconfig

    named = service_name(namespace, name)
    wanted = service_export.annotations(mode.value if mode else "", traffic.strip(), to.strip())
    steps = Steps()

    async def work() -> "tuple[Exported, JsonObject]":
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            made = await service_export.export(api, named, wanted, dry_run=dry_run)
            if dry_run:
                return made, made.obj
            return made, await service_export.settle(api, made, named, timeout=float(timeout), progress=steps)

    try:
        made, obj = run(work())
    finally:
        steps.clear()
    _tell(named, made, obj, steps, dry_run=dry_run)
    if output in (Output.JSON, Output.YAML):
        _print(obj, output)


def _tell(named: "ServiceName", made: "Exported", obj: "JsonObject", steps: Steps, *, dry_run: bool) -> None:
    from mcnet.install.service_export import Outcome, conflict

    dns = f"{named.name}.{named.namespace}.svc.clusterset.local"
    match made.outcome:
        case Outcome.UNCHANGED:
            steps.done(f"Nothing had to be changed: {named} is exported as {dns}")
        case _ if dry_run:
            steps.done(f"ServiceExport {named} would be {made.outcome.value} (dry run: nothing was changed)")
        case Outcome.CHANGED:
            news = ", ".join(made.changes)
            steps.done(f"ServiceExport {named} changed ({news}); the service is {dns}")
        case _:
            steps.done(f"ServiceExport {named} {made.outcome.value}; the service is {dns}")
    for meaningless in made.meaningless:
        steps.warn(meaningless)
    if differs := conflict(obj):
        steps.warn(f"its exports differ: {differs}")


def _print(obj: "JsonObject", output: Output) -> None:
    import json

    import yaml

    shown = obj | {"metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}
    if output is Output.JSON:
        print(json.dumps(shown, indent=2))
    else:
        print(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), end="")

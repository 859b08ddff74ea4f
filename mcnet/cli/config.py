"""`mcnet config show | set`: options and output; the work is mcnet.install.config's."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, DryRun, Kubeconfig, Output, OutputForm, run
from mcnet.cli.terminal import Steps

if TYPE_CHECKING:
    from mcnet.install.apply import Applied
    from mcnet.install.config import Change
    from mcnet.kube.api import Api

PAIR = "pair"

app = application(no_args_is_help=True, help="Show and change the settings given at join.")


@app.command()
def show(context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE) -> None:
    """Show every setting of a cluster: its value, where it comes from, and what changing it does.

    Example: mcnet config show --context west
    """
    from mcnet.install import config
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.show.output import Column, write

    async def work() -> list[dict[str, Any]]:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            return config.rows(await config.read(api))

    columns = (
        Column("SETTING", "key"),
        Column("VALUE", "value"),
        Column("SOURCE", "source"),
        Column("DEFAULT", "default"),
        Column("CHANGING IT", "effect"),
        Column("MEANING", "help", wide=True),
    )
    rows = run(work())
    write(rows, columns, output.value)
    for row in rows if output in (Output.TABLE, Output.WIDE) else []:
        if row["waiting"]:
            print(f"{row['key']}: {row['waiting']} waits for the broker's admin", file=sys.stderr)


@app.command("set")
def set_(
    key: Annotated[str, typer.Argument(metavar="SETTING", help="As `mcnet config show` lists them.")],
    values: Annotated[
        list[str] | None, typer.Argument(metavar="VALUE", help="The new value; lists by commas or repetition.")
    ] = None,
    *,
    default: Annotated[
        bool, typer.Option("--default", help="Take it back: the default, or what is found out.")
    ] = False,
    dry_run: DryRun = False,
    timeout: Annotated[int, typer.Option(metavar="SECONDS", min=1, help="For daemons that restart.")] = 180,
    context: Context = None,
    broker_context: Annotated[
        str, typer.Option(metavar="CONTEXT", help="Change a setting of the whole clusterset, at its broker.")
    ] = "",
    cable_driver: Annotated[
        str, typer.Option(metavar="DRIVER", help="With `pair ONE OTHER`: the driver of cables between the two.")
    ] = "",
    kubeconfig: Kubeconfig = None,
) -> None:
    """Change one setting of a joined cluster. A later join keeps it. A second run changes nothing.

    The cable driver between two clusters is set at the broker: mcnet config set pair east west --cable-driver vxlan
    --broker-context CONTEXT. Traffic goes on: the new cables are up before the old ones go.

    Example: mcnet config set underlay-mtu 1400 --context west
    """
    from mcnet.model.errors import UsageError
    from mcnet.plan import settings

    if key == PAIR:
        _set_pair(values or [], cable_driver, broker_context, kubeconfig, default=default, dry_run=dry_run)
        return
    if cable_driver:
        raise UsageError(
            "--cable-driver belongs to `pair`",
            "mcnet config set pair ONE OTHER --cable-driver DRIVER, or set default-driver",
        )
    setting = settings.find(key)
    if default == bool(values):
        why = "both a value and --default are given" if default else "no value is given"
        raise UsageError(f"{key}: {why}", f"mcnet config set {key} VALUE, or --default")
    if values:
        settings.parse(setting, values)  # before any server is asked
    steps = Steps()
    try:
        if broker_context:
            run(_at_broker(broker_context, kubeconfig, key, values or [setting.default], steps, dry_run=dry_run))
        else:
            run(_at_member(context, kubeconfig, key, values, steps, dry_run=dry_run, timeout=timeout))
    finally:
        steps.clear()


def _set_pair(values: list[str], driver: str, context: str, kubeconfig: Any, *, default: bool, dry_run: bool) -> None:
    from mcnet.install import config
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.model.errors import UsageError
    from mcnet.plan.driver import DRIVERS
    from mcnet.plan.settings import one_of

    example = "mcnet config set pair east west --cable-driver vxlan --broker-context CONTEXT"
    if len(values) != 2:
        raise UsageError(f"pair: two cluster IDs are needed, not {len(values)}", example)
    if default == bool(driver):
        raise UsageError("pair: either --cable-driver DRIVER or --default is needed", example)
    if driver:
        one_of(*DRIVERS)([driver])
    if not context:
        raise UsageError("pair is a setting of the whole clusterset", f"set it at the broker: {example}")
    steps = Steps()

    async def work() -> tuple[str, str]:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            return await config.set_pair(api, values, driver or None, dry_run=dry_run)

    try:
        before, after = run(work())
    finally:
        steps.clear()
    both = " and ".join(values)
    if before == after:
        steps.done(f"Nothing had to be changed: the driver between {both} is {after}")
    else:
        dry = " (dry run: nothing was changed)" if dry_run else ""
        steps.done(f"driver between {both}: {before} → {after}{dry}")


async def _at_broker(
    context: str, kubeconfig: Any, key: str, values: list[str], steps: Steps, *, dry_run: bool
) -> None:
    from mcnet.install import config
    from mcnet.kube.connect import from_kubeconfig

    async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
        before, after = await config.set_clusterset(api, key, values, dry_run=dry_run)
    if before == after:
        steps.done(f"Nothing had to be changed: {key} is {after}")
    else:
        steps.done(f"{key}: {before} → {after}{' (dry run: nothing was changed)' if dry_run else ''}")


async def _at_member(
    context: str | None, kubeconfig: Any, key: str, values: list[str] | None, steps: Steps, *, dry_run: bool,
    timeout: int,
) -> None:  # fmt: skip
    from mcnet.install import config, rights
    from mcnet.kube.connect import from_kubeconfig

    async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
        await rights.require(api, rights.member_rights(), "config set")
        change = await config.plan_change(api, key, values or [], take_back=values is None)
        for note in change.notes:
            steps.warn(note)
        applied = await config.change(api, change, dry_run=dry_run)
        await _tell(api, change, applied, steps, dry_run=dry_run, timeout=timeout)


async def _tell(
    api: "Api", change: "Change", applied: "list[Applied]", steps: Steps, *, dry_run: bool, timeout: int
) -> None:
    from mcnet.install import config

    key = change.setting.key
    if dry_run:
        for one in applied:
            print(f"{one.outcome.value:9} {one.kind} {one.name}: {', '.join(one.fields[:4])}")
        print(f"{key} would be: {change.wanted or 'none'} (now: {change.before or 'none'})")
        return
    if not applied:
        steps.done(f"Nothing had to be changed: {key} is {change.wanted or 'none'}")
        return
    await config.settle(api, change, timeout=float(timeout), progress=steps)
    steps.done(f"{key}: {change.before or 'none'} → {change.wanted or 'none'}; {change.setting.effect.value}")

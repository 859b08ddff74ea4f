"""`mcnet gateway set`: options and output; the work is mcnet.install.gateway_settings'."""

from typing import Annotated

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, DryRun, Kubeconfig, run
from mcnet.cli.terminal import Steps

app = application(no_args_is_help=True, help="Change what holds for one gateway only.")


@app.callback()
def _group() -> None:
    pass


@app.command("set")
def set_(
    node: Annotated[str, typer.Argument(metavar="NODE", help="The gateway's node.")],
    *,
    public_address: Annotated[
        str,
        typer.Option(
            metavar="WHERE",
            help="Its address outside of a NAT: an address, dns:NAME, lb:SERVICE (in mcnet-system), api:HOST, or "
            "several by commas. Without: as other clusters' gateways see it.",
        ),
    ] = "",
    public_port_base: Annotated[
        str, typer.Option(metavar="PORT", help="First of 30 UDP ports that the NAT forwards to the port base.")
    ] = "",
    port_base: Annotated[
        str,
        typer.Option(metavar="PORT", help="First UDP port of its cables; behind one NAT each needs its own."),
    ] = "",
    private_address: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Its own outer address, if not that of the default route.")
    ] = "",
    dry_run: DryRun = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Set what holds for one gateway only. It is kept as annotations of its node and takes effect at once.

    The word `default` takes a value back. A second run changes nothing.

    Example: mcnet gateway set west-n1 --public-address 198.51.100.7 --context west
    """
    from mcnet.install.gateway_settings import Changed, change
    from mcnet.kube.connect import from_kubeconfig

    given = {
        "public-address": public_address,
        "public-port-base": public_port_base,
        "port-base": port_base,
        "private-address": private_address,
    }
    steps = Steps()

    async def work() -> Changed:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            values = {name: value.strip() for name, value in given.items() if value.strip()}
            return await change(api, node, values, dry_run=dry_run)

    try:
        changed = run(work())
    finally:
        steps.clear()
    would = "would be " if dry_run else ""
    for name, value in changed.values.items():
        steps.done(f"{name} of {changed.node} {would}{value or 'taken back'}")
    if not changed.values:
        steps.done(f"nothing to change on {changed.node}")
    if not changed.gateway:
        steps.done(f"{changed.node} is no gateway now: it counts once it is one")

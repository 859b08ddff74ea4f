"""`mcnet deploy-broker`: the command's options; the work is mcnet.install.broker's."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, Kubeconfig, run
from mcnet.cli.terminal import Steps

app = application()

INFO_FILE = Path("broker-info.mcnet")


@app.command()
def deploy_broker(
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write how to find it; - for stdout.")
    ] = INFO_FILE,
    cable_driver: Annotated[
        str,
        typer.Option(
            metavar="DRIVER",
            help="Cable driver of the clusterset: wireguard, libreswan or vxlan. Kept if not given.",
        ),
    ] = "",
    server: Annotated[
        str, typer.Option(metavar="URL", help="The API server's URL as members reach it; else the context's.")
    ] = "",
) -> None:
    """Make a cluster the broker of a clusterset.

    Creates the namespace mcnet-broker with the clusterset's objects and writes broker-info.mcnet, which holds
    no secret. Nothing of mcnet runs at the broker. A second run changes nothing.

    Example: mcnet deploy-broker --context east
    """
    from mcnet.codec.broker_info import encode
    from mcnet.install.broker import Deployed
    from mcnet.install.broker import deploy_broker as deploy
    from mcnet.kube.connect import from_kubeconfig

    steps = Steps()

    async def work() -> Deployed:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            return await deploy(api, default_driver=cable_driver, server=server, progress=steps)

    try:
        text = encode(run(work()).info)
    finally:
        steps.clear()
    if str(output) == "-":
        sys.stdout.write(text)
        return
    output.write_text(text)
    steps.done(f"Wrote {output} (no secret in it)")
    print(f"Next: mcnet join {output} --context CONTEXT", file=sys.stderr)

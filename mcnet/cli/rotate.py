"""`mcnet rotate keys`: options and output; the work is mcnet.install.rotation's."""

from typing import Annotated

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, Kubeconfig, run
from mcnet.cli.terminal import Steps

app = application(no_args_is_help=True, help="Replace what encrypts cables.")


@app.callback()
def _group() -> None:
    pass


@app.command()
def keys(
    timeout: Annotated[int, typer.Option(metavar="SECONDS", min=1, help="For all cables to have moved.")] = 60,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Give a cluster's gateways new keys now, without losing a packet.

    Every cable with the new key is up before the old one goes. By itself this happens every `key-rotation` days
    (mcnet config show).

    Example: mcnet rotate keys --context west
    """
    from mcnet.install.rotation import Rotated, rotate_keys
    from mcnet.kube.connect import from_kubeconfig

    steps = Steps()

    async def work() -> Rotated:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            return await rotate_keys(api, timeout=timeout, progress=steps)

    try:
        rotated = run(work())
    finally:
        steps.clear()
    steps.done(f"{rotated.cables} cable(s) use new keys, of epoch {rotated.epoch}; the old ones go within a minute")

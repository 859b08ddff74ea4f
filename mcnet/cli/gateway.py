"""`mcnet gateway`: options and output; the work is mcnet.install.gateways' and mcnet.install.gateway_settings'."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, DryRun, Kubeconfig, Output, OutputForm, run
from mcnet.cli.terminal import Steps, has_color
from mcnet.model.errors import ExitCode

if TYPE_CHECKING:
    from mcnet.install.gateways import Waiting
    from mcnet.kube.api import Api

app = application(
    no_args_is_help=True, help="Add, drain, weigh and remove gateways, and set what holds for one only."
)

OTHERS_TIMEOUT = 3.0
"""Seconds for another cluster's context to give a credential: who does not is waited for without looking."""
Node = Annotated[str, typer.Argument(metavar="NODE", help="The gateway's node.")]
Force = Annotated[bool, typer.Option("--force", help="Also if it is the only healthy gateway.")]
Timeout = Annotated[int, typer.Option(metavar="SECONDS", min=1, help="How long to wait.", show_default=True)]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Mark the node and don't wait for the others.")]


@app.callback()
def _group() -> None:
    pass


@app.command("list")
def list_(context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE) -> None:
    """List a cluster's gateways: weight, cables, and why one carries no traffic.

    Example: mcnet gateway list --context west
    """
    from mcnet.install import gateways
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.plan.views.gateway_nodes import rows
    from mcnet.show.gateway_list import write_gateways

    async def work() -> list[dict[str, object]]:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            return rows(await gateways.read(api))

    found = run(work())
    write_gateways(found, output.value, color=has_color(sys.stdout), stream=sys.stdout)
    if any(row["why"] for row in found):
        raise typer.Exit(ExitCode.WRONG)


@app.command()
def add(
    node: Annotated[str, typer.Argument(metavar="NODE", help="The node that becomes a gateway.")],
    *,
    timeout: Timeout = 180,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Make a node a gateway and wait until it is connected to every gateway of the other clusters.

    A second run changes nothing.

    Example: mcnet gateway add west-n3 --context west
    """
    from mcnet.install import gateways
    from mcnet.install.gateways import Waiting
    from mcnet.kube.connect import from_kubeconfig

    steps = Steps()

    async def work() -> bool:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            return await gateways.add(api, node, Waiting(timeout=0 if no_wait else timeout), steps, dry_run=dry_run)

    try:
        changed = run(work())
    finally:
        steps.clear()
    state = "" if no_wait or dry_run else ", connected to all gateways of the other clusters"
    if not changed:
        steps.done(f"Nothing had to be changed: {node} is a gateway{state}")
    else:
        steps.done(f"{node} {'would become' if dry_run else 'is'} a gateway{state}")


@app.command()
def remove(
    node: Node,
    *,
    force: Force = False,
    timeout: Timeout = 60,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Make a gateway a node like the others: drain it, wait until nobody sends by it, take the label away.

    A second run changes nothing.

    Example: mcnet gateway remove west-n1 --context west
    """
    from mcnet.install import gateways

    given = _Leaving(context, kubeconfig, timeout, force=force, no_wait=no_wait, dry_run=dry_run)
    steps, changed = _leave(gateways.remove, node, given)
    if not changed:
        steps.done(f"Nothing had to be changed: {node} is no gateway")
    else:
        steps.done(f"{node} {'would be' if dry_run else 'is'} no gateway any more")


@app.command()
def drain(
    node: Node,
    *,
    force: Force = False,
    timeout: Timeout = 60,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Have all clusters leave a gateway, without losing a packet, and wait until they do.

    It keeps its cables, and `mcnet gateway undrain` takes it back. A cordoned node drains by itself. Other clusters
    that your kubeconfig leads to are looked at; the rest gets ten seconds. A second run changes nothing.

    Example: mcnet gateway drain west-n1 --context west
    """
    from mcnet.install import gateways

    given = _Leaving(context, kubeconfig, timeout, force=force, no_wait=no_wait, dry_run=dry_run)
    steps, changed = _leave(gateways.drain, node, given)
    if not changed:
        steps.done(f"Nothing had to be changed: {node} drains")
    else:
        steps.done(f"{node} {'would drain' if dry_run else 'drains'}; to take it back: mcnet gateway undrain {node}")


@app.command()
def undrain(node: Node, *, dry_run: DryRun = False, context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """Have a drained gateway carry traffic again. A second run changes nothing.

    Example: mcnet gateway undrain west-n1 --context west
    """
    from mcnet.install import gateways
    from mcnet.kube.connect import from_kubeconfig

    steps = Steps()

    async def work() -> bool:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            return await gateways.undrain(api, node, steps, dry_run=dry_run)

    try:
        changed = run(work())
    finally:
        steps.clear()
    if not changed:
        steps.done(f"Nothing had to be changed: {node} is not drained")
    else:
        steps.done(f"{node} {'would no longer drain' if dry_run else 'no longer drains'}")


@app.command()
def weight(
    node: Node,
    share: Annotated[
        str,
        typer.Argument(metavar="WEIGHT", help="From 1 to 100, against the other gateways'; `default` is 100."),
    ],
    *,
    dry_run: DryRun = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Give a gateway a larger or smaller share of the flows. A second run changes nothing.

    With weights 100 and 50 two thirds of the flows go by the first gateway. Flows that are there may move.

    Example: mcnet gateway weight west-n1 50 --context west
    """
    from mcnet.install import gateways
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.plan.gateway_nodes import parse_weight

    wanted = parse_weight(share, node, f" --context {context}" if context else "")
    steps = Steps()

    async def work() -> tuple[int, int]:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            return await gateways.weigh(api, node, wanted, dry_run=dry_run)

    try:
        before, after = run(work())
    finally:
        steps.clear()
    if before == after:
        steps.done(f"Nothing had to be changed: the weight of {node} is {after}")
    else:
        steps.done(f"weight of {node}: {before} → {after}{' (dry run: nothing was changed)' if dry_run else ''}")


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
    timeout: Timeout = 60,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Change it at once: what is under way by it may be lost.")
    ] = False,
    dry_run: DryRun = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Set what holds for one gateway only. It is kept as annotations of its node.

    Where there is another gateway, the others leave this one first, as with `mcnet gateway drain`, and use it again
    with its new address or port, so no packet is lost. The word `default` takes a value back. A second run changes
    nothing.

    Example: mcnet gateway set west-n1 --public-address 198.51.100.7 --context west
    """
    from mcnet.install.gateway_drained import change
    from mcnet.install.gateway_settings import Changed

    given = {
        "public-address": public_address,
        "public-port-base": public_port_base,
        "port-base": port_base,
        "private-address": private_address,
    }
    leaving = _Leaving(context, kubeconfig, timeout, force=False, no_wait=no_wait, dry_run=dry_run)
    steps = Steps()

    async def work() -> Changed:
        async with _waiting(leaving) as (api, wait):
            values = {name: value.strip() for name, value in given.items() if value.strip()}
            return await change(api, node, values, wait, steps, dry_run=dry_run)

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


@dataclass(frozen=True, slots=True)
class _Leaving:
    """The options of the commands that have all others leave a gateway."""

    context: str | None
    kubeconfig: Path | None
    timeout: int
    force: bool
    no_wait: bool
    dry_run: bool


class _Operation(Protocol):
    """mcnet.install.gateways.drain or remove."""

    async def __call__(
        self, api: "Api", name: str, wait: "Waiting", progress: Steps, *, force: bool, dry_run: bool
    ) -> bool: ...


def _leave(operation: _Operation, node: str, given: _Leaving) -> tuple[Steps, bool]:
    """Do it, showing its progress; whether anything had to be changed."""
    steps = Steps()

    async def work() -> bool:
        async with _waiting(given) as (api, wait):
            return await operation(api, node, wait, steps, force=given.force, dry_run=given.dry_run)

    try:
        return steps, run(work())
    finally:
        steps.clear()


@asynccontextmanager
async def _waiting(given: _Leaving) -> "AsyncIterator[tuple[Api, Waiting]]":
    """The cluster, and the other contexts of the kubeconfig to look whether they follow."""
    from contextlib import AsyncExitStack

    from mcnet.install.gateways import Waiting
    from mcnet.kube.connect import contexts, from_kubeconfig
    from mcnet.show.gather import open_context

    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(
            await from_kubeconfig(context=given.context, kubeconfig=given.kubeconfig)
        )
        if given.no_wait or given.dry_run:
            yield api, Waiting(timeout=0)
            return
        others: dict[str, Api] = {}
        for name in contexts(given.kubeconfig):
            opened = await open_context(name, given.kubeconfig, OTHERS_TIMEOUT)
            if isinstance(opened, Exception):
                continue
            await stack.enter_async_context(opened)
            if opened.server != api.server:
                others[opened.server] = opened
        yield api, Waiting(timeout=given.timeout, others=tuple(others.values()))

"""`mcnet show`: one command for each view. What a view says is mcnet.plan.views', how it looks mcnet.show's."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcnet.cli.entry import INTERRUPTED
from mcnet.cli.main import application
from mcnet.cli.options import Context, Interval, Kubeconfig, Output, OutputForm, Watch, run
from mcnet.cli.terminal import has_color

if TYPE_CHECKING:
    from mcnet.show.gather import Reading
    from mcnet.show.screen import Screen

app = application(no_args_is_help=True, help="Show the state of the clusterset, and what is wrong with it.")

SECONDS = 2.0
"""Between two looks of --watch, if nothing else is asked for."""
DEADLINE = 5.0
"""Seconds that one context may take, likewise."""
Timeout = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0.1, help="How long one context may take; the others don't wait for it."),
]
PortBase = Annotated[
    int | None,
    typer.Option(
        metavar="PORT", min=1024, max=65500, help="The list for gateways of this port base, whatever is joined."
    ),
]


@dataclass(frozen=True, slots=True)
class Look:
    """What to look at: one context or all (None), once or (`every` so many seconds) again and again."""

    context: str | None
    kubeconfig: Path | None
    every: float | None
    timeout: float
    services: bool = False
    """Whether services are looked at too, of which there may be thousands."""


class Drawing(StrEnum):
    """Forms of the topology."""

    TREE = "tree"
    DOT = "dot"
    SVG = "svg"
    MERMAID = "mermaid"
    JSON = "json"


@app.command()
def connections(
    context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE,
    watch: Watch = False, interval: Interval = SECONDS, *, timeout: Timeout = DEADLINE,
) -> None:  # fmt: skip
    """Show which clusters are connected, how well, and why not. All contexts, unless one is named.

    Example: mcnet show connections --watch
    """
    _views(["connections"], output, Look(context, kubeconfig, interval if watch else None, timeout))


@app.command()
def endpoints(
    context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE,
    watch: Watch = False, interval: Interval = SECONDS, *, timeout: Timeout = DEADLINE,
) -> None:  # fmt: skip
    """Show every gateway of the clusterset as each cluster knows it.

    Example: mcnet show endpoints -o wide
    """
    _views(["endpoints"], output, Look(context, kubeconfig, interval if watch else None, timeout))


@app.command()
def gateways(
    context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE,
    watch: Watch = False, interval: Interval = SECONDS, *, timeout: Timeout = DEADLINE,
) -> None:  # fmt: skip
    """Show the gateway nodes of each cluster, and what is wrong with them.

    Example: mcnet show gateways --context west
    """
    _views(["gateways"], output, Look(context, kubeconfig, interval if watch else None, timeout))


@app.command()
def networks(
    context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE,
    watch: Watch = False, interval: Interval = SECONDS, *, timeout: Timeout = DEADLINE,
) -> None:  # fmt: skip
    """Show each cluster's pod and service prefixes, and which of the others' it routes or refuses.

    Example: mcnet show networks -o wide
    """
    _views(["networks"], output, Look(context, kubeconfig, interval if watch else None, timeout))


@app.command()
def versions(
    context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE,
    watch: Watch = False, interval: Interval = SECONDS, *, timeout: Timeout = DEADLINE,
) -> None:  # fmt: skip
    """Show which versions run where, and upgrades that are not finished.

    Example: mcnet show versions
    """
    _views(["versions"], output, Look(context, kubeconfig, interval if watch else None, timeout))


@app.command()
def brokers(
    context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE,
    watch: Watch = False, interval: Interval = SECONDS, *, timeout: Timeout = DEADLINE,
) -> None:  # fmt: skip
    """Show the brokers and whose they are.

    Example: mcnet show brokers
    """
    _views(["brokers"], output, Look(context, kubeconfig, interval if watch else None, timeout))


@app.command()
def members(
    context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE,
    watch: Watch = False, interval: Interval = SECONDS, *, timeout: Timeout = DEADLINE,
) -> None:  # fmt: skip
    """Show the members of the clusterset: what was approved, what they ask for, when they were seen last.

    Example: mcnet show members -o json
    """
    _views(["members"], output, Look(context, kubeconfig, interval if watch else None, timeout))


@app.command()
def services(
    context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE,
    watch: Watch = False, interval: Interval = SECONDS, *, timeout: Timeout = DEADLINE,
) -> None:  # fmt: skip
    """Show what each cluster exports and imports: clusterset IPs, ports, endpoints by cluster, conflicts.

    Example: mcnet show services -o wide
    """
    _views(["services"], output, Look(context, kubeconfig, interval if watch else None, timeout))


@app.command()
def ports(
    context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE,
    watch: Watch = False, interval: Interval = SECONDS, *, timeout: Timeout = DEADLINE, port_base: PortBase = None,
) -> None:  # fmt: skip
    """Show exactly what to open in which firewall; in words as long as nothing is joined.

    Example: mcnet show ports
    """
    if port_base is None:
        _views(["ports"], output, Look(context, kubeconfig, interval if watch else None, timeout))
        return
    from mcnet.plan.views.ports import generic
    from mcnet.show.output import write
    from mcnet.show.views import PORTS

    write(generic(port_base), PORTS.columns, output.value, color=has_color(sys.stdout))


@app.command("all")
def all_(
    context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE,
    watch: Watch = False, interval: Interval = SECONDS, *, timeout: Timeout = DEADLINE,
) -> None:  # fmt: skip
    """Show every view, one after the other, from one look at all contexts.

    Example: mcnet show all -o json
    """
    from mcnet.show.views import VIEWS

    _views([view.name for view in VIEWS], output, Look(context, kubeconfig, interval if watch else None, timeout))


@app.command()
def topology(
    context: Context = None, kubeconfig: Kubeconfig = None,
    output: Annotated[Drawing, typer.Option("--output", "-o", help="Form of the drawing.")] = Drawing.TREE,
    watch: Watch = False, interval: Interval = SECONDS, *, timeout: Timeout = DEADLINE,
) -> None:  # fmt: skip
    """Draw the clusterset: clusters, gateways, cables with their state and round trip.

    Example: mcnet show topology -o svg > clusterset.svg
    """
    from mcnet.show.topology import draw_topology

    def draw(readings: "Sequence[Reading]") -> "Screen":
        colored = has_color(sys.stdout) and output is Drawing.TREE
        return draw_topology(readings, output.value, color=colored, named=context is not None)

    _present(draw, output.value, Look(context, kubeconfig, interval if watch else None, timeout))


def _views(names: Sequence[str], output: Output, look: Look) -> None:
    from mcnet.show.screen import draw_views
    from mcnet.show.views import BY_NAME

    views = [BY_NAME[name] for name in names]

    def draw(readings: "Sequence[Reading]") -> "Screen":
        named = look.context is not None
        return draw_views(views, readings, output.value, color=has_color(sys.stdout), named=named)

    _present(draw, output.value, replace(look, services=any(view.services for view in views)))


def _present(draw: "Callable[[Sequence[Reading]], Screen]", form: str, look: Look) -> None:
    """Reads and shows once, or again and again; ends with the exit status that says how things are."""
    from mcnet.show.gather import Contexts
    from mcnet.show.watch import watch

    async def work() -> "Screen":
        async with Contexts(look.context, look.kubeconfig, timeout=look.timeout, services=look.services) as contexts:
            if look.every is not None:
                await watch(contexts.read, draw, interval=look.every, form=form, stream=sys.stdout)
            return draw(await contexts.read())

    try:
        screen = run(work())
    except KeyboardInterrupt:
        if look.every is None:
            raise
        raise SystemExit(INTERRUPTED) from None  # the way to end a watch is no error
    sys.stdout.write(screen.out)
    sys.stdout.flush()
    sys.stderr.write(screen.err)
    if screen.status:
        raise typer.Exit(screen.status)

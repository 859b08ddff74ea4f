"""`mcnet show connections | endpoints | gateways`: columns and the lines below the table."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, Kubeconfig, Output, OutputForm, run
from mcnet.cli.terminal import DIM, has_color, paint

if TYPE_CHECKING:
    from pathlib import Path

    from mcnet.plan.cluster_view import ClusterView, Row
    from mcnet.show.gather import Reading
    from mcnet.show.output import Column

app = application(no_args_is_help=True, help="Show connections, endpoints and gateways, and what is wrong.")


@app.command()
def connections(context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE) -> None:
    """Show which clusters are connected, how well, and why not. All contexts, unless one is named.

    Example: mcnet show connections
    """
    from mcnet.plan.cluster_view import connection_problem, connection_rows
    from mcnet.show.output import Column

    columns = (
        Column("CLUSTER", "cluster"),
        Column("GATEWAY", "gateway"),
        Column("REMOTE", "remoteCluster"),
        Column("REMOTE GATEWAY", "remoteGateway"),
        Column("STATE", "state", colored=True),
        Column("ACTIVE", "active", form=_yes),
        Column("RTT", "roundTripSeconds", form=_milliseconds),
        Column("LOSS", "loss", form=_percent),
        Column("DRIVER", "driver"),
        Column("PODS BY", "families", form=_families),
        Column("SINCE", "since", form=_age),
        Column("RAIL", "rail", wide=True),
        Column("PATH", "path", wide=True),
        Column("LOCAL ADDRESS", "localAddress", wide=True),
        Column("REMOTE ADDRESS", "remoteAddress", wide=True),
        Column("MIN", "minimumSeconds", wide=True, form=_milliseconds),
        Column("AVG", "averageSeconds", wide=True, form=_milliseconds),
        Column("MAX", "maximumSeconds", wide=True, form=_milliseconds),
        Column("DEV", "deviationSeconds", wide=True, form=_milliseconds),
    )
    _show(
        context, kubeconfig, output, columns, connection_rows, problem=connection_problem,
        empty="No connections yet: this clusterset has one member. Join another: mcnet join",
    )  # fmt: skip


@app.command()
def endpoints(context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE) -> None:
    """Show every gateway of the clusterset as each cluster knows it.

    Example: mcnet show endpoints -o wide
    """
    from mcnet.plan.cluster_view import endpoint_rows
    from mcnet.show.output import Column

    columns = (
        Column("CLUSTER", "cluster"),
        Column("ENDPOINT OF", "endpointCluster"),
        Column("GATEWAY", "gateway"),
        Column("RAIL", "rail"),
        Column("ADDRESS", "addresses"),
        Column("PUBLIC", "publicAddresses"),
        Column("DRIVERS", "drivers"),
        Column("PREFIXES", "prefixes"),
        Column("UDP PORTS", "ports", wide=True),
        Column("MTU", "mtu", wide=True),
    )
    _show(context, kubeconfig, output, columns, endpoint_rows, empty="No endpoints yet: mcnet show gateways")


@app.command()
def gateways(context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE) -> None:
    """Show the gateway nodes of each cluster, and what is wrong with them.

    Example: mcnet show gateways --context west
    """
    from mcnet.plan.cluster_view import gateway_problem, gateway_rows
    from mcnet.show.output import Column

    columns = (
        Column("CLUSTER", "cluster"),
        Column("GATEWAY", "gateway"),
        Column("RAIL", "rail"),
        Column("STATE", "state", colored=True),
        Column("CONNECTED", "connected", form=_connected),
        Column("ADDRESS", "addresses"),
        Column("VERSION", "version"),
    )
    _show(
        context, kubeconfig, output, columns, gateway_rows, problem=gateway_problem,
        empty="No gateways: mcnet join --gateways 1",
    )  # fmt: skip


def _show(
    context: str | None,
    kubeconfig: "Path | None",
    output: Output,
    columns: "Sequence[Column]",
    rows_of: "Callable[[ClusterView], list[Row]]",
    *,
    problem: "Callable[[Row], bool]" = lambda _row: False,
    empty: str,
) -> None:
    """Gathers, writes the table and what is wrong, and ends with the exit status that says so."""
    from mcnet.plan.cluster_view import ClusterView
    from mcnet.show.gather import gather
    from mcnet.show.output import write

    readings = run(gather(context, kubeconfig))
    views = [reading for reading in readings if isinstance(reading, ClusterView)]
    rows = [row for view in views for row in rows_of(view)]
    wrong = [row for row in rows if problem(row)]
    if views or output not in (Output.TABLE, Output.WIDE):
        write(rows, columns, output.value, empty=empty, color=has_color(sys.stdout))
    if output in (Output.TABLE, Output.WIDE):
        _explain(wrong)
    _others(readings, named=context is not None)
    if wrong or any(view.unreadable for view in views):
        raise typer.Exit(1)


def _explain(rows: "Sequence[Row]") -> None:
    """Below the table: why, and what to do."""
    for row in rows:
        where = f"{row['cluster']}"
        if row.get("remoteCluster"):
            where += f" → {row['remoteCluster']}"
        elif row.get("gateway"):
            where += f" {row['gateway']}"
        print(f"\n{where}: {row['why']}")
        if row["next"]:
            print(f"  {paint('next:', DIM, sys.stdout)} {row['next']}")


def _others(readings: "Sequence[Reading]", *, named: bool) -> None:
    """One line about contexts without mcnet, one for each that could not be read."""
    from mcnet.model.errors import UsageError
    from mcnet.plan.cluster_view import ClusterView
    from mcnet.show.gather import Absent, Unread

    for reading in readings:
        match reading:
            case Unread(name, error):
                if named:
                    raise error
                print(f"\n{name}: could not be read: {error.message}", file=sys.stderr)
            case ClusterView(unreadable=problems) if problems:
                print(f"\n{reading.cluster}: can't be read: {'; '.join(problems)}", file=sys.stderr)
            case _:
                pass
    absent = [reading for reading in readings if isinstance(reading, Absent)]
    if named and absent:
        raise UsageError(
            f"context {absent[0].context} is " + ("a broker, but no member" if absent[0].broker else "no member"),
            f"join it: mcnet join broker-info.mcnet --context {absent[0].context}",
        )
    if absent:
        names = [one.context + (" (broker)" if one.broker else "") for one in absent]
        print(f"no member: {', '.join(names)}", file=sys.stderr)
    if readings and all(isinstance(reading, Unread) for reading in readings):
        raise typer.Exit(3)


def _yes(row: Any, key: str) -> str:
    return "yes" if row.get(key) else ""


def _families(row: Any, key: str) -> str:
    """ "IPv4, IPv6"; "IPv4 only" where one of the two clusters has more."""
    names = ", ".join(row.get(key) or ())
    if not row.get("onlySome"):
        return names
    return f"{names} only" if names else "none in common"


def _connected(row: Any, key: str) -> str:
    return f"{row[key]} of {row['cables']}"


def _milliseconds(row: Any, key: str) -> str:
    value = row.get(key)
    return "" if value is None else f"{value * 1000:.2f} ms"


def _percent(row: Any, key: str) -> str:
    value = row.get(key)
    return "" if value is None else f"{value * 100:.0f} %"


def _age(row: Any, key: str) -> str:
    from mcnet.plan.durations import format_duration

    value = row.get(key)
    if not value:
        return ""
    return format_duration((datetime.now(UTC) - datetime.fromisoformat(value)).total_seconds())
